//! What can be typed. Help texts are here and nowhere else; completions and manual pages are made
//! from them.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

mod disk;
mod openpgp;
pub(crate) mod project;
#[cfg(feature = "registry")]
mod registry;
mod trusted;

use clap::{Args, Parser, Subcommand};

pub(crate) use disk::{DiskArgs, MaasArgs};
pub(crate) use openpgp::{SigningArgs, TrustArgs};
pub(crate) use project::{ArgsArgs, TargetArgs};
#[cfg(feature = "registry")]
pub(crate) use registry::{FetchArgs, PlatformArgs, PushArgs, RegistryArgs};
pub(crate) use trusted::{GenkeyArgs, SignArgs, UkiArgs, UkiBuildArgs, UkiCommand, UkiType};

use super::{progress, size};
use crate::recipe::Architecture;
use crate::squashfs::{BlockSize, Compression};

/// Turns a container image of an operating system into what an edge site boots.
///
/// One unprivileged process: no root, no container engine, no mounts, no other programs. The same
/// inputs give the same bytes, whatever the machine, user, folder, locale or number of threads.
#[derive(Debug, Parser)]
#[command(
    name = "bootwright",
    version,
    max_term_width = 100,
    after_long_help = ENVIRONMENT
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// How progress is shown on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) progress: progress::Mode,
}

const ENVIRONMENT: &str = "\
CanvOS projects:
  bootwright +TARGET [--KEY=VALUE]...  Builds in a CanvOS checkout: reads .arg, overlay/, user-data,
                     content-*/ and so on, and writes into build/. `bootwright +help` lists targets.

Environment:
  SOURCE_DATE_EPOCH  Seconds since 1970. Lowers newer modification times to it and becomes every
                     timestamp that bootwright itself writes. Default for the latter: the base
                     image's creation time, else the newest modification time in it.
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
                     Proxies for registries, and what is reached without them.
  REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, DOCKER_CONFIG
                     Where credentials for registries are looked for.

Exit status: 0 done, 1 the work failed, 2 the command line is wrong.";

