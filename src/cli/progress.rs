//! Progress on standard error: bars on a terminal, plain lines otherwise, JSON for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bootwright_image::{Observer, Phase};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt::Interrupt;
use super::size::human;

/// How progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Bars on a terminal, plain lines otherwise.
    #[default]
    Auto,
    /// Bars.
    Bar,
    /// One line when a phase starts and one when it ends.
    Plain,
    /// One JSON object a line; the summary on standard output is JSON too.
    Json,
    /// Warnings and errors only.
    None,
}

/// Shows the progress of a build and passes on the wish to stop it.
pub(crate) struct Progress {
    view: View,
    interrupt: Interrupt,
    warnings: Mutex<Vec<String>>,
}

enum View {
    Bars { all: MultiProgress, bars: Mutex<BTreeMap<Phase, ProgressBar>> },
    Lines { json: bool, phases: Mutex<BTreeMap<Phase, Running>> },
    Nothing,
}

struct Running {
    start: Instant,
    total: Option<u64>,
    done: u64,
    /// When a JSON line was last written for it.
    told: Instant,
}

impl Progress {
    pub(crate) fn new(mode: Mode, interrupt: Interrupt) -> Self {
        let bars = || View::Bars {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stderr()),
            bars: Mutex::default(),
        };
        let lines = |json| View::Lines { json, phases: Mutex::default() };
        let view = match mode {
            Mode::Auto if std::io::stderr().is_terminal() => bars(),
            Mode::Bar => bars(),
            Mode::Auto | Mode::Plain => lines(false),
            Mode::Json => lines(true),
            Mode::None => View::Nothing,
        };
        Self { view, interrupt, warnings: Mutex::default() }
    }

    /// The warnings so far, in order.
    pub(crate) fn warnings(&self) -> Vec<String> {
        lock(&self.warnings).clone()
    }
}

/// Phases with fewer bytes are over before anybody could read of them; a project has dozens.
const SMALL: u64 = 1 << 20;

impl Observer for Progress {
    fn begin(&self, phase: Phase, total: Option<u64>) {
        let is_small = total.is_some_and(|total| total < SMALL);
        match &self.view {
            View::Bars { .. } | View::Lines { json: false, .. } if is_small => {}
            View::Bars { all, bars } => {
                let bar = all.add(bar(phase, total));
                lock(bars).insert(phase, bar);
            }
            View::Lines { json, phases } => {
                let now = Instant::now();
                lock(phases).insert(phase, Running { start: now, total, done: 0, told: now });
                if *json {
                    line(&serde_json::json!({
                        "event": "begin", "phase": name(phase), "total": total
                    }));
                } else {
                    let of = total.map(|n| format!(" {}", human(n))).unwrap_or_default();
                    line(&format_args!("{}{of} ...", verb(phase)));
                }
            }
            View::Nothing => {}
        }
    }

    fn advance(&self, phase: Phase, amount: u64) {
        match &self.view {
            View::Bars { bars, .. } => {
                if let Some(bar) = lock(bars).get(&phase) {
                    bar.inc(amount);
                }
            }
            View::Lines { json, phases } => {
                if let Some(running) = lock(phases).get_mut(&phase) {
                    running.done += amount;
                    if *json && running.told.elapsed() >= Duration::from_millis(250) {
                        running.told = Instant::now();
                        line(&serde_json::json!({
                            "event": "advance", "phase": name(phase),
                            "done": running.done, "total": running.total
                        }));
                    }
                }
            }
            View::Nothing => {}
        }
    }

    fn end(&self, phase: Phase) {
        match &self.view {
            View::Bars { bars, .. } => {
                if let Some(bar) = lock(bars).remove(&phase) {
                    bar.finish();
                }
            }
            View::Lines { json, phases } => {
                let Some(running) = lock(phases).remove(&phase) else { return };
                let seconds = running.start.elapsed().as_secs_f64();
                if *json {
                    line(&serde_json::json!({
                        "event": "end", "phase": name(phase), "done": running.done,
                        "seconds": seconds
                    }));
                } else {
                    let done = human(running.done);
                    line(&format_args!("{} done: {done} in {seconds:.1} s", verb(phase)));
                }
            }
            View::Nothing => {}
        }
    }

    fn warn(&self, text: fmt::Arguments<'_>) {
        let text = text.to_string();
        match &self.view {
            View::Bars { all, .. } => {
                let _ = all.println(format!("warning: {text}"));
            }
            View::Lines { json: true, .. } => {
                line(&serde_json::json!({ "event": "warning", "text": text }));
            }
            View::Lines { .. } | View::Nothing => line(&format_args!("warning: {text}")),
        }
        lock(&self.warnings).push(text);
    }

    fn cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

fn bar(phase: Phase, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{prefix:>12} [{bar:32}] {bytes:>10} of {total_bytes} {elapsed:>5}",
        None => "{prefix:>12} {spinner} {bytes:>10} {elapsed:>5}",
    };
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    let bar = match total {
        Some(total) => ProgressBar::new(total),
        None => ProgressBar::no_length(),
    };
    bar.with_style(style).with_prefix(verb(phase))
}

/// Writes one line to standard error; a closed one is no reason to stop a build.
fn line(text: &dyn fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Fetch => "fetch",
        Phase::Scan => "scan",
        Phase::Compress => "compress",
        Phase::Write => "write",
        Phase::Checksum => "checksum",
        Phase::Push => "push",
        _ => "work",
    }
}

fn verb(phase: Phase) -> &'static str {
    match phase {
        Phase::Fetch => "fetching",
        Phase::Scan => "scanning",
        Phase::Compress => "compressing",
        Phase::Write => "writing",
        Phase::Checksum => "checking",
        Phase::Push => "pushing",
        _ => "working",
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
