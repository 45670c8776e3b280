//! OCI image layouts (OCI image specification, "Image Layout"), in a folder or in a tar.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::ContentDigest;
use crate::error::{DocumentProblem, Error};
use crate::image::{Documents, Image, ImageInfo, LayerInfo, Reader, created};
use crate::json::{self, Descriptor, Index, LayoutMark, Manifest, MediaType};
use crate::source::TarSource;

/// Reads the image named `tag`, that whose digest follows an `@` in it, or the only one.
pub(crate) fn read(reader: &Reader<'_>, tag: Option<&str>) -> Result<Image, Error> {
    read_with_documents(reader, tag).map(|(image, _)| image)
}

/// As [`read`], with the documents.
pub(crate) fn read_with_documents(
    reader: &Reader<'_>,
    tag: Option<&str>,
) -> Result<(Image, Documents), Error> {
    check_mark(reader)?;
    let bytes = reader.document("index.json", "index.json", None)?;
    let title = format!("{}: index.json", reader.name);
    let index: Index = json::parse(&bytes, &title)?;
    let mut chosen = match tag.and_then(|tag| tag.strip_prefix('@')) {
        Some(digest) => by_digest(reader, digest)?,
        None => choose_name(&index.manifests, tag)
            .and_then(|named| choose_platform(&named, reader.architecture))
            .map_err(|problem| reader.problem("index.json", problem))?,
    };
    if kind(reader, &chosen)? == MediaType::Index {
        let (_, bytes) = blob(reader, &chosen, "index")?;
        let title = format!("index {}", chosen.digest);
        let index: Index = json::parse(&bytes, &format!("{}: {title}", reader.name))?;
        let all: Vec<_> = index.manifests.iter().collect();
        chosen = choose_platform(&all, reader.architecture)
            .map_err(|problem| reader.problem(&title, problem))?;
        if kind(reader, &chosen)? == MediaType::Index {
            let digest = chosen.digest;
            return Err(reader.problem(&title, DocumentProblem::NestedIndex { digest }));
        }
    }
    image(reader, &chosen)
}

/// The manifest or index with this digest, whether `index.json` names it or not.
fn by_digest(reader: &Reader<'_>, digest: &str) -> Result<Descriptor, Error> {
    let found = json::digest(digest, &reader.name)?;
    let location = reader.store.find(&found.blob_path(), &reader.name, reader.limits)?;
    Ok(Descriptor {
        media_type: String::new(),
        digest: digest.to_owned(),
        size: location.len,
        annotations: None,
        platform: None,
    })
}

pub(crate) fn check_mark(reader: &Reader<'_>) -> Result<(), Error> {
    let bytes = reader.document("oci-layout", "oci-layout", None)?;
    let mark: LayoutMark = json::parse(&bytes, &format!("{}: oci-layout", reader.name))?;
    if mark.image_layout_version != "1.0.0" {
        let found = mark.image_layout_version;
        let problem = DocumentProblem::Version { found, expected: "1.0.0" };
        return Err(reader.problem("oci-layout", problem));
    }
    Ok(())
}

/// What a descriptor leads to. Some writers give no media type; then the document tells.
fn kind(reader: &Reader<'_>, descriptor: &Descriptor) -> Result<MediaType, Error> {
    match MediaType::of(&descriptor.media_type) {
        kind @ (MediaType::Index | MediaType::Manifest) => Ok(kind),
        _ if descriptor.media_type.is_empty() => {
            let (_, bytes) = blob(reader, descriptor, "manifest")?;
            let title = format!("{}: manifest {}", reader.name, descriptor.digest);
            let index: Index = json::parse(&bytes, &title)?;
            let typed = index.media_type.as_deref().map(MediaType::of);
            Ok(match typed {
                Some(MediaType::Index) => MediaType::Index,
                None if !index.manifests.is_empty() => MediaType::Index,
                _ => MediaType::Manifest,
            })
        }
        _ => Err(reader.problem(
            &format!("descriptor of {}", descriptor.digest),
            DocumentProblem::MediaType {
                found: descriptor.media_type.clone(),
                expected: "an image manifest or an image index",
            },
        )),
    }
}

fn image(reader: &Reader<'_>, descriptor: &Descriptor) -> Result<(Image, Documents), Error> {
    let (manifest_digest, bytes) = blob(reader, descriptor, "manifest")?;
    let title = format!("manifest {}", descriptor.digest);
    let document = format!("{}: {title}", reader.name);
    let manifest: Manifest = json::parse(&bytes, &document)?;
    if let Some(version) = manifest.schema_version.filter(|version| *version != 2) {
        let found = version.to_string();
        return Err(reader.problem(&title, DocumentProblem::Version { found, expected: "2" }));
    }
    if MediaType::of(&manifest.config.media_type) != MediaType::Config {
        let found = manifest.config.media_type;
        let expected = "the config of an image";
        return Err(reader.problem(&title, DocumentProblem::MediaType { found, expected }));
    }
    let (config_digest, config_bytes) = blob(reader, &manifest.config, "config")?;
    let config_title = format!("config {config_digest}");
    let (config, diff_ids) = reader.config(&config_bytes, &config_title, manifest.layers.len())?;
    let mut warnings = Vec::new();
    let created = created(&config, &format!("{}: {config_title}", reader.name), &mut warnings);
    let mut info = ImageInfo {
        manifest: Some(manifest_digest),
        config: Some(config_digest),
        architecture: config.architecture,
        os: config.os,
        created,
        config_document: config_bytes,
        layers: Vec::new(),
    };
    let mut layers = Vec::new();
    for (number, (layer, diff_id)) in manifest.layers.iter().zip(diff_ids).enumerate() {
        let source = self::layer(reader, layer, diff_id, number + 1)?;
        info.layers.push(LayerInfo {
            digest: source.digest,
            diff_id: Some(diff_id),
            size: source.location.len,
            media_type: Some(layer.media_type.clone()),
        });
        layers.push(source);
    }
    let documents = Documents { manifest_type: descriptor.media_type.clone() };
    Ok((Image { info, layers, warnings }, documents))
}

