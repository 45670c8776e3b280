//! An image as text, every byte of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::{Read, Seek};

use super::inode::{le32, le64};
use super::metadata::Cursor;
use super::{Image, Inode, Kind, ReadError};
use crate::MetadataRef;
use crate::format::{DEVICE_BLOCK, METADATA_BLOCK, NO_TABLE, SUPERBLOCK_LEN, TABLE_ENTRY_LEN};

/// Records and blocks that are shown; a dump is for small images.
const LIMIT: usize = 1 << 20;

/// The text and the byte of the image that it has come to.
#[derive(Default)]
struct Dump {
    text: String,
    at: u64,
    lines: usize,
    /// What each range of the data area is, and of which inodes.
    data: BTreeMap<(u64, u64), (String, Vec<u32>)>,
}

impl Dump {
    fn line(&mut self, text: std::fmt::Arguments<'_>) -> Result<(), ReadError> {
        self.lines += 1;
        if self.lines > LIMIT {
            return Err(ReadError::Limit { what: "the lines of a dump", limit: LIMIT as u64 });
        }
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{text}");
        Ok(())
    }

    /// Says what the bytes up to `end` are; bytes left out before `start` are shown.
    fn range(&mut self, start: u64, end: u64, what: &str) -> Result<(), ReadError> {
        if start > self.at {
            let at = self.at;
            self.line(format_args!("{at}..{start} unreferenced"))?;
        }
        let overlap = if start < self.at { " (overlaps the bytes before)" } else { "" };
        self.line(format_args!("{start}..{end} {what}{overlap}"))?;
        self.at = self.at.max(end);
        Ok(())
    }
}

impl<R: Read + Seek> Image<R> {
    /// The image as text: every field of every structure, and what every byte belongs to.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Limit`] when there is more than a million lines to show.
    pub fn dump(&mut self) -> Result<String, ReadError> {
        let mut dump = Dump::default();
        self.dump_head(&mut dump)?;
        // The inodes say what the data area in front of them holds.
        let mut inodes = Dump::default();
        self.dump_inodes(&mut inodes)?;
        self.collect_fragments(&mut inodes)?;
        for ((start, end), (what, owners)) in &inodes.data {
            let owners = match &**owners {
                [] => String::new(),
                owners => format!(" of inodes {owners:?}"),
            };
            dump.range(*start, *end, &format!("{what}{owners}"))?;
        }
        let s = self.superblock;
        let directories_end = self.directory_table_end()?;
        self.dump_blocks(&mut dump, "inode table", s.inode_table, s.directory_table)?;
        dump.text.push_str(&inodes.text);
        self.dump_blocks(&mut dump, "directory table", s.directory_table, directories_end)?;
        self.dump_listings(&mut dump, directories_end)?;
        self.dump_tables(&mut dump)?;
        self.dump_xattrs(&mut dump)?;
        let end = s.bytes_used.next_multiple_of(DEVICE_BLOCK);
        if dump.at != s.bytes_used {
            dump.range(s.bytes_used, s.bytes_used, "end of the bytes used")?;
        }
        dump.range(s.bytes_used, end, "padding")?;
        Ok(dump.text)
    }

    fn dump_head(&mut self, dump: &mut Dump) -> Result<(), ReadError> {
        let s = self.superblock;
        dump.range(0, SUPERBLOCK_LEN as u64, "superblock")?;
        dump.line(format_args!("  version {}.{}", s.version_major, s.version_minor))?;
        dump.line(format_args!("  mkfs time {}", s.mkfs_time))?;
        dump.line(format_args!("  compressor {} ({})", s.compressor.0, s.compressor.name()))?;
        dump.line(format_args!("  block size {} (log {})", s.block_size, s.block_log))?;
        let names: Vec<_> = s.flags.names().collect();
        dump.line(format_args!("  flags {:#06x} ({})", s.flags.0, names.join(", ")))?;
        dump.line(format_args!("  inodes {}", s.inode_count))?;
        dump.line(format_args!("  fragments {}", s.fragment_count))?;
        dump.line(format_args!("  ids {}", s.id_count))?;
        dump.line(format_args!("  root inode {}", place(s.root_inode)))?;
        dump.line(format_args!("  bytes used {}", s.bytes_used))?;
        for (name, at) in [
            ("id", s.id_table),
            ("xattr", s.xattr_table),
            ("inode", s.inode_table),
            ("directory", s.directory_table),
            ("fragment", s.fragment_table),
            ("export", s.export_table),
        ] {
            match at {
                NO_TABLE => dump.line(format_args!("  {name} table none"))?,
                at => dump.line(format_args!("  {name} table {at}"))?,
            }
        }
        if let Some(options) = self.options.clone() {
            let start = SUPERBLOCK_LEN as u64;
            let what = format!("compressor options {options:02x?}");
            dump.range(start, start + 2 + options.len() as u64, &what)?;
        }
        Ok(())
    }

