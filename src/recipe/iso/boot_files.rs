//! What the base image gives to boot the medium.

use std::collections::BTreeMap;
use std::path::Path;

use bootwright_boot::grub;
use bootwright_boot::loaders::{
    self, BiosFiles, CHAIN, EfiLoaders, Kernel, Machine, Use, find_bios, find_efi, find_kernel,
};
use bootwright_image::{Blob, FileTree, InodeId, Observer};
use bootwright_squashfs as squashfs;
use bootwright_uki::pe;

use super::RecipeError;
use super::medium::Medium;
use crate::recipe::{Architecture, Root, Source, architecture};

/// Largest boot loader or GRUB file: they are held in memory.
const LOADER_MAX: u64 = 32 << 20;
/// Largest BIOS boot image that GRUB's files may make.
const BIOS_IMAGE_MAX: u64 = 1 << 20;
/// Largest EFI system partition: room for the largest loaders.
const ESP_MAX: u64 = 256 << 20;

/// Kernel, initrd and loaders, as they lie in the root file system.
#[derive(Debug)]
pub(super) struct BootFiles {
    pub(super) kernel: Kernel,
    pub(super) kernel_len: u64,
    pub(super) initrd_len: u64,
    pub(super) efi: EfiLoaders,
    pub(super) bios: Option<Bios>,
    pub(super) architecture: Architecture,
}

/// What BIOS boots.
#[derive(Debug)]
pub(super) struct Bios {
    pub(super) image: BiosImage,
    /// The base image's boot code for hybrid media, and its path there.
    pub(super) hybrid: Option<(InodeId, String)>,
}

/// Where the BIOS boot image comes from.
#[derive(Debug)]
pub(super) enum BiosImage {
    /// The content of a file of the build host.
    Given(Vec<u8>),
    /// The base image's ready one, and its path there.
    Ready(InodeId, String),
    /// The parts of the base image's GRUB: name, file, path.
    Parts(Vec<(String, InodeId, String)>),
}

impl Bios {
    /// A given boot image, else what the base image offers.
    fn find(tree: &FileTree, given: Option<Vec<u8>>) -> Option<Self> {
        let found = find_bios(tree);
        let hybrid = found
            .as_ref()
            .and_then(|files| Some((files.hybrid?, format!("{}/boot_hybrid.img", files.folder))));
        let image = match (given, found) {
            (Some(image), _) => BiosImage::Given(image),
            (None, Some(BiosFiles { ready: Some(inode), folder, .. })) => {
                BiosImage::Ready(inode, format!("{folder}/eltorito.img"))
            }
            (None, Some(BiosFiles { parts, folder, .. })) => {
                let path = |name: &str| format!("{folder}/{name}");
                let parts = parts.into_iter().map(|(name, inode)| {
                    let path = path(&name);
                    (name, inode, path)
                });
                BiosImage::Parts(parts.collect())
            }
            (None, None) => return None,
        };
        Some(Self { image, hybrid })
    }

    /// The files of the base image that are needed, with their paths.
    fn files(&self) -> Vec<(InodeId, String)> {
        let mut files: Vec<_> = match &self.image {
            BiosImage::Given(_) => Vec::new(),
            BiosImage::Ready(inode, path) => vec![(*inode, path.clone())],
            BiosImage::Parts(parts) => {
                parts.iter().map(|(_, inode, path)| (*inode, path.clone())).collect()
            }
        };
        files.extend(self.hybrid.clone());
        files
    }
}

/// The places on the medium that are filled in while it is written.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) kernel: InodeId,
    pub(super) initrd: InodeId,
    pub(super) squashfs: InodeId,
    pub(super) esp: InodeId,
    /// In the order of [`EfiLoaders::files`].
    pub(super) loaders: Vec<InodeId>,
    pub(super) bios: Option<InodeId>,
    pub(super) hybrid: Option<InodeId>,
}

impl BootFiles {
    /// Looks through the root file system.
    pub(super) fn find(
        root: &Root,
        source: &Source,
        bios_image: Option<&Path>,
    ) -> Result<Self, RecipeError> {
        let architecture = architecture(root, source)?;
        let machine = machine(architecture);
        let kernel = find_kernel(&root.tree)?;
        let efi = find_efi(&root.tree, machine, Use::Live)?;
        let bios = match (architecture, bios_image) {
            (Architecture::Amd64, given) => {
                Bios::find(&root.tree, given.map(read_bios_image).transpose()?)
            }
            (_, Some(_)) => {
                return Err(RecipeError::Unused {
                    input: "--bios-image",
                    reason: "only amd64 machines boot by BIOS",
                });
            }
            (_, None) => None,
        };
        let found = Self {
            kernel_len: len(&root.tree, kernel.kernel),
            initrd_len: len(&root.tree, kernel.initrd),
            kernel,
            efi,
            bios,
            architecture,
        };
        found.check_sizes(&root.tree)?;
        Ok(found)
    }

