//! Instructions that fixed workloads take, compared with `benches/instructions.txt`.
//!
//!     cargo bench --bench instructions -- [--bless] [WORKLOAD]...
//!
//! Unlike times, these hardly differ between runs and machines, so that continuous integration can
//! hold on to them. Each workload runs in this very program under `valgrind --tool=callgrind`;
//! counted is what its own thread does between the first and the last line of the work. A count
//! that is off by more than the tolerance, up or down, is a failure: `--bless` accepts it, and the
//! table in the commit says what it costs or saves. Counts taken with another compiler are shown
//! and not judged.

mod instructions {
    pub(super) mod table;
}

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use bootwright_rig::host;
use bootwright_rig::workload::{WORKLOADS, Work, Workload};
use clap::Parser;
use instructions::table::Table;

/// How far a count may be off, in thousandths.
const TOLERANCE: u64 = 20;

#[derive(Debug, Parser)]
#[command(name = "instructions", about = "Counts the instructions of fixed workloads")]
struct Arguments {
    /// Workloads to run [default: all]
    workloads: Vec<String>,
    /// Write the counts into the table instead of judging them
    #[arg(long)]
    bless: bool,
    /// Do one workload, as is
    #[arg(long, hide = true)]
    work: Option<String>,
    /// What Cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.work {
        if let Some(workload) = WORKLOADS.iter().find(|workload| workload.name == name) {
            counted_work(workload.prepare());
        }
        return ExitCode::SUCCESS;
    }
    if host::find("valgrind").is_none() {
        host::skip("instructions: valgrind not found");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("instructions: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The function by whose name callgrind knows when to count.
#[inline(never)]
fn counted_work(work: Work) {
    work();
    // Not the last call of the function, so that it stays a call.
    black_box(());
}

/// Whether all counts are as in the table.
fn run(arguments: &Arguments) -> Result<bool, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let in_file = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = match fs::read_to_string(&file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(in_file(&error)),
        text => text.unwrap_or_default(),
    };
    let mut table = Table::parse(&text).map_err(|error| in_file(&error))?;
    let compiler = compiler()?;
    let mut counts = BTreeMap::new();
    for workload in chosen(&arguments.workloads)? {
        let count = count(workload)?;
        let known = table.counts.get(workload.name).copied();
        println!("{}", line(workload, count, known));
        counts.insert(workload.name.to_owned(), count);
    }
    if arguments.bless {
        if arguments.workloads.is_empty() {
            table.counts.clear();
        }
        table.counts.append(&mut counts);
        table.compiler = compiler;
        fs::write(&file, table.to_string()).map_err(|error| in_file(&error))?;
        return Ok(true);
    }
    if table.compiler != compiler {
        eprintln!("NOT JUDGED: the table is of {}, this is {compiler}", table.compiler);
        return Ok(true);
    }
    let off = |(name, count): (&String, &u64)| {
        table.counts.get(name).is_none_or(|known| count.abs_diff(*known) * 1000 > known * TOLERANCE)
    };
    if counts.iter().any(off) {
        eprintln!("off by more than {} %: see --bless", TOLERANCE / 10);
        return Ok(false);
    }
    Ok(true)
}

fn chosen(names: &[String]) -> Result<Vec<&'static Workload>, String> {
    if let Some(unknown) = names.iter().find(|name| !WORKLOADS.iter().any(|w| w.name == **name)) {
        return Err(format!("no workload {unknown}"));
    }
    let wanted =
        |workload: &&Workload| names.is_empty() || names.iter().any(|n| n == workload.name);
    Ok(WORKLOADS.iter().filter(wanted).collect())
}

fn line(workload: &Workload, count: u64, known: Option<u64>) -> String {
    let each = count / u64::from(workload.items);
    let change = known.map_or("new".to_owned(), |known| format!("{:+.2} %", change(known, count)));
    format!(
        "{:20} {count:>12} {each:>9} for each of {:>6} {change:>10}",
        workload.name, workload.items
    )
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn change(known: u64, count: u64) -> f64 {
    (count as f64 / known as f64 - 1.0) * 100.0
}

/// Instructions of a workload, without what prepares it.
fn count(workload: &Workload) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let counts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind.out");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_work*", "--fair-sched=yes"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program)
        .args(["--work", workload.name])
        // The same string functions on every processor.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS,-FSRM,-BMI2")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = fs::read_to_string(&counts).map_err(|error| format!("callgrind's file: {error}"))?;
    // Left over when it cannot be deleted; the next run writes it anew.
    let _ = fs::remove_file(&counts);
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
    match total {
        Some(0) | None => Err(format!("{}: callgrind counted nothing", workload.name)),
        Some(total) => Ok(total),
    }
}

fn compiler() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").arg("--verbose").output();
    let text = output.map_err(|error| format!("rustc: {error}"))?.stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = |name| text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown");
    Ok(format!("{} for {}", field("release: "), field("host: ")))
}