    /// The metadata blocks of a table.
    fn dump_blocks(
        &mut self,
        dump: &mut Dump,
        name: &str,
        start: u64,
        end: u64,
    ) -> Result<(), ReadError> {
        let mut cursor = Cursor::new(start, 0, end);
        while cursor.block < end {
            let (block, next) = self.load(cursor)?;
            let stored = next - cursor.block - 2;
            let relative = cursor.block - start;
            let what = format!("{name} block {relative}: {stored} bytes for {}", block.len());
            dump.range(cursor.block, next, &what)?;
            cursor.block = next;
        }
        Ok(())
    }

    /// Whether a stream of metadata has come to its end; moves to the next block if need be.
    fn at_end(&mut self, cursor: &mut Cursor) -> Result<bool, ReadError> {
        if cursor.block < cursor.end {
            let (block, next) = self.load(*cursor)?;
            if usize::from(cursor.offset) >= block.len() {
                (cursor.block, cursor.offset) = (next, 0);
            }
        }
        Ok(cursor.block >= cursor.end)
    }

    fn dump_inodes(&mut self, dump: &mut Dump) -> Result<(), ReadError> {
        let (start, end) = (self.superblock.inode_table, self.superblock.directory_table);
        let mut cursor = Cursor::new(start, 0, end);
        while !self.at_end(&mut cursor)? {
            let at = MetadataRef::new(cursor.block - start, cursor.offset);
            let (inode, rest) = self.inode_at(at)?;
            cursor = rest;
            self.dump_inode(dump, &inode)?;
            match inode.kind {
                Kind::File { .. } => cursor = self.dump_file(dump, &inode)?,
                Kind::Directory { index, .. } => {
                    for (offset, block, name) in self.directory_index_at(&mut cursor, index)? {
                        dump.line(format_args!(
                            "    index {offset} in block {block} from {}",
                            text(&name)
                        ))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn dump_inode(&mut self, dump: &mut Dump, inode: &Inode) -> Result<(), ReadError> {
        let form = if inode.extended { "extended" } else { "basic" };
        let xattr = inode.xattr.map_or_else(String::new, |xattr| format!(" xattr set {xattr}"));
        let kind = match &inode.kind {
            Kind::Directory { listing, len, parent, index } => {
                let at = place(*listing);
                format!("directory listing {at} of {len} parent {parent} index {index}")
            }
            Kind::File { len, start, sparse, fragment } => {
                let fragment = fragment.map_or_else(String::new, |(fragment, offset)| {
                    format!(" fragment {fragment} offset {offset}")
                });
                format!("file of {len} start {start} sparse {sparse}{fragment}")
            }
            Kind::Symlink(target) => format!("symlink to {}", text(target)),
            Kind::BlockDevice(major, minor) => format!("block device {major}:{minor}"),
            Kind::CharDevice(major, minor) => format!("character device {major}:{minor}"),
            Kind::Fifo => "fifo".to_owned(),
            Kind::Socket => "socket".to_owned(),
        };
        dump.line(format_args!(
            "  {} inode {} {form} {kind} mode {:04o} owner {}:{} mtime {} links {}{xattr}",
            place(inode.place),
            inode.number,
            inode.mode,
            inode.uid,
            inode.gid,
            inode.mtime,
            inode.links
        ))
    }

    /// The blocks of a file, and where its list ends.
    fn dump_file(&mut self, dump: &mut Dump, inode: &Inode) -> Result<Cursor, ReadError> {
        let mut list = self.block_list(inode);
        let mut holes = 0_u64;
        let number = inode.number;
        while let Some(block) = list.next(self)? {
            if block.fragment.is_some() {
                continue;
            }
            if block.stored == 0 {
                holes += 1;
                continue;
            }
            let how = if block.raw { "stored" } else { "compressed" };
            if dump.data.len() >= LIMIT {
                return Err(ReadError::Limit { what: "the blocks of a dump", limit: LIMIT as u64 });
            }
            let end = block.offset + u64::from(block.stored);
            let what = format!("block of {} bytes, {how},", block.len);
            let entry = dump.data.entry((block.offset, end)).or_insert((what, Vec::new()));
            entry.1.push(number);
        }
        if holes > 0 {
            dump.line(format_args!("    blocks that are holes {holes}"))?;
        }
        Ok(list.end())
    }

    fn collect_fragments(&mut self, dump: &mut Dump) -> Result<(), ReadError> {
        for index in 0..self.superblock.fragment_count {
            let (offset, size) = self.fragment_entry(index)?;
            let (stored, raw) = self.block_size_field(size, offset)?;
            let how = if raw { "stored" } else { "compressed" };
            let what = format!("fragment {index}, {how}");
            dump.data.insert((offset, offset + u64::from(stored)), (what, Vec::new()));
        }
        Ok(())
    }

    fn directory_table_end(&mut self) -> Result<u64, ReadError> {
        let s = self.superblock;
        let tables = [(s.fragment_table, s.fragment_count > 0), (s.export_table, true)];
        let next = tables.iter().find(|(table, used)| *table != NO_TABLE && *used);
        let (first, _) = self.pointers(next.map_or(s.id_table, |(table, _)| *table), 1, 1)?;
        Ok(first)
    }

    fn dump_listings(&mut self, dump: &mut Dump, end: u64) -> Result<(), ReadError> {
        let start = self.superblock.directory_table;
        let mut cursor = Cursor::new(start, 0, end);
        while !self.at_end(&mut cursor)? {
            let at = MetadataRef::new(cursor.block - start, cursor.offset);
            let header = self.directory_header(&mut cursor)?;
            dump.line(format_args!(
                "  {} header of {} inode block {} number {}",
                place(at),
                header.count,
                header.block,
                header.number
            ))?;
            for _ in 0..header.count {
                let entry = self.directory_entry(&mut cursor, header)?;
                dump.line(format_args!(
                    "    {} type {} inode {} at {}",
                    text(&entry.name),
                    entry.inode_type,
                    entry.number,
                    place(entry.inode)
                ))?;
            }
        }
        Ok(())
    }

    /// The first pointer of a lookup table and the length of all its pointers.
    fn pointers(&mut self, table: u64, count: u32, len: usize) -> Result<(u64, u64), ReadError> {
        let mut first = [0; 8];
        self.read_at(table, &mut first)?;
        let blocks = (u64::from(count) * len as u64).div_ceil(METADATA_BLOCK as u64);
        Ok((u64::from_le_bytes(first), 8 * blocks))
    }

    fn dump_table<const N: usize>(
        &mut self,
        dump: &mut Dump,
        name: &str,
        (table, count): (u64, u32),
        show: impl Fn(&[u8; N]) -> String,
    ) -> Result<(), ReadError> {
        if table == NO_TABLE || count == 0 {
            return Ok(());
        }
        let (first, pointers) = self.pointers(table, count, N)?;
        self.dump_blocks(dump, name, first, table)?;
        for index in 0..count {
            let entry = self.table_entry::<N>(table, index)?;
            dump.line(format_args!("  {index} {}", show(&entry)))?;
        }
        dump.range(table, table + pointers, &format!("{name} pointers"))
    }

    fn dump_tables(&mut self, dump: &mut Dump) -> Result<(), ReadError> {
        let s = self.superblock;
        let fragments = (s.fragment_table, s.fragment_count);
        self.dump_table::<TABLE_ENTRY_LEN>(dump, "fragment table", fragments, |entry| {
            format!("at {} size {:#x} unused {}", le64(entry, 0), le32(entry, 8), le32(entry, 12))
        })?;
        self.dump_table::<8>(dump, "export table", (s.export_table, s.inode_count), |entry| {
            format!("inode at {}", place(MetadataRef(u64::from_le_bytes(*entry))))
        })?;
        self.dump_table::<4>(dump, "id table", (s.id_table, u32::from(s.id_count)), |entry| {
            format!("id {}", u32::from_le_bytes(*entry))
        })
    }

    fn dump_xattrs(&mut self, dump: &mut Dump) -> Result<(), ReadError> {
        let Some((pairs, count)) = self.xattr_header()? else { return Ok(()) };
        let table = self.superblock.xattr_table;
        let header_len = TABLE_ENTRY_LEN as u64;
        let (first, pointers) = self.pointers(table + header_len, count, TABLE_ENTRY_LEN)?;
        self.dump_blocks(dump, "xattr pairs", pairs, first)?;
        self.dump_blocks(dump, "xattr id table", first, table)?;
        for index in 0..count {
            let set = self.xattr_set(index)?;
            let at = place(set.place);
            dump.line(format_args!("  set {index} at {at} pairs {} of {}", set.count, set.len))?;
            for (name, value) in self.xattrs(index)? {
                dump.line(format_args!("    {} = {}", text(&name), text(&value)))?;
            }
        }
        let what = format!("xattr header: pairs at {pairs}, sets {count}");
        dump.range(table, table + header_len, &what)?;
        dump.range(table + header_len, table + header_len + pointers, "xattr id table pointers")
    }
}

fn place(place: MetadataRef) -> String {
    format!("{}:{}", place.block(), place.offset())
}

fn text(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}