const IMAGE: &str = "\
IMAGE is one of:
  oci:DIR[:TAG]                    an OCI layout in a folder
  oci-archive:FILE[:TAG]           an OCI layout in a tar
  docker-archive:FILE[:NAME:TAG]   what `docker save` writes
  docker://HOST/REPO[:TAG][@DIGEST]  an image in a registry, or in the store (--store)
  dir:DIR                          a root file system in a folder
  tar:FILE                         a root file system in a tar: plain, gzip, zstd or xz";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an installer ISO that boots on BIOS and UEFI, from disc and USB stick
    ///
    /// The image must hold a kernel and an initrd in /boot (an initrd with dracut's dmsquash-live
    /// finds the root by label) and the distribution's shim and GRUB. GRUB's BIOS files
    /// (/usr/lib/grub/i386-pc) make the ISO boot on BIOS too.
    #[command(after_help = IMAGE)]
    Iso(Box<IsoArgs>),
    /// Build a squashfs of an image's root file system
    #[command(after_help = IMAGE)]
    Squashfs(SquashfsArgs),
    /// Build a disk that starts the recovery system, which installs the rest at the first boot
    ///
    /// Partitions: efi (shim and GRUB of the image), oem (user-data, what boots next), recovery
    /// (the root file system as a file system image) and, when there is content, COS_CONTENT. UEFI
    /// boots it. The image brings the menu, /etc/cos/grub.cfg; there is a plain one for others.
    #[command(after_help = IMAGE)]
    Disk(Box<DiskArgs>),
    /// Build a disk for MAAS: a cloud system boots first and hands over to the recovery system
    ///
    /// The disk of the command `disk` with one more partition, UBUNTU_ROOTFS, whose system MAAS
    /// configures. At its first boot it keeps its user-data for the recovery system, which boots
    /// next. Any distribution; the result is gzip and goes to MAAS as it is.
    #[command(after_help = IMAGE)]
    Maas(Box<MaasArgs>),
    /// Build unified kernel images: the whole root file system in one signed file
    ///
    /// The image must hold a kernel in /boot and systemd's EFI programs (Debian: systemd-boot-efi);
    /// a Kairos image starts with /usr/bin/immucore. Kernel, command line and root file system are
    /// measured into PCR 11, and policies for what will be measured are signed with
    /// tpm2-pcr-private.pem of the keys.
    #[command(after_help = IMAGE)]
    Uki(UkiArgs),
    /// Make Secure Boot keys and what goes into firmware: the secure-boot folder
    ///
    /// OUTPUT/private-keys holds PK, KEK, db and tpm2-pcr-private.pem, readable to their owner
    /// alone: whoever has them can sign, and who loses the last one loses the disks sealed to it.
    /// OUTPUT/public-keys holds the certificates, OUTPUT/enrollment what goes into firmware. Nothing
    /// that exists is replaced.
    Genkey(GenkeyArgs),
    /// Sign what a build with --sign-later asked for, or a PE image
    ///
    /// Needs only the folder with the requests, some kilobytes, and the keys: no image, no network.
    Sign(SignArgs),
    /// Bring images from registries into the store
    ///
    /// What is there already is not fetched again, and a fetch that was cut off goes on where it
    /// stopped. With --offline, says what is missing.
    #[cfg(feature = "registry")]
    Fetch(FetchArgs),
    /// Push an image to a registry
    ///
    /// The image is kept in the store on its way. What the registry has already is not sent.
    #[cfg(feature = "registry")]
    Push(PushArgs),
    /// Show what is inside an ISO, a disk (also in gzip), a squashfs, a unified kernel image, or a
    /// file for firmware (.esl, .auth)
    Inspect(InspectArgs),
    /// Check the structure and every content of an ISO or a squashfs, the structure of a disk
    ///
    /// Goes through all tables, decompresses every file and compares the checksum with FILE.sha256
    /// where there is one. Of a disk for MAAS (NAME.raw.gz, unpacked beside itself into a file
    /// without a name) also checks what curtin needs, and says how it is uploaded. Exit status 1
    /// and a reason when something is wrong.
    Verify {
        /// The ISO, squashfs or disk
        file: PathBuf,
        /// Public keys (OpenPGP), one of which has to have signed the file or its checksum file
        /// (FILE.sha256.asc). Repeatable
        #[cfg(feature = "openpgp")]
        #[arg(long, value_name = "KEYS")]
        signed_by: Vec<PathBuf>,
    },
    /// Show every value of a CanvOS project, and where it comes from
    ///
    /// Values come from `--KEY=VALUE`, from EARTHLY_BUILD_ARGS, from the project's .arg and from
    /// defaults. Secrets are not shown.
    #[command(override_usage = "bootwright args [--KEY=VALUE]... [OPTIONS]")]
    Args(ArgsArgs),
    /// Build a target of a CanvOS project
    #[command(hide = true, override_usage = "bootwright +TARGET [--KEY=VALUE]... [OPTIONS]")]
    Target(Box<TargetArgs>),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write manual pages
    Man {
        /// Folder for the pages
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
    },
}

/// Where the root file system comes from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// Container image of the operating system
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base: OsString,

    /// Folder laid over the root file system; owner and group become root. Repeatable, later ones
    /// win
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay_rootfs: Vec<PathBuf>,

    /// Architecture to take from an image for several [default: the image's only one, else this
    /// machine's]
    #[arg(long, value_enum, value_name = "ARCH")]
    pub(crate) arch: Option<Architecture>,

    /// Write a bill of materials (CycloneDX) beside the result: the packages that the image's own
    /// databases have, NAME.cdx.json
    #[arg(long)]
    pub(crate) sbom: bool,

    #[command(flatten)]
    pub(crate) signing: SigningArgs,

    #[command(flatten)]
    pub(crate) trust: TrustArgs,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// How the root file system is compressed.
#[derive(Debug, Args)]
pub(crate) struct CompressionArgs {
    /// gzip, zstd, xz, lz4 or none, with an optional level: `zstd:15`, `gzip:12`, `lz4:9`
    /// (high compression), `xz:6:x86` (with the branch filter of an architecture: x86, arm64)
    #[arg(long, value_name = "ALGO[:LEVEL]", default_value_t)]
    pub(crate) compression: Compression,

