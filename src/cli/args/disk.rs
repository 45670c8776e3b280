//! Arguments of disks.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::{SourceArgs, file_name, size};
use crate::partitions::SectorSize;

#[derive(Debug, Args)]
pub(crate) struct DiskArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Cloud-config: 90_custom.yaml of the OEM partition. Without it there is no user and no
    /// password
    #[arg(long, value_name = "FILE")]
    pub(crate) user_data: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) content: ContentArgs,

    /// Length of the disk; what the partitions do not take stays free [default: what they take]
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) size: Option<u64>,

    /// Bytes of a sector of the disk it will be written to
    #[arg(long, value_name = "BYTES", default_value = "512", value_parser = sector_size)]
    pub(crate) sector_size: SectorSize,

    /// Write each partition into a file of its own, NAME-PARTITION.img, and no disk
    #[arg(long, conflicts_with = "size")]
    pub(crate) partitions: bool,

    /// Folder for the results
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// Name of the result: NAME.raw
    #[arg(long, value_parser = file_name)]
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct MaasArgs {
    #[command(flatten)]
    pub(crate) source: SourceArgs,

    /// Root file system that boots first, with cloud-init, kernel and initrd: an image as for
    /// --base, or a cloud image's file: ext4 or a disk with a GPT, raw, in gzip, or in a tar
    #[arg(long, value_name = "IMAGE", required_unless_present = "landing")]
    pub(crate) cloud_rootfs: Option<OsString>,

    /// Boot no cloud system first: curtin lands on a small partition of its own, COS_CURTIN, and
    /// leaves what MAAS says to the recovery system
    #[arg(long, conflicts_with = "cloud_rootfs")]
    pub(crate) landing: bool,

    /// Static busybox for the landing partition [default: the base image's]
    #[arg(long, value_name = "FILE", requires = "landing")]
    pub(crate) busybox: Option<PathBuf>,

    /// Cloud-config: 90_custom.yaml of the OEM partition. Without it there is no user and no
    /// password
    #[arg(long, value_name = "FILE")]
    pub(crate) user_data: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) content: ContentArgs,

    /// Compressing threads [default: the CPUs allowed to this process]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Folder for the results
    #[arg(long, value_name = "DIR")]
    pub(crate) output: PathBuf,

    /// Name of the results: NAME.raw.gz and NAME.raw.gz.sha256
    #[arg(long, value_parser = file_name)]
    pub(crate) name: String,
}

/// What goes into the content partition.
#[derive(Debug, Args)]
pub(crate) struct ContentArgs {
    /// Folder with content bundles (*.zst, *.tar), for a content partition. Repeatable
    #[arg(long, value_name = "DIR")]
    pub(crate) content: Vec<PathBuf>,

    /// Cluster configuration, for the content partition
    #[arg(long, value_name = "FILE")]
    pub(crate) cluster_config: Option<PathBuf>,

    /// Edge configuration, for the content partition
    #[arg(long, value_name = "FILE")]
    pub(crate) edge_custom_config: Option<PathBuf>,
}

fn sector_size(text: &str) -> Result<SectorSize, String> {
    match text {
        "512" => Ok(SectorSize::B512),
        "4096" => Ok(SectorSize::B4096),
        _ => Err("512 or 4096 is needed".into()),
    }
}
