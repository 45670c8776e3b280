//! Disks for MAAS: from others' cloud images, and with a partition that curtin lands on.

mod cloud;
mod landing;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::disk::partitions;
use crate::tools::run;
pub(crate) use landing::{busybox, landing};

/// The partitions of a packed disk.
fn cut(packed: &Path, folder: &Path) -> Vec<(String, PathBuf)> {
    let raw = folder.join("disk.raw");
    let script = "zcat \"$1\" | dd bs=4M conv=sparse of=\"$2\" status=none";
    let _ = fs::remove_file(&raw);
    run(Command::new("sh").args(["-c", script, "sh"]).arg(packed).arg(&raw));
    partitions(&raw, folder)
}
