//! Just below, at and just above every limit of the format.

use bootwright_image::{
    Blob, ContentError, ContentSink, FileTree, Kind, Metadata, Observer, Silent, StreamKey,
    Streams, Wanted, Xattrs,
};
use bootwright_squashfs::read::{self, Image};
use bootwright_squashfs::{BlockSize, Fragments, Options, WriteError, write};
use std::io::Cursor;

use crate::foreign::{assert_backhand, assert_listing};
use crate::support::{assert_same, contents, image, noise, open, options};

fn tree() -> FileTree {
    FileTree::new(Metadata::directory(0o755))
}

/// A tree with `count` empty files in `/d`.
fn crowded(count: usize, name_len: usize) -> FileTree {
    let mut tree = tree();
    let dir = tree.add_directory(tree.root(), b"d", Metadata::directory(0o700)).unwrap();
    for number in 0..count {
        let name = format!("{number:0name_len$}");
        tree.add_file(dir, name.as_bytes(), Metadata::file(0o644), "".into()).unwrap();
    }
    tree
}

#[test]
fn an_empty_tree_is_an_image() {
    for compression in ["gzip", "zstd", "xz", "lz4", "none"] {
        let mut options = options();
        options.compression = compression.parse().unwrap();
        let (bytes, summary) = image(&tree(), &options);
        assert_eq!((summary.inodes, summary.directories, summary.files), (1, 1, 0));
        assert_eq!(summary.padded_len, 4096);
        assert_same(&tree(), &bytes);
        assert_listing(&tree(), &bytes);
        assert_backhand(&tree(), &bytes);
    }
}

#[test]
fn headers_have_at_most_256_entries() {
    for (count, headers) in [(1, 1), (255, 1), (256, 1), (257, 2), (512, 2), (513, 3)] {
        let tree = crowded(count, 4);
        let mut options = options();
        options.compression = "none".parse().unwrap();
        let (bytes, _) = image(&tree, &options);
        assert_same(&tree, &bytes);
        let dump = open(&bytes).dump().unwrap();
        // Inodes of 32 bytes: 256 of them fill a metadata block, in which their headers end as
        // well. One header more is the root's.
        assert_eq!(dump.matches(" header of ").count(), headers + 1, "{count}");
    }
}

#[test]
fn listings_longer_than_a_metadata_block_have_an_index() {
    // 12 bytes of header and 32 for each entry: 255 entries fill 8172 bytes, 256 8204.
    for (count, extended) in [(255, false), (256, true), (257, true), (3000, true)] {
        let tree = crowded(count, 24);
        let (bytes, _) = image(&tree, &options());
        assert_same(&tree, &bytes);
        let mut image = open(&bytes);
        let dir = image.lookup(b"d").unwrap().unwrap();
        assert_eq!(dir.extended, extended, "{count}");
        let read::Kind::Directory { len, .. } = dir.kind else { panic!("{dir:?}") };
        let index = image.directory_index(&dir).unwrap();
        assert_eq!(index.len(), usize::try_from(len - 1).unwrap() / 8192, "{count}");
        // Linux starts at the last entry whose name is not beyond the wanted one.
        for (offset, _, name) in &index {
            let number: u32 = str::from_utf8(name).unwrap().parse().unwrap();
            assert!(*offset >= 32 * number, "{offset} {number}");
        }
        assert_listing(&tree, &bytes);
        assert_backhand(&tree, &bytes);
    }
}

#[test]
fn index_entries_point_to_headers() {
    let tree = crowded(2000, 60);
    let (bytes, _) = image(&tree, &options());
    let mut image = open(&bytes);
    let dir = image.lookup(b"d").unwrap().unwrap();
    let read::Kind::Directory { listing, .. } = dir.kind else { panic!("{dir:?}") };
    let dump = image.dump().unwrap();
    let index = image.directory_index(&dir).unwrap();
    assert!(index.len() > 10);
    for (offset, block, name) in index {
        let within = (u32::from(listing.offset()) + offset) % 8192;
        let header = format!("  {block}:{within} header of ");
        let at = dump.find(&header).unwrap_or_else(|| panic!("no {header}"));
        let first = dump[at..].lines().nth(1).unwrap();
        assert!(first.contains(str::from_utf8(&name).unwrap()), "{first}");
    }
}

