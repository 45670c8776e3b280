//! `bootwright disk`.

use std::time::Instant;

use serde_json::json;

use super::args::DiskArgs;
use super::progress::Progress;
use super::size::human;
use super::summary::{Summary, inputs};
use super::{epoch, machine, print, source_with};
use crate::recipe::disk::{DiskRecipe, PartitionReport};

/// Runs the command and prints its summary.
pub(super) fn run(args: DiskArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    let (folder, name, separate) = (args.output.clone(), args.name.clone(), args.partitions);
    let source =
        source_with(args.source, epoch::from_environment()?, machine::cpus(), None, progress)?;
    let recipe = DiskRecipe {
        user_data: args.user_data,
        content: args.content.content,
        cluster_config: args.content.cluster_config,
        edge_custom_config: args.content.edge_custom_config,
        size: args.size,
        sector_size: args.sector_size,
        ..DiskRecipe::new(source)
    };
    let report = if separate {
        recipe.write_partitions(&folder, &name, progress)?
    } else {
        recipe.write_file(&folder, &name, progress)?
    };
    let mut summary = Summary::default();
    inputs(&mut summary, &report.inputs);
    partitions(&mut summary, &report.partitions);
    let seconds = start.elapsed().as_secs_f64();
    summary.line("time", format!("{seconds:.1} s"), seconds.into());
    if separate {
        for part in &report.partitions {
            let path = folder.join(format!("{name}-{}.img", part.name)).display().to_string();
            let value = json!({ "path": path, "bytes": part.len });
            summary.line("output", format!("{path}  {}", human(part.len)), value);
        }
    } else {
        let path = folder.join(format!("{name}.raw")).display().to_string();
        let value = json!({ "path": path, "bytes": report.len });
        summary.line("output", format!("{path}  {}", human(report.len)), value);
    }
    print(summary.render(as_json).as_bytes())
}

/// What the disk is divided into.
pub(super) fn partitions(summary: &mut Summary, partitions: &[PartitionReport]) {
    for part in partitions {
        let text = format!("{}  {}", part.name, human(part.len));
        let value = json!({ "name": part.name, "offset": part.offset, "bytes": part.len });
        summary.line("partition", text, value);
    }
}