    /// The inodes of small files that are held in memory, with their paths in the image.
    pub(super) fn small(&self) -> Vec<(InodeId, String)> {
        let mut small: Vec<_> =
            self.efi.files.iter().map(|file| (file.inode, file.path.clone())).collect();
        small.extend(self.bios.iter().flat_map(Bios::files));
        small
    }

    /// Reserves the medium's places for everything that boots.
    pub(super) fn reserve(
        &self,
        root: &Root,
        options: &squashfs::Options,
        medium: &mut Medium,
    ) -> Result<Places, RecipeError> {
        let mut put = |path: &str, len: u64, owner: &str| {
            medium.add(path.as_bytes(), 0o644, Blob::deferred(len), owner)
        };
        let kernel = put("boot/kernel", self.kernel_len, &self.kernel.kernel_path)?;
        let initrd = put("boot/initrd", self.initrd_len, &self.kernel.initrd_path)?;
        let most = squashfs::upper_bound(&root.tree, options);
        let squashfs = put("rootfs.squashfs", most, "the root file system")?;
        let esp = put("boot/uefi.img", ESP_MAX, "the EFI system partition")?;
        let mut loaders = Vec::new();
        for file in &self.efi.files {
            let place = format!("EFI/BOOT/{}", file.name);
            loaders.push(put(&place, len(&root.tree, file.inode), &file.path)?);
        }
        let bios = match &self.bios {
            Some(_) => Some(put("boot/eltorito.img", BIOS_IMAGE_MAX, "the BIOS boot image")?),
            None => None,
        };
        let hybrid = match self.bios.as_ref().and_then(|bios| bios.hybrid.as_ref()) {
            Some((inode, path)) => {
                Some(put("boot/boot_hybrid.img", len(&root.tree, *inode), path)?)
            }
            None => None,
        };
        for path in loaders::chain_paths(&self.efi.vendors) {
            medium.add(path.as_bytes(), 0o644, CHAIN.into(), "the built-in menu")?;
        }
        Ok(Places { kernel, initrd, squashfs, esp, loaders, bios, hybrid })
    }

    /// Bytes of the medium that are stored as they are.
    pub(super) fn stored_len(&self) -> u64 {
        self.kernel_len.saturating_add(self.initrd_len)
    }

    /// Checks that each loader is for the medium's machine, and says so when a GRUB was built to
    /// look for its configuration in a place where there is none.
    pub(super) fn check_loaders(
        &self,
        contents: &BTreeMap<InodeId, Vec<u8>>,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        let places = loaders::chain_paths(&self.efi.vendors);
        for file in &self.efi.files {
            let bytes = contents.get(&file.inode).map(Vec::as_slice).unwrap_or_default();
            check_loader(&file.path, bytes, self.architecture)?;
            if let Some(prefix) = grub::embedded_prefix(bytes)
                && !places.contains(&format!("{}/grub.cfg", prefix.trim_start_matches('/')))
            {
                observer.warn(format_args!(
                    "{} looks for its configuration in {prefix}, where the medium has none",
                    file.path
                ));
            }
        }
        Ok(())
    }

    fn check_sizes(&self, tree: &FileTree) -> Result<(), RecipeError> {
        for (inode, path) in self.small() {
            let len = len(tree, inode);
            if len > LOADER_MAX {
                return Err(RecipeError::TooLarge { path, len, limit: LOADER_MAX });
            }
        }
        Ok(())
    }
}

/// The architecture as boot loaders' names tell it.
pub(in crate::recipe) fn machine(architecture: Architecture) -> Machine {
    match architecture {
        Architecture::Amd64 => Machine::X64,
        Architecture::Arm64 => Machine::Aa64,
    }
}

/// Checks that a boot loader is a program for the architecture.
pub(in crate::recipe) fn check_loader(
    path: &str,
    bytes: &[u8],
    architecture: Architecture,
) -> Result<(), RecipeError> {
    let wanted = match architecture {
        Architecture::Amd64 => pe::Machine::X86_64,
        Architecture::Arm64 => pe::Machine::Aarch64,
    };
    let image =
        pe::Image::parse(bytes).map_err(|source| RecipeError::Pe { path: path.into(), source })?;
    if image.machine == wanted {
        return Ok(());
    }
    let (path, found) = (path.into(), image.machine.to_string());
    Err(RecipeError::WrongMachine { path, found, wanted: architecture })
}

/// Reads a given BIOS boot image, so that a wrong path shows before any work is done.
fn read_bios_image(path: &Path) -> Result<Vec<u8>, RecipeError> {
    let image =
        std::fs::read(path).map_err(|source| RecipeError::Read { path: path.into(), source })?;
    let len = image.len() as u64;
    if len > BIOS_IMAGE_MAX {
        let path = path.display().to_string();
        return Err(RecipeError::TooLarge { path, len, limit: BIOS_IMAGE_MAX });
    }
    Ok(image)
}

fn len(tree: &FileTree, inode: InodeId) -> u64 {
    tree.inode(inode).as_file().map_or(0, Blob::len)
}
