//! What an operating system's own files offer to boot it: kernel and initrd, shim and GRUB for
//! UEFI, GRUB's parts for BIOS, and the menus that tie them together.
//!
//! Everything is looked up inside a root file system's tree; symbolic links, absolute ones too,
//! are resolved in it and never on the build host.

mod bios;
mod efi;
mod kernel;
mod menu;

use bootwright_image::{FileTree, InodeId};

pub use bios::{BiosFiles, find_bios};
pub use efi::{EfiFile, EfiLoaders, Machine, Use, find_efi};
pub use kernel::{Kernel, find_kernel, find_kernel_image};
pub use menu::{CHAIN, MenuError, chain_paths, menu};

/// What is missing to boot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// No file of `/boot` has one of the names.
    #[error("no {what} in /boot: no regular file there begins with {prefixes}")]
    Boot {
        /// Kernel or initrd.
        what: &'static str,
        /// The names looked for.
        prefixes: String,
    },
    /// None of the places has a boot loader.
    #[error("no {what} for {machine}; looked for {tried}")]
    Loader {
        /// Which loader.
        what: &'static str,
        /// The machine it is for.
        machine: &'static str,
        /// All paths looked for.
        tried: String,
    },
}

/// The regular file at `path`, if there is one.
fn file_at(tree: &FileTree, path: &str) -> Option<InodeId> {
    let inode = tree.resolve(path.as_bytes()).ok().flatten()?;
    tree.inode(inode).as_file().map(|_| inode)
}
