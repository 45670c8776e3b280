//! What there is to say about an ISO 9660 image.

use std::fs::File;

use serde_json::{Value, json};

use super::squashfs;
use crate::boot::el_torito::Platform;
use crate::boot::iso9660::read::{Entry, EntryKind, Image, Info, ReadError};
use crate::partitions::{gpt, mbr};

/// Bytes of a block.
const BLOCK: u64 = 2048;

/// Describes an image and the squashfs in it.
pub(super) fn describe(file: File) -> Result<Value, ReadError> {
    let nested = file.try_clone();
    let mut image = Image::open(file)?;
    let info = image.info().clone();
    let mut entries = match info.primary().cloned() {
        Some(volume) => image.entries(&volume)?,
        None => Vec::new(),
    };
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut description = json!({ "format": "ISO 9660", "bytes": info.len });
    let volumes: Vec<_> = info.volumes.iter().map(volume).collect();
    description["volumes"] = volumes.into();
    description["partition view"] = (!info.partition_view.is_empty()).into();
    description["el torito"] = boot_entries(&info);
    description["mbr"] = info.mbr.as_ref().map_or(Value::Null, master_boot_record);
    description["gpt"] = info.gpt.as_ref().map_or(Value::Null, partition_table);
    let files: Vec<_> = entries.iter().map(file_entry).collect();
    description["files"] = files.into();
    let root = entries.iter().find(|entry| entry.path == b"rootfs.squashfs");
    if let (Some(extent), Ok(nested)) = (root.and_then(|entry| entry.extents.first()), nested) {
        description["rootfs.squashfs"] = squashfs::describe(nested, extent.block * BLOCK)
            .unwrap_or_else(|error| format!("unreadable: {error}").into());
    }
    Ok(description)
}

fn volume(volume: &crate::boot::iso9660::read::Volume) -> Value {
    json!({
        "hierarchy": if volume.joliet { "Joliet" } else { "primary" },
        "label": volume.volume_id,
        "application": volume.application,
        "blocks": volume.blocks,
        "created": volume.created.map(|time| time.0),
    })
}

fn boot_entries(info: &Info) -> Value {
    let entry = |entry: &crate::boot::el_torito::BootEntry| {
        let platform = match entry.platform {
            Platform::BIOS => "BIOS".to_owned(),
            Platform::EFI => "UEFI".to_owned(),
            Platform(other) => format!("{other:#04x}"),
        };
        json!({ "platform": platform, "block": entry.block, "sectors": entry.sectors })
    };
    info.boot_entries.iter().map(entry).collect::<Vec<_>>().into()
}

fn master_boot_record(found: &mbr::Mbr) -> Value {
    let entry = |entry: &mbr::Entry| {
        json!({
            "type": format!("{:#04x}", entry.kind),
            "active": entry.status == mbr::ACTIVE,
            "start": entry.start,
            "sectors": entry.count,
        })
    };
    let used = found.entries.iter().flatten();
    json!({
        "boot code": found.boot_code.iter().any(|byte| *byte != 0),
        "entries": used.map(entry).collect::<Vec<_>>(),
    })
}

pub(super) fn partition_table(found: &gpt::Found) -> Value {
    let entry = |(number, entry): &(usize, gpt::Entry)| {
        let kind = gpt::types::name(entry.type_guid)
            .map_or_else(|| entry.type_guid.to_string(), str::to_owned);
        json!({
            "number": number,
            "name": entry.name,
            "type": kind,
            "guid": entry.guid.to_string(),
            "first sector": entry.first_lba,
            "last sector": entry.last_lba,
        })
    };
    let table = found.table();
    json!({
        "disk guid": table.map(|table| table.disk_guid.to_string()),
        "primary": found.primary.is_some(),
        "backup": found.backup.is_some(),
        "problems": found.findings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "partitions": table.map(|table| table.entries.iter().map(entry).collect::<Vec<_>>()),
    })
}

fn file_entry(entry: &Entry) -> Value {
    let kind = match &entry.kind {
        EntryKind::Directory => "directory",
        EntryKind::File => "file",
        EntryKind::Symlink(_) => "link",
        _ => "special",
    };
    json!({
        "path": format!("/{}", String::from_utf8_lossy(&entry.path)),
        "kind": kind,
        "bytes": entry.len(),
        "block": entry.extents.first().map(|extent| extent.block),
    })
}
