//! Contents on their second way.

use std::error::Error as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use bootwright_image::{
    BoxError, ContentError, ContentSink, InodeId, Observer, Origin, Phase, Silent, Streams, Wanted,
};
use bootwright_oci::{Error, Reference, Stack};

use crate::build::{Layout, Member, Tar, gzip, layout_dir, options, read_with, reference, zstd};

/// Writes down what comes, pieces of contents joined.
#[derive(Debug, Default)]
struct Log {
    lines: Vec<String>,
    data: Vec<u8>,
    pieces: usize,
    fail: bool,
}

impl ContentSink for Log {
    fn begin(&mut self, _: InodeId, len: u64) -> Result<(), BoxError> {
        self.lines.push(format!("begin {len}"));
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        if self.fail {
            return Err("full".into());
        }
        assert!(!bytes.is_empty());
        self.data.extend_from_slice(bytes);
        self.pieces += 1;
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.flush();
        self.lines.push(format!("hole {len}"));
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        self.flush();
        self.lines.push("end".to_owned());
        Ok(())
    }
}

impl Log {
    fn flush(&mut self) {
        if !self.data.is_empty() {
            let digest = blake3::hash(&self.data).to_hex();
            self.lines.push(format!("data {} {}", self.data.len(), &digest[..8]));
            self.data.clear();
        }
    }
}

/// Bytes that do not compress well, different for each seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3] & 0x3f
        })
        .collect()
}

fn layers() -> Layout {
    let mut tars = Vec::new();
    for layer in 0..6u64 {
        let mut tar = Tar::default();
        for file in 0..4u64 {
            let len = [0, 700, 300_000, 3_000_000][usize::try_from((layer + file) % 4).unwrap()];
            tar.add(&Member::file(&format!("f{layer}-{file}"), noise(layer * 10 + file, len)));
        }
        tar.add(&Member::file("same", noise(99, 1000)));
        let plain = tar.end();
        let stored = match layer % 3 {
            0 => plain.clone(),
            1 => gzip(&plain),
            _ => zstd(&plain),
        };
        tars.push((plain, stored));
    }
    let mut layout = Layout::default();
    layout.stored_image("", &tars);
    layout
}

fn all(tree: &bootwright_image::FileTree) -> Vec<Wanted> {
    let mut wanted: Vec<_> = tree
        .walk()
        .filter_map(|walked| {
            let blob = tree.inode(walked.id).as_file()?;
            let Origin::Stream(key) = blob.origin() else { return None };
            Some(Wanted { key: *key, inode: walked.id, len: blob.len() })
        })
        .collect();
    wanted.sort_unstable();
    wanted
}

#[test]
fn contents_are_the_same_for_any_number_of_jobs() {
    let dir = layout_dir(&layers());
    let mut first = None;
    for jobs in [1, 2, 8] {
        let options =
            bootwright_oci::Options { jobs: NonZeroUsize::new(jobs).unwrap(), ..options() };
        let rootfs = read_with(options, &reference(dir.path())).unwrap();
        let mut log = Log::default();
        rootfs.streams.deliver(&all(&rootfs.tree), &mut log, &Silent).unwrap();
        // 18 files that are not empty, and the topmost `same`.
        assert_eq!(log.lines.iter().filter(|line| *line == "end").count(), 19);
        let contents: u64 = all(&rootfs.tree).iter().map(|want| want.len).sum();
        assert!(log.pieces < 100, "{} pieces for {contents} bytes", log.pieces);
        let names: Vec<_> = rootfs.tree.walk().collect();
        let result = (log.lines, names);
        assert_eq!(first.get_or_insert_with(|| result.clone()), &result, "{jobs} jobs");
    }
}

#[test]
fn a_content_may_be_wanted_twice_and_others_not_at_all() {
    let dir = layout_dir(&layers());
    let rootfs = read_with(options(), &reference(dir.path())).unwrap();
    let all = all(&rootfs.tree);
    let wanted = [all[1], all[2], all[2], all[3], all[7]];
    let mut log = Log::default();
    rootfs.streams.deliver(&wanted, &mut log, &Silent).unwrap();
    let lens: Vec<_> = wanted.iter().map(|want| format!("begin {}", want.len)).collect();
    let begins: Vec<_> = log.lines.iter().filter(|line| line.starts_with("begin")).collect();
    assert!(begins.into_iter().eq(&lens));
    let mut strange = all[0];
    strange.key.source = 77;
    let error = rootfs.streams.deliver(&[strange], &mut log, &Silent).unwrap_err();
    assert!(matches!(error, ContentError::Undeliverable { .. }));
    assert!(rootfs.streams.deliver(&[], &mut log, &Silent).is_ok());
}

