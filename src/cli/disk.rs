//! `bootwright disk` and `bootwright maas`.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::args::{DiskArgs, MaasArgs, SourceArgs};
use super::openpgp::Signing;
use super::progress::Progress;
use super::size::human;
use super::summary::{Summary, inputs};
use super::{epoch, machine, print, reference, sbom, source_with};
use crate::image::Timestamp;
use crate::oci::Reference;
use crate::recipe::Source;
use crate::recipe::checksum_hex;
use crate::recipe::disk::maas::{CloudSource, FirstBoot, MaasRecipe, upload_command};
use crate::recipe::disk::{DiskRecipe, PartitionReport};

/// Runs the command and prints its summary.
pub(super) fn run(args: DiskArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    Signing::new(&args.source.signing)?.refuse("a raw disk")?;
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
    let file = format!("{name}.raw");
    sbom::write(report.installed.as_ref(), (&folder, &name), &file, None, &mut summary)?;
    print(summary.render(as_json).as_bytes())
}

/// Runs `bootwright maas` and prints its summary.
pub(super) fn run_maas(args: MaasArgs, progress: &Progress, as_json: bool) -> anyhow::Result<()> {
    let start = Instant::now();
    let signing = Signing::new(&args.source.signing)?;
    let jobs = args.jobs.unwrap_or_else(machine::cpus);
    let epoch = epoch::from_environment()?;
    let first = match &args.cloud_rootfs {
        Some(cloud) => FirstBoot::Cloud(cloud_source(cloud, &args.source, epoch, jobs, progress)?),
        None => FirstBoot::Landing { busybox: args.busybox },
    };
    let source = source_with(args.source, epoch, jobs, None, progress)?;
    let recipe = MaasRecipe {
        user_data: args.user_data,
        content: args.content.content,
        cluster_config: args.content.cluster_config,
        edge_custom_config: args.content.edge_custom_config,
        ..MaasRecipe::new(source, first)
    };
    let report = recipe.write_file(&args.output, &args.name, progress)?;
    let mut summary = Summary::default();
    inputs(&mut summary, &report.disk.inputs);
    if let Some(cloud) = &report.cloud {
        summary.line("cloud", cloud.clone(), cloud.clone().into());
    }
    partitions(&mut summary, &report.disk.partitions);
    summary.line("disk", human(report.disk.len), json!({ "bytes": report.disk.len }));
    let seconds = start.elapsed().as_secs_f64();
    summary.line("time", format!("{seconds:.1} s"), seconds.into());
    let sha256 = checksum_hex(&report.sha256);
    summary.line("sha256", sha256.clone(), sha256.into());
    let path = args.output.join(format!("{}.raw.gz", args.name)).display().to_string();
    let value = json!({ "path": path, "bytes": report.len });
    summary.line("output", format!("{path}  {}", human(report.len)), value);
    let upload = upload_command(&args.name, report.architecture, &path);
    summary.line("upload", upload.clone(), upload.into());
    let (file, sha256) = (format!("{}.raw.gz", args.name), Some(report.sha256));
    signing.sign(&args.output.join(&file), report.epoch, &mut summary)?;
    let place = (&*args.output, &*args.name);
    sbom::write(report.disk.installed.as_ref(), place, &file, sha256, &mut summary)?;
    print(summary.render(as_json).as_bytes())
}

/// What boots first: an image by its reference, or a file as it is.
fn cloud_source(
    cloud: &OsStr,
    args: &SourceArgs,
    epoch: Option<Timestamp>,
    jobs: NonZeroUsize,
    progress: &Progress,
) -> anyhow::Result<CloudSource> {
    let source = |base| {
        let architecture = args.arch;
        Box::new(Source { architecture, epoch, jobs, ..Source::new(base) })
    };
    let path = PathBuf::from(cloud);
    let is_named = Reference::parse(cloud).is_ok();
    if !is_named && path.is_file() {
        return Ok(CloudSource::File { source: source(Reference::Tar(path.clone())), path });
    }
    let reference = reference(cloud, "--cloud-rootfs", args, progress)?;
    Ok(CloudSource::Image(source(reference)))
}

/// What the disk is divided into.
pub(super) fn partitions(summary: &mut Summary, partitions: &[PartitionReport]) {
    for part in partitions {
        let text = format!("{}  {}", part.name, human(part.len));
        let value = json!({ "name": part.name, "offset": part.offset, "bytes": part.len });
        summary.line("partition", text, value);
    }
}
