//! `bootwright fetch`, `bootwright push`, and `docker://` wherever an image is wanted.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use super::args::{FetchArgs, PlatformArgs, PushArgs, RegistryArgs};
use super::progress::Progress;
use super::size::human;
use super::summary::Summary;
use super::{Usage, print};
use crate::oci::registry::{
    AuthFile, Client, CredentialHelper, Identity, NoProxy, Proxies, Proxy, Pushed, RegistryError,
    Secret, Settings,
};
use crate::oci::store::StoredImage;
use crate::oci::{ImageName, Reference, Selection, Store};
use crate::project::images::{Fetch, Images};
use crate::recipe::Architecture;

/// Bytes of a credential helper's answer.
const ANSWER_MAX: u64 = 1 << 20;

/// Where an image can be read: one in a registry is brought into the store first.
pub(super) fn local(
    image: Reference,
    args: &RegistryArgs,
    architecture: Option<Architecture>,
    progress: &Progress,
) -> anyhow::Result<Reference> {
    let Reference::Registry(name) = image else { return Ok(image) };
    let selection = selection(&PlatformArgs { arch: architecture, all_platforms: false });
    let store = Store::open(&store_folder(args)?)?;
    let mut images = pull(&[name], &selection, &store, args, progress)?;
    Ok(images.remove(0).reference)
}

/// What stands behind the names of a project's images: the store, then registries. The store is
/// made when something comes into it.
pub(super) fn images(args: &RegistryArgs) -> anyhow::Result<Images> {
    let folder = store_folder(args)?;
    if args.offline && !folder.join("index.json").is_file() {
        return Ok(Images::default());
    }
    let fetch = match args.offline {
        true => None,
        false => Some(fetching(settings(args)?)),
    };
    Ok(Images { store: Some(Store::open(&folder)?), fetch })
}

fn fetching(settings: Settings) -> Fetch {
    Arc::new(move |names, selection, store, observer| {
        Client::new(settings.clone()).pull(names, selection, store, observer)?;
        Ok(())
    })
}

/// Runs `bootwright fetch` and prints what is where.
pub(super) fn fetch(args: &FetchArgs, progress: &Progress, json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    let names: Vec<_> = args.images.iter().map(|text| name(text)).collect::<Result<_, _>>()?;
    let folder = store_folder(&args.registry)?;
    let store = Store::open(&folder)?;
    let selection = selection(&args.platform);
    let images = pull(&names, &selection, &store, &args.registry, progress)?;
    let mut summary = Summary::default();
    for image in &images {
        let value = serde_json::json!({
            "name": image.name.to_string(),
            "digest": image.digest.to_string(),
        });
        summary.line("image", format!("docker://{}  {}", image.name, image.digest), value);
    }
    time(&mut summary, start);
    let value = serde_json::json!(folder.to_string_lossy());
    summary.line("store", folder.display().to_string(), value);
    print(summary.render(json).as_bytes())
}

/// Runs `bootwright push` and prints what had to be sent.
pub(super) fn push(args: &PushArgs, progress: &Progress, json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    let target = name(&args.target)?;
    if target.tag().is_none() {
        return Err(Usage("TARGET needs a tag: a digest is what the image gets".into()).into());
    }
    let image = Reference::parse(&args.image).map_err(|error| Usage(error.to_string()))?;
    let selection = selection(&args.platform);
    let store = Store::open(&store_folder(&args.registry)?)?;
    let client = Client::new(settings(&args.registry)?);
    let source = match image {
        Reference::Registry(name) => {
            let names = std::slice::from_ref(&name);
            let images = client.pull(names, &selection, &store, progress).map_err(stopped)?;
            name.with_digest(images[0].digest)
        }
        local => {
            let stored = store.import(&local, &target, &selection, progress)?;
            target.with_digest(stored.digest)
        }
    };
    let pushed = client.push(&source, &target, &selection, &store, progress).map_err(stopped)?;
    let mut summary = Summary::default();
    sent(&mut summary, &pushed);
    time(&mut summary, start);
    let digest = pushed.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let value = serde_json::json!({ "name": target.to_string(), "digest": digest });
    summary.line("image", format!("docker://{target}  {digest}"), value);
    print(summary.render(json).as_bytes())
}

