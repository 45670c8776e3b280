//! Raw disks: the partition table, every volume, and what MAAS asks of a disk.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use bootwright_image::FileTree;
use bootwright_partitions::{ext, fat, gpt};

use super::VerifyError;
use crate::raw::{self, FileSystem, Part};
use crate::recipe::Architecture;
use crate::recipe::disk::maas::{Findings, upload_command};

/// Where the recovery partition holds another file system.
const RECOVERY_IMAGE: &str = "cOS/recovery.img";
/// Labels of partitions by the partitions' names.
const LABELS: [(&str, &str); 7] = [
    ("efi", "COS_GRUB"),
    ("curtin", "COS_CURTIN"),
    ("ubuntu_rootfs", "UBUNTU_ROOTFS"),
    ("oem", "COS_OEM"),
    ("recovery", "COS_RECOVERY"),
    ("content", "COS_CONTENT"),
    ("COS_CONTENT", "COS_CONTENT"),
];

/// Checks the disk `disk`; `path` is what the user named, `packed` whether that is gzip.
pub(super) fn check(
    mut disk: &File,
    path: &Path,
    packed: bool,
    read: &dyn Fn(io::Error) -> VerifyError,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    let found = gpt::read(&mut disk).map_err(VerifyError::Table)?;
    if let Some(finding) = found.findings.first() {
        let problem = finding.to_string();
        return Err(VerifyError::Finding { what: "partition table", problem });
    }
    let parts = raw::partitions(disk, &found).map_err(read)?;
    let sector = found.sector_size.bytes();
    checks.push(format!("GPT: partitions: {}, sectors of {sector} bytes", parts.len()));
    let mut maas = Findings::default();
    for part in &parts {
        let failed = |problem: String| VerifyError::Partition {
            number: part.number,
            name: part.entry.name.escape_debug().to_string(),
            problem,
        };
        let label = check_volume(disk, part, &mut maas, checks).map_err(failed)?;
        if starts_recovery(&parts) {
            check_label(part, label).map_err(failed)?;
        }
    }
    // What is packed is for MAAS; what is not may be for anybody.
    if packed || maas.is_for_maas() {
        check_maas(&maas, path, packed, checks)?;
    }
    Ok(())
}

/// Whether it is a disk as recipes make them, by its partitions' names.
fn starts_recovery(parts: &[Part]) -> bool {
    let has = |name: &str| parts.iter().any(|part| part.entry.name == name);
    has("oem") && has("recovery")
}

/// GRUB and the systems on the disk find its file systems by their labels.
fn check_label(part: &Part, label: Option<String>) -> Result<(), String> {
    let name = part.entry.name.as_str();
    let Some((_, wanted)) = LABELS.iter().find(|(known, _)| *known == name) else { return Ok(()) };
    match label {
        Some(label) if label == *wanted => Ok(()),
        Some(label) => Err(format!("its label is {label:?}, it is looked for by {wanted:?}")),
        None => Err(format!("it has no file system, {wanted:?} is looked for")),
    }
}

fn check_maas(
    maas: &Findings,
    path: &Path,
    packed: bool,
    checks: &mut Vec<String>,
) -> Result<(), VerifyError> {
    maas.check().map_err(|problem| VerifyError::Maas { problem })?;
    checks.push("MAAS: one partition for curtin, with hooks that can be executed".to_owned());
    if !maas.lacking().is_empty() {
        let lacking = maas.lacking().join(", ");
        checks.push(format!("MAAS: recent releases look for what is not there: {lacking}"));
    }
    if packed {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(".raw.gz").unwrap_or(&name);
        let architecture = maas.architecture.unwrap_or(Architecture::Amd64);
        let command = upload_command(name, architecture.oci_name(), &path.display().to_string());
        checks.push(format!("MAAS: to be uploaded by: {command}"));
    }
    Ok(())
}

/// Checks the file system in a partition and returns its label; `None` when there is none that we
/// know.
fn check_volume(
    disk: &File,
    part: &Part,
    maas: &mut Findings,
    checks: &mut Vec<String>,
) -> Result<Option<String>, String> {
    let name = part.entry.name.escape_debug().to_string();
    match part.file_system {
        FileSystem::Fat => {
            let volume = fat::Volume::open(disk, part.offset).map_err(words)?;
            fits(volume.len(), part)?;
            volume.findings().first().map_or(Ok(()), |finding| Err(finding.to_string()))?;
            let (label, files) = (volume.label(), volume.entries().len());
            checks.push(format!("{name}: {}, {label:?}, {files} entries", volume.fat_type()));
            maas.see_names(volume.entries().iter().map(|entry| entry.path.as_str()));
            Ok(Some(label.to_owned()))
        }
        FileSystem::Ext => {
            let open = || ext::Volume::open(disk, part.offset);
            let volume = open().map_err(words)?;
            fits(volume.len(), part)?;
            let label = volume.label();
            check_ext(volume, &name, checks)?;
            // The check takes the volume.
            let (tree, contents) = open().and_then(|volume| volume.into_tree(0)).map_err(words)?;
            maas.see_tree(&tree);
            check_nested(&tree, contents, &name, checks)
                .map_err(|problem| format!("{RECOVERY_IMAGE}: {problem}"))?;
            Ok(Some(label))
        }
        FileSystem::Other => {
            checks.push(format!("{name}: no file system that can be checked"));
            Ok(None)
        }
    }
}

/// The file system within a file of the volume, if there is one.
fn check_nested<R: Read + Seek>(
    tree: &FileTree,
    contents: ext::Contents<R>,
    name: &str,
    checks: &mut Vec<String>,
) -> Result<(), String> {
    let nested = tree.lookup(RECOVERY_IMAGE.as_bytes());
    let Some(file) = nested.and_then(|inode| contents.into_file(inode)) else { return Ok(()) };
    let volume = ext::Volume::open(file, 0).map_err(words)?;
    check_ext(volume, &format!("{name}: {RECOVERY_IMAGE}"), checks)
}

fn check_ext<R: Read + Seek>(
    volume: ext::Volume<R>,
    name: &str,
    checks: &mut Vec<String>,
) -> Result<(), String> {
    let (kind, label, len) = (volume.file_system(), volume.label(), volume.len());
    let findings = volume.check().map_err(words)?;
    findings.first().map_or(Ok(()), |finding| Err(finding.to_string()))?;
    checks.push(format!("{name}: {kind}, {label:?}, {len} bytes"));
    Ok(())
}

fn fits(len: u64, part: &Part) -> Result<(), String> {
    if len > part.len {
        return Err(format!("its file system has {len} bytes, the partition {}", part.len));
    }
    Ok(())
}

/// An error and its causes.
fn words(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
