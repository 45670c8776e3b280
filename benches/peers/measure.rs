//! What a command and all its children cost.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often memory is looked at.
const PERIOD: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    /// User and system time of all processes, in seconds.
    pub(crate) cpu: f64,
    /// The most that all processes together had resident, in bytes.
    pub(crate) memory: u64,
    /// Bytes handed to `write` and its kin, pipes and terminals too.
    pub(crate) written: u64,
    /// Bytes that reached the block layer, less those deleted before.
    pub(crate) stored: u64,
    /// The image's length.
    pub(crate) size: u64,
}

/// Runs the command to its end; a failure ends the benchmark with what the command printed.
pub(crate) fn measure(mut command: Command, log: &Path, output: &Path) -> Cost {
    let printed = fs::File::create(log).expect("the log can be written");
    command
        .stdin(Stdio::null())
        .stdout(printed.try_clone().expect("a file handle can be doubled"))
        .stderr(printed)
        .process_group(0);
    let before = Accounts::now();
    let started = Instant::now();
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut memory = 0;
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break status,
            None => {
                memory = memory.max(resident(child.id()));
                std::thread::sleep(PERIOD);
            }
        }
    };
    let wall = started.elapsed().as_secs_f64();
    let after = Accounts::now();
    assert!(
        status.success(),
        "{command:?}: {status}\n{}",
        fs::read_to_string(log).unwrap_or_default()
    );
    Cost {
        wall,
        cpu: after.cpu - before.cpu,
        memory,
        written: after.written - before.written,
        stored: after.stored.saturating_sub(before.stored),
        size: fs::metadata(output).map_or(0, |metadata| metadata.len()),
    }
}

/// The kernel adds a child's accounts to its parent's when the parent waits for it.
struct Accounts {
    cpu: f64,
    written: u64,
    stored: u64,
}

impl Accounts {
    fn now() -> Self {
        let stat = fs::read_to_string("/proc/self/stat").expect("/proc is mounted");
        let fields = stat_fields(&stat);
        // cutime and cstime, fields 16 and 17 of proc_pid_stat(5).
        let [user, system] = [13, 14].map(|index| parse(fields[index]));
        let io = fs::read_to_string("/proc/self/io").expect("the kernel accounts for I/O");
        let field = |name: &str| {
            io.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map_or(0, parse)
        };
        Self {
            cpu: seconds(user + system),
            written: field("wchar"),
            stored: field("write_bytes").saturating_sub(field("cancelled_write_bytes")),
        }
    }
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

/// Bytes resident in all processes of a group; shared pages count for each.
fn resident(group: u32) -> u64 {
    let group = group.to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    processes
        .flatten()
        // Processes may end while they are looked at.
        .filter_map(|process| {
            let stat = fs::read_to_string(process.path().join("stat")).ok()?;
            // Field 5 of proc_pid_stat(5) is the process group.
            let member = stat_fields(&stat).get(2).is_some_and(|pgrp| *pgrp == group);
            let status = member.then(|| fs::read_to_string(process.path().join("status")))?.ok()?;
            let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            Some(parse(rss.trim_end_matches("kB")) << 10)
        })
        .sum()
}
