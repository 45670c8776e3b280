//! An image made with the blocks of an earlier one is the image made without.

use std::io::Cursor;
use std::sync::Arc;

use bootwright_image::{Blob, Digest, FileTree, Metadata, Silent, deliver};
use bootwright_squashfs::reuse::{Donor, DonorError, Index, Reuse};
use bootwright_squashfs::{Options, Summary, WriteError, Writer};
use proptest::prelude::*;

use crate::support::{Bytes, assert_same, image, noise, on_disk, options};

/// A file's content by what it is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spec {
    seed: u64,
    len: usize,
    zeros: usize,
}

impl Spec {
    fn bytes(&self) -> Bytes {
        let mut bytes = noise(self.seed, self.len / 2);
        bytes.resize(bytes.len() + self.zeros, 0);
        bytes.resize(self.len + self.zeros, b'x');
        bytes
    }
}

fn spec() -> impl Strategy<Value = Spec> {
    let len = prop_oneof![1_usize..900, 4000_usize..4200, 8190_usize..8194, 0_usize..20_000];
    let zeros = prop_oneof![3 => Just(0_usize), 1 => 0_usize..13_000];
    (0_u64..1000, len, zeros).prop_map(|(seed, len, zeros)| Spec { seed, len, zeros })
}

fn tree(files: &[Spec]) -> FileTree {
    let mut tree = FileTree::new(Metadata::default());
    for (number, spec) in files.iter().enumerate() {
        let bytes = spec.bytes();
        let digest = Digest(*blake3::hash(&bytes).as_bytes());
        let blob = Blob::from(bytes).with_digest(digest);
        let name = format!("{}-{number}", spec.seed);
        tree.add_file(tree.root(), name.as_bytes(), Metadata::file(0o644), blob).unwrap();
    }
    tree
}

fn reusing(
    tree: &FileTree,
    options: &Options,
    reuse: Reuse,
) -> Result<(Bytes, Summary, Option<Index>), WriteError> {
    let mut output = Cursor::new(Vec::new());
    let mut writer = Writer::reusing(tree, options.clone(), reuse, &mut output, &Silent)?;
    let wanted = writer.wanted().to_vec();
    deliver(tree, &(), wanted, &mut writer, &Silent).unwrap();
    let (summary, index) = writer.finish_recorded()?;
    Ok((output.into_inner(), summary, index))
}

fn donor(bytes: &[u8], index: &Index, options: &Options) -> Donor {
    let index = Index::from_bytes(&index.to_bytes()).unwrap();
    Donor::new(index, on_disk(bytes).into_file(), 0, options).unwrap()
}

fn recorded(tree: &FileTree, options: &Options) -> (Bytes, Index) {
    let reuse = Reuse { donor: None, record: true };
    let (bytes, _, index) = reusing(tree, options, reuse).unwrap();
    (bytes, index.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn with_a_donor_or_without_the_bytes_are_the_same(
        old in prop::collection::vec(spec(), 0..40),
        new in prop::collection::vec(spec(), 0..8),
        kept in prop::collection::vec(any::<bool>(), 40),
    ) {
        let options = options();
        let (old_bytes, index) = recorded(&tree(&old), &options);
        let mut files = new;
        files.extend(old.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(spec, _)| spec.clone()));
        let changed = tree(&files);
        let (clean, clean_index) = recorded(&changed, &options);
        let donor = Arc::new(donor(&old_bytes, &index, &options));
        let reuse = Reuse { donor: Some(Arc::clone(&donor)), record: true };
        let (bytes, mut summary, index) = reusing(&changed, &options, reuse).unwrap();
        prop_assert!(bytes == clean, "the image differs");
        prop_assert_eq!(index.as_ref(), Some(&clean_index));
        let (plain, without) = image(&changed, &options);
        prop_assert!(plain == clean);
        summary.reused = 0;
        prop_assert_eq!(summary, without);
        assert_same(&changed, &bytes);
        for spec in &old {
            let bytes = spec.bytes();
            let digest = Digest(*blake3::hash(&bytes).as_bytes());
            let mut found = Vec::new();
            let known = donor.reader().read(digest, bytes.len() as u64, |part| {
                found.extend_from_slice(part);
                Ok::<(), DonorError>(())
            });
            prop_assert_eq!(known.unwrap(), !bytes.is_empty());
            prop_assert!(found == bytes);
        }
    }
}

fn many() -> Vec<Spec> {
    let len = |seed: u64| 100 + usize::try_from(seed * 37 % 1000).unwrap();
    (0..600).map(|seed| Spec { seed, len: len(seed), zeros: 0 }).collect()
}

#[test]
fn one_file_more_changes_only_the_fragments_around_it() {
    let options = options();
    let old = many();
    let (bytes, index) = recorded(&tree(&old), &options);
    let mut files = old.clone();
    // Its name sorts early.
    files[0] = Spec { seed: 1000, len: 500, zeros: 0 };
    let donor = Arc::new(donor(&bytes, &index, &options));
    let changed = tree(&files);
    let reuse = Reuse { donor: Some(donor), record: false };
    let (_, summary, _) = reusing(&changed, &options, reuse).unwrap();
    assert!(summary.reused * 10 > summary.compressed * 8, "{summary:?}");
}

#[test]
fn nothing_is_delivered_that_the_donor_has() {
    let options = options();
    let tree = tree(&many());
    let (bytes, index) = recorded(&tree, &options);
    let donor = Arc::new(donor(&bytes, &index, &options));
    let reuse = Reuse { donor: Some(donor), record: false };
    let output = Cursor::new(Vec::new());
    let writer = Writer::reusing(&tree, options, reuse, output, &Silent).unwrap();
    assert!(writer.wanted().is_empty());
    assert_eq!(writer.content_bytes(), many().iter().map(|spec| spec.len as u64).sum::<u64>());
    let summary = writer.finish().unwrap();
    assert_eq!(summary.reused, summary.compressed);
}

#[test]
fn a_damaged_donor_is_an_error_and_never_a_wrong_image() {
    let options = options();
    let mut files = many();
    files.push(Spec { seed: 7000, len: 10_000, zeros: 5000 });
    let (bytes, index) = recorded(&tree(&files), &options);
    files.remove(3);
    let changed = tree(&files);
    let (clean, _) = recorded(&changed, &options);
    let data = bytes.len() / 2;
    let mut refused = 0;
    for at in (96..data).step_by(data / 50) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let donor = Some(Arc::new(donor(&damaged, &index, &options)));
        match reusing(&changed, &options, Reuse { donor, record: false }) {
            Err(WriteError::Donor(DonorError::Damaged { .. })) => refused += 1,
            Ok((bytes, ..)) => assert!(bytes == clean),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(refused > 40, "{refused}");

    let cut = Some(Arc::new(donor(&bytes[..200], &index, &options)));
    let error = reusing(&changed, &options, Reuse { donor: cut, record: false }).unwrap_err();
    assert!(matches!(error, WriteError::Donor(DonorError::Read { .. })), "{error}");
}

#[test]
fn a_donor_of_other_settings_is_none() {
    let options = options();
    let (bytes, index) = recorded(&tree(&many()), &options);
    for compression in ["gzip:2", "zstd:1", "none"] {
        let other = Options { compression: compression.parse().unwrap(), ..options.clone() };
        assert!(Donor::new(index.clone(), on_disk(&bytes).into_file(), 0, &other).is_none());
    }
}
