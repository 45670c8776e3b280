//! How much of the machine the compressor gets: processor time inside it, divided by wall time
//! times processors, and where the rest goes.
//!
//!     cargo bench --bench efficiency -- [--rounds N] [--base LAYOUT] [--symbols N] [ALGO[:LEVEL]]...
//!
//! Samples of `perf record` are attributed by the names of symbols. Results: standard output and
//! `efficiency.json` in Cargo's target folder.

mod efficiency {
    pub(super) mod kinds;
    pub(super) mod profile;
}

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bootwright_rig::{host, spread::Spread};
use clap::Parser;
use efficiency::kinds::Kind;
use efficiency::profile::Profile;
use serde_json::json;

#[derive(Debug, Parser)]
#[command(name = "efficiency", about = "Measures how much of the machine the compressor gets")]
struct Arguments {
    /// What to compress with, as for `bootwright squashfs --compression`
    #[arg(default_values = ["gzip", "zstd", "xz", "lz4"])]
    compressions: Vec<String>,
    /// How often; times are added up
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// OCI layout [default: build/base-image]
    #[arg(long)]
    base: Option<PathBuf>,
    /// How many of the symbols outside the compressor to name
    #[arg(long, default_value_t = 0)]
    symbols: usize,
    /// What Cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if host::find("perf").is_none() {
        host::skip("efficiency: perf not found");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("efficiency: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let base = host::base_image(project, arguments.base.as_deref())?;
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut measured = Vec::new();
    for compression in &arguments.compressions {
        let measurement = measure(compression, arguments.rounds, &base, temporary)?;
        if measured.is_empty() {
            heading();
        }
        measurement.print(arguments.symbols);
        measured.push(measurement.json());
    }
    let file = temporary.parent().unwrap_or(temporary).join("efficiency.json");
    let text = format!("{:#}\n", json!({ "cores": host::cores(), "measured": measured }));
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))
}

struct Measurement {
    compression: String,
    profile: Profile,
    /// The compressor's share in each round.
    shares: Vec<f64>,
}

fn measure(
    compression: &str,
    rounds: usize,
    base: &Path,
    temporary: &Path,
) -> Result<Measurement, String> {
    let output = temporary.join("efficiency.squashfs");
    let data = temporary.join("efficiency.perf");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
    command.arg("squashfs").arg("--base").arg(format!("oci:{}", base.display()));
    command.args(["--compression", compression, "--output"]).arg(&output);
    let mut sum = Profile::default();
    let mut shares = Vec::new();
    for round in 1..=rounds {
        eprintln!("{compression} {round}/{rounds}");
        rustix::fs::sync();
        let profile = Profile::of(&command, &data);
        for file in [&output, &data] {
            // Missing when the run failed, which is reported.
            let _ = std::fs::remove_file(file);
        }
        let profile = profile?;
        shares.push(profile.seconds(Kind::Compressor) / available(&profile));
        sum.merge(profile);
    }
    Ok(Measurement { compression: compression.to_owned(), profile: sum, shares })
}

/// Processor time that there was, in seconds.
fn available(profile: &Profile) -> f64 {
    profile.wall_s * f64::from(u32::try_from(host::cores()).unwrap_or(u32::MAX))
}

/// Processor time that nobody took, in seconds.
fn idle(profile: &Profile) -> f64 {
    available(profile) - profile.busy() - profile.others_s
}

fn heading() {
    println!("% of wall time times {} processors", host::cores());
    print!("{:12}{:>10}", "", "wall s");
    Kind::ALL.iter().for_each(|kind| print!("{:>12}", kind.name()));
    println!("{:>12}{:>12}  compressor, least..most", "others", "idle");
}

impl Measurement {
    fn print(&self, symbols: usize) {
        let (profile, whole) = (&self.profile, available(&self.profile));
        print!("{:12}{:>10.1}", self.compression, profile.wall_s / self.rounds());
        for kind in Kind::ALL {
            print!("{:>12.1}", 100.0 * profile.seconds(kind) / whole);
        }
        for seconds in [profile.others_s, idle(profile)] {
            print!("{:>12.1}", 100.0 * seconds / whole);
        }
        if let Some(spread) = Spread::of(self.shares.iter().copied()) {
            print!("  {:.1}..{:.1}", 100.0 * spread.least, 100.0 * spread.most);
        }
        println!();
        let mut by_time: Vec<_> = profile.symbols.iter().collect();
        by_time.sort_by(|a, b| b.1.total_cmp(a.1));
        for (symbol, seconds) in by_time.into_iter().take(symbols) {
            println!("{:>20.2}  {symbol}", 100.0 * seconds / whole);
        }
    }

    fn rounds(&self) -> f64 {
        f64::from(u32::try_from(self.shares.len()).unwrap_or(u32::MAX))
    }

    fn json(&self) -> serde_json::Value {
        let profile = &self.profile;
        let kinds: serde_json::Map<_, _> = Kind::ALL
            .iter()
            .map(|kind| (kind.name().to_owned(), json!(profile.seconds(*kind) / self.rounds())))
            .collect();
        json!({
            "compression": self.compression,
            "rounds": self.shares.len(),
            "wall_s": profile.wall_s / self.rounds(),
            "cpu_s": kinds,
            "others_s": profile.others_s / self.rounds(),
            "idle_s": idle(profile) / self.rounds(),
            "compressor_shares": self.shares,
        })
    }
}
