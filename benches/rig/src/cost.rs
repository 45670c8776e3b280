//! What a command and all its children cost.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How often memory is looked at: often enough for runs of a tenth of a second, and a look takes
/// less than a hundredth of this.
const PERIOD: Duration = Duration::from_millis(10);

/// The cost of one run.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Cost {
    /// Seconds from start to end.
    pub wall_s: f64,
    /// User and system time of all processes, in seconds, to hundredths.
    pub cpu_s: f64,
    /// Processor time that everything else on the machine took meanwhile, in seconds: the kernel's
    /// own threads, other programs and, in a virtual machine, other machines. Much of it spoils
    /// the wall time.
    pub others_s: f64,
    /// The most that the process and its descendants together were seen to have resident, in
    /// bytes; pages they share count for each. At least the most that any one of them had before
    /// it was looked at last.
    pub peak_bytes: u64,
    /// Bytes handed to `write` and its kin, pipes and terminals too.
    pub write_bytes: u64,
    /// Bytes that were bound for the disk, less those deleted before they got there.
    pub stored_bytes: u64,
}

/// Why there is no cost.
#[derive(Debug)]
pub struct Failed(pub String);

impl std::fmt::Display for Failed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl Cost {
    /// Runs the command to its end, with its output in the file `log`. No other child of this
    /// process may end meanwhile.
    ///
    /// # Errors
    /// When it cannot be run or does not succeed, with what it printed.
    pub fn of(command: &mut Command, log: &Path) -> Result<Self, Failed> {
        let before = Accounts::now().map_err(|error| Failed(format!("/proc/self: {error}")))?;
        let printed = File::create(log)
            .and_then(|log| Ok((log.try_clone()?, log)))
            .map_err(|error| Failed(format!("{}: {error}", log.display())))?;
        command.stdin(Stdio::null()).stdout(printed.0).stderr(printed.1);
        let started = Instant::now();
        let ended = run(command, started);
        let failed = |what: &dyn std::fmt::Display| {
            let printed = fs::read_to_string(log).unwrap_or_default();
            Failed(format!("{command:?}: {what}\n{printed}"))
        };
        let (status, wall, peak_bytes) = ended.map_err(|error| failed(&error))?;
        if !status.success() {
            return Err(failed(&status));
        }
        let after = Accounts::now().map_err(|error| failed(&error))?;
        let cpu_s = after.cpu - before.cpu;
        Ok(Self {
            wall_s: wall.as_secs_f64(),
            cpu_s,
            others_s: (after.machine - before.machine - cpu_s).max(0.0),
            peak_bytes,
            write_bytes: after.written - before.written,
            stored_bytes: after.stored.saturating_sub(before.stored),
        })
    }
}

fn run(
    command: &mut Command,
    started: Instant,
) -> io::Result<(std::process::ExitStatus, Duration, u64)> {
    let mut child = command.spawn()?;
    // Waits in a thread of its own, so that the end is seen when it comes.
    let root = child.id();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(move || child.wait().map(|status| (status, started.elapsed())));
        let mut peak = 0;
        while !waiter.is_finished() {
            peak = peak.max(resident(root));
            std::thread::park_timeout(PERIOD);
        }
        let (status, wall) =
            waiter.join().map_err(|_| io::Error::other("the waiter panicked"))??;
        Ok((status, wall, peak))
    })
}

/// The kernel adds a child's accounts to its parent's when the parent waits for it.
struct Accounts {
    cpu: f64,
    machine: f64,
    written: u64,
    stored: u64,
}

impl Accounts {
    fn now() -> io::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields = stat_fields(&stat);
        // cutime and cstime, fields 16 and 17 of proc_pid_stat(5).
        let [user, system] = [13, 14].map(|index| fields.get(index).map_or(0, |text| parse(text)));
        let io = fs::read_to_string("/proc/self/io")?;
        let field = |name: &str| {
            io.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map_or(0, parse)
        };
        Ok(Self {
            cpu: seconds(user + system),
            machine: machine_s()?,
            written: field("wchar"),
            stored: field("write_bytes").saturating_sub(field("cancelled_write_bytes")),
        })
    }
}

/// Processor time that was not idle since the machine started, in seconds.
///
/// # Errors
/// `/proc` is not mounted.
pub fn machine_s() -> io::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let times: Vec<u64> =
        stat.lines().next().unwrap_or_default().split_whitespace().skip(1).map(parse).collect();
    // User, nice, system, IRQ, soft IRQ and steal of proc_stat(5); idle and I/O wait between them.
    Ok(seconds([0, 1, 2, 5, 6, 7].iter().filter_map(|index| times.get(*index)).sum()))
}

/// The unit of times in `/proc`, on every architecture of today.
const USER_HZ: f64 = 100.0;

#[expect(clippy::cast_precision_loss, reason = "a time of less than a million years")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / USER_HZ
}

/// The fields after the program's name, which may hold anything: the first is the state.
fn stat_fields(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect())
}

fn parse(number: &str) -> u64 {
    number.trim().parse().unwrap_or(0)
}

/// Bytes resident in a process and its descendants, or the most that one of them ever had.
fn resident(root: u32) -> u64 {
    let (mut sum, mut most) = (0, 0);
    let mut left = vec![root.to_string()];
    while let Some(process) = left.pop() {
        let folder = Path::new("/proc").join(process);
        // Processes may end while they are looked at.
        let Ok(status) = fs::read_to_string(folder.join("status")) else { continue };
        let field = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.map_or(0, |text| parse(text.trim_end_matches("kB")) << 10)
        };
        sum += field("VmRSS:");
        most = most.max(field("VmHWM:"));
        for thread in fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            left.extend(children.split_whitespace().map(str::to_owned));
        }
    }
    most.max(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_costs_what_it_does() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 3000000 /dev/zero | cat >$0; sleep 0.2"]);
        command.arg(folder.path().join("out"));
        let cost = Cost::of(&mut command, &folder.path().join("log")).unwrap();
        assert!((0.2..60.0).contains(&cost.wall_s), "{cost:?}");
        assert!(cost.write_bytes >= 6_000_000, "{cost:?}");
        assert!(cost.peak_bytes > 1 << 16, "{cost:?}");
    }

    #[test]
    fn a_failure_shows_what_was_printed() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no luck >&2; exit 3"]);
        let Failed(text) = Cost::of(&mut command, &folder.path().join("log")).unwrap_err();
        assert!(text.contains("exit status: 3\nno luck"), "{text}");
    }
}