    /// Bytes compressed at once: a power of two from 4K to 1M
    #[arg(long, value_name = "SIZE", default_value = "1M", value_parser = block_size)]
    pub(crate) block_size: BlockSize,

    /// Compressing threads [default: the CPUs allowed to this process]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Folder that remembers work between builds: what did not change since an earlier one is
    /// copied and not compressed again. The results are the same with it and without
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,

    /// Size that the cache is kept below
    #[arg(long, value_name = "SIZE", default_value = "20G", value_parser = size::parse, requires = "cache")]
    pub(crate) cache_size: u64,

    /// Memory for data between reading and writing; names and attributes come on top, about 450
    /// bytes for each file [default: 256M, or a quarter of what control groups allow if that is
    /// less]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory: Option<u64>,
}

fn block_size(text: &str) -> Result<BlockSize, String> {
    let bytes = size::parse(text)?;
    BlockSize::new(bytes).map_err(|error| error.to_string())
}

#[derive(Debug, Args)]
pub(crate) struct SquashfsArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
}

#[derive(Debug, Args)]
pub(crate) struct IsoArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Folder laid over the ISO's own tree. Repeatable, later ones win
    #[arg(long, value_name = "DIR")]
    pub(crate) overlay_iso: Vec<PathBuf>,

    /// Cloud-config for the installer: /config.yaml on the ISO
    #[arg(long, value_name = "FILE")]
    pub(crate) user_data: Option<PathBuf>,

    /// Folder with content bundles (*.zst): /opt/spectrocloud/content on the ISO, in parts of
    /// 3 GB. Repeatable
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Vec<PathBuf>,

    /// Cluster configuration: /opt/spectrocloud/clusterconfig/spc.tgz on the ISO
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_config: Option<PathBuf>,

    /// Edge configuration: /.edge_custom_config.yaml on the ISO
    #[arg(long, value_name = "FILE")]
    pub(crate) edge_custom_config: Option<PathBuf>,

    /// Tar of the local user interface: unpacked into /opt/spectrocloud of the root file system
    #[arg(long, value_name = "FILE")]
    pub(crate) local_ui: Option<PathBuf>,

    /// GRUB menu in place of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(crate) grub_cfg: Option<PathBuf>,

    /// Words appended to the kernel command lines of the built-in menu
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) extend_cmdline: Option<String>,

    /// Volume label, by which the running system finds its root
    #[arg(long, value_name = "TEXT", default_value = "COS_LIVE")]
    pub(crate) label: String,

    /// Ready El Torito image for BIOS in place of the one made from the image's GRUB files
    #[arg(long, value_name = "FILE")]
    pub(crate) bios_image: Option<PathBuf>,

    /// Folder for the results
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// Name of the results: NAME.iso and NAME.iso.sha256
    #[arg(long, value_parser = file_name)]
    pub(crate) name: String,

    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
}

/// A name that stays in its folder and leaves room for suffixes.
fn file_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('.') || text.contains(['/', '\0']) {
        return Err("a file name is needed, without slashes or a leading dot".into());
    }
    if text.len() > 200 {
        return Err(format!("{} bytes are too long; 200 is the limit", text.len()));
    }
    Ok(text.into())
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The ISO, squashfs, EFI program, signature list or signed variable
    pub(crate) file: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn only_what_is_about_registries_stands_under_that_heading() {
        for command in Cli::command().get_subcommands() {
            let output = command.get_arguments().find(|argument| argument.get_id() == "output");
            assert_eq!(
                output.and_then(clap::Arg::get_help_heading),
                None,
                "{}",
                command.get_name()
            );
        }
    }

    #[test]
    fn names_stay_in_their_folder() {
        for bad in ["", ".hidden", "..", "a/b"] {
            assert!(file_name(bad).is_err(), "{bad}");
        }
        assert!(file_name(&"n".repeat(201)).is_err());
        assert_eq!(file_name("palette-edge-installer").unwrap(), "palette-edge-installer");
    }
}
