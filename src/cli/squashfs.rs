//! `bootwright squashfs`.

use std::path::Path;
use std::time::Instant;

use super::args::SquashfsArgs;
use super::openpgp::Signing;
use super::progress::Progress;
use super::size::human;
use super::summary::{Summary, inputs, squashfs};
use super::{epoch, print, sbom, source, squashfs_options};
use crate::recipe::squashfs::write_file;

/// Runs the command and prints its summary.
pub(super) fn run(args: SquashfsArgs, progress: &Progress, json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    Signing::new(&args.source.signing)?.refuse("a squashfs")?;
    let options = squashfs_options(&args.compression, progress);
    let source = source(args.source, epoch::from_environment()?, &args.compression, progress)?;
    let report = write_file(&source, &options, &args.output, progress)?;

    let mut summary = Summary::default();
    inputs(&mut summary, &report.inputs);
    squashfs(&mut summary, &report.squashfs);
    let seconds = start.elapsed().as_secs_f64();
    summary.line("time", format!("{seconds:.1} s"), seconds.into());
    let len = report.squashfs.padded_len;
    let text = format!("{}  {}", args.output.display(), human(len));
    let value = serde_json::json!({ "path": args.output.to_string_lossy(), "bytes": len });
    summary.line("output", text, value);
    let file = args.output.file_name().unwrap_or_default().to_string_lossy();
    let folder = args.output.parent().unwrap_or(Path::new("."));
    sbom::write(report.installed.as_ref(), (folder, &file), &file, None, &mut summary)?;
    print(summary.render(json).as_bytes())
}
