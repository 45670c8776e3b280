//! The writer as a sink: what comes must be what the plan asked for.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use bootwright_image::{
    Blob, Canvas, ContentSink, Digest, FileTree, InodeId, Metadata, Silent, StreamKey,
};
use bootwright_squashfs::{WriteError, Writer, write};

use crate::support::{image, noise, open, options};

fn streamed(lens: &[(u64, Option<u8>)]) -> (FileTree, Vec<InodeId>) {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let root = tree.root();
    let ids = (0_u32..).zip(lens).map(|(member, (len, digest))| {
        let key = StreamKey { source: 0, member };
        let blob = Blob::stream(key, *len, digest.map(|byte| Digest([byte; 32])));
        tree.add_file(root, format!("{member}").as_bytes(), Metadata::default(), blob).unwrap()
    });
    let ids = ids.collect();
    (tree, ids)
}

#[test]
fn one_of_each_group_is_wanted() {
    let (tree, ids) = streamed(&[
        (5000, Some(1)),
        (5000, Some(2)),
        (5000, Some(1)),
        (0, None),
        (5000, None),
        (5001, Some(1)),
    ]);
    let writer = Writer::new(&tree, options(), Cursor::new(Vec::new()), &Silent).unwrap();
    assert_eq!(writer.wanted(), [ids[0], ids[1], ids[4], ids[5]]);
    assert_eq!(writer.content_bytes(), 20_001);
    assert_eq!(writer.delivered_as(ids[2]), Some(ids[0]));
    assert_eq!(writer.delivered_as(ids[5]), Some(ids[5]));
    assert_eq!(writer.delivered_as(ids[3]), None);
    assert_eq!(writer.delivered_as(tree.root()), None);
}

#[test]
fn one_member_of_a_source_is_wanted_once() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let root = tree.root();
    let mut add = |name: &[u8], member, len| {
        let blob = Blob::stream(StreamKey { source: 3, member }, len, None);
        tree.add_file(root, name, Metadata::default(), blob).unwrap()
    };
    let (a, b, c) = (add(b"a", 1, 9000), add(b"b", 1, 9000), add(b"c", 2, 9000));
    let writer = Writer::new(&tree, options(), Cursor::new(Vec::new()), &Silent).unwrap();
    assert_eq!(writer.wanted(), [a, c]);
    assert_eq!(writer.delivered_as(b), Some(a));
}

/// Counts what is written.
#[derive(Default)]
struct Counting {
    writes: u64,
    len: u64,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Counting {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

#[test]
fn small_blocks_are_gathered_to_large_writes() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    tree.add_file(tree.root(), b"f", Metadata::file(0o644), noise(0, 8 << 20).into()).unwrap();
    let mut output = Counting::default();
    let summary = write(&tree, &(), options(), &mut output, &Silent).unwrap();
    assert_eq!(output.len, summary.padded_len + 96);
    assert!(output.writes <= 10, "{} writes", output.writes);
}

/// What goes wrong when the two files of a tree are delivered by `deliver`.
fn problem(
    deliver: impl FnOnce(&mut dyn ContentSink, &[InodeId]) -> Result<(), bootwright_image::BoxError>,
) -> String {
    let (tree, ids) = streamed(&[(4100, None), (10, None), (0, None)]);
    let mut writer = Writer::new(&tree, options(), Cursor::new(Vec::new()), &Silent).unwrap();
    match deliver(&mut writer, &ids) {
        Err(error) => error.downcast::<WriteError>().unwrap().to_string(),
        Ok(()) => writer.finish().unwrap_err().to_string(),
    }
}

#[test]
fn contents_must_come_once_and_in_full() {
    assert_eq!(problem(|_, _| Ok(())), r#"BUG: the content of "0" did not come"#);
    assert_eq!(
        problem(|sink, ids| sink.begin(ids[0], 4100)),
        r#"BUG: the content of "0" was begun and not ended"#
    );
    assert_eq!(
        problem(|sink, ids| sink.begin(ids[2], 0)),
        r#"BUG: the content of "2" was not asked for"#
    );
    assert_eq!(
        problem(|sink, ids| sink.begin(ids[1], 11)),
        r#"the content of "1" has 10 bytes in the tree, but 11 came"#
    );
    assert_eq!(
        problem(|sink, _| sink.data(b"x")),
        r#"BUG: the content of "" came before it was announced"#
    );
    assert_eq!(
        problem(|sink, ids| {
            sink.begin(ids[1], 10)?;
            sink.begin(ids[0], 4100)
        }),
        r#"BUG: the content of "0" was begun before another one was ended"#
    );
    let once = |sink: &mut dyn ContentSink, ids: &[InodeId]| {
        sink.begin(ids[1], 10)?;
        sink.hole(4)?;
        sink.data(b"123456")?;
        sink.end()
    };
    assert_eq!(
        problem(|sink, ids| {
            once(sink, ids)?;
            once(sink, ids)
        }),
        r#"BUG: the content of "1" came twice"#
    );
    for (bytes, shown) in [(9, "9"), (11, "11")] {
        for hole in [false, true] {
            let text = problem(|sink, ids| {
                sink.begin(ids[1], 10)?;
                let content = vec![1; bytes];
                if hole {
                    sink.hole(bytes as u64)?;
                } else {
                    sink.data(&content)?;
                }
                sink.end()
            });
            let message =
                format!(r#"the content of "1" has 10 bytes in the tree, but {shown} came"#);
            assert_eq!(text, message);
        }
    }
    assert!(
        problem(|sink, ids| {
            sink.begin(ids[0], 4100)?;
            sink.hole(u64::MAX)
        })
        .contains("but 18446744073709551615 came")
    );
}

#[test]
fn an_image_in_a_window_is_the_image_and_touches_nothing_else() {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    tree.add_file(tree.root(), b"f", Metadata::file(0o644), noise(0, 9000).into()).unwrap();
    let (alone, _) = image(&tree, &options());

    let canvas = Canvas::new(Cursor::new(vec![0xaa; 40_000]));
    let mut writer = Writer::new(&tree, options(), canvas.window(10_240), &Silent).unwrap();
    let wanted = writer.wanted().to_vec();
    bootwright_image::deliver(&tree, &(), wanted, &mut writer, &Silent).unwrap();
    let summary = writer.finish().unwrap();
    let bytes = canvas.try_into_inner().unwrap().into_inner();
    let end = 10_240 + usize::try_from(summary.padded_len).unwrap();
    assert!(bytes[10_240..end] == alone);
    assert!(bytes[..10_240].iter().chain(&bytes[end..]).all(|byte| *byte == 0xaa));

    let mut image =
        bootwright_squashfs::read::Image::open(Cursor::new(&bytes[..]), 10_240).unwrap();
    assert_eq!(image.describe().unwrap(), open(&alone).describe().unwrap());
}
