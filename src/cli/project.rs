//! `bootwright args` and `bootwright +TARGET`.

use std::path::Path;
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::args::{ArgsArgs, TargetArgs};
use super::openpgp::Signing;
use super::progress::Progress;
#[cfg(feature = "registry")]
use super::registry;
use super::size::human;
use super::summary::Summary;
use super::{Usage, cache, disk, epoch, genkey, iso, jobs, print, squashfs_options, uki};
use crate::image::Observer;
#[cfg(feature = "registry")]
use crate::project::Lock;
use crate::project::images::Images;
use crate::project::plan::{Plan, plan};
use crate::project::run::{Done, Settings, run};
use crate::project::{Given, Problems, Project, Target, overview, with_heading};
use crate::recipe::checksum_hex;
use crate::recipe::disk::DiskReport;
use crate::recipe::disk::maas::{MaasReport, upload_command};
use crate::recipe::provider::ImageReport;

/// Builds a target, or shows what would be done.
pub(super) fn target(
    args: &TargetArgs,
    keys: &[String],
    progress: &Progress,
) -> anyhow::Result<()> {
    if args.target == "help" {
        return print(overview().as_bytes());
    }
    let target = Target::parse(&args.target).map_err(|error| Usage(error.to_string()))?;
    let project = load(&args.project, keys)?;
    let mut plan = plan(&project, target);
    let mut problems = project.problems.clone();
    problems.extend(plan.problems.clone());
    complain(problems, progress)?;
    complain(plan.check_files(&project.folder)?, progress)?;
    plan.measure(&project.folder, progress)?;
    if args.dry_run {
        return dry_run(&plan, args.json);
    }
    let start = Instant::now();
    let signing = Signing::new(&args.signing)?;
    let settings = Settings {
        squashfs: squashfs_options(&args.compression, progress),
        jobs: jobs(&args.compression),
        cache: cache(&args.compression)?,
        epoch: epoch::from_environment()?,
        now: genkey::now(),
        images: images(args, &project, progress)?,
    };
    let done = run(&project, &plan, &settings, progress)?;
    let mut summaries = Vec::new();
    for done in &done {
        let Some(mut summary) = summary(done, start, progress) else { continue };
        match done {
            Done::Iso(path, report) => signing.sign(path, report.epoch, &mut summary)?,
            Done::Uki(path, report) => signing.sign(path, report.epoch, &mut summary)?,
            #[cfg(feature = "registry")]
            Done::Image(layout, report) if args.push => {
                let image = (layout.as_path(), report.name.as_str());
                registry::push_image(&args.registry, &project, image, progress, &mut summary)?;
            }
            _ => {}
        }
        summaries.push(summary);
    }
    if let (true, Some(last), Some(profile)) = (args.json, summaries.last_mut(), &plan.profile) {
        last.line("profile", String::new(), profile.as_str().into());
    }
    for summary in &summaries {
        print(summary.render(args.json).as_bytes())?;
    }
    match &plan.profile {
        Some(profile) if !args.json => print(with_heading(profile).as_bytes()),
        _ => Ok(()),
    }
}

fn dry_run(plan: &Plan, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return print(format!("{:#}\n", plan.json()).as_bytes());
    }
    print(plan.tree().as_bytes())?;
    plan.profile.as_ref().map_or(Ok(()), |profile| print(with_heading(profile).as_bytes()))
}

fn summary(done: &Done, start: Instant, progress: &Progress) -> Option<Summary> {
    match done {
        Done::Iso(path, report) => Some(iso::summary(report, path, start, progress)),
        Done::Uki(_, report) => Some(uki::summary(report, true, start)),
        Done::Disk(path, report) => Some(disk_summary(report, path)),
        Done::Maas(path, name, report) => Some(maas_summary(report, name, path)),
        Done::Image(layout, report) => Some(image_summary(layout, report)),
        Done::Files(files) => {
            let mut summary = Summary::default();
            for file in files {
                let path = file.display().to_string();
                summary.line("output", path.clone(), path.into());
            }
            Some(summary)
        }
        Done::Checked => None,
    }
}

