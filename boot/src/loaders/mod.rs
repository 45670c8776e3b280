//! What a base image brings to boot with: kernel, initrd, shim, GRUB. And the configurations that
//! lead from GRUB to the menu.
//!
//! ```text
//!  firmware ─▶ EFI/BOOT/bootx64.efi (shim) ─▶ grubx64.efi ─▶ grub.cfg in its own prefix (chain)
//!  BIOS ─▶ El Torito or hybrid MBR ─▶ core image, prefix /boot/grub2 ────────────┐   │
//!                                                  menu: /boot/grub2/grub.cfg ◀──┴───┘
//! ```
//!
//! Everything is looked up in the image's own tree; links are followed inside it, absolute ones
//! too. A miss names every path that was tried.

mod bios;
mod config;
mod efi;
mod kernel;
mod resolve;
#[cfg(test)]
mod tests;

use bootwright_image::InodeId;

pub use bios::{BiosFiles, CoreParts, bios};
pub use config::{CMDLINE, ConfigError, KERNEL_PATH, MENU_PREFIX, MenuOptions, chain_config, menu};
pub use efi::{EfiFile, EfiLoaders, Medium, config_directories, efi};
pub use kernel::{initrd, kernel};

/// The machine that a boot loader is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Architecture {
    /// x86-64, `amd64` to containers.
    Amd64,
    /// AArch64, `arm64` to containers.
    Arm64,
    /// 64-bit RISC-V. No shim exists for it: GRUB is started by the firmware.
    Riscv64,
}

impl Architecture {
    /// The name in container images.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// What UEFI appends to `boot` and distributions to `shim`, `grub` and `mm`.
    #[must_use]
    pub fn efi_suffix(self) -> &'static str {
        match self {
            Self::Amd64 => "x64",
            Self::Arm64 => "aa64",
            Self::Riscv64 => "riscv64",
        }
    }

    /// GRUB's name of the platform.
    fn grub_platform(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-efi",
            Self::Arm64 => "arm64-efi",
            Self::Riscv64 => "riscv64-efi",
        }
    }

    /// The directory of SUSE's boot loaders.
    fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
            Self::Riscv64 => "riscv64",
        }
    }
}

/// A file of the base image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The regular file.
    pub inode: InodeId,
    /// Where it was found, without a leading slash.
    pub path: String,
    /// The path without symbolic links.
    pub resolved: String,
}

/// Why something to boot with was not found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No file has a name that begins as it should.
    #[error("no {what} in /boot: no file's name begins with {}{}", prefixes.join(", "), because(skipped))]
    NoPrefix {
        /// `kernel` or `initrd`.
        what: &'static str,
        /// The beginnings tried.
        prefixes: &'static [&'static str],
        /// Names that begin so but lead to no regular file.
        skipped: Vec<String>,
    },
    /// None of the files exists.
    #[error("no {what} for {architecture}: none of /{}", tried.join(", /"))]
    Missing {
        /// What was looked for.
        what: &'static str,
        /// For which machine.
        architecture: &'static str,
        /// All paths tried, in order.
        tried: Vec<String>,
    },
}

fn because(skipped: &[String]) -> String {
    if skipped.is_empty() {
        String::new()
    } else {
        format!(" (no regular file behind {})", skipped.join(", "))
    }
}
