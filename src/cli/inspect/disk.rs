//! What there is to say about a disk: its table, its volumes and what lies at their tops.

use std::fs::File;
use std::io::{Read, Seek};

use serde_json::{Value, json};

use super::iso::partition_table;
use crate::image::{FileTree, InodeId, Kind};
use crate::partitions::{ext, fat, gpt};
use crate::raw::{self, FileSystem, Part};

/// A file that is itself a file system.
const NESTED: &str = "cOS/recovery.img";
/// How deep folders are listed, and how many names of one.
const DEPTH: usize = 2;
const NAMES: usize = 64;

/// Describes the disk that a file is.
pub(super) fn describe(mut disk: &File, packed: bool) -> anyhow::Result<Value> {
    let found = gpt::read(&mut disk)?;
    let parts = raw::partitions(disk, &found)?;
    let volumes: Vec<Value> = parts.iter().map(|part| volume(disk, part)).collect();
    Ok(json!({
        "format": if packed { "disk in gzip" } else { "disk" },
        "bytes": disk.metadata()?.len(),
        "sector size": found.sector_size.bytes(),
        "gpt": partition_table(&found),
        "volumes": volumes,
    }))
}

fn volume(disk: &File, part: &Part) -> Value {
    let held = match part.file_system {
        FileSystem::Fat => fat::Volume::open(disk, part.offset)
            .map(|volume| fat_volume(&volume))
            .map_err(|error| error.to_string()),
        FileSystem::Ext => ext::Volume::open(disk, part.offset)
            .and_then(ext_volume)
            .map_err(|error| error.to_string()),
        FileSystem::Other => Ok(Value::Null),
    };
    json!({
        "partition": part.number,
        "name": part.entry.name,
        "offset": part.offset,
        "bytes": part.len,
        "file system": held.unwrap_or_else(|error| format!("unreadable: {error}").into()),
    })
}

fn fat_volume(volume: &fat::Volume<&File>) -> Value {
    let files = volume.entries().iter().filter(|entry| !entry.is_directory);
    let files =
        files.map(|entry| json!({ "path": format!("/{}", entry.path), "bytes": entry.len }));
    json!({
        "type": volume.fat_type().to_string(),
        "label": volume.label(),
        "serial number": format!("{:08X}", volume.volume_id()),
        "bytes": volume.len(),
        "clusters": volume.clusters(),
        "free clusters": volume.free_clusters(),
        "problems": volume.findings().iter().map(ToString::to_string).collect::<Vec<_>>(),
        "files": files.collect::<Vec<_>>(),
    })
}

fn ext_volume<R: Read + Seek>(volume: ext::Volume<R>) -> Result<Value, ext::ReadError> {
    let (mut description, tree, contents) = outline(volume, DEPTH)?;
    let nested = tree.lookup(NESTED.as_bytes()).and_then(|inode| contents.into_file(inode));
    if let Some(file) = nested {
        description[NESTED] = ext::Volume::open(file, 0)
            .and_then(|volume| outline(volume, 1))
            .map_or_else(|error| format!("unreadable: {error}").into(), |(found, ..)| found);
    }
    Ok(description)
}

/// A volume without what lies in its files.
fn outline<R: Read + Seek>(
    volume: ext::Volume<R>,
    depth: usize,
) -> Result<(Value, FileTree, ext::Contents<R>), ext::ReadError> {
    let mut description = json!({
        "type": volume.file_system(),
        "label": volume.label(),
        "uuid": uuid(volume.uuid()),
        "bytes": volume.len(),
    });
    let (tree, contents) = volume.into_tree(0)?;
    let mut files = Vec::new();
    list(&tree, tree.root(), "", depth, &mut files);
    description["names"] = tree.walk().count().into();
    description["files"] = files.into();
    Ok((description, tree, contents))
}

/// The names in a folder and in those below it; where there are many, how many are left out.
fn list(tree: &FileTree, folder: InodeId, path: &str, depth: usize, files: &mut Vec<Value>) {
    for (number, (name, inode)) in tree.children(folder).enumerate() {
        if number == NAMES {
            let more = tree.children(folder).count() - NAMES;
            files.push(json!({ "path": format!("{path}/"), "more": more }));
            return;
        }
        let path = format!("{path}/{}", String::from_utf8_lossy(name));
        files.push(json!({ "path": path, "kind": kind(tree.inode(inode).kind()) }));
        if depth > 1 {
            list(tree, inode, &path, depth - 1, files);
        }
    }
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::Directory(_) => "directory".into(),
        Kind::File(blob) => format!("file of {} bytes", blob.len()),
        Kind::Symlink(target) => format!("link to {}", String::from_utf8_lossy(target)),
        _ => "special".into(),
    }
}

/// As text shows it.
fn uuid(bytes: [u8; 16]) -> String {
    let hex = crate::recipe::checksum_hex(&bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
