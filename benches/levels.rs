//! Time and size for each level of each algorithm, on blocks of real data: what defaults are
//! chosen by.
//!
//!     cargo bench --bench levels -- [--every N] [--jobs N] [--base LAYOUT] [ALGO[:LEVEL]]...
//!
//! Blocks are in memory and nothing is written. Results: standard output, each line as soon as it
//! is known, and `levels.json` in Cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use bootwright::oci::Reference;
use bootwright::squashfs::benching::block_encoder;
use bootwright::squashfs::{BlockSize, Compression};
use bootwright_rig::spread::mebibytes;
use bootwright_rig::{host, sample};
use clap::Parser;
use serde_json::json;

#[derive(Debug, Parser)]
#[command(name = "levels", about = "Measures every level of every algorithm")]
struct Arguments {
    /// Algorithms, for all of their levels, or single levels
    #[arg(default_values = ["gzip", "zstd", "xz", "lz4"])]
    which: Vec<String>,
    /// Take every so many blocks
    #[arg(long, default_value_t = 4)]
    every: usize,
    /// Threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// OCI layout [default: build/base-image]
    #[arg(long)]
    base: Option<PathBuf>,
    /// What Cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    host::exit("levels", run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = host::base_image(project, arguments.base.as_deref())?;
    let levels: Vec<String> = arguments.which.iter().flat_map(|which| expand(which)).collect();
    let parse = |level: &String| level.parse().map_err(|error| format!("{level}: {error}"));
    let parsed: Vec<Compression> = levels.iter().map(parse).collect::<Result<_, _>>()?;
    let image = Reference::Layout { dir, tag: None };
    let blocks = sample::blocks(&image, arguments.every.max(1), usize::MAX)
        .map_err(|error| error.to_string())?;
    let whole = blocks.iter().map(|block| block.len() as u64).sum();
    println!("{:.0} MiB in blocks of 1 MiB on {} threads", mebibytes(whole), arguments.jobs);
    println!("{:12} {:>9} {:>9} {:>9} {:>9}", "", "seconds", "MiB/s", "size MiB", "size %");
    let mut lines = Vec::new();
    for (level, compression) in levels.iter().zip(parsed) {
        let (seconds, len) = measure(&blocks, compression, arguments.jobs)?;
        let share = 100.0 * mebibytes(len) / mebibytes(whole);
        println!(
            "{level:12} {seconds:>9.2} {:>9.1} {:>9.2} {share:>9.3}",
            mebibytes(whole) / seconds,
            mebibytes(len)
        );
        lines.push(json!({ "level": level, "seconds": seconds, "bytes": len }));
    }
    let results = json!({ "bytes": whole, "jobs": arguments.jobs, "levels": lines });
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = temporary.parent().unwrap_or(temporary).join("levels.json");
    std::fs::write(&file, format!("{results:#}\n"))
        .map_err(|error| format!("{}: {error}", file.display()))
}

/// All levels of an algorithm, or what was given.
fn expand(which: &str) -> Vec<String> {
    let all = |levels: std::ops::RangeInclusive<u8>| {
        levels.map(|level| format!("{which}:{level}")).collect()
    };
    match which {
        "gzip" => all(1..=12),
        "zstd" => all(1..=22),
        "xz" => all(0..=9),
        "lz4" => std::iter::once("lz4".to_owned()).chain(all(1..=12)).collect(),
        other => vec![other.to_owned()],
    }
}

/// Seconds and bytes for all blocks.
fn measure(
    blocks: &[Vec<u8>],
    compression: Compression,
    jobs: usize,
) -> Result<(f64, u64), String> {
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || -> std::io::Result<()> {
        let mut encode = block_encoder(compression, BlockSize::default())?;
        while let Some(block) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            bytes.fetch_add(encode(block)? as u64, Ordering::Relaxed);
        }
        Ok(())
    };
    let start = Instant::now();
    let done: std::io::Result<Vec<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, std::io::Result<()>>| {
            thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread panicked")))
        };
        threads.into_iter().map(join).collect()
    });
    done.map_err(|error| error.to_string())?;
    Ok((start.elapsed().as_secs_f64(), bytes.into_inner()))
}
