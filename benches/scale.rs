//! How time and memory grow with the number of files, the size of a directory, of a file and of
//! the whole.
//!
//!     cargo bench --bench scale -- [--full] [--rounds N] [--compression ALGO[:LEVEL]] [CURVE]...
//!
//! Inputs are OCI layouts with one gzip layer, written by this program into Cargo's target folder
//! and deleted after their turn; `--full` goes up to 1 M files, 20 GiB in a file and 10 GiB in
//! 1 M files. Exponents of 1 mean linear growth. Results: standard output and `scale.json` in Cargo's
//! target folder, written after each curve.

mod scale {
    pub(super) mod curves;
    pub(super) mod growth;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use bootwright_rig::cost::Cost;
use bootwright_rig::host;
use bootwright_rig::spread::{Spread, mebibytes};
use clap::Parser;
use scale::curves::{Axis, CURVES, Curve, Shape};
use scale::growth::{between, fitted};
use serde_json::{Value, json};

#[derive(Debug, Parser)]
#[command(name = "scale", about = "Measures how time and memory grow with the input")]
struct Arguments {
    /// Curves to measure [default: all]: files, directory, large-file, system
    curves: Vec<String>,
    /// The large sizes: takes about 20 GiB of disk and a long while
    #[arg(long)]
    full: bool,
    /// Runs of each size
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// A quick one, so that the rest is seen
    #[arg(long, default_value = "lz4")]
    compression: String,
    /// What Cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    host::exit("scale", run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = temporary.parent().unwrap_or(temporary).join("scale.json");
    let known = |name: &String| CURVES.iter().any(|curve| curve.name == name);
    if let Some(unknown) = arguments.curves.iter().find(|name| !known(name)) {
        return Err(format!("no curve {unknown}, see --help"));
    }
    let chosen = |curve: &&Curve| {
        arguments.curves.is_empty() || arguments.curves.iter().any(|name| name == curve.name)
    };
    let mut measured = Vec::new();
    for curve in CURVES.iter().filter(chosen) {
        measured.push(measure(curve, arguments, &temporary.join("scale"))?);
        let text = format!("{:#}\n", json!({ "cores": host::cores(), "curves": measured }));
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

/// A point on a curve.
struct Step {
    shape: Shape,
    wall_s: f64,
    peak_bytes: f64,
    runs: Vec<Cost>,
}

fn measure(curve: &Curve, arguments: &Arguments, folder: &Path) -> Result<Value, String> {
    println!("{}: {}, {}", curve.name, curve.about, arguments.compression);
    let unit = match curve.axis {
        Axis::Files => "us/file",
        Axis::Bytes => "ms/MiB",
    };
    println!(
        "{:>9} {:>9} {:>9} {unit:>9} {:>9} {:>9} {:>9}",
        "files", "MiB", "wall s", "exponent", "peak MiB", "exponent"
    );
    let mut steps: Vec<Step> = Vec::new();
    for shape in if arguments.full { curve.full } else { curve.quick } {
        if let Some(runs) = visit(curve, *shape, arguments, folder)? {
            let median = |figure: fn(&Cost) -> f64| {
                Spread::of(runs.iter().map(figure)).map_or(f64::NAN, |spread| spread.median)
            };
            let (wall_s, peak_bytes) = (median(|cost| cost.wall_s), median(peak));
            let step = Step { shape: *shape, wall_s, peak_bytes, runs };
            println!("{}", line(curve.axis, steps.last(), &step));
            steps.push(step);
        }
    }
    let exponent = |figure: fn(&Step) -> f64| {
        let points: Vec<_> =
            steps.iter().map(|step| (size(curve.axis, step), figure(step))).collect();
        fitted(&points)
    };
    let (time, memory) = (exponent(|step| step.wall_s), exponent(|step| step.peak_bytes));
    if let (Some(time), Some(memory)) = (time, memory) {
        println!("fitted: time grows as size^{time:.2}, memory as size^{memory:.2}");
    }
    println!();
    let steps: Vec<_> = steps
        .iter()
        .map(|step| json!({ "files": step.shape.files, "bytes": step.shape.bytes, "runs": step.runs }))
        .collect();
    Ok(json!({
        "name": curve.name,
        "about": curve.about,
        "compression": arguments.compression,
        "steps": steps,
        "time_exponent": time,
        "memory_exponent": memory,
    }))
}

/// Makes an input, takes the costs and deletes it. `None` when the disk is too small for it.
fn visit(
    curve: &Curve,
    shape: Shape,
    arguments: &Arguments,
    folder: &Path,
) -> Result<Option<Vec<Cost>>, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let scratch = Scratch::new(folder).map_err(failed)?;
    let space = rustix::fs::statvfs(&scratch.0).map_err(|error| failed(error.into()))?;
    let free = space.f_bavail * space.f_frsize;
    if free < shape.disk() {
        let (needs, has) = (mebibytes(shape.disk()), mebibytes(free));
        host::skip(&format!("scale {}: needs {needs:.0} MiB of disk, has {has:.0}", curve.name));
        return Ok(None);
    }
    let layout = scratch.0.join("layout");
    eprintln!("{}: writing {} files, {} bytes", curve.name, shape.files, shape.bytes);
    shape.write(&layout).map_err(failed)?;
    let output = scratch.0.join("out.squashfs");
    let mut runs = Vec::new();
    for _ in 0..arguments.rounds {
        rustix::fs::sync();
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
        command.arg("squashfs").arg("--base").arg(format!("oci:{}", layout.display()));
        command.args(["--compression", &arguments.compression, "--output"]).arg(&output);
        let cost = Cost::of(&mut command, &scratch.0.join("log"));
        runs.push(cost.map_err(|failed| failed.to_string())?);
        fs::remove_file(&output).map_err(failed)?;
    }
    Ok(Some(runs))
}

/// A folder, empty at first and gone in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(folder: &Path) -> std::io::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run tries again.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn line(axis: Axis, last: Option<&Step>, step: &Step) -> String {
    let each = match axis {
        Axis::Files => step.wall_s * 1e6 / size(axis, step),
        Axis::Bytes => step.wall_s * 1e3 / mebibytes(step.shape.bytes),
    };
    let exponent = |figure: fn(&Step) -> f64| {
        last.map_or("-".to_owned(), |last| {
            let (a, b) = (size(axis, last), size(axis, step));
            format!("{:.2}", between((a, figure(last)), (b, figure(step))))
        })
    };
    format!(
        "{:>9} {:>9.0} {:>9.2} {each:>9.2} {:>9} {:>9.1} {:>9}",
        step.shape.files,
        mebibytes(step.shape.bytes),
        step.wall_s,
        exponent(|step| step.wall_s),
        step.peak_bytes / f64::from(1 << 20),
        exponent(|step| step.peak_bytes),
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn peak(cost: &Cost) -> f64 {
    cost.peak_bytes as f64
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn size(axis: Axis, step: &Step) -> f64 {
    step.shape.size(axis) as f64
}