fn layer(
    reader: &Reader<'_>,
    layer: &Descriptor,
    diff_id: ContentDigest,
    number: usize,
) -> Result<TarSource, Error> {
    let title = format!("layer {number} ({})", layer.digest);
    if MediaType::of(&layer.media_type) != MediaType::Layer {
        let found = layer.media_type.clone();
        let expected = "a layer that is a tar, plain or compressed with gzip or zstd";
        return Err(reader.problem(&title, DocumentProblem::MediaType { found, expected }));
    }
    let name = format!("{}: {title}", reader.name);
    let digest = json::digest(&layer.digest, &name)?;
    let location = reader.store.find(&digest.blob_path(), &reader.name, reader.limits)?;
    if location.len != layer.size {
        return Err(Error::Size { blob: name, expected: layer.size, actual: location.len });
    }
    Ok(TarSource { name: name.into(), location, digest: Some(digest), diff_id: Some(diff_id) })
}

fn blob(
    reader: &Reader<'_>,
    descriptor: &Descriptor,
    what: &str,
) -> Result<(ContentDigest, Vec<u8>), Error> {
    let title = format!("{what} {}", descriptor.digest);
    let digest = json::digest(&descriptor.digest, &format!("{}: {title}", reader.name))?;
    let promised = Some((&digest, Some(descriptor.size)));
    let bytes = reader.document(&digest.blob_path(), &title, promised)?;
    Ok((digest, bytes))
}

/// The entries named `tag`; without a tag all entries, which then must have one name or none.
pub(crate) fn choose_name<'a>(
    manifests: &'a [Descriptor],
    tag: Option<&str>,
) -> Result<Vec<&'a Descriptor>, DocumentProblem> {
    let images = || manifests.iter().filter(|entry| !entry.is_attestation());
    let names = || -> Vec<String> {
        let names: BTreeSet<_> = images().filter_map(|entry| entry.reference_name()).collect();
        names.into_iter().map(str::to_owned).collect()
    };
    let Some(tag) = tag else {
        let mut by_name = BTreeMap::<_, BTreeSet<_>>::new();
        for entry in images() {
            by_name.entry(entry.reference_name()).or_default().insert(&entry.digest);
        }
        let sets: BTreeSet<_> = by_name.values().collect();
        if sets.len() > 1 {
            let name = |name: Option<&str>| name.unwrap_or("(unnamed)").to_owned();
            let names = by_name.keys().copied().map(name).collect();
            return Err(DocumentProblem::Ambiguous { names });
        }
        return Ok(images().collect());
    };
    let named = |name: fn(&Descriptor) -> Option<&str>| -> Vec<_> {
        images().filter(|entry| name(entry) == Some(tag)).collect()
    };
    let mut found = named(Descriptor::reference_name);
    if found.is_empty() {
        found = named(Descriptor::image_name);
    }
    if found.is_empty() {
        return Err(DocumentProblem::NoSuchName { wanted: tag.to_owned(), names: names() });
    }
    Ok(found)
}

/// The entry for Linux on `architecture`. A single one is taken whatever it is for.
pub(crate) fn choose_platform(
    entries: &[&Descriptor],
    architecture: &str,
) -> Result<Descriptor, DocumentProblem> {
    let mut images: Vec<_> = entries.iter().filter(|entry| !entry.is_attestation()).collect();
    let mut seen = BTreeSet::new();
    images.retain(|entry| seen.insert(&entry.digest));
    match images.as_slice() {
        [] => return Err(DocumentProblem::NoImage),
        [only] => return Ok((**only).clone()),
        _ => {}
    }
    let fits = |entry: &&&&Descriptor| {
        let platform = entry.platform.as_ref();
        platform.is_some_and(|p| p.os == "linux" && p.architecture == architecture)
    };
    // The plainest variant runs everywhere; among equals the first one counts.
    let plainness = |entry: &&&&Descriptor| {
        let variant = entry.platform.as_ref().and_then(|platform| platform.variant.as_deref());
        (!matches!(variant, None | Some("" | "v8")), variant.unwrap_or_default().to_owned())
    };
    let chosen = images.iter().filter(fits).min_by_key(plainness);
    chosen.map(|entry| (**entry).clone()).ok_or_else(|| DocumentProblem::NoSuchPlatform {
        wanted: architecture.to_owned(),
        platforms: images.iter().map(|entry| platform(entry)).collect(),
    })
}

/// For fuzzing: whatever is chosen is one of the entries.
pub(crate) fn fuzz_choice(manifests: &[Descriptor]) {
    for tag in [None, Some("v1")] {
        let Ok(named) = choose_name(manifests, tag) else { continue };
        if let Ok(chosen) = choose_platform(&named, "amd64") {
            assert!(manifests.iter().any(|entry| entry.digest == chosen.digest));
        }
    }
}

fn platform(entry: &Descriptor) -> String {
    match &entry.platform {
        None => "(unknown)".to_owned(),
        Some(platform) => {
            let variant = platform.variant.as_deref().filter(|variant| !variant.is_empty());
            let slash = if variant.is_some() { "/" } else { "" };
            let variant = variant.unwrap_or_default();
            format!("{}/{}{slash}{variant}", platform.os, platform.architecture)
        }
    }
}
