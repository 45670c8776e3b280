//! Entry points for fuzzers: each takes any bytes and panics when an invariant is broken.

use std::collections::BTreeMap;
use std::sync::Arc;

use bootwright_image::{
    ContentError, ContentSink, FileTree, Kind, Observer, Silent, Streams, Timestamp, Walked, Wanted,
};

use crate::entry::{Budget, Layer};
use crate::json::{self, Config, Index, Manifest, Saved};
use crate::limits::Limits;
use crate::merge::{Merger, Placement};
use crate::scan::{Context, Scanned, read_members};
use crate::tar::{MemberKind, Reader};
use crate::write::{Changes, tar as layer_tar};

/// Ends a layer in the input of [`layer_merge`].
pub const LAYER_END: &[u8] = b"--next layer--";

fn limits() -> Limits {
    Limits { entries: 4096, file_bytes: 1 << 30, sparse_extents: 256, ..Limits::default() }
}

/// Reads a tar stream; contents must lie inside it, in ascending order.
pub fn tar_stream(data: &[u8]) {
    let limits = limits();
    let mut reader = Reader::new(data, "fuzz".into(), &limits);
    let mut end = 0;
    while let Ok(Some(member)) = reader.next() {
        assert!(member.offset >= end, "contents overlap");
        let mut read = 0;
        if reader.content(&member, |bytes| read += bytes.len() as u64).is_err() {
            break;
        }
        end = member.offset + read;
        assert!(end <= data.len() as u64, "content outside the stream");
        assert!(member.mode <= 0o7777);
        match &member.extents {
            None => assert_eq!(read, member.size),
            Some(extents) => {
                assert_eq!(member.kind, MemberKind::File);
                let stored: u64 = extents.iter().map(|extent| extent.len).sum();
                assert_eq!(read, stored);
                let mut at = 0;
                for extent in extents {
                    assert!(extent.offset >= at && extent.len > 0, "extents overlap");
                    at = extent.offset + extent.len;
                }
                assert!(at <= member.size, "extent outside the file");
            }
        }
    }
}

/// Merges layers; the tree must be one that every writer can take.
pub fn layer_merge(data: &[u8]) {
    if let Some(trees) = merge(data) {
        trees.iter().for_each(check_tree);
    }
}

/// Writes what turns the lowest layer's tree into that of all layers, and reads it back.
pub fn layer_write(data: &[u8]) {
    /// Bytes of contents that are worth writing.
    const CONTENTS: u64 = 1 << 20;
    let Some([before, after]) = merge(data) else { return };
    let Ok(changes) = Changes::between(&before, &after) else { return };
    let contents = [&before, &after].map(|tree| {
        let files = tree.walk().filter_map(|walked| tree.inode(walked.id).as_file());
        files.fold(0u64, |sum, blob| sum.saturating_add(blob.len()))
    });
    let Ok(whole) = Changes::whole(&before) else { return };
    if contents.iter().any(|len| *len > CONTENTS) {
        return;
    }
    let mut written = Vec::new();
    for (number, (changes, tree)) in [(&whole, &before), (&changes, &after)].iter().enumerate() {
        if number > 0 {
            written.extend_from_slice(LAYER_END);
        }
        if layer_tar::write(changes, tree, &Zeros, &mut written, &Silent).is_err() {
            return;
        }
    }
    let too_long = |tree: &FileTree| tree.walk().any(|w| w.path.len() > limits().path_bytes);
    match merge(&written) {
        Some([_, read]) => assert_eq!(shape(&read), shape(&after)),
        None => assert!(too_long(&before) || too_long(&after), "a written layer is not read"),
    }
}

/// Contents of nothing but zeros, whatever they are.
struct Zeros;

impl Streams for Zeros {
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        _: &dyn Observer,
    ) -> Result<(), ContentError> {
        for want in wanted {
            sink.begin(want.inode, want.len).map_err(ContentError::Sink)?;
            sink.hole(want.len).map_err(ContentError::Sink)?;
            sink.end().map_err(ContentError::Sink)?;
        }
        Ok(())
    }
}

/// Every name with what it is; inodes are told by the first of their names.
fn shape(tree: &FileTree) -> Vec<String> {
    let mut first = BTreeMap::new();
    let root = Walked { path: Vec::new(), id: tree.root() };
    let shape = |walked: Walked| {
        let inode = tree.inode(walked.id);
        let kind = match inode.kind() {
            Kind::Directory(_) => "directory".to_owned(),
            Kind::File(blob) => format!("file {}", blob.len()),
            other => format!("{other:?}"),
        };
        let first = first.entry(walked.id).or_insert_with(|| walked.path.clone());
        format!("{:?} {first:?} {:?} {kind}", walked.path, inode.metadata)
    };
    std::iter::once(root).chain(tree.walk()).map(shape).collect()
}

/// The trees of the lowest layer and of all layers.
fn merge(data: &[u8]) -> Option<[FileTree; 2]> {
    let limits = limits();
    let budget = Budget::new(&limits);
    let context =
        Context { limits: &limits, budget: &budget, observer: &Silent, stopped: &|| false };
    let mut mergers = [(); 2].map(|()| Merger::new(None, Timestamp(0), limits.depth));
    let mut rest = Some(data);
    let mut number = 0;
    while let Some(mut layer) = next_layer(&mut rest) {
        let name: Arc<str> = format!("layer {number}").into();
        let Scanned { layer, stored } =
            read_members(&mut layer, &name, number, true, &context).ok()?;
        check_entries(&layer, stored.len());
        for merger in mergers.iter_mut().skip(usize::from(number > 0)) {
            merger.apply(&layer, &Placement::default()).ok()?;
        }
        number += 1;
    }
    Some(mergers.map(|merger| merger.finish(&Silent)))
}

