//! The images of projects: how they are got, and `bootwright fetch` for targets.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;

use super::settings::{settings, store_folder};
use crate::cli::args::{FetchArgs, RegistryArgs};
use crate::cli::progress::Progress;
use crate::cli::summary::Summary;
use crate::cli::{Usage, genkey, machine, print, project};
use crate::image::{BoxError, Observer};
use crate::oci::registry::{
    AuthEntry, AuthFile, Client, NoProxy, Proxy, RegistryError, Secret, Settings,
};
use crate::oci::{ContentDigest, ImageName, Reference, Selection, Store};
use crate::project::fetch::{Fetched, fetch as fetch_all};
use crate::project::images::{Images, Registries};
use crate::project::luet::Auth;
use crate::project::plan::{Plan, plan};
use crate::project::{LOCK_FILE, Lock, Project, Target, run};
use crate::squashfs;

/// What stands behind the names of a project's images: its lock, the store, then registries. The
/// store is made when something comes into it.
pub(in crate::cli) fn images(
    args: &RegistryArgs,
    project: &Project,
    lock: Lock,
    progress: &Progress,
) -> anyhow::Result<Images> {
    let folder = store_folder(args)?;
    if args.offline && !folder.join("index.json").is_file() {
        return Ok(Images { lock, ..Images::default() });
    }
    let registries = match args.offline {
        true => None,
        false => {
            let settings = for_project(settings(args)?, project, progress)?;
            Some(Arc::new(Network(settings)) as Arc<dyn Registries>)
        }
    };
    Ok(Images { store: Some(Store::open(&folder)?), registries, lock, locked: false })
}

/// The client for a project's images.
struct Network(Settings);

