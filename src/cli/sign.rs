//! `bootwright sign`.

use serde_json::json;

use super::args::SignArgs;
use super::progress::Progress;
use super::summary::Summary;
use super::{Usage, print};
use crate::recipe::sign;

/// Runs the command and prints its summary.
pub(super) fn run(args: &SignArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    let mut summary = Summary::default();
    let shown = args.what.display().to_string();
    match &args.output {
        None if args.what.is_dir() => {
            let count = sign::answer(&args.what, &args.keys)?;
            summary.line("signed", format!("{count} requests"), json!(count));
            summary.line("output", shown.clone(), shown.into());
        }
        Some(output) if !args.what.is_dir() => {
            let len = sign::image(&args.what, &args.keys, output, progress)?;
            let path = output.display().to_string();
            summary.line("output", path.clone(), json!({ "path": path, "bytes": len }));
        }
        None => {
            let problem = format!("--output is needed: {shown:?} is no folder with requests");
            return Err(Usage(problem).into());
        }
        Some(_) => {
            let problem = format!("--output is for a PE image: {shown:?} is a folder");
            return Err(Usage(problem).into());
        }
    }
    print(summary.render(as_json).as_bytes())
}
