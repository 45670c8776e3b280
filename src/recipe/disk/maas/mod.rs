//! A disk for MAAS: a cloud root file system boots first, keeps what MAAS says about the machine,
//! and hands over to recovery.
//!
//! ```text
//!  efi            FAT    COS_GRUB
//!  ubuntu_rootfs  ext4   UBUNTU_ROOTFS   the cloud root file system, /curtin, the first boot's service
//!  oem            ext2   COS_OEM         the menu's entry for the first boot
//!  recovery       ext2   COS_RECOVERY
//!  content        ext4   COS_CONTENT     when there is content
//! ```

mod findings;

use std::path::{Path, PathBuf};

use bootwright_boot::loaders::find_kernel;
use bootwright_gzip::{Gzip, Options as GzipOptions};
use bootwright_image::{Blob, FileTree, Kind, Metadata, Observer, Phase, Timestamp};
use bootwright_partitions::SectorSize;
use bootwright_partitions::ext::Holes;

use super::grub;
use super::layout::{self, Recovery};
use super::trees::{self, Content, Oem};
use super::volume::{Shape, emit};
use super::{DiskReport, report};
use crate::cache::{add_digests, tree_digest};
use crate::output::Staged;
use crate::recipe::iso::check_user_data;
use crate::recipe::{Installed, RecipeError, Root, Source, architecture, checksum};

pub(crate) use findings::Findings;

/// What boots first.
const FIRST_ENTRY: &str = "ubuntu-firstboot";
const MENU: &str = include_str!("grubcustom");
/// Files of the cloud root file system: path, mode, content.
const ADDED: [(&str, u16, &str); 3] = [
    ("curtin/curtin-hooks", 0o750, include_str!("curtin-hooks")),
    ("opt/spectrocloud/scripts/setup-recovery.sh", 0o755, include_str!("setup-recovery.sh")),
    ("etc/systemd/system/setup-recovery.service", 0o644, include_str!("setup-recovery.service")),
];
const WANTS: &str = "etc/systemd/system/multi-user.target.wants";

/// Every input of a disk for MAAS.
#[derive(Clone, Debug)]
pub struct MaasRecipe {
    /// The root file system of the system that recovery installs.
    pub source: Source,
    /// The root file system that boots first.
    pub cloud: Source,
    /// Cloud-config: `90_custom.yaml` of the OEM partition.
    pub user_data: Option<PathBuf>,
    /// Folders with content bundles.
    pub content: Vec<PathBuf>,
    /// Cluster configuration.
    pub cluster_config: Option<PathBuf>,
    /// Edge configuration.
    pub edge_custom_config: Option<PathBuf>,
}

/// What was made, beside the disk.
#[derive(Debug)]
#[non_exhaustive]
pub struct MaasReport {
    /// The disk inside.
    pub disk: DiskReport,
    /// The time of everything that was written.
    pub epoch: Timestamp,
    /// The architecture, as MAAS names it.
    pub architecture: &'static str,
    /// Length of the compressed file in bytes.
    pub len: u64,
    /// SHA-256 of the compressed file.
    pub sha256: [u8; 32],
}

/// The command line that brings the compressed disk at `path` into MAAS; `architecture` is one of
/// MAAS's names.
#[must_use]
pub fn upload_command(name: &str, architecture: &str, path: &str) -> String {
    format!(
        "maas $PROFILE boot-resources create name=custom/{name} title={name} \
         architecture={architecture}/generic filetype=ddgz content@={path}"
    )
}

impl MaasRecipe {
    /// Two root file systems, with everything else as it comes.
    #[must_use]
    pub fn new(source: Source, cloud: Source) -> Self {
        let (user_data, cluster_config, edge_custom_config) = (None, None, None);
        Self { source, cloud, user_data, content: Vec::new(), cluster_config, edge_custom_config }
    }