impl Registries for Network {
    fn pull(
        &self,
        names: &[ImageName],
        selection: &Selection,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<(), BoxError> {
        Client::new(self.0.clone()).pull(names, selection, store, observer).map_err(stopped)?;
        Ok(())
    }

    fn digest(
        &self,
        name: &ImageName,
        store: &Store,
        observer: &dyn Observer,
    ) -> Result<ContentDigest, BoxError> {
        Client::new(self.0.clone()).digest(name, store, observer).map_err(stopped)
    }
}

fn stopped(error: RegistryError) -> BoxError {
    match error {
        RegistryError::Cancelled => {
            "stopped; what has come so far is kept for the next time".into()
        }
        error => error.into(),
    }
}

/// What a project says about registries: whom to trust, who one is, which way to go.
fn for_project(
    mut settings: Settings,
    project: &Project,
    progress: &Progress,
) -> anyhow::Result<Settings> {
    for file in &project.files.certificates {
        let text = read(project, &file.path)?;
        if let Err(error) = settings.trust.add_pem(&text) {
            progress
                .warn(format_args!("{} is not used for registries: {error}", file.path.display()));
        }
    }
    if let Some(file) = &project.files.luet_auth {
        let name = file.path.to_string_lossy();
        let auth = Auth::parse(&read(project, &file.path)?, &name)?;
        settings.credentials.files.insert(0, credentials(auth, project, progress));
    }
    let values = &project.arguments;
    let proxy = |key: &str| -> anyhow::Result<Option<Proxy>> {
        let text = values.some(key);
        text.map(|text| Proxy::parse(text).with_context(|| key.to_owned())).transpose()
    };
    let proxies = &mut settings.proxies;
    proxies.http = proxy("http_proxy")?.or(proxies.http.take());
    proxies.https = proxy("https_proxy")?.or(proxies.https.take());
    if let Some(text) = values.some("no_proxy") {
        proxies.except = NoProxy::parse(text);
    }
    Ok(settings)
}

fn read(project: &Project, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(project.folder.join(path)).with_context(|| format!("cannot read {path:?}"))
}

/// Who reads the repository of packages. The file may name a registry; no other one gets to see
/// what is in it.
fn credentials(auth: Auth, project: &Project, progress: &Progress) -> AuthFile {
    let repository = project.arguments.luet_repository();
    let host = |place: &str| {
        let place = place.split_once("://").map_or(place, |(_, rest)| rest);
        place.split('/').next().unwrap_or_default().to_ascii_lowercase()
    };
    let Auth {
        username, password, auth: pair, serveraddress, identitytoken, registrytoken, ..
    } = auth;
    let place = if serveraddress.is_empty() { &repository } else { &serveraddress };
    if host(place) != host(&repository) {
        progress.warn(format_args!(
            "spectro-luet-auth.yaml is for {:?}, the repository is {repository}: it is read without",
            host(place)
        ));
    }
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let secret = |text: String| given(text).map(Secret::new);
    let entry = AuthEntry {
        username: given(username),
        password: secret(password),
        auth: secret(pair),
        identitytoken: secret(identitytoken),
        registrytoken: secret(registrytoken),
    };
    AuthFile::single(place, entry)
}

/// Sends an image of a project's layout to the registry that its name begins with; one whose name
/// has no registry stays where it is. The image is kept in the store on its way.
pub(in crate::cli) fn push(
    args: &RegistryArgs,
    project: &Project,
    (layout, name): (&Path, &str),
    progress: &Progress,
    summary: &mut Summary,
) -> anyhow::Result<()> {
    if !name.contains('/') {
        return Ok(());
    }
    let target: ImageName = name.parse()?;
    let tag = Some(name.to_owned());
    let local = Reference::Layout { dir: layout.to_owned(), tag };
    let store = Store::open(&store_folder(args)?)?;
    let stored = store.import(&local, &target, &Selection::All, progress)?;
    let source = target.with_digest(stored.digest);
    let client = Client::new(for_project(settings(args)?, project, progress)?);
    let pushed = client
        .push(&source, &target, &Selection::All, &store, progress)
        .map_err(super::stopped)
        .with_context(|| format!("{name} is made, but not pushed"))?;
    super::sent(summary, &pushed);
    summary.line("pushed", format!("docker://{target}"), target.to_string().into());
    Ok(())
}

/// Fills the store with what targets take, and writes the lock.
pub(super) fn fetch(
    args: &FetchArgs,
    keys: &[String],
    progress: &Progress,
    json: bool,
) -> anyhow::Result<()> {
    if args.platform.arch.is_some() || args.platform.all_platforms {
        let text = "name images, or give a project's architecture as --ARCH=...";
        return Err(Usage(text.into()).into());
    }
    let targets = args.images.iter().map(|word| Target::parse(&word.to_string_lossy()));
    let targets: Vec<Target> =
        targets.collect::<Result<_, _>>().map_err(|error| Usage(error.to_string()))?;
    let start = Instant::now();
    let folder = args.project.as_deref().unwrap_or(Path::new("."));
    if keys.is_empty() && !folder.join(".arg").is_file() {
        let text = "there is no .arg here: name images (docker://...), or a project with --project";
        return Err(Usage(text.into()).into());
    }
    let project = project::load(folder, keys)?;
    project::complain(project.problems.clone(), progress)?;
    let plans = plans(&targets, &project, progress)?;
    let lock = Lock::read(folder)?;
    let known = if args.update { Lock::default() } else { lock.clone() };
    let jobs = machine::cpus();
    let settings = run::Settings {
        squashfs: squashfs::Options::new(jobs),
        jobs,
        cache: None,
        epoch: None,
        now: genkey::now(),
        images: images(&args.registry, &project, known, progress)?,
    };
    let fetched = fetch_all(&project, &plans, &settings, progress)?;
    let locked = fetched.lock(&lock);
    locked.write(folder)?;
    for (name, now) in &fetched.moved {
        progress.warn(format_args!(
            "{name} is {now} at its registry now, which is not what {LOCK_FILE} has; \
             bootwright fetch --update takes it"
        ));
    }
    let mut summary = summary(&fetched, folder, &store_folder(&args.registry)?, start);
    for (name, architecture, old, new) in locked.changes(&lock) {
        let value = serde_json::json!({ "name": name.to_string(), "architecture": architecture, "was": old.to_string(), "is": new.to_string() });
        summary.line("changed", format!("docker://{name}  {old} -> {new}"), value);
    }
    print(summary.render(json).as_bytes())
}

/// The plans of the targets that are named, else of all images.
fn plans(targets: &[Target], project: &Project, progress: &Progress) -> anyhow::Result<Vec<Plan>> {
    let targets = if targets.is_empty() { &[Target::BuildAllImages] } else { targets };
    let mut plans = Vec::new();
    for target in targets {
        let plan = plan(project, *target);
        project::complain(plan.problems.clone(), progress)?;
        plans.push(plan);
    }
    Ok(plans)
}

fn summary(fetched: &Fetched, folder: &Path, store: &Path, start: Instant) -> Summary {
    let mut summary = Summary::default();
    for (name, architecture, digest) in &fetched.images {
        let value = serde_json::json!({
            "name": name.to_string(),
            "architecture": architecture,
            "digest": digest.to_string(),
        });
        summary.line("image", format!("docker://{name}  {digest}"), value);
    }
    super::time(&mut summary, start);
    summary.line("store", store.display().to_string(), store.to_string_lossy().into());
    let lock = folder.join(LOCK_FILE);
    summary.line("lock", lock.display().to_string(), lock.to_string_lossy().into());
    summary
}
