//! `bootwright iso`.

use std::path::Path;
use std::time::Instant;

use super::args::IsoArgs;
use super::openpgp::{self, Signing};
use super::progress::Progress;
use super::size::human;
use super::summary::{Summary, inputs, squashfs};
use super::{Usage, epoch, print, sbom, source, squashfs_options};
use crate::recipe::iso::{IsoRecipe, IsoReport};
use crate::recipe::{Base, checksum_hex};

/// Runs the command and prints its summary.
pub(super) fn run(args: IsoArgs, progress: &Progress, json: bool) -> anyhow::Result<()> {
    if args.grub_cfg.is_some() && args.extend_cmdline.is_some() {
        let reason = "it extends the built-in menu, which --grub-cfg replaces";
        return Err(Usage(format!("--extend-cmdline has no effect: {reason}")).into());
    }
    let start = Instant::now();
    let signing = Signing::new(&args.source.signing)?;
    if let Some(archive) = &args.local_ui {
        openpgp::check(archive, &args.source.trust, progress)?;
    }
    let (folder, name) = (args.output.clone(), args.name.clone());
    let recipe = recipe(args, progress)?;
    let report = recipe.write_file(&folder, &name, progress)?;
    let image = folder.join(format!("{name}.iso"));
    let mut summary = summary(&report, &image, start, progress);
    let (file, sha256) = (format!("{name}.iso"), Some(report.sha256));
    signing.sign(&image, report.epoch, &mut summary)?;
    sbom::write(report.installed.as_ref(), (&folder, &name), &file, sha256, &mut summary)?;
    print(summary.render(json).as_bytes())
}

fn recipe(args: IsoArgs, progress: &Progress) -> anyhow::Result<IsoRecipe> {
    let squashfs = squashfs_options(&args.compression, progress);
    let mut source = source(args.source, epoch::from_environment()?, &args.compression, progress)?;
    if let Base::Image(layered) = &mut source.base {
        layered.local_ui = args.local_ui;
    }
    Ok(IsoRecipe {
        overlay_iso: args.overlay_iso,
        user_data: args.user_data,
        content: args.content,
        cluster_config: args.cluster_config,
        edge_custom_config: args.edge_custom_config,
        grub_cfg: args.grub_cfg,
        extend_cmdline: args.extend_cmdline,
        label: args.label,
        bios_image: args.bios_image,
        squashfs,
        ..IsoRecipe::new(source)
    })
}

pub(super) fn summary(
    report: &IsoReport,
    image: &Path,
    start: Instant,
    progress: &Progress,
) -> Summary {
    let mut summary = Summary::default();
    inputs(&mut summary, &report.inputs);
    for (place, what) in &report.placed {
        summary.line("placed", format!("{place}  from {what}"), serde_json::json!([place, what]));
    }
    squashfs(&mut summary, &report.squashfs);
    let firmware = match (report.bios, report.efi) {
        (true, true) => "BIOS and UEFI",
        (false, true) => "UEFI only",
        (true, false) => "BIOS only",
        (false, false) => "nothing",
    };
    summary.line("boots on", firmware.into(), serde_json::json!(firmware));
    summary.line("label", report.label.clone(), serde_json::json!(report.label));
    summary.line("warnings", progress.warnings().len().to_string(), progress.warnings().into());
    let sha256 = checksum_hex(&report.sha256);
    let seconds = start.elapsed().as_secs_f64();
    summary.line("time", format!("{seconds:.1} s"), seconds.into());
    summary.line("sha256", sha256.clone(), sha256.into());
    let text = format!("{}  {}", image.display(), human(report.len));
    let value = serde_json::json!({ "path": image.to_string_lossy(), "bytes": report.len });
    summary.line("output", text, value);
    summary
}
