//! Every block of an image as text, for people and for tests that compare whole images.

use std::fmt::Write as _;
use std::io::{Read, Seek};

use bootwright_partitions::gpt;

use super::format::{BLOCK, DESCRIPTORS, PARTITION_BASE, parse_record_date};
use super::read::{
    Extent, Image, Info, ReadError, Record, Source, Volume, le16, le32, records, sharing,
};
use crate::boot_info;
use crate::el_torito::Platform;

/// Bytes of a gap looked at in one go.
const CHUNK: u64 = 1 << 16;
/// Bytes of names listed for one place.
const NAMES_MAX: usize = 4096;

/// A part of the image and what is in it.
struct Part {
    start: u64,
    end: u64,
    /// A title, and lines of detail.
    text: String,
}

/// Accounts for every byte of an image: the descriptors with their fields, path tables, directories
/// record by record, files, boot catalog, partition tables, and what is left between them. Parts
/// that overlap are marked.
///
/// # Errors
/// [`ReadError`].
pub fn dump<R: Read + Seek>(image: &mut Image<R>) -> Result<String, ReadError> {
    let info = image.info().clone();
    let mut parts = Vec::new();
    let mut names = Vec::new();
    for volume in info.volumes.iter().chain(&info.partition_view) {
        names.extend(image.entries(volume)?.into_iter().map(|entry| (volume.base, entry)));
    }
    let (source, _) = image.parts();
    for volume in info.volumes.iter().chain(&info.partition_view) {
        volume_parts(source, volume, &mut parts)?;
    }
    for (base, entry) in names {
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        for extent in entry.extents {
            let view = if base == 0 { "" } else { " (partition view)" };
            let text = format!("file /{path}{view}\n");
            parts.push(Part { text, ..span(extent) });
        }
    }
    system_area(&info, &mut parts);
    boot_parts(source, &info, &mut parts)?;
    merge(&mut parts);
    render(source, &parts)
}

fn span(extent: Extent) -> Part {
    let start = extent.block.saturating_mul(BLOCK);
    Part { start, end: start.saturating_add(extent.len), text: String::new() }
}

/// Joins the names of one place.
fn merge(parts: &mut Vec<Part>) {
    parts.sort_by_key(|part| (part.start, part.end));
    parts.dedup_by(|next, kept| {
        let same = (next.start, next.end) == (kept.start, kept.end);
        if same && kept.text.len() < NAMES_MAX && !kept.text.contains(&next.text) {
            kept.text.push_str(&next.text);
        }
        same
    });
}

fn render<R: Read + Seek>(source: &mut Source<R>, parts: &[Part]) -> Result<String, ReadError> {
    let mut text = String::new();
    let mut at = 0;
    for part in parts {
        if part.start > at {
            gap(source, at, part.start, &mut text)?;
        }
        let overlap = if part.start < at { " OVERLAPS" } else { "" };
        let _ = writeln!(text, "{}{overlap}", range(part.start, part.end));
        part.text.lines().for_each(|line| {
            let _ = writeln!(text, "  {line}");
        });
        at = at.max(part.end);
    }
    let len = source.len();
    if at < len {
        gap(source, at, len, &mut text)?;
    }
    let _ = writeln!(text, "{} end", range(len, len));
    Ok(text)
}

/// A range of bytes as blocks, with the bytes beyond whole blocks.
fn range(start: u64, end: u64) -> String {
    let place = |at: u64| match at % BLOCK {
        0 => format!("{}", at / BLOCK),
        rest => format!("{}+{rest}", at / BLOCK),
    };
    if start == end { place(start) } else { format!("{}..{}", place(start), place(end)) }
}

fn gap<R: Read + Seek>(
    source: &mut Source<R>,
    start: u64,
    end: u64,
    text: &mut String,
) -> Result<(), ReadError> {
    let (mut at, mut used) = (start, 0);
    while at < end {
        let bytes = source.bytes(at, CHUNK.min(end - at))?;
        used += bytes.iter().filter(|byte| **byte != 0).count();
        at += bytes.len() as u64;
    }
    // The rest of a file's last block goes without saying.
    if used > 0 || end - start >= BLOCK {
        let what = if used == 0 { "zeros".into() } else { format!("{used} BYTES OF NO PART") };
        let _ = writeln!(text, "{} {what}", range(start, end));
    }
    Ok(())
}