#[test]
fn directories_of_more_than_64_ki_entries() {
    for count in [65_535, 65_537] {
        let tree = crowded(count, 6);
        let (bytes, summary) = image(&tree, &options());
        assert_eq!(summary.inodes as usize, count + 2);
        let mut image = open(&bytes);
        let dir = image.lookup(b"d").unwrap().unwrap();
        assert_eq!(image.entries(&dir).unwrap().count(), count);
        let mut found = 0;
        let visit = image.visit(&mut |_, visited| {
            found += usize::from(tree.lookup(visited.path).is_some());
            Ok::<(), read::ReadError>(())
        });
        visit.unwrap();
        assert_eq!(found, count + 2);
        assert_eq!(image.verify(true, &|| true).unwrap().inodes, count as u64 + 2);
    }
}

#[test]
fn links_far_apart_have_headers_of_their_own() {
    let mut tree = crowded(40_000, 6);
    let dir = tree.lookup(b"d").unwrap();
    let links = tree.add_directory(tree.root(), b"links", Metadata::directory(0o755)).unwrap();
    for (name, target) in [("a", "000000"), ("b", "039999"), ("c", "000001"), ("d", "020000")] {
        let target = tree.child(dir, target.as_bytes()).unwrap();
        tree.add_link(links, name.as_bytes(), target).unwrap();
    }
    let (bytes, summary) = image(&tree, &options());
    assert_eq!(summary.inodes, 40_003);
    let mut image = open(&bytes);
    for (link, name) in [("links/a", "d/000000"), ("links/b", "d/039999"), ("links/d", "d/020000")]
    {
        let link = image.lookup(link.as_bytes()).unwrap().unwrap();
        assert_eq!(Some(&link), image.lookup(name.as_bytes()).unwrap().as_ref());
        assert_eq!((link.links, link.extended), (2, true));
    }
}

#[test]
fn ids_fill_the_table_and_no_more() {
    let mut tree = tree();
    for pair in 0..32_767_u32 {
        let metadata =
            Metadata { uid: u32::MAX - 2 * pair, gid: u32::MAX - 2 * pair - 1, ..<_>::default() };
        let name = format!("{pair}");
        tree.add(tree.root(), name.as_bytes(), metadata, Kind::Fifo).unwrap();
    }
    // With the root's 0 these are 65535.
    let (bytes, _) = image(&tree, &options());
    let mut image = open(&bytes);
    assert_eq!(image.superblock().id_count, u16::MAX);
    let inode = image.lookup(b"32766").unwrap().unwrap();
    assert_eq!(inode.uid, u32::MAX - 65_532);
    assert!(image.ids().is_sorted());

    let metadata = Metadata { uid: 1, ..<_>::default() };
    tree.add(tree.root(), b"one more", metadata, Kind::Fifo).unwrap();
    let error = write(&tree, &(), options(), Cursor::new(Vec::new()), &Silent).unwrap_err();
    assert_eq!(error.to_string(), "65536 different owners and groups: 65535 is the limit");
    assert!(matches!(error, WriteError::Ids { count: 65_536 }));
}

#[test]
fn names_of_255_bytes_and_deep_directories() {
    let mut tree = tree();
    let mut at = tree.root();
    for depth in 0..100_u8 {
        let name = vec![b'a' + depth % 26; 255];
        at = tree.add_directory(at, &name, Metadata::directory(0o755)).unwrap();
    }
    tree.add_file(at, &[0xff; 255], Metadata::file(0o644), "deep".into()).unwrap();
    let (bytes, _) = image(&tree, &options());
    assert_same(&tree, &bytes);
    assert_backhand(&tree, &bytes);

    // backhand refuses long targets.
    tree.add(at, b"l", Metadata::file(0o777), Kind::Symlink([b't'; 4095].into())).unwrap();
    let (bytes, _) = image(&tree, &options());
    assert_same(&tree, &bytes);
    assert_listing(&tree, &bytes);
}