    /// Writes `NAME.raw.gz` and `NAME.raw.gz.sha256` into `folder`. The disk itself is never held.
    ///
    /// # Errors
    /// [`RecipeError`]; nothing is left behind.
    pub fn write_file(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<MaasReport, RecipeError> {
        if let Some(path) = &self.user_data {
            check_user_data(path, observer)?;
        }
        let jobs = self.source.jobs;
        let mut root = Root::load(&self.source, observer)?;
        root.add_mount_points().map_err(RecipeError::MountPoint)?;
        let mut cloud = Root::load(&self.cloud, observer)?;
        cloud.add_mount_points().map_err(RecipeError::MountPoint)?;
        let menu = grub::with_kernel(MENU, &find_kernel(&cloud.tree).map_err(RecipeError::Cloud)?);
        prepare(&mut cloud)?;
        for root in [&mut root, &mut cloud] {
            add_digests(&mut root.tree, jobs, observer)?;
        }
        let seed = blake3::hash(&[tree_digest(&root), tree_digest(&cloud)].concat());
        let shape = Shape { sector_size: SectorSize::B512, size: None, seed: *seed.as_bytes() };
        let holes = Holes::new();
        let recovery = Recovery::new(&root, &holes, &shape, observer)?;
        let architecture = architecture(&root, &self.source)?;
        let efi = trees::efi(&root, architecture, observer)?;
        let oem = Oem {
            user_data: self.user_data.as_deref(),
            next_entry: FIRST_ENTRY,
            menu: Some(&menu),
            state: recovery.state(),
        };
        let oem = trees::oem(&oem, root.epoch)?;
        let content = Content {
            folders: &self.content,
            cluster_config: self.cluster_config.as_deref(),
            cluster_config_name: Some("spc.tgz"),
            edge_custom_config: self.edge_custom_config.as_deref(),
        };
        let content = content.tree(root.epoch)?;
        let mut parts = vec![
            layout::efi(&efi, &shape, root.epoch)?,
            layout::cloud(&cloud, &holes, &shape)?,
            layout::oem(&oem, &holes, &shape, root.epoch)?,
            recovery.part(&root, &holes, &holes, &shape)?,
        ];
        if let Some((tree, len)) = &content {
            parts.push(layout::content("content", (tree, *len), &holes, &shape, root.epoch)?);
        }
        let plan = shape.plan(&parts)?;
        let staged = Staged::new(&folder.join(format!("{name}.raw.gz")))?;
        observer.begin(Phase::Write, Some(root.content_len() + cloud.content_len()));
        let output = Gzip::new(staged.file(), GzipOptions::new(jobs));
        let (_, summary) = emit(&plan, &parts, output, observer)?.finish()?;
        observer.end(Phase::Write);
        let sha256 = checksum::publish(staged, summary.compressed, observer)?;
        let slots = parts.iter().zip(plan.slots());
        let partitions = slots.map(|(part, slot)| report(part, slot.offset)).collect();
        drop(parts);
        let installed = Installed::of(&self.source, &root, observer)?;
        let mut inputs = root.inputs;
        inputs.extend(cloud.inputs);
        let disk = DiskReport { inputs, installed, partitions, len: plan.len() };
        let architecture = architecture.oci_name();
        Ok(MaasReport { disk, epoch: root.epoch, architecture, len: summary.compressed, sha256 })
    }
}

/// Adds to the cloud root file system what its first boot needs.
fn prepare(cloud: &mut Root) -> Result<(), RecipeError> {
    let folder = Metadata { mtime: cloud.epoch, ..Metadata::directory(0o755) };
    let tree = &mut cloud.tree;
    for (path, mode, text) in ADDED {
        let metadata = Metadata { mtime: cloud.epoch, ..Metadata::file(mode) };
        put(tree, path, &folder, |tree, parent, name| {
            tree.add_file(parent, name, metadata.clone(), Blob::from(text)).map(|_| ())
        })?;
    }
    let link = Kind::Symlink(b"/etc/systemd/system/setup-recovery.service".to_vec().into());
    let metadata = Metadata { mtime: cloud.epoch, ..Metadata::file(0o777) };
    put(tree, &format!("{WANTS}/setup-recovery.service"), &folder, |tree, parent, name| {
        tree.add(parent, name, metadata.clone(), link.clone()).map(|_| ())
    })
}

/// Adds an entry; one of the same name goes.
fn put(
    tree: &mut FileTree,
    path: &str,
    folder: &Metadata,
    add: impl Fn(
        &mut FileTree,
        bootwright_image::InodeId,
        &[u8],
    ) -> Result<(), bootwright_image::TreeError>,
) -> Result<(), RecipeError> {
    let place = || format!("/{path} of the cloud root file system");
    let failed = |source| RecipeError::Place { path: place(), source };
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = tree.add_directories(parent.as_bytes(), folder).map_err(failed)?;
    tree.remove(parent, name.as_bytes());
    add(tree, parent, name.as_bytes()).map_err(failed)
}
