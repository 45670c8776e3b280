//! A disk for MAAS: a cloud root file system boots first, keeps what MAAS says about the machine,
//! and hands over to recovery; or recovery boots at once, and a small partition is there for curtin
//! to land on.
//!
//! ```text
//!  efi            FAT    COS_GRUB
//!  ubuntu_rootfs  ext4   UBUNTU_ROOTFS   the cloud root file system, /curtin, the first boot's service
//!  (or) curtin    ext2   COS_CURTIN      /curtin and a shell
//!  oem            ext2   COS_OEM         the menu's entry for the first boot
//!  recovery       ext2   COS_RECOVERY
//!  content        ext4   COS_CONTENT     when there is content
//! ```

mod cloud;
mod findings;
mod landing;

use std::path::{Path, PathBuf};

use bootwright_gzip::{Gzip, Options as GzipOptions};
use bootwright_image::{FileTree, Observer, Phase, Timestamp};
use bootwright_oci::InputSummary;
use bootwright_partitions::SectorSize;
use bootwright_partitions::ext::Holes;

use super::layout::{self, Recovery};
use super::trees::{self, Content, Oem};
use super::volume::{Part, Shape, emit, work};
use super::{DiskReport, report};
use crate::cache::{add_digests, tree_digest};
use crate::output::Staged;
use crate::recipe::iso::check_user_data;
use crate::recipe::{Architecture, Installed, RecipeError, Root, Source, architecture, checksum};

use cloud::Cloud;
pub use cloud::{CloudError, CloudSource};
pub(crate) use findings::Findings;
pub use landing::LandingError;

/// What boots first.
const FIRST_ENTRY: &str = "ubuntu-firstboot";
/// The landing partition's label.
const LANDING: &str = "COS_CURTIN";
/// What a machine of MAAS does before its recovery system.
#[derive(Clone, Debug)]
pub enum FirstBoot {
    /// It boots this root file system.
    Cloud(CloudSource),
    /// Nothing: curtin lands on a partition of its own and leaves to the recovery system what MAAS
    /// says.
    Landing {
        /// A static busybox of the build host; `None` takes the base image's.
        busybox: Option<PathBuf>,
    },
}

/// Every input of a disk for MAAS.
#[derive(Clone, Debug)]
pub struct MaasRecipe {
    /// The root file system of the system that recovery installs.
    pub source: Source,
    /// What comes before it.
    pub first: FirstBoot,
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
    /// The file system that the cloud root file system was taken from, where it was an image.
    pub cloud: Option<String>,
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
    /// A root file system and what comes before it, with everything else as it comes.
    #[must_use]
    pub fn new(source: Source, first: FirstBoot) -> Self {
        let (user_data, cluster_config, edge_custom_config) = (None, None, None);
        Self { source, first, user_data, content: Vec::new(), cluster_config, edge_custom_config }
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
        add_digests(&mut root.tree, jobs, observer)?;
        let architecture = architecture(&root, &self.source)?;
        let first = First::load(&self.first, &root, architecture, folder, observer)?;
        let seed = first.seed(&root);
        let shape = Shape { sector_size: SectorSize::B512, size: None, seed };
        let holes = Holes::new();
        let recovery = Recovery::new(&root, &holes, &shape, observer)?;
        let efi = trees::efi(&root, architecture, observer)?;
        let menu = first.menu()?;
        let oem = Oem {
            user_data: self.user_data.as_deref(),
            next_entry: first.entry(),
            menu: menu.as_deref(),
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
            first.part(&holes, &shape, root.epoch)?,
            layout::small("oem", "COS_OEM", &oem, &holes, &shape, root.epoch)?,
            recovery.part(&root, &holes, &holes, &shape)?,
        ];
        if let Some((tree, len)) = &content {
            parts.push(layout::content("content", (tree, *len), &holes, &shape, root.epoch)?);
        }
        let plan = shape.plan(&parts)?;
        let staged = Staged::new(&folder.join(format!("{name}.raw.gz")))?;
        observer.begin(Phase::Write, Some(work(&parts)));
        let output = Gzip::new(staged.file(), GzipOptions::new(jobs));
        let (_, summary) = emit(&plan, &parts, output, observer)?.finish()?;
        observer.end(Phase::Write);
        let sha256 = checksum::publish(staged, summary.compressed, observer)?;
        let slots = parts.iter().zip(plan.slots());
        let partitions = slots.map(|(part, slot)| report(part, slot.offset)).collect();
        drop(parts);
        let installed = Installed::of(&self.source, &root, observer)?;
        let (more, cloud) = first.into_report();
        let mut inputs = root.inputs;
        inputs.extend(more);
        let disk = DiskReport { inputs, installed, partitions, len: plan.len() };
        let (architecture, len, epoch) = (architecture.oci_name(), summary.compressed, root.epoch);
        Ok(MaasReport { disk, cloud, epoch, architecture, len, sha256 })
    }
}

/// What comes before recovery, read and ready.
enum First {
    Cloud(Box<Cloud>),
    Landing(FileTree),
}

impl First {
    fn load(
        wanted: &FirstBoot,
        root: &Root,
        architecture: Architecture,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        Ok(match wanted {
            FirstBoot::Cloud(source) => {
                Self::Cloud(Box::new(Cloud::load(source, folder, observer)?))
            }
            FirstBoot::Landing { busybox } => {
                Self::Landing(landing::tree(root, busybox.as_deref(), architecture, observer)?)
            }
        })
    }

    /// What all identifiers of the disk come from.
    fn seed(&self, root: &Root) -> [u8; 32] {
        let first = match self {
            Self::Cloud(cloud) => cloud.digest(),
            Self::Landing(_) => *blake3::hash(LANDING.as_bytes()).as_bytes(),
        };
        *blake3::hash(&[tree_digest(root), first].concat()).as_bytes()
    }

    /// What GRUB boots first, of its menu.
    fn entry(&self) -> &'static str {
        match self {
            Self::Cloud(_) => FIRST_ENTRY,
            Self::Landing(_) => trees::RECOVERY_ENTRY,
        }
    }

    /// More for GRUB's menu.
    fn menu(&self) -> Result<Option<String>, RecipeError> {
        match self {
            Self::Cloud(cloud) => cloud.menu().map(Some),
            Self::Landing(_) => Ok(None),
        }
    }

    fn part<'t>(
        &'t self,
        none: &'t Holes,
        shape: &Shape,
        time: Timestamp,
    ) -> Result<Part<'t>, RecipeError> {
        match self {
            Self::Cloud(cloud) => layout::cloud(&cloud.root, cloud.streams(), &cloud.holes, shape),
            Self::Landing(tree) => layout::small("curtin", LANDING, tree, none, shape, time),
        }
    }

    /// What went in, and out of which image.
    fn into_report(self) -> (Vec<InputSummary>, Option<String>) {
        match self {
            Self::Cloud(cloud) => (cloud.root.inputs, cloud.place),
            Self::Landing(_) => (Vec::new(), None),
        }
    }
}
