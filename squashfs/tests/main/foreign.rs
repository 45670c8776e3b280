//! unsquashfs, mksquashfs and backhand as judges. unsquashfs runs as whoever runs the tests, so only what an
//! ordinary user can unpack is unpacked.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;

use backhand::{FilesystemReader, InnerNode};
use bootwright_image::{Device, FileTree, InodeId, Kind, Metadata};
use bootwright_squashfs::read;

use crate::support::{contents, image, noise, on_disk, open, options, run};

/// Type and permissions as `ls -l` shows them.
fn mode_text(kind: &Kind, mode: u16) -> String {
    let mut text = String::from(match kind {
        Kind::Directory(_) => "d",
        Kind::File(_) => "-",
        Kind::Symlink(_) => "l",
        Kind::CharDevice(_) => "c",
        Kind::BlockDevice(_) => "b",
        Kind::Fifo => "p",
        Kind::Socket => "s",
    });
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        text.push(if mode >> shift & 4 != 0 { 'r' } else { '-' });
        text.push(if mode >> shift & 2 != 0 { 'w' } else { '-' });
        text.push(match (mode & special != 0, mode >> shift & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// Compares type, mode, owner and name of everything with what `unsquashfs -lln` lists.
pub(crate) fn assert_listing(tree: &FileTree, bytes: &[u8]) {
    let file = on_disk(bytes);
    let arguments = [OsStr::new("-lln"), file.path().as_os_str()];
    let Some(output) = run("unsquashfs", &arguments) else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let is_end = |(at, byte): (usize, &u8)| (*byte == b'\n').then_some(at);
    let ends: Vec<usize> = output.stdout.iter().enumerate().filter_map(is_end).collect();
    let mut expected = vec![(tree.root(), b"squashfs-root".to_vec())];
    let below = |path: &[u8]| [b"squashfs-root/", path].concat();
    expected.extend(tree.walk().map(|walked| (walked.id, below(&walked.path))));
    for (id, path) in expected {
        let (head, tail) = line(tree, id, &path);
        // Names may hold line feeds, so any of them may be the one that ends the line.
        let found = ends.iter().any(|end| {
            let text = &output.stdout[..=*end];
            text.strip_suffix(&*tail).is_some_and(|before| {
                let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |n| n + 1);
                before[start..].starts_with(&head)
            })
        });
        assert!(found, "unsquashfs does not list {}", tail.escape_ascii());
    }
}

/// The start and the end of a line; size and time stand between.
fn line(tree: &FileTree, id: InodeId, path: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let inode = tree.inode(id);
    let metadata = &inode.metadata;
    let mode = mode_text(inode.kind(), metadata.mode);
    let head = format!("{mode} {}/{} ", metadata.uid, metadata.gid).into_bytes();
    let mut tail = [b" ", path].concat();
    if let Kind::Symlink(target) = inode.kind() {
        tail.extend_from_slice(b" -> ");
        tail.extend_from_slice(target);
    }
    tail.push(b'\n');
    (head, tail)
}

/// Compares the contents of some files with what `unsquashfs -cat` makes of them, which needs no
/// rights that an ordinary user lacks.
pub(crate) fn assert_contents(tree: &FileTree, bytes: &[u8]) {
    let file = on_disk(bytes);
    let files = tree.walk().filter(|walked| tree.inode(walked.id).as_file().is_some());
    for walked in files.take(4) {
        let mut content = Vec::new();
        let blob = tree.inode(walked.id).as_file().unwrap();
        blob.open().unwrap().read_to_end(&mut content).unwrap();
        let pattern = escape_pattern(&walked.path);
        let arguments = [OsStr::new("-cat"), file.path().as_os_str(), OsStr::from_bytes(&pattern)];
        let Some(output) = run("unsquashfs", &arguments) else { return };
        assert!(
            output.stdout == content,
            "{} differs: {}",
            walked.path.escape_ascii(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

fn escape_pattern(path: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::new();
    for &byte in path {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'!' | b'(' | b')' | b'+' | b'@') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern
}

/// Compares what backhand makes of the image: names, contents and metadata.
pub(crate) fn assert_backhand(tree: &FileTree, bytes: &[u8]) {
    let reader =
        FilesystemReader::from_reader(Cursor::new(bytes)).unwrap_or_else(|e| panic!("{e:?}"));
    let mut names = 0;
    for node in reader.files() {
        names += 1;
        let path = node.fullpath.as_os_str().as_bytes();
        let path = path.strip_prefix(b"/").unwrap();
        let id = tree.lookup(path).expect("backhand found a name that is not in the tree");
        let metadata = &tree.inode(id).metadata;
        assert_eq!(node.header.permissions, metadata.mode);
        assert_eq!((node.header.uid, node.header.gid), (metadata.uid, metadata.gid));
        assert_eq!(node.header.mtime, metadata.mtime.clamp_to_u32());
        match (&node.inner, tree.inode(id).kind()) {
            (InnerNode::File(file), Kind::File(blob)) => {
                let (mut found, mut wanted) = (Vec::new(), Vec::new());
                reader.file(file).reader().read_to_end(&mut found).unwrap();
                blob.open().unwrap().read_to_end(&mut wanted).unwrap();
                assert!(found == wanted, "backhand reads another content");
            }
            (InnerNode::Symlink(link), Kind::Symlink(target)) => {
                assert_eq!(link.link.as_os_str().as_bytes(), &**target);
            }
            (InnerNode::Dir(_), Kind::Directory(_))
            | (InnerNode::CharacterDevice(_), Kind::CharDevice(_))
            | (InnerNode::BlockDevice(_), Kind::BlockDevice(_))
            | (InnerNode::NamedPipe, Kind::Fifo)
            | (InnerNode::Socket, Kind::Socket) => {}
            (found, wanted) => panic!("backhand found {found:?} for {wanted:?}"),
        }
    }
    assert_eq!(names, tree.walk().count() + 1);
}

#[test]
fn unsquashfs_unpacks_every_codec() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let dir = tree.add_directory(tree.root(), b"dir", Metadata::directory(0o755)).unwrap();
    let mut contents = BTreeMap::new();
    for seed in 0..30_u64 {
        let mut content = noise(seed % 25, usize::try_from(seed).unwrap() * 700);
        content.resize(content.len() * 2, u8::try_from(seed % 3).unwrap());
        let name = format!("{seed}");
        contents.insert(name.clone(), content.clone());
        tree.add_file(dir, name.as_bytes(), Metadata::file(0o644), content.into()).unwrap();
    }
    for compression in ["gzip:12", "zstd:1", "zstd:22", "xz:6:x86", "lz4", "lz4:12", "none"] {
        let mut options = options();
        options.compression = compression.parse().unwrap();
        let file = on_disk(&image(&tree, &options).0);
        let out = tempfile::tempdir().unwrap();
        let root = out.path().join("root");
        let arguments = ["-q", "-n", "-no-xattrs", "-d"].map(OsStr::new);
        let paths = [root.as_os_str(), file.path().as_os_str()];
        let Some(output) = run("unsquashfs", &[&arguments[..], &paths].concat()) else { return };
        assert!(output.status.success(), "{compression}: {output:?}");
        for (name, content) in &contents {
            let found = std::fs::read(root.join("dir").join(name)).unwrap();
            assert!(found == *content, "{compression}: {name} differs");
        }
        let arguments = [OsStr::new("-s"), file.path().as_os_str()];
        let Some(output) = run("unsquashfs", &arguments) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let shown = compression.split(':').next().unwrap().replace("none", "gzip");
        assert!(text.contains(&format!("Compression {shown}")), "{text}");
        assert!(!text.contains("rror"), "{text}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn unsquashfs_lists_owners_modes_and_times() {
    let mut tree = FileTree::new(Metadata::directory(0o1777));
    let mut metadata = Metadata { uid: 1000, gid: 4_000_000_000, ..Metadata::file(0o4755) };
    metadata.mtime.0 = 86_400;
    tree.add_file(tree.root(), b"su", metadata, "setuid".into()).unwrap();
    let device = Kind::CharDevice(Device { major: 4, minor: 64 });
    tree.add(tree.root(), b"tty", Metadata::file(0o620), device).unwrap();
    let file = on_disk(&image(&tree, &options()).0);
    let arguments = [OsStr::new("-UTC"), OsStr::new("-lln"), file.path().as_os_str()];
    let Some(output) = run("unsquashfs", &arguments) else { return };
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(
        lines,
        [
            vec!["drwxrwxrwt", "0/0", "36", "1970-01-01", "00:00", "squashfs-root"],
            vec!["-rwsr-xr-x", "1000/4000000000", "6", "1970-01-02", "00:00", "squashfs-root/su"],
            vec!["crw--w----", "0/0", "4,", "64", "1970-01-01", "00:00", "squashfs-root/tty"],
        ]
    );
}

#[test]
fn our_reader_reads_what_mksquashfs_writes() {
    let source = tempfile::tempdir().unwrap();
    let mut expected = BTreeMap::new();
    for seed in 0..300_u64 {
        let mut content = noise(seed, usize::try_from(seed).unwrap() * 50);
        content.resize(content.len() * 2 + 5000 * usize::from(seed % 7 == 0), 0);
        let name = format!("a name that is quite long {seed:03}");
        std::fs::write(source.path().join(&name), &content).unwrap();
        expected.insert(name.into_bytes(), content);
    }
    let image = tempfile::tempdir().unwrap();
    let image = image.path().join("image");
    for compression in ["gzip", "zstd", "xz", "lz4"] {
        let paths = [source.path().as_os_str(), image.as_os_str()];
        let arguments = ["-comp", compression, "-b", "4096", "-noappend", "-quiet", "-no-progress"];
        let arguments = [&paths[..], &arguments.map(OsStr::new)].concat();
        let Some(output) = run("mksquashfs", &arguments) else { return };
        assert!(output.status.success(), "{output:?}");
        let bytes = std::fs::read(&image).unwrap();
        let mut image = open(&bytes);
        let mut found = BTreeMap::new();
        let visit = image.visit(&mut |image, visited| {
            if matches!(visited.inode.kind, read::Kind::File { .. }) {
                found.insert(visited.path.to_vec(), contents(image, visited.inode));
            }
            Ok::<(), read::ReadError>(())
        });
        visit.unwrap();
        assert!(found == expected, "{compression}");
        image.verify(true, &|| true).unwrap();
        let dump = image.dump().unwrap();
        assert!(!dump.contains("unreferenced") && !dump.contains("overlaps"), "{dump}");
    }
}
