//! A volume as text: every byte that is not zero and not the content of a file.

use std::fmt::Write as _;
use std::io::{Read, Seek};

use super::format::{ENTRY_LEN, FIRST_CLUSTER, FatType, attribute, entry};
use super::read::{ReadError, Volume};

/// Tells what is on a volume, for comparison by people and by tests: the boot sector and FSInfo
/// byte for byte, the chains of the FAT, all entries of all directories, and the length of each
/// file, whose content is left out.
///
/// # Errors
/// [`ReadError`].
pub fn dump<R: Read + Seek>(volume: &mut Volume<R>) -> Result<String, ReadError> {
    let mut text = format!(
        "{} {} clusters of {} bytes, {} free, label {:?}, volume id {:08X}\n",
        volume.fat_type(),
        volume.clusters(),
        volume.cluster_len(),
        volume.free_clusters(),
        volume.label(),
        volume.volume_id(),
    );
    let layout = volume.layout.clone();
    text.push_str("reserved sectors\n");
    let reserved = volume.bytes(layout.start, layout.reserved)?;
    lines(&mut text, &reserved, 16);
    text.push_str("FAT\n");
    chains(&mut text, volume);

    if layout.fat_type != FatType::Fat32 {
        text.push_str("root directory\n");
        let root = volume.bytes(layout.root_offset(), layout.root_len)?;
        lines(&mut text, &root, ENTRY_LEN);
    }
    let mut directories = vec![(String::new(), layout.root_cluster)];
    let found = volume.entries().iter().filter(|entry| entry.is_directory);
    directories.extend(found.map(|entry| (entry.path.clone(), entry.cluster)));
    for (path, first) in directories {
        let mut cluster = first;
        for _ in 0..layout.clusters {
            let Some(offset) = layout.cluster_offset(cluster) else { break };
            let _ = writeln!(text, "cluster {cluster}: directory /{path}");
            let bytes = volume.bytes(offset, layout.cluster_len)?;
            lines(&mut text, &bytes, ENTRY_LEN);
            cluster = volume.next(cluster);
        }
    }
    for entry in volume.entries().iter().filter(|entry| !entry.is_directory) {
        let _ = writeln!(text, "cluster {}: {} bytes /{}", entry.cluster, entry.len, entry.path);
    }
    Ok(text)
}

/// Runs of entries that count up by one; unused ones are left out.
fn chains<R>(text: &mut String, volume: &Volume<R>) {
    let last = volume.clusters() + FIRST_CLUSTER;
    let mut cluster = 0;
    while cluster < last {
        let first = cluster;
        while cluster < last && volume.next(cluster) == cluster + 1 {
            cluster += 1;
        }
        let value = volume.next(cluster);
        if value != 0 || first != cluster {
            let _ = writeln!(text, "  {first}..={cluster} -> {value:#x}");
        }
        cluster += 1;
    }
}

/// Lines of `width` bytes that are not all zeros, with offset, and names where there are any.
fn lines(text: &mut String, bytes: &[u8], width: usize) {
    for (index, line) in bytes.chunks(width).enumerate() {
        if line.iter().all(|byte| *byte == 0) {
            continue;
        }
        let _ = write!(text, "  {:05x} ", index * width);
        for byte in line {
            let _ = write!(text, " {byte:02x}");
        }
        let is_short = width == ENTRY_LEN && line[entry::ATTRIBUTES] != attribute::LONG_NAME;
        if is_short {
            let _ = write!(text, "  {}", line[..11].escape_ascii());
        }
        text.push('\n');
    }
}
