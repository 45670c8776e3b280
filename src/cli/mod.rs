//! The command line: what was typed becomes recipes, results become text.

mod advice;
mod args;
mod disk;
mod epoch;
mod genkey;
mod inspect;
mod interrupt;
mod iso;
mod machine;
#[cfg_attr(not(feature = "openpgp"), path = "no_openpgp.rs")]
mod openpgp;
mod progress;
mod project;
#[cfg(feature = "registry")]
mod registry;
mod sbom;
mod sign;
mod size;
mod squashfs;
mod summary;
mod uki;

use std::ffi::OsStr;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Command, CompressionArgs, SourceArgs};
use interrupt::Interrupt;
use progress::Progress;

use crate::cache::Cache;
use crate::image::{Observer, Timestamp};
use crate::oci::Reference;
use crate::recipe::{Layered, Source};
use crate::squashfs::Options;

/// A command line that parses but does not make sense; exit status 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let (words, keys) = args::project::split_keys(std::env::args_os().collect());
    let cli = Cli::command()
        .try_get_matches_from(words)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .unwrap_or_else(|error| error.exit());
    match run(cli, &keys) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

fn run(cli: Cli, keys: &[String]) -> anyhow::Result<()> {
    let progress = Progress::new(cli.progress, Interrupt::listen()?);
    let json = cli.progress == progress::Mode::Json;
    match cli.command {
        Command::Iso(args) => iso::run(*args, &progress, json),
        Command::Squashfs(args) => squashfs::run(args, &progress, json),
        Command::Disk(args) => disk::run(*args, &progress, json),
        Command::Maas(args) => disk::run_maas(*args, &progress, json),
        Command::Uki(args) => uki::run(args, &progress, json),
        Command::Sign(args) => sign::run(&args, &progress, json),
        Command::Genkey(args) => genkey::run(args, json),
        #[cfg(feature = "registry")]
        Command::Fetch(args) => registry::fetch(&args, keys, &progress, json),
        #[cfg(feature = "registry")]
        Command::Push(args) => registry::push(&args, &progress, json),
        Command::Inspect(args) => inspect::run(&args),
        #[cfg(feature = "openpgp")]
        Command::Verify { file, signed_by } if !signed_by.is_empty() => {
            let signed = openpgp::verified(&file, &signed_by, &progress)?;
            verify(&file, &format!("ok  signature: {signed}\n"), &progress)
        }
        Command::Verify { file, .. } => verify(&file, "", &progress),
        Command::Args(args) => project::args(&args, keys, &progress),
        Command::Target(args) => project::target(&args, keys, &progress),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "bootwright", &mut script);
            print(&script)
        }
        Command::Man { output } => {
            std::fs::create_dir_all(&output)?;
            clap_mangen::generate_to(Cli::command(), &output)?;
            Ok(())
        }
    }
}

/// Checks a file and prints what is right with it, after what is known already.
fn verify(file: &Path, known: &str, progress: &Progress) -> anyhow::Result<()> {
    let mut text = known.to_owned();
    for check in crate::verify::file(file, progress)? {
        text.push_str(&format!("ok  {check}\n"));
    }
    print(text.as_bytes())
}

/// Says what went wrong, why, and what to do about it.
fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("  because: {cause}\n"));
    }
    if let Some(advice) = advice::for_error(error) {
        text.push_str(&format!("  hint: {advice}\n"));
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
    if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}

/// Writes to standard output; a reader that went away is no failure.
fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// The root file system that the arguments describe.
fn source(
    args: SourceArgs,
    epoch: Option<Timestamp>,
    compression: &CompressionArgs,
    progress: &Progress,
) -> anyhow::Result<Source> {
    source_with(args, epoch, jobs(compression), cache(compression)?, progress)
}

/// The image that the option names; one of a registry is brought into the store first.
fn reference(
    text: &OsStr,
    option: &str,
    args: &SourceArgs,
    progress: &Progress,
) -> anyhow::Result<Reference> {
    let reference = Reference::parse(text).map_err(|error| Usage(format!("{option}: {error}")))?;
    openpgp::check_image(&reference, option, &args.trust, progress)?;
    #[cfg(feature = "registry")]
    return registry::local(reference, &args.registry, args.arch, progress);
    #[cfg(not(feature = "registry"))]
    {
        let _ = (args, progress);
        Ok(reference)
    }
}

fn source_with(
    args: SourceArgs,
    epoch: Option<Timestamp>,
    jobs: NonZeroUsize,
    cache: Option<Arc<Cache>>,
    progress: &Progress,
) -> anyhow::Result<Source> {
    let image = reference(&args.base, "--base", &args, progress)?;
    let base = Layered { image, overlays: args.overlay_rootfs, local_ui: None };
    let (architecture, inventory) = (args.arch, args.sbom);
    Ok(Source { architecture, epoch, jobs, cache, inventory, ..Source::new(base) })
}

/// The cache folder, if one was given.
fn cache(args: &CompressionArgs) -> anyhow::Result<Option<Arc<Cache>>> {
    let open = |folder: &PathBuf| Cache::open(folder, args.cache_size).map(Arc::new);
    Ok(args.cache.as_ref().map(open).transpose()?)
}

/// How the root file system is compressed.
fn squashfs_options(args: &CompressionArgs, progress: &Progress) -> Options {
    if let Some((asked, limit)) = args.memory.zip(machine::memory_limit(Path::new("/")))
        && asked > limit
    {
        let (asked, limit) = (size::human(asked), size::human(limit));
        progress.warn(format_args!("--memory {asked}: control groups allow this process {limit}"));
    }
    Options {
        compression: args.compression,
        block_size: args.block_size,
        memory: args.memory.unwrap_or_else(machine::default_memory),
        ..Options::new(jobs(args))
    }
}

/// The number of threads asked for, else the CPUs that affinity and control groups allow.
fn jobs(args: &CompressionArgs) -> NonZeroUsize {
    args.jobs.unwrap_or_else(machine::cpus)
}