#[test]
fn files_around_the_bounds_of_blocks() {
    for block_size in [4096_usize, 1 << 13, 1 << 17, 1 << 20] {
        let mut tree = tree();
        let mut total = 0;
        for blocks in [1, 2, 3] {
            for len in [blocks * block_size - 1, blocks * block_size, blocks * block_size + 1] {
                let name = format!("{len}");
                let content = noise(len as u64, len);
                total += len as u64;
                tree.add_file(tree.root(), name.as_bytes(), Metadata::file(0o644), content.into())
                    .unwrap();
            }
        }
        for fragments in [Fragments::Always, Fragments::SmallFiles, Fragments::Never] {
            let mut options = options();
            options.block_size = BlockSize::new(block_size as u64).unwrap();
            options.fragments = fragments;
            let (bytes, summary) = image(&tree, &options);
            assert_same(&tree, &bytes);
            assert_eq!(summary.uncompressed, total);
            assert_eq!(summary.compressed, total, "noise is stored as it is");
            assert_backhand(&tree, &bytes);
        }
    }
}

#[test]
fn zeros_are_not_stored_wherever_they_are() {
    const BLOCK: usize = 4096;
    let mut tree = tree();
    for (name, pieces, sparse) in [
        // Pieces: blocks of zeros, then bytes of noise.
        ("zeros", vec![(1, 0)], BLOCK - 1),
        ("front", vec![(2, 10)], 2 * BLOCK),
        ("middle", vec![(0, BLOCK), (3, 7)], 3 * BLOCK),
        ("back", vec![(0, BLOCK), (1, 0)], BLOCK),
    ] {
        let mut content = Vec::new();
        for (zeros, bytes) in pieces {
            content.resize(content.len() + zeros * BLOCK, 0);
            content.extend(noise(1, bytes));
        }
        for tail in [0, 1, 100] {
            let mut content = content.clone();
            let ends_in_zeros = content.ends_with(&[0; BLOCK]);
            content.resize(content.len() + tail, 0);
            let name = format!("{name} {tail}");
            let len = content.len();
            let file = tree
                .add_file(tree.root(), name.as_bytes(), Metadata::file(0o644), content.into())
                .unwrap();
            let mut one = FileTree::new(Metadata::default());
            let blob = tree.inode(file).as_file().unwrap().clone();
            one.add_file(one.root(), b"f", Metadata::default(), blob).unwrap();
            let (bytes, summary) = image(&one, &options());
            let mut image = open(&bytes);
            let read::Kind::File { sparse: found, .. } = image.lookup(b"f").unwrap().unwrap().kind
            else {
                panic!("no file")
            };
            let expected = if ends_in_zeros { sparse + tail } else { sparse };
            // A file that is all zeros must not seem to have more than it is.
            let expected = expected.min(len - 1);
            assert_eq!(found, expected as u64, "{name}");
            let holes = if expected == len - 1 { len } else { expected };
            assert_eq!(summary.holes, holes as u64);
        }
    }
    let (bytes, _) = image(&tree, &options());
    assert_same(&tree, &bytes);
    assert_backhand(&tree, &bytes);
}

/// One file of noise, a hole and noise.
struct Sparse(u64);

impl Streams for Sparse {
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        _: &dyn Observer,
    ) -> Result<(), ContentError> {
        for want in wanted {
            sink.begin(want.inode, want.len).map_err(ContentError::Sink)?;
            sink.data(&noise(1, 5000)).map_err(ContentError::Sink)?;
            sink.hole(self.0).map_err(ContentError::Sink)?;
            sink.data(&noise(2, 5000)).map_err(ContentError::Sink)?;
            sink.end().map_err(ContentError::Sink)?;
        }
        Ok(())
    }
}

