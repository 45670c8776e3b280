//! Contents on their way: order, sparse outputs, volumes within volumes.

use bootwright_image::{Blob, ContentError, ContentSink, Observer, StreamKey, Wanted};
use bootwright_partitions::SparseWrite;

use super::*;

/// Member `n` is `n` times `m`.
struct Members;

impl Streams for Members {
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        _: &dyn Observer,
    ) -> Result<(), ContentError> {
        for want in wanted {
            sink.begin(want.inode, want.len).map_err(ContentError::Sink)?;
            let bytes = vec![b'm'; usize::try_from(want.key.member).unwrap()];
            sink.data(&bytes).map_err(ContentError::Sink)?;
            sink.end().map_err(ContentError::Sink)?;
        }
        Ok(())
    }
}

#[test]
fn contents_lie_in_the_order_of_their_sources() {
    let mut tree = FileTree::new(metadata(0o755));
    let root = tree.root();
    let stream = |member| Blob::stream(StreamKey { source: 0, member }, u64::from(member), None);
    let mut add =
        |name: &str, blob| tree.add_file(root, name.as_bytes(), metadata(0o644), blob).unwrap();
    let inner = add("a inner", Blob::deferred(5));
    let late = add("b late", stream(9000));
    let early = add("c early", stream(10));
    let again = add("d again", stream(10));
    let memory = add("e memory", "memory".into());
    let holes = Holes::new();
    for variant in VARIANTS {
        let plan = Plan::new(&tree, &options(variant), &holes).unwrap();
        assert!(plan.wanted().eq([memory, early, again, late, inner]));
        assert!(plan.deferred().eq([inner]));
        let mut writer = plan.writer(Vec::new(), &Silent).unwrap();
        deliver(&tree, &Members, plan.wanted(), &mut writer, &Silent).unwrap();
        writer.begin(inner, 5).unwrap();
        writer.data(b"inner").unwrap();
        writer.end().unwrap();
        let image = writer.finish().unwrap();
        fsck(&image);
        let seen = read(&image);
        assert_eq!(seen["a inner"].content.as_deref(), Some(&b"inner"[..]));
        assert_eq!(seen["d again"].content.as_deref(), Some(&b"mmmmmmmmmm"[..]));
    }
}

#[test]
fn a_sparse_file_has_the_same_bytes_and_few_blocks() {
    let mut tree = everything();
    let zeros = Blob::from(vec![0; 30 << 20]);
    tree.add_file(tree.root(), b"zeros", metadata(0o644), zeros).unwrap();
    let holes = Holes::new();
    for variant in VARIANTS {
        let options = Options { block_size: Some(4096), ..exact(variant, 200 << 20) };
        let plan = Plan::new(&tree, &options, &holes).unwrap();
        let file = SparseFile::new(tempfile::tempfile().unwrap());
        let mut writer = plan.writer(file, &Silent).unwrap();
        deliver(&tree, &(), plan.wanted(), &mut writer, &Silent).unwrap();
        let mut file = writer.finish().unwrap().finish().unwrap();
        let stored = std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) * 512;
        assert!(stored < 4 << 20, "{stored} bytes are stored");
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        assert!(bytes == make(&tree, &options));
    }
}

#[test]
fn a_volume_in_a_file_of_a_volume() {
    let inner_tree = everything();
    let holes = Holes::new();
    let inner = Plan::new(&inner_tree, &options(Variant::Ext2), &holes).unwrap();
    let mut tree = FileTree::new(metadata(0o755));
    let cos = tree.add_directory(tree.root(), b"cOS", metadata(0o755)).unwrap();
    let file = Blob::deferred(inner.len());
    let id = tree.add_file(cos, b"recovery.img", metadata(0o644), file).unwrap();
    let outer = Plan::new(&tree, &options(Variant::Ext2), &holes).unwrap();
    let mut writer = outer.writer(Vec::new(), &Silent).unwrap();
    deliver(&tree, &(), outer.wanted(), &mut writer, &Silent).unwrap();
    writer.begin(id, inner.len()).unwrap();
    {
        let content = bootwright_partitions::ContentWriter::new(&mut writer);
        let mut nested = inner.writer(content, &Silent).unwrap();
        deliver(&inner_tree, &(), inner.wanted(), &mut nested, &Silent).unwrap();
        nested.finish().unwrap().zeros(0).unwrap();
    }
    writer.end().unwrap();
    let image = writer.finish().unwrap();
    fsck(&image);
    let seen = read(&image);
    let recovery = seen["cOS/recovery.img"].content.as_deref().unwrap();
    assert!(recovery == make(&inner_tree, &options(Variant::Ext2)));
    fsck(recovery);
    // It can be read where it is.
    let (found, contents) = Volume::open(Cursor::new(&image), 0).unwrap().into_tree(0).unwrap();
    let file = contents.into_file(found.lookup(b"cOS/recovery.img").unwrap()).unwrap();
    let nested = Volume::open(file, 0).unwrap();
    assert_eq!((nested.file_system(), nested.len()), ("ext2", inner.len()));
    assert_eq!(nested.check().unwrap(), []);
}
