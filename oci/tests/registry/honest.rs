//! An image, a registry that is honest unless it is told otherwise, and a place to pull to.

use std::sync::Arc;
use std::time::Duration;

use bootwright_image::Silent;
use bootwright_oci::registry::{Client, RegistryError, Settings};
use bootwright_oci::{ImageName, Store};

use super::real::{amd64, noise};
use super::scripted::{Reply, Seen, Server};
use crate::build::{Member, Tar, chain, config, read, sha256};

/// An image with one layer.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) manifest: String,
    pub(super) config: String,
    pub(super) layer: Vec<u8>,
}

impl Image {
    pub(super) fn new() -> Arc<Self> {
        let mut tar = Tar::default();
        let layer = tar.add(&Member::file("big", noise(1 << 20))).end();
        let config = config(&format!("{:?}", sha256(&layer)));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
            sha256(config.as_bytes()),
            config.len(),
            sha256(&layer),
            layer.len()
        );
        Arc::new(Self { manifest, config, layer })
    }

    /// What an honest registry answers.
    pub(super) fn answer(&self, seen: &Seen) -> Reply {
        match () {
            () if seen.path.contains("/manifests/") => Reply::new(200, self.manifest.as_str())
                .with("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
            () if seen.path.ends_with(&sha256(self.config.as_bytes())) => {
                Reply::new(200, self.config.as_str())
            }
            () if self.is_layer(seen) => Reply::part(seen, &self.layer, self.layer.len()),
            () => Reply::new(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
        }
    }

    pub(super) fn is_layer(&self, seen: &Seen) -> bool {
        seen.path.ends_with(&sha256(&self.layer))
    }
}

/// A registry that is honest except where `script` says something.
pub(super) fn server(
    image: &Arc<Image>,
    script: impl Fn(&Image, &Seen, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let image = Arc::clone(image);
    Server::start(move |seen, before| {
        script(&image, seen, before).unwrap_or_else(|| image.answer(seen))
    })
}

pub(super) fn settings(servers: &[&Server]) -> Settings {
    let mut settings = Settings::default();
    settings.plain_http.extend(servers.iter().map(|server| server.host.clone()));
    settings.retry.first = Duration::from_millis(10);
    settings.stall_timeout = Duration::from_secs(5);
    settings
}

pub(super) fn name(server: &Server) -> ImageName {
    format!("{}/team/os:v1", server.host).parse().unwrap()
}

pub(super) struct Place {
    _dir: tempfile::TempDir,
    pub(super) store: Store,
}

pub(super) fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    Place { store: Store::open(dir.path()).unwrap(), _dir: dir }
}

impl Place {
    pub(super) fn pull(&self, settings: &Settings, name: &ImageName) -> Result<(), RegistryError> {
        let client = Client::new(settings.clone());
        let pulled = client.pull(std::slice::from_ref(name), &amd64(), &self.store, &Silent)?;
        read(&pulled[0].reference).unwrap();
        Ok(())
    }

    pub(super) fn partials(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(self.store.dir().join("partial")).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).collect()
    }
}

pub(super) fn error(settings: &Settings, name: &ImageName) -> String {
    chain(&place().pull(settings, name).unwrap_err())
}
