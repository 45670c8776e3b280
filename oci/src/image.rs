//! An image: what its manifest and config say, and where its layers lie.

use bootwright_image::Timestamp;

use crate::archive::{Store, read_document};
use crate::digest::ContentDigest;
use crate::error::{DocumentProblem, Error};
use crate::json::{self, Config};
use crate::limits::Limits;
use crate::source::TarSource;
use crate::time;

/// What an image says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageInfo {
    /// The manifest's digest; a docker archive has no manifest.
    pub manifest: Option<ContentDigest>,
    /// The config's digest, also known as the image id; folders and tars have no config.
    pub config: Option<ContentDigest>,
    /// The architecture by its OCI name, empty when nothing is said.
    pub architecture: String,
    /// The operating system, empty when nothing is said.
    pub os: String,
    /// When the image was made, unless it does not say or says the year 1.
    pub created: Option<Timestamp>,
    /// The config byte by byte, as JSON; empty for folders and tars.
    pub config_document: Vec<u8>,
    /// Its layers, bottom first.
    pub layers: Vec<LayerInfo>,
}

/// What an image says about a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerInfo {
    /// The digest of the stored bytes, when it is promised.
    pub digest: Option<ContentDigest>,
    /// The digest of the uncompressed bytes, when it is promised.
    pub diff_id: Option<ContentDigest>,
    /// Stored size in bytes.
    pub size: u64,
    /// The media type, when the image gives one.
    pub media_type: Option<String>,
}

/// An image whose layers have not been read yet.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) info: ImageInfo,
    pub(crate) layers: Vec<TarSource>,
    /// Warnings that are due.
    pub(crate) warnings: Vec<String>,
}

/// What an image's documents say beside what is in [`ImageInfo`].
#[derive(Debug)]
pub(crate) struct Documents {
    /// The manifest's media type; empty when it does not say, or there is none.
    pub(crate) manifest_type: String,
}

/// The files of an image, its name for errors, and what may be asked of it.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) store: Store,
    pub(crate) name: String,
    pub(crate) architecture: &'a str,
    pub(crate) limits: &'a Limits,
}

impl Reader<'_> {
    /// Reads the file `name` and checks its digest and size where they are known.
    pub(crate) fn document(
        &self,
        name: &str,
        title: &str,
        promised: Option<(&ContentDigest, Option<u64>)>,
    ) -> Result<Vec<u8>, Error> {
        let title = format!("{}: {title}", self.name);
        let location = self.store.find(name, &self.name, self.limits)?;
        if let Some((_, Some(expected))) = promised
            && location.len != expected
        {
            return Err(Error::Size { blob: title, expected, actual: location.len });
        }
        let bytes = read_document(&location, &title, self.limits)?;
        if let Some((expected, _)) = promised {
            let actual = expected.of_same_kind(&bytes);
            if actual != *expected {
                return Err(Error::Digest {
                    blob: title,
                    expected: Box::new(*expected),
                    actual: Box::new(actual),
                });
            }
        }
        Ok(bytes)
    }

    pub(crate) fn problem(&self, title: &str, problem: DocumentProblem) -> Error {
        Error::Document { document: format!("{}: {title}", self.name), problem }
    }

    /// What `config` says, checked against the number of layers in the manifest.
    pub(crate) fn config(
        &self,
        bytes: &[u8],
        title: &str,
        layers: usize,
    ) -> Result<(Config, Vec<ContentDigest>), Error> {
        let document = format!("{}: {title}", self.name);
        let config: Config = json::parse(bytes, &document)?;
        if !matches!(config.os.as_str(), "" | "linux") {
            return Err(
                self.problem(title, DocumentProblem::OperatingSystem { os: config.os.clone() })
            );
        }
        let limit = self.limits.layers;
        if layers > limit {
            return Err(self.problem(title, DocumentProblem::TooManyLayers { layers, limit }));
        }
        let diff_ids = config.rootfs.diff_ids.len();
        if diff_ids != layers {
            return Err(self.problem(title, DocumentProblem::LayerCount { layers, diff_ids }));
        }
        let diff_ids = config
            .rootfs
            .diff_ids
            .iter()
            .map(|text| json::digest(text, &document))
            .collect::<Result<_, _>>()?;
        Ok((config, diff_ids))
    }
}

/// The time in a config, with a warning when it is none. Go writes its zero time, the year 1, when
/// there is none.
pub(crate) fn created(
    config: &Config,
    document: &str,
    warnings: &mut Vec<String>,
) -> Option<Timestamp> {
    const YEAR_1: Timestamp = Timestamp(-62_135_596_800);
    let text = config.created.as_deref().filter(|text| !text.is_empty())?;
    let time = time::parse(text);
    if time.is_none() {
        let shown: String = text.chars().take(64).collect();
        warnings.push(format!("{document}: creation time {shown:?} is no RFC 3339 time: ignored"));
    }
    time.filter(|time| *time != YEAR_1)
}