fn volume_parts<R: Read + Seek>(
    source: &mut Source<R>,
    volume: &Volume,
    parts: &mut Vec<Part>,
) -> Result<(), ReadError> {
    let mut text = format!("{} volume descriptor\n", kind(volume.joliet));
    let seconds = |time: Option<bootwright_image::Timestamp>| time.map(|time| time.0);
    let _ = writeln!(
        text,
        "volume {:?} system {:?} set {:?} publisher {:?} preparer {:?} application {:?}",
        volume.volume_id,
        volume.system_id,
        volume.volume_set_id,
        volume.publisher,
        volume.preparer,
        volume.application
    );
    let _ = writeln!(
        text,
        "base {} blocks {} created {:?} modified {:?} root {} path tables {} and {} of {} bytes",
        volume.base,
        volume.blocks,
        seconds(volume.created),
        seconds(volume.modified),
        place(volume.root),
        volume.path_table_l,
        volume.path_table_m,
        volume.path_table_len
    );
    parts.push(Part { text, ..span(Extent { block: volume.block.into(), len: BLOCK }) });
    for (block, order) in [(volume.path_table_l, "L"), (volume.path_table_m, "M")] {
        let extent = Extent { block, len: volume.path_table_len.into() };
        let text = path_table(
            &source.bytes(block.saturating_mul(BLOCK), extent.len)?,
            order,
            volume.joliet,
        );
        parts.push(Part { text, ..span(extent) });
    }
    directories(source, volume, parts)
}

fn kind(joliet: bool) -> &'static str {
    if joliet { "Joliet" } else { "primary" }
}

fn place(extent: Extent) -> String {
    format!("{}+{}", extent.block, extent.len)
}

fn path_table(bytes: &[u8], order: &str, joliet: bool) -> String {
    let kind = kind(joliet);
    let mut text = format!("{kind} path table {order}\n");
    let mut at = 0;
    while let Some(len) = bytes.get(at).copied().map(usize::from) {
        let Some(name) = bytes.get(at + 8..at + 8 + len) else { break };
        let (block, parent) = match order {
            "L" => (le32(bytes, at + 2), le16(bytes, at + 6)),
            _ => (le32(bytes, at + 2).swap_bytes(), le16(bytes, at + 6).swap_bytes()),
        };
        let _ = writeln!(text, "{block} parent {parent} {}", identifier(name, joliet));
        at += 8 + len.next_multiple_of(2).max(2);
    }
    text
}

/// Every directory with its records, and the continuation areas these lead to.
fn directories<R: Read + Seek>(
    source: &mut Source<R>,
    volume: &Volume,
    parts: &mut Vec<Part>,
) -> Result<(), ReadError> {
    let kind = kind(volume.joliet);
    // `entries` has walked the same directories and found no loop.
    let mut waiting = vec![volume.root];
    let mut skip = None;
    while let Some(extent) = waiting.pop() {
        let records = records(source, extent, volume.base)?;
        let mut text = format!("{kind} directory\n");
        for (index, record) in records.iter().enumerate() {
            let root = extent == volume.root && index == 0;
            if root {
                skip = sharing(record);
            }
            line(&mut text, record, volume.joliet);
            if let Some(skip) = skip {
                let skip = if root { 0 } else { skip };
                let found = record.entries(source, skip, volume.base)?;
                found.entries.iter().for_each(|(name, data)| entry(&mut text, *name, data));
                for (start, len) in found.areas {
                    let text = format!("{kind} continuation area\n");
                    parts.push(Part { start, end: start + len, text });
                }
            }
            if index > 1 && record.is_directory() {
                waiting.push(record.extent);
            }
        }
        parts.push(Part { text, ..span(extent) });
    }
    Ok(())
}

fn line(text: &mut String, record: &Record, joliet: bool) {
    let identifier = identifier(&record.identifier, joliet);
    let _ = writeln!(
        text,
        "{identifier} {} flags {:02x} date{}",
        place(record.extent),
        record.flags,
        dates(&record.date)
    );
}

/// An identifier: the characters of Joliet's, the bytes of others, and of those that are no
/// names.
fn identifier(bytes: &[u8], joliet: bool) -> String {
    if joliet && bytes.len() > 1 {
        let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
        return char::decode_utf16(units)
            .map(|unit| {
                unit.map_or_else(|_| "\\u{?}".into(), |unit| unit.escape_debug().to_string())
            })
            .collect();
    }
    bytes.escape_ascii().to_string()
}

/// Dates in seconds since 1970; the bytes of what is no date.
fn dates(bytes: &[u8]) -> String {
    let (dates, rest) = bytes.as_chunks::<7>();
    let mut text = String::new();
    for date in dates {
        let _ = match parse_record_date(*date) {
            Some(time) => write!(text, " {}", time.0),
            None => write!(text, " {date:?}"),
        };
    }
    if !rest.is_empty() {
        let _ = write!(text, " {rest:?}");
    }
    text
}