fn sent(summary: &mut Summary, pushed: &Pushed) {
    let text = format!(
        "{} ({}), {} mounted, {} there already",
        pushed.sent,
        human(pushed.bytes),
        pushed.mounted,
        pushed.present
    );
    let value = serde_json::json!({
        "sent": pushed.sent,
        "mounted": pushed.mounted,
        "present": pushed.present,
        "bytes": pushed.bytes,
    });
    summary.line("blobs sent", text, value);
}

fn time(summary: &mut Summary, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    summary.line("time", format!("{seconds:.1} s"), seconds.into());
}

fn pull(
    names: &[ImageName],
    selection: &Selection,
    store: &Store,
    args: &RegistryArgs,
    progress: &Progress,
) -> anyhow::Result<Vec<StoredImage>> {
    let client = Client::new(settings(args)?);
    client.pull(names, selection, store, progress).map_err(stopped)
}

fn stopped(error: RegistryError) -> anyhow::Error {
    match error {
        RegistryError::Cancelled => {
            anyhow::anyhow!("stopped; what has come so far is kept for the next time")
        }
        error => error.into(),
    }
}

/// The image that `docker://NAME` names.
fn name(text: &OsStr) -> Result<ImageName, Usage> {
    match Reference::parse(text) {
        Ok(Reference::Registry(name)) => Ok(name),
        Ok(_) => Err(Usage(format!("{text:?} is not in a registry: docker://NAME is needed"))),
        Err(error) => Err(Usage(error.to_string())),
    }
}

fn selection(args: &PlatformArgs) -> Selection {
    if args.all_platforms {
        return Selection::All;
    }
    let architecture = args.arch.or_else(Architecture::host).unwrap_or(Architecture::Amd64);
    Selection::Architecture(architecture.oci_name().into())
}

/// The store's folder.
fn store_folder(args: &RegistryArgs) -> Result<PathBuf, Usage> {
    if let Some(folder) = &args.store {
        return Ok(folder.clone());
    }
    let cache = path_in("XDG_CACHE_HOME", "").or_else(|| path_in("HOME", ".cache"));
    let cache = cache.ok_or_else(|| Usage("--store is needed: there is no HOME".into()))?;
    Ok(cache.join("bootwright/store"))
}

/// How registries are talked to: the arguments, then what the environment says.
fn settings(args: &RegistryArgs) -> anyhow::Result<Settings> {
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

/// Runs `docker-credential-NAME get`, as the user has allowed.
struct Programs;

impl CredentialHelper for Programs {
    fn get(&self, name: &str, server: &str) -> Result<Option<(String, Secret)>, String> {
        let program = format!("docker-credential-{name}");
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        let asked = child.stdin.take().map(|mut input| input.write_all(server.as_bytes()));
        let mut answer = Vec::new();
        let output = child.stdout.take();
        let heard = output.map(|output| output.take(ANSWER_MAX).read_to_end(&mut answer));
        let status = child.wait().map_err(|error| error.to_string())?;
        for failed in [asked.and_then(Result::err), heard.and_then(Result::err)] {
            if let Some(error) = failed.filter(|_| status.success()) {
                return Err(error.to_string());
            }
        }
        if !status.success() {
            let none = answer.starts_with(b"credentials not found");
            return if none { Ok(None) } else { Err(format!("{program} ended with {status}")) };
        }
        parse_answer(&answer).ok_or_else(|| format!("{program} gave no usable answer"))
    }
}

fn parse_answer(answer: &[u8]) -> Option<Option<(String, Secret)>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: Secret,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let given = !answer.secret.reveal().is_empty();
    Some(given.then_some((answer.username, answer.secret)))
}
