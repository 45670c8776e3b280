//! Trees, images and comparisons.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::process::{Command, Output};

use bootwright_image::{FileTree, InodeId, Kind, Silent};
use bootwright_squashfs::read::{self, Image};
use bootwright_squashfs::{BlockSize, Options, Summary, upper_bound, write};

pub(crate) type Bytes = Vec<u8>;

/// gzip:1, 4 KiB blocks, one job: quick, and block boundaries come early.
pub(crate) fn options() -> Options {
    let mut options = Options::new(NonZeroUsize::MIN);
    options.compression = "gzip:1".parse().unwrap();
    options.block_size = BlockSize::MIN;
    options
}

pub(crate) fn image(tree: &FileTree, options: &Options) -> (Bytes, Summary) {
    // The position before must not matter.
    let mut output = Cursor::new(Vec::new());
    output.set_position(77);
    let summary = write(tree, &(), options.clone(), &mut output, &Silent).unwrap();
    let bytes = output.into_inner();
    assert_eq!(bytes.len() as u64, summary.padded_len);
    assert!(summary.padded_len <= upper_bound(tree, options));
    assert_eq!(summary.padded_len % 4096, 0);
    assert!(summary.padded_len - summary.bytes_used < 4096);
    (bytes, summary)
}

pub(crate) fn open(bytes: &[u8]) -> Image<Cursor<&[u8]>> {
    Image::open(Cursor::new(bytes), 0).unwrap()
}

pub(crate) fn contents(image: &mut Image<Cursor<&[u8]>>, inode: &read::Inode) -> Bytes {
    let mut bytes = Vec::new();
    image.open_file(inode).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Checks that the image holds the tree: names, metadata, links, attributes, contents.
pub(crate) fn assert_same(tree: &FileTree, bytes: &[u8]) {
    let mut expected: BTreeMap<Bytes, InodeId> =
        tree.walk().map(|walked| (walked.path, walked.id)).collect();
    expected.insert(Vec::new(), tree.root());
    let mut numbers = BTreeMap::new();
    let mut image = open(bytes);
    let visit = image.visit(&mut |image, visited| {
        let id = expected.remove(visited.path).expect("a name that is not in the tree");
        let known = *numbers.entry(visited.inode.number).or_insert(id);
        assert_eq!(known, id, "two inodes with one number");
        assert_inode(tree, id, image, visited.inode);
        Ok::<(), read::ReadError>(())
    });
    visit.unwrap();
    assert_eq!(expected, BTreeMap::new(), "names missing from the image");
    assert_eq!(numbers.len(), image.superblock().inode_count as usize);
    let verified = image.verify(true, &|| true).unwrap();
    assert_eq!(verified.inodes, numbers.len() as u64);
    assert_eq!(verified.names, tree.walk().count() as u64);
    assert!(matches!(image.verify(false, &|| false), Err(read::ReadError::Cancelled)));
    // Every byte belongs to something.
    let dump = image.dump().unwrap();
    assert!(!dump.contains("unreferenced"), "{dump}");
    assert!(!dump.contains("overlaps"), "{dump}");
}

fn assert_inode(
    tree: &FileTree,
    id: InodeId,
    image: &mut Image<Cursor<&[u8]>>,
    inode: &read::Inode,
) {
    let expected = tree.inode(id);
    let metadata = &expected.metadata;
    assert_eq!(inode.mode, metadata.mode);
    assert_eq!((inode.uid, inode.gid), (metadata.uid, metadata.gid));
    assert_eq!(inode.mtime, metadata.mtime.clamp_to_u32());
    let xattrs = inode.xattr.map_or_else(Vec::new, |set| image.xattrs(set).unwrap());
    let wanted: Vec<_> =
        metadata.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
    assert_eq!(xattrs, wanted);
    if image.superblock().export_table != u64::MAX {
        assert_eq!(image.exported(inode.number).unwrap(), inode.place);
    }
    match (expected.kind(), &inode.kind) {
        (Kind::Directory(_), read::Kind::Directory { parent, .. }) => {
            let is_directory = |id: InodeId| tree.inode(id).as_directory().is_some();
            let below = tree.children(id).filter(|(_, id)| is_directory(*id)).count();
            assert_eq!(inode.links as usize, 2 + below);
            assert_ne!(*parent, inode.number);
        }
        (Kind::File(blob), read::Kind::File { len, .. }) => {
            assert_eq!(*len, blob.len());
            assert_eq!(inode.links, expected.names());
            let mut wanted = Vec::new();
            blob.open().unwrap().read_to_end(&mut wanted).unwrap();
            assert!(contents(image, inode) == wanted, "a content differs");
        }
        (Kind::Symlink(target), read::Kind::Symlink(found)) => {
            assert_eq!(&**target, found);
            assert_eq!(inode.links, expected.names());
        }
        (Kind::BlockDevice(device), read::Kind::BlockDevice(major, minor))
        | (Kind::CharDevice(device), read::Kind::CharDevice(major, minor)) => {
            assert_eq!((device.major, device.minor), (*major, *minor));
            assert_eq!(inode.links, expected.names());
        }
        (Kind::Fifo, read::Kind::Fifo) | (Kind::Socket, read::Kind::Socket) => {
            assert_eq!(inode.links, expected.names());
        }
        (expected, found) => panic!("{found:?} instead of {expected:?}"),
    }
}

/// Bytes that no compressor makes shorter.
pub(crate) fn noise(seed: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Runs a foreign tool; `None`, with a note, when it is not installed.
pub(crate) fn run(tool: &str, arguments: &[&OsStr]) -> Option<Output> {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            #[expect(clippy::disallowed_methods, reason = "missing tools are no excuse on CI")]
            let ci = std::env::var_os("CI").is_some();
            assert!(!ci, "{tool} not found");
            println!("SKIPPED: {tool} not found");
            None
        }
        Err(error) => panic!("cannot run {tool}: {error}"),
    }
}

/// A file of the host with these bytes.
pub(crate) fn on_disk(bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}