fn entry(text: &mut String, name: [u8; 2], data: &[u8]) {
    let _ = write!(text, "    {}", name.escape_ascii());
    let _ = match &name {
        b"PX" => {
            let field = |at| le32(data, at);
            writeln!(
                text,
                " {:o} nlink {} uid {} gid {} serial {}",
                field(0),
                field(8),
                field(16),
                field(24),
                field(32)
            )
        }
        b"CE" => writeln!(text, " {}+{} len {}", le32(data, 0), le32(data, 8), le32(data, 16)),
        b"TF" => {
            let (flags, rest) = data.split_at(data.len().min(1));
            writeln!(text, " {flags:02x?}{}", dates(rest))
        }
        _ => writeln!(text, " {}", data.escape_ascii()),
    };
}

/// The master boot record and both GPTs.
fn system_area(info: &Info, parts: &mut Vec<Part>) {
    if let Some(mbr) = &info.mbr {
        let code = mbr.boot_code.iter().filter(|byte| **byte != 0).count();
        let mut text = format!(
            "master boot record\n{code} bytes of code, signature {:08x}\n",
            mbr.disk_signature
        );
        for entry in mbr.entries.iter().flatten() {
            let _ = writeln!(
                text,
                "status {:02x} type {:02x} sectors {}+{}",
                entry.status, entry.kind, entry.start, entry.count
            );
        }
        parts.push(Part { start: 0, end: 512, text });
    }
    let Some(found) = &info.gpt else { return };
    let size = found.sector_size.bytes();
    for (copy, name) in [(&found.primary, "primary"), (&found.backup, "backup")] {
        let Some(copy) = copy else { continue };
        let (header, array) = (copy.my_lba.saturating_mul(size), gpt_array(copy, size));
        let (start, end) = (header.min(array.0), (header.saturating_add(size)).max(array.1));
        if end <= info.len {
            parts.push(Part { start, end, text: gpt_text(copy, name) });
        }
    }
}

/// First byte and end of a partition entry array.
fn gpt_array(copy: &gpt::Copy, size: u64) -> (u64, u64) {
    let start = copy.entries_lba.saturating_mul(size);
    (start, start.saturating_add(u64::from(copy.entry_count) * 128))
}

fn gpt_text(copy: &gpt::Copy, name: &str) -> String {
    let mut text = format!(
        "{name} GPT\ndisk {} header {} other {} usable {}..={} entries {} at {}\n",
        copy.disk_guid,
        copy.my_lba,
        copy.alternate_lba,
        copy.first_usable,
        copy.last_usable,
        copy.entry_count,
        copy.entries_lba
    );
    for (number, entry) in &copy.entries {
        let _ = writeln!(
            text,
            "{number} type {} guid {} sectors {}..={} attributes {:x} {:?}",
            entry.type_guid,
            entry.guid,
            entry.first_lba,
            entry.last_lba,
            entry.attributes,
            entry.name
        );
    }
    text
}

fn boot_parts<R: Read + Seek>(
    source: &mut Source<R>,
    info: &Info,
    parts: &mut Vec<Part>,
) -> Result<(), ReadError> {
    let views = [(&info.volumes, 0), (&info.partition_view, PARTITION_BASE)];
    for (volumes, base) in views {
        // Whatever follows the volumes in their set: at most the boot record and the terminator.
        for block in base + DESCRIPTORS.. {
            if volumes.is_empty() {
                break;
            }
            let bytes = source.block(block.into())?;
            let text = match bytes[0] {
                0 => format!("boot record, catalog at {}\n", le32(&bytes, 71)),
                255 => "volume descriptor set terminator\n".into(),
                _ => continue,
            };
            parts.push(Part { text, ..span(Extent { block: block.into(), len: BLOCK }) });
            if bytes[0] == 255 {
                break;
            }
        }
    }
    let Some(catalog) = info.boot_catalog else { return Ok(()) };
    let mut text = String::from("boot catalog\n");
    for entry in &info.boot_entries {
        let _ = writeln!(
            text,
            "platform {:02x} sectors {} at {}",
            entry.platform.0, entry.sectors, entry.block
        );
        if entry.platform == Platform::BIOS {
            text.push_str(&boot_info_line(source, entry.block)?);
        }
    }
    parts.push(Part { text, ..span(Extent { block: catalog.into(), len: BLOCK }) });
    Ok(())
}

fn boot_info_line<R: Read + Seek>(source: &mut Source<R>, block: u32) -> Result<String, ReadError> {
    let start = u64::from(block) * BLOCK;
    let table = source.bytes(start + boot_info::TABLE_OFFSET, 16)?;
    let fields = [0, 4, 8, 12].map(|at| le32(&table, at));
    let [descriptor, image, len, checksum] = fields;
    Ok(format!(
        "  boot information: descriptor {descriptor} image {image} len {len} checksum {checksum:08x}\n"
    ))
}
