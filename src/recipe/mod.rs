//! Recipes: the only place where formats meet.
//!
//! A recipe is a value that names every input. Preparing it reads and checks the inputs and
//! decides what will be written; writing it streams the result into any `Write + Seek`.

pub mod agent;
pub(crate) mod checksum;
pub mod disk;
mod error;
pub mod genkey;
mod installed;
pub mod iso;
mod pack;
pub mod provider;
mod root;
pub mod sign;
pub mod size_check;
pub mod squashfs;
pub mod steps;
mod tee;
pub mod uki;

use std::fmt;

pub use checksum::hex as checksum_hex;
pub use error::RecipeError;
pub use installed::Installed;
pub use root::{Base, Layered, Root, SharedStreams, Source};

/// A processor architecture that media are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[non_exhaustive]
pub enum Architecture {
    /// x86-64.
    #[value(alias = "x86_64")]
    Amd64,
    /// AArch64.
    #[value(alias = "aarch64")]
    Arm64,
}

impl Architecture {
    /// The name that container images use.
    #[must_use]
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// From the name that container images use.
    #[must_use]
    pub fn from_oci_name(name: &str) -> Option<Self> {
        [Self::Amd64, Self::Arm64].into_iter().find(|known| known.oci_name() == name)
    }

    /// The architecture this program was built for, where it is one we know.
    #[must_use]
    pub fn host() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::Amd64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

/// What was asked for, else what the image says, else this machine's.
pub(crate) fn architecture(root: &Root, source: &Source) -> Result<Architecture, RecipeError> {
    let found = root.architecture.as_deref();
    match (source.architecture, found) {
        (Some(wanted), Some(found)) if Architecture::from_oci_name(found) != Some(wanted) => {
            Err(RecipeError::WrongArchitecture { found: found.into(), wanted })
        }
        (Some(wanted), _) => Ok(wanted),
        (None, Some(found)) => Architecture::from_oci_name(found)
            .ok_or_else(|| RecipeError::UnknownArchitecture { found: found.into() }),
        (None, None) => Architecture::host()
            .ok_or_else(|| RecipeError::UnknownArchitecture { found: String::new() }),
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.oci_name())
    }
}
