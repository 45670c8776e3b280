//! One run under `perf record`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use bootwright_rig::cost;

use super::kinds::Kind;

/// Samples a second: a prime, so that nothing periodic is hit at the same place each time.
const FREQUENCY: &str = "499";

/// Where the time of one or more runs went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profile {
    pub(crate) wall_s: f64,
    /// Processor time that everything else on the machine took meanwhile, in seconds.
    pub(crate) others_s: f64,
    /// Processor time in seconds.
    pub(crate) kinds: BTreeMap<Kind, f64>,
    /// The same by symbol, for those that are not in the compressor.
    pub(crate) symbols: BTreeMap<String, f64>,
}

impl Profile {
    /// Runs `command` to its end. The samples go to the file `data`.
    pub(crate) fn of(command: &Command, data: &Path) -> Result<Self, String> {
        let mut perf = Command::new("perf");
        // The clock is there in virtual machines too, where counters of cycles often are not.
        perf.args(["record", "--quiet", "-e", "cpu-clock", "-F", FREQUENCY, "-o"]).arg(data);
        perf.arg("--").arg(command.get_program()).args(command.get_args());
        let machine_s = || cost::machine_s().map_err(|error| error.to_string());
        let (start, before) = (Instant::now(), machine_s()?);
        run(&mut perf)?;
        let (wall_s, machine_s) = (start.elapsed().as_secs_f64(), machine_s()? - before);
        let mut report = Command::new("perf");
        report.args(["report", "--stdio", "--quiet", "--fields", "period,dso,sym"]);
        report.args(["--field-separator", "|", "-i"]).arg(data);
        let mut profile = Self { wall_s, ..Self::default() };
        for line in run(&mut report)?.lines() {
            profile.add(line);
        }
        profile.others_s = (machine_s - profile.busy()).max(0.0);
        match profile.busy() {
            0.0 => Err("perf saw nothing".to_owned()),
            _ => Ok(profile),
        }
    }

    /// Takes a line of the report: nanoseconds, object, `[.]` and symbol.
    fn add(&mut self, line: &str) {
        let mut fields = line.splitn(3, '|').map(str::trim);
        let (Some(period), Some(object), Some(symbol)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return;
        };
        let Ok(nanoseconds) = period.parse::<f64>() else { return };
        let symbol = symbol.split_once(' ').map_or(symbol, |(_, name)| name);
        let kind = Kind::of(object, symbol);
        *self.kinds.entry(kind).or_default() += nanoseconds / 1e9;
        if kind != Kind::Compressor {
            let name = format!("{}: {symbol}", kind.name());
            *self.symbols.entry(name).or_default() += nanoseconds / 1e9;
        }
    }

    /// Adds what another run took.
    pub(crate) fn merge(&mut self, other: Self) {
        self.wall_s += other.wall_s;
        self.others_s += other.others_s;
        for (kind, seconds) in other.kinds {
            *self.kinds.entry(kind).or_default() += seconds;
        }
        for (symbol, seconds) in other.symbols {
            *self.symbols.entry(symbol).or_default() += seconds;
        }
    }

    /// Processor time of all kinds, in seconds.
    pub(crate) fn busy(&self) -> f64 {
        self.kinds.values().sum()
    }

    pub(crate) fn seconds(&self, kind: Kind) -> f64 {
        self.kinds.get(&kind).copied().unwrap_or_default()
    }
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("perf: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("perf: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
