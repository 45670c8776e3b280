//! `bootwright fetch`, `bootwright push`, and `docker://` wherever an image is wanted.

mod helper;
mod project;
mod settings;

use std::ffi::OsStr;
use std::time::Instant;

use super::args::{FetchArgs, PlatformArgs, PushArgs, RegistryArgs};
use super::progress::Progress;
use super::size::human;
use super::summary::Summary;
use super::{Usage, print};
use crate::oci::registry::{Client, Pushed, RegistryError};
use crate::oci::store::StoredImage;
use crate::oci::{ImageName, Reference, Selection, Store};
use crate::recipe::Architecture;
use settings::{settings, store_folder};

pub(super) use project::{images, push as push_image};

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

/// Runs `bootwright fetch`: for images, or for a project's targets.
pub(super) fn fetch(
    args: &FetchArgs,
    keys: &[String],
    progress: &Progress,
    json: bool,
) -> anyhow::Result<()> {
    let is_target = |word: &OsStr| word.as_encoded_bytes().starts_with(b"+");
    if args.images.iter().all(|word| is_target(word)) {
        return project::fetch(args, keys, progress, json);
    }
    if args.images.iter().any(|word| is_target(word)) {
        return Err(Usage("fetch either images or targets, not both at once".into()).into());
    }
    if !keys.is_empty() || args.update || args.project.is_some() {
        let text = "--project, --update and --KEY=VALUE are for targets; images were given";
        return Err(Usage(text.into()).into());
    }
    fetch_images(args, progress, json)
}

fn fetch_images(args: &FetchArgs, progress: &Progress, json: bool) -> anyhow::Result<()> {
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
