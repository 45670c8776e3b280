//! Arguments of trusted boot: keys and unified kernel images.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};

use super::{SourceArgs, file_name};
use crate::recipe::uki::Titled;
use crate::uki::keys::MicrosoftSet;
use crate::uki::signer::RsaBits;
use crate::uki::unified::Profile;
use crate::uki::unified::names::Enroll;

/// What to make of unified kernel images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum UkiType {
    /// A folder with the files of an EFI system partition: OUTPUT/NAME
    Uki,
    /// An ISO for disc and USB stick: OUTPUT/NAME.iso and OUTPUT/NAME.iso.sha256
    Iso,
    /// A container image with the same files, for upgrades of installed systems: the docker archive
    /// OUTPUT/NAME.tar and OUTPUT/NAME.tar.sha256
    Container,
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

/// Options that build images, or a subcommand.
#[derive(Debug)]
pub(crate) enum UkiArgs {
    Build(Box<UkiBuildArgs>),
    Command(UkiCommand),
}

// By hand, since the derived parser cannot tell that options with groups of their own are absent.
impl FromArgMatches for UkiArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(match matches.subcommand_name() {
            None => Self::Build(Box::new(UkiBuildArgs::from_arg_matches(matches)?)),
            Some(_) => Self::Command(UkiCommand::from_arg_matches(matches)?),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for UkiArgs {
    fn augment_args(command: Command) -> Command {
        UkiCommand::augment_subcommands(UkiBuildArgs::augment_args(command))
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
            .subcommand_required(false)
            .arg_required_else_help(false)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum UkiCommand {
    /// Put signatures that were made elsewhere into what was built with --sign-later
    ///
    /// The result has the bytes of a build that had the keys.
    Attach {
        /// Folder with requests and signatures
        #[arg(value_name = "REQUESTS")]
        requests: PathBuf,

        /// Folder that the build wrote to, and the result goes to
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
    },
    /// Tell whether a disk sealed under one image opens under another
    ///
    /// Disks are sealed to a policy key. Every policy of the old image for a phase must be there
    /// again in the new one, signed by that key, for what the new image will be measured as. Exit
    /// status 1 when it is not.
    Compat {
        /// Image that the disk was sealed under
        #[arg(value_name = "OLD")]
        old: PathBuf,

        /// Image that is to open it
        #[arg(value_name = "NEW")]
        new: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// Folder that a build with --sign-later made, or a PE image
    #[arg(value_name = "REQUESTS|FILE")]
    pub(crate) what: PathBuf,

    /// Folder with the keys, as genkey makes it
    #[arg(long, value_name = "DIR")]
    pub(crate) keys: PathBuf,

    /// Where the signed PE image goes; it may be the same file
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// `TITLE: WORDS`.
fn titled(text: &str) -> Result<Titled, String> {
    match text.split_once(':') {
        Some((title, cmdline)) if !title.trim().is_empty() && !title.contains('/') => {
            Ok(Titled { title: title.trim().into(), cmdline: cmdline.trim().into() })
        }
        _ => {
            Err("a title without slashes is needed, a colon, and words, as in `Debug: rd.debug`"
                .into())
        }
    }
}

/// `ID: WORDS`, the words being the whole command line, or `ID` alone.
fn profile(text: &str) -> Result<Profile, String> {
    let (id, cmdline) = match text.split_once(':') {
        Some((id, cmdline)) => (id.trim(), Some(cmdline.trim().to_owned())),
        None => (text.trim(), None),
    };
    if id.is_empty() || id.contains(char::is_whitespace) {
        return Err(
            "an identifier of one word is needed, as in `debug` or `debug: rd.debug`".into()
        );
    }
    Ok(Profile { id: id.into(), title: String::new(), cmdline })
}

#[derive(Debug, Args)]
pub(crate) struct UkiBuildArgs {
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

    /// One more image, called TITLE, with these words behind the base command line. Repeatable
    #[arg(long, value_name = "TITLE: WORDS", value_parser = titled)]
    pub(crate) single_efi_cmdline: Vec<Titled>,

    /// A way to boot each image, with a command line in place of the image's, or with that one.
    /// The first is the one that boots by itself. Repeatable; systemd 257 and newer
    #[arg(long, value_name = "ID[: CMDLINE]", value_parser = profile)]
    pub(crate) profile: Vec<Profile>,

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

    /// Device tree to boot with
    #[arg(long, value_name = "FILE")]
    pub(crate) device_tree: Option<PathBuf>,

    /// Device tree for the machine that it names; the stub chooses. Repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) device_tree_auto: Vec<PathBuf>,

    /// New folder for what has to be signed, when the keys are elsewhere: --keys then needs only
    /// certificates, tpm2-pcr-public.pem and the enrollment files. `bootwright sign` signs,
    /// `bootwright uki attach` completes the output
    #[arg(long, value_name = "REQUESTS")]
    pub(crate) sign_later: Option<PathBuf>,

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
