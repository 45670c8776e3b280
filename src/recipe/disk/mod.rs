//! Disks that start a Kairos system's recovery, which installs the system on its own disk.
//!
//! ```text
//!  efi        FAT    COS_GRUB       shim, GRUB
//!  oem        ext2   COS_OEM        user-data, what to boot next, how to go on
//!  recovery   ext2   COS_RECOVERY   /cOS/recovery.img: ext2, COS_SYSTEM, the root file system
//!  content    ext4   COS_CONTENT    content bundles, when there are any
//! ```

mod grub;
mod layout;
pub mod maas;
mod trees;
mod volume;

use std::path::{Path, PathBuf};

use bootwright_image::{Observer, Phase};
use bootwright_oci::InputSummary;
use bootwright_partitions::ext::Holes;
use bootwright_partitions::{SectorSize, SparseFile};

use super::iso::check_user_data;
use super::{Installed, RecipeError, Root, Source, architecture};
use crate::cache::{add_digests, tree_digest};
use crate::output::Staged;
use layout::Recovery;
use trees::{Content, Oem};
use volume::{Part, Shape, emit, work};

/// Every input of a disk.
#[derive(Clone, Debug)]
pub struct DiskRecipe {
    /// The root file system.
    pub source: Source,
    /// Cloud-config: `90_custom.yaml` of the OEM partition.
    pub user_data: Option<PathBuf>,
    /// Folders with content bundles.
    pub content: Vec<PathBuf>,
    /// Cluster configuration.
    pub cluster_config: Option<PathBuf>,
    /// Edge configuration.
    pub edge_custom_config: Option<PathBuf>,
    /// The disk's length in bytes; `None`: what its partitions take.
    pub size: Option<u64>,
    /// Bytes of a sector.
    pub sector_size: SectorSize,
}

/// A partition that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionReport {
    /// Its name in the partition table.
    pub name: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// What was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct DiskReport {
    /// What went in.
    pub inputs: Vec<InputSummary>,
    /// What is installed in the root file system, if the source asks for that.
    pub installed: Option<Installed>,
    /// The partitions, in order.
    pub partitions: Vec<PartitionReport>,
    /// Length of the disk in bytes.
    pub len: u64,
}

impl DiskRecipe {
    /// The base image, with everything else as it comes.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            user_data: None,
            content: Vec::new(),
            cluster_config: None,
            edge_custom_config: None,
            size: None,
            sector_size: SectorSize::B512,
        }
    }

    /// Writes the disk `NAME.raw` into `folder`; it appears when it is complete. Zeros take no
    /// space there.
    ///
    /// # Errors
    /// [`RecipeError`]; nothing is left behind.
    pub fn write_file(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<DiskReport, RecipeError> {
        self.build(observer, |parts, shape| {
            let plan = shape.plan(parts)?;
            let staged = Staged::new(&folder.join(format!("{name}.raw")))?;
            observer.begin(Phase::Write, Some(work(parts)));
            emit(&plan, parts, SparseFile::new(staged.file()), observer)?.finish()?;
            staged.publish()?;
            let slots = parts.iter().zip(plan.slots());
            let partitions = slots.map(|(part, slot)| report(part, slot.offset)).collect();
            Ok((partitions, plan.len()))
        })
    }

    /// Writes each partition into a file of its own, `NAME-PARTITION.img`.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn write_partitions(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<DiskReport, RecipeError> {
        self.build(observer, |parts, _| {
            let mut done = Vec::new();
            observer.begin(Phase::Write, Some(work(parts)));
            for part in parts {
                let staged = Staged::new(&folder.join(format!("{name}-{}.img", part.name)))?;
                let mut output = SparseFile::new(staged.file());
                part.volume.emit(&mut output, observer)?;
                output.finish()?;
                done.push(staged);
            }
            done.into_iter().try_for_each(Staged::publish)?;
            let len = parts.iter().map(|part| part.volume.len()).sum();
            Ok((parts.iter().map(|part| report(part, 0)).collect(), len))
        })
    }

    /// Reads and checks the inputs, plans the partitions, and lets `write` write them.
    fn build(
        &self,
        observer: &dyn Observer,
        write: impl FnOnce(&[Part<'_>], &Shape) -> Result<(Vec<PartitionReport>, u64), RecipeError>,
    ) -> Result<DiskReport, RecipeError> {
        if let Some(path) = &self.user_data {
            check_user_data(path, observer)?;
        }
        let mut root = Root::load(&self.source, observer)?;
        root.add_mount_points().map_err(RecipeError::MountPoint)?;
        // Identifiers come from the contents.
        add_digests(&mut root.tree, self.source.jobs, observer)?;
        let (size, sector_size) = (self.size, self.sector_size);
        let shape = Shape { sector_size, size, seed: tree_digest(&root) };
        let holes = Holes::new();
        let recovery = Recovery::new(&root, &holes, &shape, observer)?;
        let efi = trees::efi(&root, architecture(&root, &self.source)?, observer)?;
        let oem = trees::oem(
            &Oem {
                user_data: self.user_data.as_deref(),
                next_entry: trees::RECOVERY_ENTRY,
                menu: None,
                state: recovery.state(),
            },
            root.epoch,
        )?;
        let content = Content {
            folders: &self.content,
            cluster_config: self.cluster_config.as_deref(),
            cluster_config_name: None,
            edge_custom_config: self.edge_custom_config.as_deref(),
        };
        let content = content.tree(root.epoch)?;
        let mut parts = vec![
            layout::efi(&efi, &shape, root.epoch)?,
            layout::small("oem", "COS_OEM", &oem, &holes, &shape, root.epoch)?,
            recovery.part(&root, &holes, &holes, &shape)?,
        ];
        if let Some((tree, len)) = &content {
            parts.push(layout::content("COS_CONTENT", (tree, *len), &holes, &shape, root.epoch)?);
        }
        let (partitions, len) = write(&parts, &shape)?;
        observer.end(Phase::Write);
        drop(parts);
        let installed = Installed::of(&self.source, &root, observer)?;
        Ok(DiskReport { inputs: root.inputs, installed, partitions, len })
    }
}

fn report(part: &Part<'_>, offset: u64) -> PartitionReport {
    PartitionReport { name: part.name.into(), offset, len: part.volume.len() }
}
