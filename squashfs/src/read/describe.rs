//! What there is to say about an image at a glance.

use std::fmt;
use std::io::{Read, Seek};

use super::{Image, Inode, ReadError};
use crate::Superblock;
use crate::format::NO_TABLE;

/// Names of the root directory that are listed.
const LISTED: usize = 1024;

/// An image at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The superblock with version, times, counts and the places of the tables.
    pub superblock: Superblock,
    /// The compressor's name.
    pub compressor: &'static str,
    /// The body of the compressor's options record.
    pub compressor_options: Option<Vec<u8>>,
    /// What the set flags mean.
    pub flags: Vec<&'static str>,
    /// Different sets of extended attributes.
    pub xattr_sets: u32,
    /// The root directory: name and inode of each entry, 1024 at most.
    pub root: Vec<(Vec<u8>, Inode)>,
}

impl<R: Read + Seek> Image<R> {
    /// Collects what there is to say about the image.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn describe(&mut self) -> Result<Info, ReadError> {
        let directory = self.root()?;
        let entries: Result<Vec<_>, _> = self.entries(&directory)?.take(LISTED).collect();
        let mut root = Vec::new();
        for entry in entries? {
            root.push((entry.name, self.inode(entry.inode)?));
        }
        Ok(Info {
            superblock: self.superblock,
            compressor: self.superblock.compressor.name(),
            compressor_options: self.options.clone(),
            flags: self.superblock.flags.names().collect(),
            xattr_sets: self.xattr_header()?.map_or(0, |(_, count)| count),
            root,
        })
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.superblock;
        writeln!(f, "squashfs {}.{}", s.version_major, s.version_minor)?;
        writeln!(f, "compression: {}", self.compressor)?;
        writeln!(f, "block size: {}", s.block_size)?;
        writeln!(f, "flags: {}", self.flags.join(", "))?;
        writeln!(f, "created: {} s after 1970", s.mkfs_time)?;
        writeln!(f, "inodes: {}", s.inode_count)?;
        writeln!(f, "fragments: {}", s.fragment_count)?;
        writeln!(f, "ids: {}", s.id_count)?;
        writeln!(f, "xattr sets: {}", self.xattr_sets)?;
        writeln!(f, "bytes used: {}", s.bytes_used)?;
        for (name, at) in [
            ("inode table", s.inode_table),
            ("directory table", s.directory_table),
            ("fragment table", s.fragment_table),
            ("export table", s.export_table),
            ("id table", s.id_table),
            ("xattr table", s.xattr_table),
        ] {
            match at {
                NO_TABLE => writeln!(f, "{name}: none")?,
                at => writeln!(f, "{name}: at {at}")?,
            }
        }
        Ok(())
    }
}
