//! Fixed amounts of work on our own hot paths, codecs and hashes left out as far as possible: how
//! many instructions those take depends on the processor.

use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;

use bootwright_boot::iso9660;
use bootwright_gzip::Gzip;
use bootwright_image::{
    Blob, Digest, FileTree, InodeId, Kind, Metadata, Silent, SparseWrite, StreamKey,
};
use bootwright_oci::benching as oci;
use bootwright_partitions::disk::{Disk, Partition};
use bootwright_partitions::{Guid, SparseFile, ext, fat, gpt};
use bootwright_squashfs::{Compression, Options, Writer};

use crate::members::Members;

/// Work to be done once; what it takes is made beforehand.
pub type Work = Box<dyn FnOnce()>;

/// A piece of work that is always the same.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// What it goes through, such as members or inodes.
    pub items: u32,
    /// Makes the input, for as many items.
    prepare: fn(u32) -> Work,
}

impl Workload {
    /// Makes the input.
    #[must_use]
    pub fn prepare(&self) -> Work {
        (self.prepare)(self.items)
    }
}

/// All of them.
pub const WORKLOADS: [Workload; 10] = [
    Workload { name: "tar-headers", items: 20_000, prepare: tar_headers },
    Workload { name: "layer-merge", items: 30_000, prepare: layer_merge },
    Workload { name: "squashfs-tables", items: 30_000, prepare: squashfs_tables },
    Workload { name: "squashfs-dedup", items: 50_000, prepare: squashfs_dedup },
    Workload { name: "squashfs-blocks", items: 64, prepare: squashfs_blocks },
    Workload { name: "iso-records", items: 10_000, prepare: iso_records },
    Workload { name: "fat-volume", items: 5_000, prepare: fat_volume },
    Workload { name: "fat-contents", items: 64, prepare: fat_contents },
    Workload { name: "ext-volume", items: 20_000, prepare: ext_volume },
    Workload { name: "gzip-disk", items: 1024, prepare: gzip_disk },
];

/// Directories have as many entries.
const TOGETHER: u32 = 100;

/// Reads the headers of a tar.
fn tar_headers(members: u32) -> Work {
    let tar = tar(members, "file", 0);
    Box::new(move || {
        let read = oci::read_tar(&tar).expect("BUG: the tar is sound");
        assert_eq!(read, (members + members.div_ceil(TOGETHER)) as usize);
    })
}

/// Merges three layers: files, others in their place and whiteouts of a quarter.
fn layer_merge(entries: u32) -> Work {
    let third = entries / 3;
    let layers = [tar(third, "file", 0), tar(third, "file", 8), tar(third / 4, ".wh.file", 0)];
    let merge = oci::merger(&layers).expect("BUG: the layers are sound");
    Box::new(move || {
        let tree = merge().expect("BUG: the layers are sound");
        assert_eq!(tree.walk().count(), (third - third / 4 + third.div_ceil(TOGETHER)) as usize);
    })
}

/// Writes the tables of empty files and symbolic links.
fn squashfs_tables(inodes: u32) -> Work {
    let tree = tree(inodes, |number| match number % 4 {
        0 => Kind::Symlink(format!("../target-{number}").into_bytes().into()),
        _ => Kind::File(Blob::from(Vec::new())),
    });
    Box::new(move || {
        let writer = Writer::new(&tree, stored(), Null::default(), &Silent);
        let summary = writer.and_then(Writer::finish).expect("BUG: the tree is sound");
        assert_eq!(summary.inodes, inodes + inodes.div_ceil(TOGETHER) + 1);
    })
}

/// Plans an image whose files come in pairs of equal ones, by digests that are known.
fn squashfs_dedup(files: u32) -> Work {
    let tree = tree(files, |number| {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&(number / 2).wrapping_mul(0x9e37_79b9).to_le_bytes());
        let key = StreamKey { source: 0, member: number };
        Kind::File(Blob::stream(key, 1000 + u64::from(number / 2 % 64), Some(Digest(digest))))
    });
    Box::new(move || {
        let writer = Writer::new(&tree, stored(), Null::default(), &Silent);
        let writer = writer.expect("BUG: the tree is sound");
        assert_eq!(writer.wanted().len(), (files / 2) as usize);
    })
}

/// Feeds blocks that are stored as they are.
fn squashfs_blocks(blocks: u32) -> Work {
    let content = Blob::from(noise(blocks));
    let tree = tree(1, move |_| Kind::File(content.clone()));
    Box::new(move || {
        let summary = bootwright_squashfs::write(&tree, &(), stored(), Null::default(), &Silent);
        assert_eq!(summary.expect("BUG: the tree is sound").blocks, u64::from(blocks));
    })
}

/// Writes an ISO of small files, with Rock Ridge and Joliet.
fn iso_records(files: u32) -> Work {
    let tree = tree(files, |number| Kind::File(number.to_le_bytes()[..].into()));
    Box::new(move || {
        let writer = iso9660::Writer::new(tree, iso9660::Options::default(), Null::default());
        let mut writer = writer.expect("BUG: the tree is sound");
        writer.write_contents(&Silent).expect("BUG: contents are in memory");
        let boot = iso9660::Boot::default();
        writer.finish(&boot, &Silent).expect("BUG: the tree is sound");
    })
}

/// Plans and writes a FAT volume of small files with long names.
fn fat_volume(files: u32) -> Work {
    let tree = tree(files, |number| Kind::File(number.to_le_bytes()[..].into()));
    let options = fat::Options { volume_id: Some(1), ..fat::Options::default() };
    Box::new(move || {
        let plan = fat::Plan::new(&tree, &options).expect("BUG: the tree is sound");
        plan.emit(&mut Null::default()).expect("BUG: contents are in memory");
    })
}

