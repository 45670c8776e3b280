//! The fuzz targets on images with damage.

use bootwright_image::{Device, FileTree, Kind, Metadata, Xattrs};
use bootwright_squashfs::fuzzing;

use crate::support::{image, noise, options};

/// A small image of everything.
fn seed(compression: &str) -> Vec<u8> {
    let mut xattrs = Xattrs::default();
    xattrs.insert(b"user.a", b"value");
    let metadata = Metadata { xattrs, uid: 7, ..Metadata::file(0o644) };
    let mut tree = FileTree::new(metadata.clone());
    let dir = tree.add_directory(tree.root(), b"dir", Metadata::directory(0o755)).unwrap();
    let file = tree.add_file(dir, b"file", metadata, noise(1, 5000).into()).unwrap();
    tree.add_link(tree.root(), b"link", file).unwrap();
    tree.add_file(dir, b"holes", Metadata::default(), vec![0; 9000].into()).unwrap();
    tree.add_file(dir, b"text", Metadata::default(), vec![b'x'; 9000].into()).unwrap();
    let device = Kind::BlockDevice(Device { major: 8, minor: 1 });
    for (name, kind) in [
        ("sda", device),
        ("fifo", Kind::Fifo),
        ("symlink", Kind::Symlink(b"target".as_slice().into())),
    ] {
        tree.add(dir, name.as_bytes(), Metadata::default(), kind).unwrap();
    }
    for number in 0..300 {
        let name = format!("{number:030}");
        tree.add(dir, name.as_bytes(), Metadata::default(), Kind::Socket).unwrap();
    }
    let mut options = options();
    options.compression = compression.parse().unwrap();
    let (mut bytes, summary) = image(&tree, &options);
    bytes.truncate(usize::try_from(summary.bytes_used).unwrap());
    bytes
}

#[test]
fn whole_images_and_parts_of_them() {
    for compression in ["gzip:1", "zstd:1", "xz:0", "lz4", "none"] {
        let bytes = seed(compression);
        fuzzing::read(&bytes);
        for len in (0..bytes.len()).step_by(257) {
            fuzzing::read(&bytes[..len]);
        }
    }
}

#[test]
fn damaged_images() {
    for compression in ["gzip:1", "none"] {
        let bytes = seed(compression);
        let choices = noise(9, 6000);
        for choice in choices.chunks_exact(6) {
            let mut damaged = bytes.clone();
            // Half of the hits go to the superblock and the tables at the end.
            let at = usize::from(u16::from_le_bytes([choice[0], choice[1]]));
            let at = match choice[2] % 4 {
                0 => at % 96,
                1 => bytes.len() - 1 - at % 600,
                _ => at % bytes.len(),
            };
            let len = usize::from(choice[3] % 9).min(bytes.len() - at);
            let value = match choice[4] % 4 {
                0 => 0,
                1 => 0xff,
                2 => 0x7f,
                _ => choice[5],
            };
            damaged[at..at + len].fill(value);
            fuzzing::read(&damaged);
        }
    }
}