fn disk_summary(report: &DiskReport, path: &Path) -> Summary {
    let mut summary = Summary::default();
    disk::partitions(&mut summary, &report.partitions);
    output(&mut summary, path, report.len);
    summary
}

fn maas_summary(report: &MaasReport, name: &str, path: &Path) -> Summary {
    let mut summary = Summary::default();
    disk::partitions(&mut summary, &report.disk.partitions);
    let sha256 = checksum_hex(&report.sha256);
    summary.line("sha256", sha256.clone(), sha256.into());
    output(&mut summary, path, report.len);
    let upload = upload_command(name, report.architecture, &path.display().to_string());
    summary.line("upload", upload.clone(), upload.into());
    summary
}

fn output(summary: &mut Summary, path: &Path, len: u64) {
    let path = path.display().to_string();
    summary.line(
        "output",
        format!("{path}  {}", human(len)),
        json!({ "path": path, "bytes": len }),
    );
}

fn image_summary(layout: &Path, report: &ImageReport) -> Summary {
    let mut summary = Summary::default();
    let name = format!("oci:{}:{}", layout.display(), report.name);
    let value = json!({ "name": report.name, "digest": report.digest.to_string() });
    summary.line("image", format!("{name}  {}", report.digest), value);
    let text = format!("{}, on {} of the base image", human(report.layer_len), report.base_layers);
    summary.line("layer", text, report.layer_len.into());
    summary
}

/// What stands behind the names of images.
#[cfg(feature = "registry")]
fn images(args: &TargetArgs, project: &Project, progress: &Progress) -> anyhow::Result<Images> {
    let lock = Lock::read(&project.folder)?;
    let images = registry::images(&args.registry, project, lock, progress)?;
    Ok(Images { locked: args.locked, ..images })
}

/// Without registries, only local names are known.
#[cfg(not(feature = "registry"))]
fn images(_: &TargetArgs, _: &Project, _: &Progress) -> anyhow::Result<Images> {
    Ok(Images::default())
}

/// Prints every value and where it comes from.
pub(super) fn args(args: &ArgsArgs, keys: &[String], progress: &Progress) -> anyhow::Result<()> {
    let project = load(&args.project, keys)?;
    warn(&project.problems, progress);
    let text = if args.json { values_json(&project) } else { values(&project) };
    print(text.as_bytes())?;
    refuse(project.problems)
}

/// Warns about small mistakes and refuses large ones.
pub(super) fn complain(problems: Problems, progress: &Progress) -> anyhow::Result<()> {
    warn(&problems, progress);
    refuse(problems)
}

/// Reads a project with what the environment says.
pub(super) fn load(folder: &Path, keys: &[String]) -> anyhow::Result<Project> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    let environment = |name: &str| std::env::var(name).ok();
    let build_args = environment("EARTHLY_BUILD_ARGS");
    let given =
        Given { command_line: keys, build_args: build_args.as_deref(), environment: &environment };
    Ok(Project::load(folder, &given)?)
}

fn warn(problems: &Problems, progress: &Progress) {
    for problem in problems.warnings() {
        progress.warn(format_args!("{problem}"));
    }
}

/// A project with mistakes; all of them are in the text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mistakes(Problems);

fn refuse(problems: Problems) -> anyhow::Result<()> {
    if problems.has_errors() { Err(Mistakes(problems).into()) } else { Ok(()) }
}

fn values(project: &Project) -> String {
    let rows: Vec<_> = project.arguments.shown().collect();
    let name = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value, origin) in rows {
        text.push_str(&format!("{key:name$}  {value}  ({origin})\n"));
    }
    text
}

fn values_json(project: &Project) -> String {
    let entry = |(key, value, origin): (&str, String, &crate::project::arguments::Origin)| {
        (key.to_owned(), json!({ "value": value, "origin": origin.to_string() }))
    };
    let values: Map<String, Value> = project.arguments.shown().map(entry).collect();
    format!("{:#}\n", Value::Object(values))
}