#[test]
fn holes_of_a_terabyte_cost_nothing() {
    for (hole, block_size) in [(5 << 30, 4096), (1 << 40, 1 << 20)] {
        let mut tree = tree();
        let len = hole + 10_000;
        let blob = Blob::stream(StreamKey { source: 0, member: 0 }, len, None);
        tree.add_file(tree.root(), b"sparse", Metadata::file(0o644), blob).unwrap();
        let mut options = options();
        options.block_size = BlockSize::new(block_size).unwrap();
        let mut output = Cursor::new(Vec::new());
        let summary = write(&tree, &Sparse(hole), options, &mut output, &Silent).unwrap();
        assert!(summary.padded_len < 1 << 20, "{summary:?}");
        let bytes = output.into_inner();
        let mut image = Image::open(Cursor::new(&bytes), 0).unwrap();
        let inode = image.lookup(b"sparse").unwrap().unwrap();
        let read::Kind::File { len: found, sparse, .. } = inode.kind else { panic!("{inode:?}") };
        assert_eq!((found, sparse), (len, summary.holes));
        let (mut total, mut noisy) = (0, Vec::new());
        let mut file = image.open_file(&inode);
        while let Some((bytes, zeros)) = file.next_piece().unwrap() {
            total += bytes.len() as u64 + u64::from(zeros);
            noisy.extend(bytes.iter().copied().filter(|byte| *byte != 0));
        }
        assert_eq!(total, len);
        let expected = [noise(1, 5000), noise(2, 5000)].concat();
        assert!(noisy.into_iter().eq(expected.into_iter().filter(|byte| *byte != 0)));
    }
}

#[test]
fn a_file_beyond_the_limit_of_blocks_is_refused_at_once() {
    let mut tree = tree();
    let len = (u64::from(u32::MAX) + 1) * 4096;
    let blob = Blob::stream(StreamKey { source: 0, member: 0 }, len, None);
    tree.add_file(tree.root(), b"vast", Metadata::file(0o644), blob).unwrap();
    let error =
        write(&tree, &Sparse(len), options(), Cursor::new(Vec::new()), &Silent).unwrap_err();
    assert_eq!(error.to_string(), r#""vast" has 4294967296 blocks: 4294967295 is the limit"#);
}

#[test]
fn big_and_many_attributes() {
    let mut tree = tree();
    let mut big = Xattrs::default();
    big.insert(b"user.big", &noise(3, 65_536));
    big.insert(&[&b"trusted."[..], &[b'n'; 247]].concat(), b"long name");
    for number in 0..1500_u32 {
        let mut xattrs = big.clone();
        if number > 1 {
            xattrs = Xattrs::default();
            xattrs.insert(b"security.ima", &number.to_le_bytes());
            xattrs.insert(b"user.empty", b"");
        }
        let metadata = Metadata { xattrs, ..<_>::default() };
        tree.add(tree.root(), format!("{number}").as_bytes(), metadata, Kind::Socket).unwrap();
    }
    let (bytes, _) = image(&tree, &options());
    assert_same(&tree, &bytes);
    let mut image = open(&bytes);
    let [first, second] = [b"0", b"1"].map(|name| image.lookup(name).unwrap().unwrap().xattr);
    assert_eq!(first, second, "equal sets are stored once");
    assert_eq!(image.describe().unwrap().xattr_sets, 1499);
}

#[test]
fn equal_files_and_equal_ends_are_stored_once() {
    let mut tree = tree();
    let whole = noise(1, 20_000);
    let mut other_start = noise(2, 20_000);
    other_start[16_384..].copy_from_slice(&whole[16_384..]);
    for (name, content) in
        [("a", &whole), ("b", &whole), ("c", &other_start), ("d", &whole[16_384..].to_vec())]
    {
        let blob = Blob::from(content.clone());
        tree.add_file(tree.root(), name.as_bytes(), Metadata::file(0o644), blob).unwrap();
    }
    let small = noise(3, 100);
    for name in ["e", "f", "g"] {
        let blob = Blob::from(small.clone());
        tree.add_file(tree.root(), name.as_bytes(), Metadata::file(0o644), blob).unwrap();
    }
    let options = Options { fragments: Fragments::Always, ..options() };
    let (bytes, summary) = image(&tree, &options);
    assert_same(&tree, &bytes);
    assert_eq!(summary.uncompressed, 20_000 + 16_384 + 100);
    // b like a; d like the end of a; f and g like e.
    assert_eq!((summary.duplicate_files, summary.duplicate_bytes), (4, 20_000 + 3616 + 200));
    assert_eq!(summary.fragments, 1);
    let mut image = open(&bytes);
    let [a, b] = [b"a", b"b"].map(|name| image.lookup(name).unwrap().unwrap());
    assert_eq!(a.kind, b.kind);
    assert_ne!(a.number, b.number);
    assert_eq!(contents(&mut image, &b), whole);
    assert_listing(&tree, &bytes);
}
