//! GRUB's core image for PC BIOS, made from the files of a base image.
//!
//! ```text
//!  cdboot.img           2048   what the BIOS starts from El Torito; boot-info table at 8
//!  diskboot.img          512   what a hybrid MBR starts; sector of what follows at 500
//!  lzma_decompress.img   ~2.8K with the lengths of what follows
//!  LZMA stream                 kernel.img as it lies in memory from 0x9000 on, then
//!                              module info: modules, configuration, prefix
//! ```
//!
//! It is what `grub-mkimage -O i386-pc-eltorito` makes from the same files, but for the bytes of
//! the LZMA stream, which come from another encoder.

mod core_image;
mod elf;
mod modules;
mod records;
#[cfg(test)]
mod tests;

#[doc(hidden)]
pub mod fuzzing;

use std::collections::BTreeMap;

pub use core_image::core_image;
pub use modules::{MANDATORY_MODULES, OPTIONAL_MODULES, default_modules};
pub use records::embedded_prefix;

/// The files of GRUB's platform directory `i386-pc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrubFiles {
    /// `cdboot.img`
    pub cdboot: Vec<u8>,
    /// `diskboot.img`
    pub diskboot: Vec<u8>,
    /// `lzma_decompress.img`
    pub lzma_decompress: Vec<u8>,
    /// `kernel.img`, an ELF file.
    pub kernel: Vec<u8>,
    /// `moddep.lst`: what each module needs.
    pub moddep: Vec<u8>,
    /// `*.mod` by name.
    pub modules: BTreeMap<String, Vec<u8>>,
}

impl GrubFiles {
    /// Sorts a folder's files by their names; others than GRUB's are passed over.
    ///
    /// # Errors
    /// [`GrubError::File`] when one of the five that every image needs is not there.
    pub fn from_folder(folder: BTreeMap<String, Vec<u8>>) -> Result<Self, GrubError> {
        let mut files = Self::default();
        for (name, content) in folder {
            match name.as_str() {
                "cdboot.img" => files.cdboot = content,
                "diskboot.img" => files.diskboot = content,
                "lzma_decompress.img" => files.lzma_decompress = content,
                "kernel.img" => files.kernel = content,
                "moddep.lst" => files.moddep = content,
                _ => {
                    if let Some(module) = name.strip_suffix(".mod") {
                        files.modules.insert(module.to_owned(), content);
                    }
                }
            }
        }
        for (file, content) in [
            ("cdboot.img", &files.cdboot),
            ("diskboot.img", &files.diskboot),
            ("lzma_decompress.img", &files.lzma_decompress),
            ("kernel.img", &files.kernel),
            ("moddep.lst", &files.moddep),
        ] {
            if content.is_empty() {
                return Err(GrubError::File { file, problem: "is missing or empty" });
            }
        }
        Ok(files)
    }
}

/// Why there is no core image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrubError {
    /// A module is not there.
    #[error("no GRUB module {name:?}{}", needed_by.as_ref().map(|by| format!(", which {by:?} needs")).unwrap_or_default())]
    NoModule {
        /// The module.
        name: String,
        /// The module that needs it.
        needed_by: Option<String>,
    },
    /// A file is not what GRUB of these years has.
    #[error("{file} {problem}")]
    File {
        /// The file.
        file: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The image does not fit into the memory that a PC has for it.
    #[error("core image with its {what} reaches {end:#x}: at most {max:#x}")]
    TooLarge {
        /// `compressed modules` or `kernel in memory`.
        what: &'static str,
        /// Where it would end.
        end: u64,
        /// Where it has to.
        max: u64,
    },
    /// A text has a NUL, or is longer than 32 bits count.
    #[error("{what} cannot be embedded")]
    Text {
        /// `prefix` or `configuration`.
        what: &'static str,
    },
    /// The encoder failed.
    #[error("cannot compress the core image")]
    Lzma(#[source] liblzma::stream::Error),
}