#[test]
fn holes_are_delivered_as_holes() {
    let mut tar = Tar::default();
    let size = 1u64 << 39;
    let map = format!("4096,4,{},4", size - 8);
    tar.pax(
        b'x',
        &[
            ("GNU.sparse.size", size.to_string().as_bytes()),
            ("GNU.sparse.name", b"disk"),
            ("GNU.sparse.map", map.as_bytes()),
        ],
    );
    tar.add(&Member::file("disk", "12345678"));
    let dir = layout_dir(&Layout::of(&[tar.end()]));
    let rootfs = read_with(options(), &reference(dir.path())).unwrap();
    let mut log = Log::default();
    rootfs.streams.deliver(&all(&rootfs.tree), &mut log, &Silent).unwrap();
    let data = |bytes: &[u8]| format!("data 4 {}", &blake3::hash(bytes).to_hex()[..8]);
    assert_eq!(
        log.lines,
        [
            format!("begin {size}"),
            "hole 4096".to_owned(),
            data(b"1234"),
            format!("hole {}", size - 8 - 4100),
            data(b"5678"),
            "hole 4".to_owned(),
            "end".to_owned(),
        ]
    );
}

#[test]
fn a_layer_that_changed_since_the_scan_is_noticed() {
    let dir = layout_dir(&layers());
    let rootfs = read_with(options(), &reference(dir.path())).unwrap();
    let all = all(&rootfs.tree);
    let digest = rootfs.inputs[0].digest.unwrap().to_string();
    let path = dir.path().join("blobs").join(digest.replace(':', "/"));
    let good = std::fs::read(&path).unwrap();
    let deliver = |wanted: &[Wanted], bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let delivered = rootfs.streams.deliver(wanted, &mut Log::default(), &Silent);
        delivered.map_err(|error| match error.source().unwrap().downcast_ref::<Error>() {
            Some(Error::Digest { .. }) => "digest",
            Some(Error::Size { .. }) => "size",
            Some(Error::Changed { .. }) => "changed",
            _ => "other",
        })
    };
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let one = &all[..1];
    assert_eq!(one[0].len, 700);
    assert_eq!(deliver(&all, &good), Ok(()));
    assert_eq!(deliver(&all, &flipped(good.len() - 1)), Err("digest"));
    assert_eq!(deliver(&all, &good[..good.len() - 1]), Err("size"));
    // A small part is checked for itself, and what follows is not read.
    assert_eq!(deliver(one, &good), Ok(()));
    assert_eq!(deliver(one, &flipped(good.len() - 1)), Ok(()));
    assert_eq!(deliver(one, &flipped(1200)), Err("changed"));
    assert_eq!(deliver(one, &good[..1200]), Err("size"));

    std::fs::remove_file(&path).unwrap();
    let error = rootfs.streams.deliver(one, &mut Log::default(), &Silent).unwrap_err();
    let cause = error.source().unwrap().downcast_ref::<Error>();
    assert!(matches!(cause, Some(Error::Io { .. })), "{error:?}");
}

#[test]
fn a_writer_that_fails_ends_everything() {
    let dir = layout_dir(&layers());
    let rootfs = read_with(options(), &reference(dir.path())).unwrap();
    let mut log = Log { fail: true, ..Log::default() };
    let error = rootfs.streams.deliver(&all(&rootfs.tree), &mut log, &Silent).unwrap_err();
    assert!(matches!(error, ContentError::Sink(_)));
}

/// Says stop after a number of questions, and counts progress.
#[derive(Debug, Default)]
struct Watch {
    questions: AtomicUsize,
    patience: usize,
    stored: AtomicUsize,
}

impl Observer for Watch {
    fn advance(&self, phase: Phase, amount: u64) {
        assert_eq!(phase, Phase::Scan);
        self.stored.fetch_add(usize::try_from(amount).unwrap(), Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.questions.fetch_add(1, Ordering::Relaxed) >= self.patience
    }
}

#[test]
fn cancelling_and_progress() {
    let dir = layout_dir(&layers());
    for patience in [0, 1, 3, 10, usize::MAX] {
        let watch = Watch { patience, ..Watch::default() };
        let mut stack = Stack::new(options(), &watch);
        stack.add_image(&reference(dir.path())).unwrap();
        let result = stack.finish();
        match &result {
            Ok(rootfs) => {
                assert_eq!(patience, usize::MAX);
                let stored: u64 = rootfs.inputs.iter().map(|input| input.stored_size).sum();
                assert_eq!(watch.stored.load(Ordering::Relaxed) as u64, stored);
                let stop = Watch::default();
                let mut log = Log::default();
                let error = rootfs.streams.deliver(&all(&rootfs.tree), &mut log, &stop);
                assert!(matches!(error, Err(ContentError::Cancelled)));
            }
            Err(error) => {
                assert!(patience < usize::MAX && matches!(error, Error::Cancelled), "{error}");
            }
        }
    }
}

#[test]
fn the_lowest_faulty_input_is_reported_for_any_number_of_jobs() {
    let good = Tar::of(["f a 1"]);
    let bad = |name: &str| Tar::of([format!("f ../{name} x").as_str()]);
    let layout = Layout::of(&[good.clone(), bad("first"), good, bad("second"), bad("third")]);
    let dir = layout_dir(&layout);
    for jobs in [1, 2, 5] {
        for _ in 0..10 {
            let options =
                bootwright_oci::Options { jobs: NonZeroUsize::new(jobs).unwrap(), ..options() };
            let error = read_with(options, &reference(dir.path())).unwrap_err().to_string();
            assert!(error.contains("../first"), "{error}");
        }
    }
    let missing = Reference::Tar("/nonexistent.tar".into());
    assert!(matches!(read_with(options(), &missing), Err(Error::Io { .. })));
}