fn check_tree(tree: &FileTree) {
    let mut names = vec![0; tree.capacity()];
    for walked in tree.walk() {
        names[walked.id.index()] += 1;
        let inode = tree.inode(walked.id);
        assert!(inode.metadata.mode <= 0o7777);
        if let Kind::Symlink(target) = inode.kind() {
            assert!(!target.is_empty() && target.len() <= 4095 && !target.contains(&0));
        }
        for name in walked.path.split(|byte| *byte == b'/') {
            assert!(!matches!(name, b"" | b"." | b".."), "reserved name");
            assert!(name.len() <= 255 && !name.contains(&0));
            assert!(!name.starts_with(b".wh."), "a whiteout became a file");
        }
    }
    for walked in tree.walk() {
        assert_eq!(names[walked.id.index()], tree.inode(walked.id).names(), "wrong link count");
    }
}

fn check_entries(layer: &Layer, stored: usize) {
    assert!(stored <= layer.entries.len());
    for entry in &layer.entries {
        let path = layer.names.get(entry.path);
        assert!(!path.starts_with(b"/") && !path.ends_with(b"/"), "path is not clean");
    }
}

fn next_layer<'a>(rest: &mut Option<&'a [u8]>) -> Option<&'a [u8]> {
    let data = (*rest)?;
    let end = data.windows(LAYER_END.len()).position(|window| window == LAYER_END);
    *rest = end.map(|end| &data[end + LAYER_END.len()..]);
    Some(&data[..end.unwrap_or(data.len())])
}

/// Reads documents of images.
pub fn image_json(data: &[u8]) {
    if let Ok(index) = json::parse::<Index>(data, "fuzz") {
        crate::layout::fuzz_choice(&index.manifests);
    }
    let _ = json::parse::<Manifest>(data, "fuzz");
    let _ = json::parse::<Vec<Saved>>(data, "fuzz");
    if let Ok(config) = json::parse::<Config>(data, "fuzz") {
        let mut warnings = Vec::new();
        let _ = crate::image::created(&config, "fuzz", &mut warnings);
        assert!(warnings.len() <= 1);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = crate::time::parse(text);
        if let Ok(digest) = text.parse::<crate::ContentDigest>() {
            assert_eq!(digest.to_string(), text);
        }
        if let Ok(reference) = text.parse::<crate::Reference>() {
            let shown = reference.to_string();
            // The names of images in registries are completed.
            assert!(shown == text || text.starts_with("docker://"));
            assert_eq!(shown.parse(), Ok(reference));
        }
    }
}

/// Reads what registries, users and other programs send: headers, documents, names, settings.
#[cfg(feature = "registry")]
pub fn registry_replies(data: &[u8]) {
    crate::registry::fuzzing::replies(data);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A small tar with one member of each kind, by hand.
    fn seed() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        for (kind, name) in [
            (tar::EntryType::Directory, "d/"),
            (tar::EntryType::Regular, "d/f"),
            (tar::EntryType::Symlink, "d/s"),
            (tar::EntryType::Link, "d/h"),
            (tar::EntryType::Char, "d/c"),
            (tar::EntryType::Fifo, ".wh.p"),
        ] {
            let content = if kind.is_file() { &b"content"[..] } else { b"" };
            header.set_entry_type(kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o4755);
            header.set_link_name("d/f").unwrap();
            let long =
                format!("{name}{}", if kind.is_fifo() { "x".repeat(200) } else { String::new() });
            builder.append_data(&mut header, long, content).unwrap();
        }
        builder.append_pax_extensions([("SCHILY.xattr.user.a", &b"v"[..])]).unwrap();
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(&mut header, "e", &b""[..]).unwrap();
        builder.into_inner().unwrap()
    }

    /// Changes bytes and repairs the checksums, so that mutations get past them.
    fn mutate(data: &mut [u8], changes: &[(usize, u8)]) {
        for (at, value) in changes {
            let at = at % data.len();
            data[at] = *value;
        }
        for block in data.chunks_exact_mut(512).filter(|block| &block[257..262] == b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn mutated_tars_break_nothing(
            changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..12),
            cut in any::<prop::sample::Index>(),
            whole in any::<bool>(),
        ) {
            let mut data = seed();
            mutate(&mut data, &changes);
            let len = if whole { data.len() } else { cut.index(data.len()) };
            tar_stream(&data[..len]);
            let both = [&seed()[..], LAYER_END, &data[..len]].concat();
            layer_merge(&both);
            layer_write(&both);
        }

        #[test]
        fn any_bytes_break_nothing(data in prop::collection::vec(any::<u8>(), 0..2048)) {
            tar_stream(&data);
            layer_merge(&data);
            layer_write(&data);
            image_json(&data);
            #[cfg(feature = "registry")]
            registry_replies(&data);
        }

        #[test]
        fn mutated_documents_break_nothing(
            which in 0..DOCUMENTS.len(),
            changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        ) {
            let mut data = DOCUMENTS[which].as_bytes().to_vec();
            for (at, value) in changes {
                let at = at % data.len();
                data[at] = value;
            }
            image_json(&data);
            #[cfg(feature = "registry")]
            registry_replies(&data);
        }
    }

    const DOCUMENTS: [&str; 5] = [
        r#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:00","size":7,"platform":{"architecture":"amd64","os":"linux"},"annotations":{"org.opencontainers.image.ref.name":"v1"}},{"digest":"x","size":1}]}"#,
        r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:00","size":2},"layers":[]}"#,
        r#"{"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":["sha256:00"]}}"#,
        r#"[{"Config":"a.json","RepoTags":["x:1"],"Layers":["a/layer.tar"]}]"#,
        "2024-02-29T12:34:56.5+01:00",
    ];
}
