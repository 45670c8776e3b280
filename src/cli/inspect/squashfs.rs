//! What there is to say about a squashfs.

use std::io::{Read, Seek};

use serde_json::{Value, json};

use crate::squashfs::read::{Image, Kind, ReadError};

/// Describes the squashfs that begins at byte `base` of `input`.
pub(super) fn describe<R: Read + Seek>(input: R, base: u64) -> Result<Value, ReadError> {
    let info = Image::open(input, base)?.describe()?;
    let s = &info.superblock;
    let root: Vec<_> = info
        .root
        .iter()
        .map(|(name, inode)| {
            let kind = match &inode.kind {
                Kind::Directory { .. } => "directory".to_owned(),
                Kind::File { len, .. } => format!("file of {len} bytes"),
                Kind::Symlink(target) => format!("link to {}", String::from_utf8_lossy(target)),
                Kind::BlockDevice(major, minor) => format!("block device {major}:{minor}"),
                Kind::CharDevice(major, minor) => format!("character device {major}:{minor}"),
                Kind::Fifo => "named pipe".to_owned(),
                Kind::Socket => "socket".to_owned(),
            };
            json!({
                "name": String::from_utf8_lossy(name),
                "kind": kind,
                "mode": format!("{:04o}", inode.mode & 0o7777),
                "owner": format!("{}:{}", inode.uid, inode.gid),
            })
        })
        .collect();
    Ok(json!({
        "format": format!("squashfs {}.{}", s.version_major, s.version_minor),
        "compression": info.compressor,
        "block size": s.block_size,
        "bytes used": s.bytes_used,
        "time": s.mkfs_time,
        "flags": info.flags,
        "inodes": s.inode_count,
        "fragment blocks": s.fragment_count,
        "ids": s.id_count,
        "xattr sets": info.xattr_sets,
        "tables": {
            "inode": place(s.inode_table),
            "directory": place(s.directory_table),
            "fragment": place(s.fragment_table),
            "export": place(s.export_table),
            "id": place(s.id_table),
            "xattr": place(s.xattr_table),
        },
        "root": root,
    }))
}

/// Where a table lies; all ones say that there is none.
fn place(offset: u64) -> Value {
    if offset == u64::MAX { Value::Null } else { offset.into() }
}
