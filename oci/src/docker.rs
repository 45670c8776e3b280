//! Docker archives: what `docker save`, skopeo, go-containerregistry, luet and others write. The
//! paths in `manifest.json` may be anything; layers are told by their bytes.

use std::collections::BTreeSet;

use crate::digest::ContentDigest;
use crate::error::{DocumentProblem, Error};
use crate::image::{Documents, Image, ImageInfo, LayerInfo, Reader, created};
use crate::json::{self, Saved};
use crate::source::TarSource;

/// Reads the image named `name`, or the only one.
pub(crate) fn read(reader: &Reader<'_>, name: Option<&str>) -> Result<Image, Error> {
    read_with_documents(reader, name).map(|(image, _)| image)
}

/// As [`read`], with the documents.
pub(crate) fn read_with_documents(
    reader: &Reader<'_>,
    name: Option<&str>,
) -> Result<(Image, Documents), Error> {
    let bytes = reader.document("manifest.json", "manifest.json", None)?;
    let saved: Vec<Saved> = json::parse(&bytes, &format!("{}: manifest.json", reader.name))?;
    let saved = choose(&saved, name).map_err(|problem| reader.problem("manifest.json", problem))?;
    let no_layers = Vec::new();
    let layer_paths = saved.layers.as_ref().unwrap_or(&no_layers);
    let title = format!("config {:?}", saved.config);
    let promised = config_digest(&saved.config);
    let bytes =
        reader.document(&saved.config, &title, promised.as_ref().map(|digest| (digest, None)))?;
    let (config, diff_ids) = reader.config(&bytes, &title, layer_paths.len())?;
    let mut warnings = Vec::new();
    let created = created(&config, &format!("{}: {title}", reader.name), &mut warnings);
    let mut info = ImageInfo {
        manifest: None,
        config: Some(ContentDigest::Sha256([0; 32]).of_same_kind(&bytes)),
        architecture: config.architecture,
        os: config.os,
        created,
        config_document: bytes,
        layers: Vec::new(),
    };
    let mut layers = Vec::new();
    for (number, (path, diff_id)) in layer_paths.iter().zip(diff_ids).enumerate() {
        let location = reader.store.find(path, &reader.name, reader.limits)?;
        let digest = blob_digest(path);
        info.layers.push(LayerInfo {
            digest,
            diff_id: Some(diff_id),
            size: location.len,
            media_type: None,
        });
        let shown: String = path.chars().take(200).collect();
        layers.push(TarSource {
            name: format!("{}: layer {} ({shown:?})", reader.name, number + 1).into(),
            location,
            digest,
            diff_id: Some(diff_id),
        });
    }
    let documents = Documents { manifest_type: String::new() };
    Ok((Image { info, layers, warnings }, documents))
}

/// The config of the image named `name`, or of the only one, byte by byte.
pub(crate) fn config(
    reader: &Reader<'_>,
    name: Option<&str>,
) -> Result<(ContentDigest, Vec<u8>), Error> {
    let bytes = reader.document("manifest.json", "manifest.json", None)?;
    let saved: Vec<Saved> = json::parse(&bytes, &format!("{}: manifest.json", reader.name))?;
    let saved = choose(&saved, name).map_err(|problem| reader.problem("manifest.json", problem))?;
    let bytes = reader.document(&saved.config, &format!("config {:?}", saved.config), None)?;
    Ok((ContentDigest::Sha256([0; 32]).of_same_kind(&bytes), bytes))
}

fn choose<'a>(saved: &'a [Saved], name: Option<&str>) -> Result<&'a Saved, DocumentProblem> {
    let names = || -> Vec<String> {
        let tags = saved.iter().flat_map(|image| image.repo_tags.iter().flatten());
        tags.cloned().collect::<BTreeSet<_>>().into_iter().collect()
    };
    match (name, saved) {
        (_, []) => Err(DocumentProblem::NoImage),
        (None, [only]) => Ok(only),
        (None, _) => Err(DocumentProblem::Ambiguous { names: names() }),
        (Some(wanted), _) => {
            let has = |image: &&Saved| {
                let tags = image.repo_tags.iter().flatten();
                tags.into_iter().any(|tag| familiar(tag) == familiar(wanted))
            };
            let no_such =
                || DocumentProblem::NoSuchName { wanted: wanted.to_owned(), names: names() };
            saved.iter().find(has).ok_or_else(no_such)
        }
    }
}

/// A name without what Docker adds to names that lack it: its own registry, the folder of official
/// images and the tag `latest`.
fn familiar(name: &str) -> String {
    let name = name.strip_prefix("docker.io/").unwrap_or(name);
    let name = name.strip_prefix("library/").unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') { name.to_owned() } else { format!("{name}:latest") }
}

/// The digest in the name of a config: `<hex>.json`, `sha256:<hex>` or `blobs/sha256/<hex>`.
fn config_digest(path: &str) -> Option<ContentDigest> {
    let name = path.strip_suffix(".json").unwrap_or(path);
    let name = name.strip_prefix("sha256:").unwrap_or(name);
    blob_digest(path).or_else(|| format!("sha256:{name}").parse().ok())
}

/// The digest in a path of the form that OCI layouts use. Other paths with hex in them mean
/// different things to different tools.
fn blob_digest(path: &str) -> Option<ContentDigest> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_docker_does() {
        for (a, b) in [
            ("ubuntu", "docker.io/library/ubuntu:latest"),
            ("quay.io:443/x", "quay.io:443/x:latest"),
            ("a/b:1", "docker.io/a/b:1"),
        ] {
            assert_eq!(familiar(a), familiar(b));
        }
        assert_ne!(familiar("ubuntu:22.04"), familiar("ubuntu"));
    }

    #[test]
    fn digests_are_found_in_names() {
        let hex = "ab".repeat(32);
        let digest = Some(ContentDigest::Sha256([0xab; 32]));
        for path in
            [format!("{hex}.json"), format!("sha256:{hex}"), format!("blobs/sha256/{hex}"), hex]
        {
            assert_eq!(config_digest(&path), digest, "{path}");
        }
        assert_eq!(config_digest("config.json"), None);
        assert_eq!(blob_digest("abab/layer.tar"), None);
    }
}
