//! Checks of finished images, with readers that share no code with the writers.

mod disk;
mod firmware;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bootwright_boot::iso9660::read::{self as iso, Image as Iso};
use bootwright_image::Observer;
use bootwright_partitions::{fat, gpt};
use bootwright_squashfs::read::{Image as Squashfs, ReadError};
use bootwright_uki::authenticode::{self, AuthenticodeError};
use bootwright_uki::efi::{AuthError, EslError};

use crate::identify::{Format, identify};
use crate::raw;
use crate::recipe::{RecipeError, checksum};

/// Bytes of a block of an ISO.
const BLOCK: u64 = 2048;

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It is no format that we know.
    #[error("{path:?} is of no format that can be checked")]
    Unknown {
        /// The file.
        path: PathBuf,
    },
    /// The ISO's tables.
    #[error("the ISO 9660 structure is damaged")]
    Iso(#[source] iso::ReadError),
    /// The partition table or the EFI system partition.
    #[error("{what}: {problem}")]
    Finding {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The EFI system partition is no FAT file system.
    #[error("the EFI system partition is damaged")]
    Fat(#[source] fat::ReadError),
    /// The squashfs.
    #[error("the squashfs is damaged")]
    Squashfs(#[source] ReadError),
    /// The checksum beside the file.
    #[error("the SHA-256 is {found}, {side:?} says {expected}")]
    Checksum {
        /// What the file has.
        found: String,
        /// The file with the checksum.
        side: PathBuf,
        /// What it says.
        expected: String,
    },
    /// A PE image or its signatures.
    #[error("the PE image is not sound")]
    Signature(#[source] AuthenticodeError),
    /// Signature lists for firmware.
    #[error("the signature lists are damaged")]
    Lists(#[source] EslError),
    /// A signed change of a firmware variable.
    #[error("the signed variable is not sound")]
    Variable(#[source] AuthError),
    /// There is no partition table.
    #[error("the disk has no partition table that can be read")]
    Table(#[source] gpt::ReadError),
    /// A partition of a disk.
    #[error("partition {number} ({name}): {problem}")]
    Partition {
        /// The partition, counted from 1.
        number: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What MAAS, or curtin on its behalf, would not take.
    #[error("MAAS cannot install this disk: {problem}")]
    Maas {
        /// Why.
        problem: String,
    },
    /// The checksum could not be computed.
    #[error("cannot compute the checksum")]
    Sum(#[source] RecipeError),
}

/// Checks an ISO, a squashfs, a disk (also in gzip), a PE image or a file for firmware and what is
/// in it; returns what was checked, in words.
///
/// A disk for MAAS is checked for what MAAS and curtin ask of it too, and the command that uploads
/// it is among the words. One in gzip is unpacked into a nameless file in its folder.
///
/// # Errors
/// [`VerifyError`]: the first thing found wrong.
pub fn file(path: &Path, observer: &dyn Observer) -> Result<Vec<String>, VerifyError> {
    let read = |source| VerifyError::Read { path: path.into(), source };
    let mut file = File::open(path).map_err(read)?;
    let mut checks = Vec::new();
    match identify(&mut file).map_err(read)? {
        Some(Format::Disk) => disk::check(&file, path, false, &read, &mut checks)?,
        Some(Format::Gzip) => {
            let unpacked = raw::unpack(path).map_err(read)?;
            disk::check(&unpacked, path, true, &read, &mut checks)?;
        }
        Some(Format::Iso) => check_iso(&file, &read, observer, &mut checks)?,
        Some(Format::Squashfs) => check_squashfs(&file, 0, observer, &mut checks)?,
        Some(Format::Pe) => check_pe(&file, &read, &mut checks)?,
        Some(Format::SignatureLists) => firmware::check_lists(&file, &read, &mut checks)?,
        Some(Format::SignedVariable) => firmware::check_variable(&file, &read, &mut checks)?,
        None => return Err(VerifyError::Unknown { path: path.into() }),
    }
    let len = file.metadata().map_err(read)?.len();
    check_sum(&file, len, path, observer, &mut checks)?;
    Ok(checks)
}

fn check_iso(
    file: &File,
    read: &dyn Fn(io::Error) -> VerifyError,
    observer: &dyn Observer,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    let mut image = Iso::open(file.try_clone().map_err(read)?).map_err(VerifyError::Iso)?;
    image.check().map_err(VerifyError::Iso)?;
    let info = image.info().clone();
    checks.push(format!("ISO 9660: {} bytes, volumes: {}", info.len, info.volumes.len()));
    checks.push(format!("El Torito: boot images: {}", info.boot_entries.len()));
    if let Some(gpt) = &info.gpt {
        if let Some(finding) = gpt.findings.first() {
            let problem = finding.to_string();
            return Err(VerifyError::Finding { what: "partition table", problem });
        }
        checks.push("GPT: primary and backup agree".to_owned());
    }
    let Some(primary) = info.primary() else { return Ok(()) };
    let entries = image.entries(primary).map_err(VerifyError::Iso)?;
    let place = |path: &[u8]| {
        let entry = entries.iter().find(|entry| entry.path == path)?;
        entry.extents.first().map(|extent| extent.block * BLOCK)
    };
    if let Some(start) = place(b"boot/uefi.img").or_else(|| place(b"efiboot.img")) {
        let volume = fat::Volume::open(file, start).map_err(VerifyError::Fat)?;
        if let Some(finding) = volume.findings().first() {
            let problem = finding.to_string();
            return Err(VerifyError::Finding { what: "EFI system partition", problem });
        }
        checks.push("EFI system partition: clean".to_owned());
    }
    match place(b"rootfs.squashfs") {
        Some(start) => check_squashfs(file, start, observer, checks),
        None => Ok(()),
    }
}

fn check_squashfs(
    file: &File,
    start: u64,
    observer: &dyn Observer,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    let mut image = Squashfs::open(file, start).map_err(VerifyError::Squashfs)?;
    let done = image.verify(true, &|| !observer.cancelled()).map_err(VerifyError::Squashfs)?;
    checks.push(format!(
        "squashfs: {} inodes under {} names, {} bytes of contents",
        done.inodes, done.names, done.bytes
    ));
    Ok(())
}

/// Checks that the signatures of a PE image are for just these bytes. Whom to trust is for the
/// firmware to say.
fn check_pe(
    mut file: &File,
    read: &dyn Fn(io::Error) -> VerifyError,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    let len = file.metadata().map_err(read)?.len();
    let held = authenticode::signatures(&mut file, len).map_err(VerifyError::Signature)?;
    if held.is_empty() {
        checks.push("PE image: not signed".to_owned());
        return Ok(());
    }
    let signers: Vec<_> = held.iter().map(|one| one.signed.signer().clone()).collect();
    authenticode::verify(&mut file, len, &signers).map_err(VerifyError::Signature)?;
    for signer in signers {
        checks.push(format!("PE image: signed by {}", signer.subject()));
    }
    Ok(())
}

/// Compares with the file that `sha256sum` would have written beside it.
fn check_sum(
    file: &File,
    len: u64,
    path: &Path,
    observer: &dyn Observer,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    let mut side = path.as_os_str().to_owned();
    side.push(".sha256");
    let side = PathBuf::from(side);
    let Ok(text) = std::fs::read_to_string(&side) else { return Ok(()) };
    let expected = text.split_whitespace().next().unwrap_or_default().to_owned();
    let digest = checksum::of_file(file, len, observer).map_err(VerifyError::Sum)?;
    let found = checksum::hex(&digest);
    if found != expected {
        return Err(VerifyError::Checksum { found, side, expected });
    }
    checks.push(format!("SHA-256: {found}"));
    Ok(())
}
