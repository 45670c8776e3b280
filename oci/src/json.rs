//! The JSON documents of images (OCI image specification 1.1; Docker image manifest version 2,
//! schema 2; `docker save`'s `manifest.json`). Fields that are of no use here are not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::digest::ContentDigest;
use crate::error::{DocumentProblem, Error};

/// `oci-layout`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayoutMark {
    pub(crate) image_layout_version: String,
}

/// `index.json`, an image index or a Docker manifest list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    #[serde(default)]
    pub(crate) media_type: Option<String>,
    #[serde(default)]
    pub(crate) manifests: Vec<Descriptor>,
}

/// A content descriptor.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) platform: Option<Platform>,
}

/// What a descriptor's image runs on.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Platform {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) variant: Option<String>,
}

/// An image manifest.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    #[serde(default)]
    pub(crate) schema_version: Option<u64>,
    pub(crate) config: Descriptor,
    #[serde(default)]
    pub(crate) layers: Vec<Descriptor>,
}

/// An image config.
#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    #[serde(default)]
    pub(crate) architecture: String,
    #[serde(default)]
    pub(crate) os: String,
    #[serde(default)]
    pub(crate) created: Option<String>,
    pub(crate) rootfs: RootfsField,
}

/// The field `rootfs` of a config.
#[derive(Debug, Deserialize)]
pub(crate) struct RootfsField {
    #[serde(default)]
    pub(crate) diff_ids: Vec<String>,
}

/// One image in a docker archive's `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Saved {
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) layers: Option<Vec<String>>,
}

/// Reads a document; `name` is for errors.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|source| Error::Json { document: name.to_owned(), source })
}

/// Reads a digest within the document `name`.
pub(crate) fn digest(text: &str, name: &str) -> Result<ContentDigest, Error> {
    text.parse().map_err(|crate::digest::InvalidDigest(found)| Error::Document {
        document: name.to_owned(),
        problem: DocumentProblem::Digest { found },
    })
}

impl Descriptor {
    /// The name that a layout's index gives to the image.
    pub(crate) fn reference_name(&self) -> Option<&str> {
        self.annotation("org.opencontainers.image.ref.name")
    }

    /// The full name that containerd and BuildKit write beside the short one.
    pub(crate) fn image_name(&self) -> Option<&str> {
        self.annotation("io.containerd.image.name")
    }

    /// Whether it describes another image's provenance instead of an image.
    pub(crate) fn is_attestation(&self) -> bool {
        self.annotation("vnd.docker.reference.type") == Some("attestation-manifest")
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// What a media type of OCI or Docker stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    Index,
    Manifest,
    Config,
    Layer,
    Other,
}

impl MediaType {
    pub(crate) fn of(text: &str) -> Self {
        match text {
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json" => Self::Index,
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json" => Self::Manifest,
            "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json" => Self::Config,
            _ => {
                let (kind, suffix) = text.split_once('+').unwrap_or((text, ""));
                let layer = matches!(
                    kind,
                    "application/vnd.oci.image.layer.v1.tar"
                        | "application/vnd.oci.image.layer.nondistributable.v1.tar"
                ) && matches!(suffix, "" | "gzip" | "zstd");
                let docker = matches!(
                    text,
                    "application/vnd.docker.image.rootfs.diff.tar"
                        | "application/vnd.docker.image.rootfs.diff.tar.gzip"
                        | "application/vnd.docker.image.rootfs.diff.tar.zstd"
                        | "application/vnd.docker.image.rootfs.foreign.diff.tar"
                        | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
                );
                if layer || docker { Self::Layer } else { Self::Other }
            }
        }
    }
}
