//! `bootwright uki`.

mod compat;

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::args::{UkiArgs, UkiBuildArgs, UkiCommand, UkiType};
use super::openpgp::Signing;
use super::progress::Progress;
use super::size::human;
use super::summary::{Summary, inputs};
use super::{epoch, machine, print, sbom, source_with};
use crate::recipe::checksum_hex;
use crate::recipe::uki::{Attached, UkiImage, UkiRecipe, UkiReport, attach};

/// Runs the command and prints its summary.
pub(super) fn run(args: UkiArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    match args {
        UkiArgs::Build(args) => build(*args, progress, as_json),
        UkiArgs::Command(UkiCommand::Attach { requests, output }) => {
            let attached = attach(&requests, &output, progress)?;
            print(completed(&attached).render(as_json).as_bytes())
        }
        UkiArgs::Command(UkiCommand::Compat { old, new }) => compat::run(&old, &new, as_json),
    }
}

fn build(args: UkiBuildArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    let (folder, name, kind) = (args.output.clone(), args.name.clone(), args.kind);
    let requests = args.sign_later.clone();
    let signing = Signing::new(&args.source.signing)?;
    let has_sums = kind != UkiType::Uki && requests.is_none();
    if !has_sums {
        signing.refuse("what is signed later, or a folder,")?;
    }
    let recipe = recipe(args, progress)?;
    let report = match kind {
        UkiType::Uki => recipe.write_folder(&folder, &name, progress)?,
        UkiType::Iso => recipe.write_iso(&folder, &name, progress)?,
        UkiType::Container => recipe.write_container(&folder, &name, progress)?,
    };
    let mut summary = summary(&report, requests.is_none(), start);
    if let Some(requests) = requests {
        let path = requests.display().to_string();
        let text = format!("{path}  to be signed: bootwright sign {path} --keys DIR");
        summary.line("requests", text, path.into());
    }
    if has_sums {
        signing.sign(&report.path, report.epoch, &mut summary)?;
    }
    let file = report.path.file_name().unwrap_or_default().to_string_lossy();
    // Without signatures, and as a folder, it has no digest yet.
    let sha256 = Some(report.sha256).filter(|sha256| *sha256 != [0; 32]);
    sbom::write(report.installed.as_ref(), (&folder, &name), &file, sha256, &mut summary)?;
    print(summary.render(as_json).as_bytes())
}

fn completed(attached: &Attached) -> Summary {
    let mut summary = Summary::default();
    for image in &attached.images {
        summary.line("signed", image.clone(), image.clone().into());
    }
    output(&mut summary, &attached.path, attached.len, Some(&attached.sha256));
    summary
}

/// A file with its checksum, or a folder, which has no length.
fn output(summary: &mut Summary, path: &Path, len: u64, sha256: Option<&[u8; 32]>) {
    let path = path.display().to_string();
    if len == 0 {
        summary.line("output", path.clone(), json!({ "path": path }));
        return;
    }
    if let Some(sha256) = sha256 {
        let sha256 = checksum_hex(sha256);
        summary.line("sha256", sha256.clone(), sha256.into());
    }
    let value = json!({ "path": path, "bytes": len });
    summary.line("output", format!("{path}  {}", human(len)), value);
}

fn recipe(args: UkiBuildArgs, progress: &Progress) -> anyhow::Result<UkiRecipe> {
    let jobs = args.jobs.unwrap_or_else(machine::cpus);
    let source = source_with(args.source, epoch::from_environment()?, jobs, None, progress)?;
    let recipe = UkiRecipe::new(source, args.keys);
    Ok(UkiRecipe {
        extend_cmdline: args.extend_cmdline,
        extra_cmdline: args.extra_cmdline,
        single_cmdline: args.single_efi_cmdline,
        profiles: args.profile,
        device_tree: args.device_tree,
        device_trees: args.device_tree_auto,
        sign_later: args.sign_later,
        branding: args.branding.unwrap_or_else(|| recipe.branding.clone()),
        enroll: args.secure_boot_enroll.into(),
        stub: args.stub,
        systemd_boot: args.systemd_boot,
        splash: args.splash,
        keep_owners: args.keep_owners,
        level: args.zstd_level,
        overlay_iso: args.overlay_iso,
        user_data: args.user_data,
        ..recipe
    })
}

pub(super) fn summary(report: &UkiReport, is_signed: bool, start: Instant) -> Summary {
    let mut summary = Summary::default();
    inputs(&mut summary, &report.inputs);
    let (version, compared) = &report.stub;
    let version = version.as_deref().unwrap_or("unknown");
    let doubt = if *compared { "" } else { " (its measurements are a guess)" };
    summary.line("stub", format!("systemd-stub {version}{doubt}"), json!(version));
    for image in &report.images {
        add_image(&mut summary, image);
    }
    let seconds = start.elapsed().as_secs_f64();
    summary.line("time", format!("{seconds:.1} s"), seconds.into());
    let sha256 = is_signed.then_some(&report.sha256);
    output(&mut summary, &report.path, report.len, sha256);
    summary
}

/// An image with what contributes to it, and what PCR 11 will hold when its system is up.
fn add_image(summary: &mut Summary, image: &UkiImage) {
    let contributions: Vec<Value> = image
        .contributions
        .iter()
        .map(|part| json!({ "section": part.name, "bytes": part.len }))
        .collect();
    let predictions: Vec<Value> = image
        .predictions
        .iter()
        .map(|prediction| {
            json!({
                "bank": prediction.bank.name(),
                "phase": prediction.phase,
                "pcr11": checksum_hex(&prediction.value),
                "policy": checksum_hex(&prediction.policy),
            })
        })
        .collect();
    let value = json!({
        "name": image.name, "bytes": image.len, "cmdline": image.cmdline,
        "sections": contributions, "pcr11": predictions,
    });
    let text = format!("{}.efi  {}  {}", image.name, human(image.len), image.cmdline);
    summary.line("image", text, value);
    let large = image.contributions.iter().filter(|part| part.len >= 1 << 20);
    let parts: Vec<String> =
        large.map(|part| format!("{} {}", part.name, human(part.len))).collect();
    summary.line("of which", parts.join(", "), Value::Null);
    for prediction in &image.predictions {
        if prediction.bank.name() == "sha256" {
            let text = format!("{}  {}", checksum_hex(&prediction.value), prediction.phase);
            summary.line("PCR 11", text, json!(checksum_hex(&prediction.value)));
        }
    }
}
