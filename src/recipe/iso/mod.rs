//! An installer ISO: boots on BIOS and UEFI, from disc and USB stick, and carries the root file
//! system as a squashfs.
//!
//! ```text
//! LBA 0    master boot record, GPT
//!     16   volume descriptors, path tables, directories          written last
//!          /boot/kernel  /boot/initrd                            picked up on their way past
//!          /rootfs.squashfs                                      streamed into place
//!          boot loaders, menus, user-data, content bundles
//!          /boot/uefi.img   the EFI system partition, 1 MiB aligned
//!     end  backup GPT
//! ```

mod assemble;
mod boot_files;
mod bundle;
mod inputs;
mod medium;
mod menu;
mod report;
mod user_data;

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use bootwright_image::Observer;
use bootwright_squashfs as squashfs;

use super::checksum;
use super::pack::with_cache;
use super::{RecipeError, Root, Source};
use crate::output::{Staged, check_space};
use boot_files::BootFiles;

pub(super) use boot_files::{check_loader, machine};
pub(super) use inputs::Inputs;
pub(super) use medium::Medium;
pub use menu::MenuEdits;
pub use report::IsoReport;
pub(super) use user_data::check as check_user_data;

/// The volume label by which CanvOS's menus find the root file system.
pub const LABEL: &str = "COS_LIVE";

/// Every input of an installer ISO.
#[derive(Clone, Debug)]
pub struct IsoRecipe {
    /// The root file system.
    pub source: Source,
    /// Folders laid over the medium's own tree, in order.
    pub overlay_iso: Vec<PathBuf>,
    /// Cloud-config for the installer: `/config.yaml`.
    pub user_data: Option<PathBuf>,
    /// Folders with content bundles: `/opt/spectrocloud/content/NAME_partNN`.
    pub content: Vec<PathBuf>,
    /// Cluster configuration: `/opt/spectrocloud/clusterconfig/spc.tgz`.
    pub cluster_config: Option<PathBuf>,
    /// Edge configuration: `/.edge_custom_config.yaml`.
    pub edge_custom_config: Option<PathBuf>,
    /// The menu, in place of the built-in one.
    pub grub_cfg: Option<PathBuf>,
    /// What becomes of the menu.
    pub menu: MenuEdits,
    /// Words for the kernel command lines of the built-in menu.
    pub extend_cmdline: Option<String>,
    /// The volume label; the built-in menu finds the root file system by it.
    pub label: String,
    /// A ready El Torito image for BIOS, in place of one assembled from the base image's files.
    pub bios_image: Option<PathBuf>,
    /// How the root file system is compressed. The time in it is the source's epoch.
    pub squashfs: squashfs::Options,
}

impl IsoRecipe {
    /// The base image alone, with everything else as it comes.
    #[must_use]
    pub fn new(source: Source) -> Self {
        let squashfs = squashfs::Options::new(source.jobs);
        Self {
            source,
            overlay_iso: Vec::new(),
            user_data: None,
            content: Vec::new(),
            cluster_config: None,
            edge_custom_config: None,
            grub_cfg: None,
            menu: MenuEdits::default(),
            extend_cmdline: None,
            label: LABEL.into(),
            bios_image: None,
            squashfs,
        }
    }

    /// Reads and checks every input and decides what goes where. Nothing is written.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn prepare(&self, observer: &dyn Observer) -> Result<PreparedIso<'_>, RecipeError> {
        let mut root = Root::load(&self.source, observer)?;
        root.add_mount_points().map_err(RecipeError::MountPoint)?;
        let boot = BootFiles::find(&root, &self.source, self.bios_image.as_deref())?;
        let mut medium = Medium::new(root.epoch);
        let places = boot.reserve(&root, &self.squashfs, &mut medium)?;
        medium.edit_menus(self.menu);
        medium.add_overlays(&self.overlay_iso, self.source.jobs, observer)?;
        let inputs = Inputs {
            user_data: self.user_data.as_deref(),
            edge_custom_config: self.edge_custom_config.as_deref(),
            cluster_config: self.cluster_config.as_deref(),
            content: &self.content,
        };
        inputs.add_to(&mut medium, observer)?;
        self.add_menu(&mut medium)?;
        Ok(PreparedIso { recipe: self, root, boot, medium, places })
    }

    /// Writes `NAME.iso` and `NAME.iso.sha256` into `folder`. Both appear when they are complete.
    ///
    /// # Errors
    /// [`RecipeError`]; nothing is left behind.
    pub fn write_file(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<IsoReport, RecipeError> {
        let target = folder.join(format!("{name}.iso"));
        let cache = self.source.cache.as_deref();
        let (mut report, staged) = with_cache(cache, observer, |cache| {
            let prepared = self.prepare(observer)?;
            check_space(&target, prepared.least_len())?;
            let staged = Staged::new(&target)?;
            let cached = cache.map(|cache| (cache, staged.file()));
            let report = assemble::write(prepared, staged.file(), cached, observer)?;
            Ok((report, staged))
        })?;
        report.sha256 = checksum::publish(staged, report.len, observer)?;
        Ok(report)
    }

    fn add_menu(&self, medium: &mut Medium) -> Result<(), RecipeError> {
        if let Some(input) = &self.grub_cfg {
            let text = std::fs::read(input)
                .map_err(|source| RecipeError::Read { path: input.clone(), source })?;
            medium.add(medium::MENU, 0o644, self.menu.apply(&text).into(), "--grub-cfg")?;
            return Ok(());
        }
        if !medium.has(medium::MENU) {
            let extend = self.extend_cmdline.as_deref().unwrap_or_default();
            let menu = bootwright_boot::loaders::menu(&self.label, extend)?;
            let menu = self.menu.apply_to_builtin(&menu);
            medium.add(medium::MENU, 0o644, menu.into(), "the built-in menu")?;
        } else if self.extend_cmdline.is_some() {
            return Err(RecipeError::Unused {
                input: "--extend-cmdline",
                reason: "it extends the built-in menu, which a folder of --overlay-iso replaces",
            });
        }
        Ok(())
    }
}

/// An ISO whose inputs are read and checked.
#[derive(Debug)]
pub struct PreparedIso<'a> {
    recipe: &'a IsoRecipe,
    root: Root,
    boot: BootFiles,
    medium: Medium,
    places: boot_files::Places,
}

impl PreparedIso<'_> {
    /// Bytes that the ISO needs at the very least: what is stored as it is. The root file system
    /// counts with a tenth of its length, which hardly any compressor reaches.
    #[must_use]
    pub fn least_len(&self) -> u64 {
        let root = self.root.content_len() / 10;
        self.medium.stored_len().saturating_add(self.boot.stored_len()).saturating_add(root)
    }

    /// Writes the ISO to `output`, which must be empty; its position zero is byte zero of the
    /// image. The report's checksum is left zero: an output that can only be written cannot be
    /// read back.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn write<W: Write + Seek>(
        self,
        output: W,
        observer: &dyn Observer,
    ) -> Result<IsoReport, RecipeError> {
        assemble::write(self, output, None, observer)
    }
}
