//! One stream of contents, two uses: everything goes into the squashfs, and what the medium needs
//! outside of it is picked up on its way past.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};

use bootwright_image::{BoxError, ContentSink, InodeId, Window};

/// What happens to a content that is picked up.
#[derive(Debug)]
pub(super) enum Tap<W> {
    /// It is written to its own place on the medium.
    Place(Window<W>),
    /// It is kept in memory as the content of this inode.
    Keep(InodeId, Vec<u8>),
}

impl<W: Write + Seek> Tap<W> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Place(window) => window.write_all(bytes),
            Self::Keep(_, kept) => {
                kept.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        match self {
            Self::Place(window) => {
                io::copy(&mut io::repeat(0).take(len), window)?;
            }
            Self::Keep(_, kept) => kept.resize(kept.len() + usize::try_from(len)?, 0),
        }
        Ok(())
    }
}

/// What is picked up, by the inode under which a content is delivered: equal files are delivered
/// once, so one content may serve several taps.
#[derive(Debug)]
pub(super) struct Taps<W>(BTreeMap<InodeId, Vec<Tap<W>>>);

impl<W: Write + Seek> Taps<W> {
    pub(super) fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn add(&mut self, delivered_as: InodeId, tap: Tap<W>) {
        self.0.entry(delivered_as).or_default().push(tap);
    }

    /// The inodes under which contents are picked up.
    pub(super) fn inodes(&self) -> impl Iterator<Item = InodeId> {
        self.0.keys().copied()
    }

    /// Shows a piece of an inode's content to its taps.
    pub(super) fn data(&mut self, inode: InodeId, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut(&inode).into_iter().flatten().try_for_each(|tap| tap.data(bytes))
    }

    /// What was kept in memory.
    pub(super) fn into_kept(self) -> BTreeMap<InodeId, Vec<u8>> {
        self.0
            .into_values()
            .flatten()
            .filter_map(|tap| match tap {
                Tap::Keep(inode, bytes) => Some((inode, bytes)),
                Tap::Place(_) => None,
            })
            .collect()
    }
}

/// A [`ContentSink`] in front of another that shows each content to the taps first.
pub(super) struct Tee<'a, W, S> {
    sink: &'a mut S,
    taps: &'a mut Taps<W>,
    current: Option<InodeId>,
}

impl<'a, W: Write + Seek, S: ContentSink> Tee<'a, W, S> {
    pub(super) fn new(sink: &'a mut S, taps: &'a mut Taps<W>) -> Self {
        Self { sink, taps, current: None }
    }

    fn tapped(&mut self) -> impl Iterator<Item = &mut Tap<W>> {
        let taps = self.current.and_then(|inode| self.taps.0.get_mut(&inode));
        taps.into_iter().flatten()
    }
}

impl<W: Write + Seek, S: ContentSink> ContentSink for Tee<'_, W, S> {
    fn begin(&mut self, inode: InodeId, len: u64) -> Result<(), BoxError> {
        self.current = Some(inode);
        self.sink.begin(inode, len)
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.tapped().try_for_each(|tap| tap.data(bytes))?;
        self.sink.data(bytes)
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.tapped().try_for_each(|tap| tap.hole(len))?;
        self.sink.hole(len)
    }

    fn end(&mut self) -> Result<(), BoxError> {
        self.current = None;
        self.sink.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::{Blob, Canvas, FileTree, Metadata, Silent, deliver};
    use std::io::Cursor;

    struct Log(Vec<u8>);

    impl ContentSink for Log {
        fn begin(&mut self, _: InodeId, _: u64) -> Result<(), BoxError> {
            self.0.push(b'<');
            Ok(())
        }
        fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
            self.0.extend_from_slice(bytes);
            Ok(())
        }
        fn hole(&mut self, len: u64) -> Result<(), BoxError> {
            self.0.extend(std::iter::repeat_n(b'0', usize::try_from(len)?));
            Ok(())
        }
        fn end(&mut self) -> Result<(), BoxError> {
            self.0.push(b'>');
            Ok(())
        }
    }

    #[test]
    fn a_content_goes_on_and_to_each_of_its_taps() {
        let mut tree = FileTree::new(Metadata::default());
        let mut add = |name: &[u8], text: &str| {
            let root = tree.root();
            tree.add_file(root, name, Metadata::default(), Blob::from(text)).unwrap()
        };
        let (a, b, twin) = (add(b"a", "kernel"), add(b"b", "other"), add(b"c", "kernel"));
        let canvas = Canvas::new(Cursor::new(Vec::new()));
        let mut taps = Taps::new();
        taps.add(a, Tap::Place(canvas.window(2)));
        taps.add(a, Tap::Keep(twin, Vec::new()));
        let mut log = Log(Vec::new());
        let mut tee = Tee::new(&mut log, &mut taps);
        deliver(&tree, &(), [a, b], &mut tee, &Silent).unwrap();
        tee.begin(a, 2).unwrap();
        tee.hole(2).unwrap();
        tee.end().unwrap();
        assert_eq!(log.0, b"<kernel><other><00>");
        assert_eq!(taps.into_kept(), BTreeMap::from([(twin, b"kernel\0\0".to_vec())]));
        let bytes = canvas.try_into_inner().unwrap().into_inner();
        assert_eq!(bytes, b"\0\0kernel\0\0");
    }
}