/// Writes a FAT volume of one file, of as many MiB, as a sparse file.
fn fat_contents(mebibytes: u32) -> Work {
    let content = Blob::from(noise(mebibytes));
    let tree = tree(1, move |_| Kind::File(content.clone()));
    let options = fat::Options { volume_id: Some(1), ..fat::Options::default() };
    let plan = fat::Plan::new(&tree, &options).expect("BUG: the tree is sound");
    Box::new(move || {
        let mut output = SparseFile::new(Null::default());
        plan.emit(&mut output).expect("BUG: contents are in memory");
        assert_eq!(output.finish().expect("BUG: nothing is written").end, plan.len());
    })
}

/// Plans and writes an ext4 volume of small files, symbolic links, attributes and a large
/// directory.
fn ext_volume(inodes: u32) -> Work {
    let mut tree = tree(inodes / 2, |number| match number % 4 {
        0 => Kind::Symlink(format!("../target-{number}").into_bytes().into()),
        _ => Kind::File(number.to_le_bytes()[..].into()),
    });
    for number in 0..inodes / 2 {
        let mut metadata = Metadata::file(0o644);
        if number % 8 == 0 {
            metadata.xattrs.insert(b"user.name", &[7; 40]);
        }
        let name = format!("many-{number}");
        let kind = Kind::File(number.to_le_bytes()[..].into());
        tree.add(tree.root(), name.as_bytes(), metadata, kind).expect("BUG: names differ");
    }
    let options = ext::Options::new(ext::Variant::Ext4);
    Box::new(move || {
        let holes = ext::Holes::new();
        let plan = ext::Plan::new(&tree, &options, &holes).expect("BUG: the tree is sound");
        let output = plan.emit(&(), Null::default(), &Silent);
        assert_eq!(output.expect("BUG: contents are in memory").end, plan.len());
    })
}

/// Writes a disk of as many MiB, of which one in 16 is not empty, through gzip; compressing is
/// another thread's work.
fn gzip_disk(mebibytes: u32) -> Work {
    let content = noise(1);
    let guid = Guid::from_content(&[b"disk"]);
    let len = u64::from(mebibytes) << 20;
    let part = Partition::new("all", gpt::types::LINUX_FILESYSTEM, guid, len);
    let disk = Disk::new(guid, vec![part]);
    Box::new(move || {
        let plan = disk.plan().expect("BUG: the partition fits");
        let gzip = Gzip::new(Null::default(), bootwright_gzip::Options::new(NonZeroUsize::MIN));
        let gzip = plan.emit(gzip, |_, place| {
            for _ in 0..mebibytes / 16 {
                place.write_all(&content)?;
                place.zeros(15 << 20)?;
            }
            Ok::<_, io::Error>(())
        });
        let (_, summary) = gzip.and_then(Gzip::finish).expect("BUG: nothing is written");
        assert_eq!(summary.uncompressed, plan.len());
    })
}

/// As many MiB that nothing compresses and that have no zeros.
fn noise(mebibytes: u32) -> Vec<u8> {
    (0..mebibytes << 18).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect()
}

/// No compression, one thread.
fn stored() -> Options {
    Options { compression: Compression::None, ..Options::new(NonZeroUsize::MIN) }
}

/// A tar of files of `len` bytes, 100 in each directory.
fn tar(files: u32, stem: &str, len: u64) -> Vec<u8> {
    let mut members = Members::new(Vec::new());
    for number in 0..files {
        let directory = number / TOGETHER;
        let added = match number % TOGETHER {
            0 => members.directory(&format!("directory-{directory}/")),
            _ => Ok(()),
        };
        let name = format!("directory-{directory}/{stem}-{number:06}.conf");
        added
            .and_then(|()| members.file(&name, len, &mut io::repeat(b'x')))
            .expect("BUG: names are short");
    }
    members.finish().expect("BUG: memory takes everything")
}

/// A tree of `count` inodes, 100 in each directory.
fn tree(count: u32, mut kind: impl FnMut(u32) -> Kind) -> FileTree {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let mut directory: InodeId = tree.root();
    for number in 0..count {
        if number % TOGETHER == 0 {
            let name = format!("directory-{}", number / TOGETHER);
            let metadata = Metadata::directory(0o755);
            directory = tree
                .add_directory(tree.root(), name.as_bytes(), metadata)
                .expect("BUG: names differ");
        }
        let name = format!("file-{number:06}.conf");
        let metadata = Metadata { uid: number % 7, ..Metadata::file(0o644) };
        tree.add(directory, name.as_bytes(), metadata, kind(number)).expect("BUG: names differ");
    }
    tree
}

/// Forgets what is written and knows where it would be.
#[derive(Debug, Default)]
struct Null {
    position: u64,
    end: u64,
}

impl Write for Null {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.position += bytes.len() as u64;
        self.end = self.end.max(self.position);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SparseWrite for Null {
    fn zeros(&mut self, len: u64) -> io::Result<()> {
        self.position += len;
        self.end = self.end.max(self.position);
        Ok(())
    }
}

impl Seek for Null {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::End(offset) => (self.end, offset),
            SeekFrom::Current(offset) => (self.position, offset),
        };
        self.position = base.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workloads_work() {
        for workload in WORKLOADS {
            let small = Workload { items: workload.items.min(1200), ..workload };
            small.prepare()();
        }
    }
}
