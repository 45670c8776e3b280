//! Arguments of trusted boot: keys and unified kernel images.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::{SourceArgs, file_name};
use crate::uki::keys::MicrosoftSet;
use crate::uki::signer::RsaBits;
use crate::uki::unified::names::Enroll;

/// What to make of unified kernel images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum UkiType {
    /// A folder with the files of an EFI system partition: OUTPUT/NAME
    Uki,
    /// An ISO for disc and USB stick: OUTPUT/NAME.iso and OUTPUT/NAME.iso.sha256
    Iso,
}

/// When the boot loader enrols the keys of a machine in Setup Mode.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Enrolling {
    /// Never
    Off,
    /// When a person chooses it in the menu
    Manual,
    /// By itself in virtual machines
    #[default]
    IfSafe,
    /// By itself
    Force,
}

impl From<Enrolling> for Enroll {
    fn from(enrolling: Enrolling) -> Self {
        match enrolling {
            Enrolling::Off => Self::Off,
            Enrolling::Manual => Self::Manual,
            Enrolling::IfSafe => Self::IfSafe,
            Enrolling::Force => Self::Force,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct UkiArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Folder with the keys, as genkey makes it
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,

    /// What to make
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    pub(crate) kind: UkiType,

    /// Words behind the base command line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) extend_cmdline: Option<String>,

    /// One more image, with these words behind the base command line. Repeatable
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) extra_cmdline: Vec<String>,

    /// What menus call the system [default: Palette eXtended Kubernetes Edge]
    #[arg(long, value_name = "TEXT")]
    pub(crate) branding: Option<String>,

    /// When a machine in Setup Mode gets the keys
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) secure_boot_enroll: Enrolling,

    /// systemd-stub in place of the image's
    #[arg(long, value_name = "FILE")]
    pub(crate) stub: Option<PathBuf>,

    /// systemd-boot in place of the image's
    #[arg(long, value_name = "FILE")]
    pub(crate) systemd_boot: Option<PathBuf>,

    /// Bitmap to show while the system starts
    #[arg(long, value_name = "FILE")]
    pub(crate) splash: Option<PathBuf>,

    /// Keep the owners of files; by default root has them all, as Kairos expects
    #[arg(long)]
    pub(crate) keep_owners: bool,

    /// zstd level of the root file system, 1 to 19
    #[arg(long, value_name = "N", default_value_t = crate::recipe::uki::LEVEL,
          value_parser = clap::value_parser!(i32).range(1..=19))]
    pub(crate) zstd_level: i32,

    /// Compressing threads [default: the CPUs allowed to this process]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Folder laid over the ISO's own tree. Repeatable, later ones win
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay_iso: Vec<PathBuf>,

    /// Cloud-config for the installer: /config.yaml on the ISO
    #[arg(long, value_name = "FILE")]
    pub(crate) user_data: Option<PathBuf>,

    /// Folder for the results
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// Name of the results
    #[arg(long, value_parser = file_name)]
    pub(crate) name: String,
}

/// Which of Microsoft's certificates go into firmware.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Microsoft {
    /// None: option ROMs of add-in cards do not run
    #[default]
    None,
    /// Option ROM UEFI CA 2023
    OptionRom,
    /// Option ROMs and boot loaders of others (UEFI CA 2011 and 2023), not Windows
    ThirdParty,
    /// All of 2011; they expire in 2026
    #[value(name = "2011")]
    Y2011,
    /// All of 2023
    #[value(name = "2023")]
    Y2023,
    /// All
    All,
}

impl From<Microsoft> for MicrosoftSet {
    fn from(set: Microsoft) -> Self {
        match set {
            Microsoft::None => Self::None,
            Microsoft::OptionRom => Self::OptionRom,
            Microsoft::ThirdParty => Self::ThirdParty,
            Microsoft::Y2011 => Self::Y2011,
            Microsoft::Y2023 => Self::Y2023,
            Microsoft::All => Self::All,
        }
    }
}

/// Bits of an RSA modulus.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Bits {
    /// What all firmware takes
    #[default]
    #[value(name = "2048")]
    Rsa2048,
    /// Rarely supported
    #[value(name = "3072")]
    Rsa3072,
    /// Not taken by old firmware
    #[value(name = "4096")]
    Rsa4096,
}

impl From<Bits> for RsaBits {
    fn from(bits: Bits) -> Self {
        match bits {
            Bits::Rsa2048 => Self::Rsa2048,
            Bits::Rsa3072 => Self::Rsa3072,
            Bits::Rsa4096 => Self::Rsa4096,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GenkeyArgs {
    /// Organisation in the certificates' names: `CN=TEXT-PK` and so on
    #[arg(long, value_name = "TEXT")]
    pub(crate) org: Option<String>,

    /// Days that the certificates are valid
    #[arg(long, value_name = "N", default_value_t = 5475)]
    pub(crate) expiration_in_days: u32,

    /// Microsoft's certificates to trust too
    #[arg(long, value_enum, default_value_t, value_name = "SET")]
    pub(crate) microsoft: Microsoft,

    /// Folder with KEK, db and dbx as exported from a machine's firmware; their entries are kept
    #[arg(long, value_name = "DIR")]
    pub(crate) exported_keys: Option<PathBuf>,

    /// Certificate (PEM) that db trusts too. Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) extra_db: Vec<PathBuf>,

    /// Use the keys and certificates in OUTPUT/private-keys and OUTPUT/public-keys
    #[arg(long, conflicts_with_all = ["org", "expiration_in_days", "rsa_bits"])]
    pub(crate) bring_your_own_keys: bool,

    /// Length of new keys
    #[arg(long, value_enum, default_value_t, value_name = "BITS")]
    pub(crate) rsa_bits: Bits,

    /// Folder for the keys
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}
