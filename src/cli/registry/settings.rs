//! How registries are talked to: the arguments, then what the environment says.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::helper::Programs;
use crate::cli::Usage;
use crate::cli::args::RegistryArgs;
use crate::oci::registry::{AuthFile, Identity, NoProxy, Proxies, Proxy, Settings};

/// The store's folder.
pub(super) fn store_folder(args: &RegistryArgs) -> Result<PathBuf, Usage> {
    if let Some(folder) = &args.store {
        return Ok(folder.clone());
    }
    let cache = path_in("XDG_CACHE_HOME", "").or_else(|| path_in("HOME", ".cache"));
    let cache = cache.ok_or_else(|| Usage("--store is needed: there is no HOME".into()))?;
    Ok(cache.join("bootwright/store"))
}

/// How registries are talked to.
pub(super) fn settings(args: &RegistryArgs) -> anyhow::Result<Settings> {
    let mut settings = Settings::default();
    settings.offline = args.offline;
    if args.offline {
        return Ok(settings);
    }
    for certificate in rustls_native_certs::load_native_certs().certs {
        settings.trust.add_der(certificate.to_vec());
    }
    for path in &args.registry_ca {
        let text = read(path)?;
        settings.trust.add_pem(&text).with_context(|| format!("--registry-ca {path:?}"))?;
    }
    if let (Some(cert), Some(key)) = (&args.registry_cert, &args.registry_key) {
        let identity = Identity::from_pem(&read(cert)?, &read(key)?);
        settings.identity = Some(identity.context("--registry-cert and --registry-key")?);
    }
    for (host, mirror) in &args.registry_mirror {
        settings.mirrors.entry(host.clone()).or_default().push(mirror.clone());
    }
    settings.plain_http = args.insecure_registry.iter().map(|h| h.to_ascii_lowercase()).collect();
    settings.credentials.files = auth_files(args)?;
    if args.credential_helpers {
        settings.credentials.helper = Some(Arc::new(Programs));
    }
    settings.proxies = proxies()?;
    Ok(settings)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {path:?}"))
}

/// The auth files in the order in which they count. One that is named has to be there.
fn auth_files(args: &RegistryArgs) -> anyhow::Result<Vec<AuthFile>> {
    let named = args.authfile.clone().or_else(|| path_in("REGISTRY_AUTH_FILE", ""));
    let parse = |path: &Path, text: &[u8]| {
        AuthFile::parse(text).with_context(|| format!("auth file {path:?} cannot be used"))
    };
    if let Some(path) = named {
        return Ok(vec![parse(&path, &read(&path)?)?]);
    }
    let docker = path_in("DOCKER_CONFIG", "config.json");
    let config = path_in("XDG_CONFIG_HOME", "containers/auth.json");
    let usual = [
        path_in("XDG_RUNTIME_DIR", "containers/auth.json"),
        config.or_else(|| path_in("HOME", ".config/containers/auth.json")),
        docker.or_else(|| path_in("HOME", ".docker/config.json")),
    ];
    let mut files = Vec::new();
    for path in usual.into_iter().flatten() {
        match std::fs::read(&path) {
            Ok(text) => files.push(parse(&path, &text)?),
            Err(error) if is_absent(error.kind()) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {path:?}"));
            }
        }
    }
    Ok(files)
}

/// A folder in the file's place is what a container engine leaves that was to mount a missing file.
fn is_absent(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind;
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}

/// The proxies that the usual variables name.
fn proxies() -> anyhow::Result<Proxies> {
    let parse = |names: &[&str]| {
        let found = names.iter().find_map(|name| Some((*name, text(name)?)));
        let proxy =
            found.map(|(name, value)| Proxy::parse(&value).with_context(|| name.to_owned()));
        proxy.transpose()
    };
    Ok(Proxies {
        http: parse(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
        https: parse(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
        except: NoProxy::parse(&text("no_proxy").or_else(|| text("NO_PROXY")).unwrap_or_default()),
    })
}

fn text(name: &str) -> Option<String> {
    variable(name)?.into_string().ok()
}

/// A path below the folder that a variable names.
fn path_in(name: &str, below: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(variable(name)?);
    Some(if below.is_empty() { folder } else { folder.join(below) })
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the environment is read")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
