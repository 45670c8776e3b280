//! `bootwright uki`.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use super::args::{UkiArgs, UkiType};
use super::progress::Progress;
use super::size::human;
use super::summary::{Summary, inputs};
use super::{epoch, machine, print, source_with};
use crate::recipe::checksum_hex;
use crate::recipe::uki::{UkiImage, UkiRecipe, UkiReport};

/// Runs the command and prints its summary.
pub(super) fn run(args: UkiArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    let (folder, name, kind) = (args.output.clone(), args.name.clone(), args.kind);
    let recipe = recipe(args, progress)?;
    let (report, output) = match kind {
        UkiType::Uki => (recipe.write_folder(&folder, &name, progress)?, folder.join(name)),
        UkiType::Iso => {
            let image = folder.join(format!("{name}.iso"));
            (recipe.write_iso(&folder, &name, progress)?, image)
        }
    };
    print(summary(&report, &output, start).render(as_json).as_bytes())
}

fn recipe(args: UkiArgs, progress: &Progress) -> anyhow::Result<UkiRecipe> {
    let jobs = args.jobs.unwrap_or_else(machine::cpus);
    let source = source_with(args.source, epoch::from_environment()?, jobs, None, progress)?;
    let recipe = UkiRecipe::new(source, args.keys);
    Ok(UkiRecipe {
        extend_cmdline: args.extend_cmdline,
        extra_cmdline: args.extra_cmdline,
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

fn summary(report: &UkiReport, output: &Path, start: Instant) -> Summary {
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
    let path = output.display().to_string();
    if report.len > 0 {
        let sha256 = checksum_hex(&report.sha256);
        summary.line("sha256", sha256.clone(), sha256.into());
        let value = json!({ "path": path, "bytes": report.len });
        summary.line("output", format!("{path}  {}", human(report.len)), value);
    } else {
        summary.line("output", path.clone(), json!({ "path": path }));
    }
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
