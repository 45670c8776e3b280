//! Side by side, in one run, in turns: bootwright and the tools that do the same.
//!
//!     cargo bench --bench peers -- [--rounds N] [--base LAYOUT] [--program FILE] [--resume] [CONTEST]...
//!     cargo bench --bench peers -- --list
//!     cargo bench --bench peers -- --plot FILE.svg
//!
//! Each entrant of a contest runs once in each round. Inputs are made beforehand, kept in Cargo's
//! target folder and read once, so that they come from the page cache; dirty pages are flushed
//! before each run. Every process of a run is counted, see [`bootwright_rig::cost::Cost`]. The
//! peers need root, to unpack with the owners of the image. Where a contest has goals, what became
//! of them stands below its table.
//!
//! Results: standard output, and `peers.txt` and `peers.json` in Cargo's target folder, written
//! after each contest; contests that are not held keep their last figures there.

mod peers {
    pub(super) mod alone;
    pub(super) mod contests;
    pub(super) mod goals;
    pub(super) mod plot;
    pub(super) mod results;
    pub(super) mod table;
    pub(super) mod workplace;
}

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bootwright_rig::host;
use clap::Parser;
use peers::alone::{self, Alone};
use peers::contests::{CONTESTS, Contest, Entrant, Role};
use peers::results::{Entered, Held, Results};
use peers::workplace::{Workplace, admit};
use peers::{goals, plot, table};

#[derive(Debug, Parser)]
#[command(name = "peers", about = "Measures bootwright and its peers in turns")]
struct Arguments {
    /// Contests to hold [default: all]
    contests: Vec<String>,
    /// How often each entrant runs
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// OCI layout with one image called latest [default: build/base-image]
    #[arg(long)]
    base: Option<PathBuf>,
    /// The bootwright to measure
    #[arg(long, default_value = env!("CARGO_BIN_EXE_bootwright"), hide_default_value = true)]
    program: PathBuf,
    /// Leave out contests that were held with this very program and as many rounds
    #[arg(long)]
    resume: bool,
    /// Name the contests and what they are about, and do nothing
    #[arg(long)]
    list: bool,
    /// Be an entrant: make a result of ours for which `bootwright` has no command
    #[arg(long, num_args = 3.., value_names = ["KIND", "INPUT", "OUTPUT", "BYTES"], hide = true)]
    alone: Option<Vec<String>>,
    /// Draw the results of earlier runs as SVG, and do nothing else
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Results to draw and to add to [default: peers.json in the target folder]
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// What Cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    host::exit("peers", run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<(), String> {
    if let Some(words) = &arguments.alone {
        return Alone::parse(words).and_then(|alone| alone::make(&alone));
    }
    if arguments.list {
        CONTESTS.iter().for_each(|contest| println!("{:16}{}", contest.name, contest.task));
        return Ok(());
    }
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = arguments
        .results
        .clone()
        .unwrap_or_else(|| temporary.parent().unwrap_or(temporary).join("peers.json"));
    let in_file = |error| format!("{}: {error}", file.display());
    let mut results = Results::load(&file)
        .map_err(|error| format!("{} (delete it if another version wrote it)", in_file(error)))?;
    if let Some(picture) = &arguments.plot {
        return std::fs::write(picture, plot::svg(&results))
            .map_err(|error| format!("{}: {error}", picture.display()));
    }
    let chosen = choose(&arguments.contests)?;
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let base = host::base_image(project, arguments.base.as_deref())?;
    let workplace = Workplace::new(&arguments.program, &base, &temporary.join("peers"))?;
    for contest in chosen {
        let done = results.contests.iter().any(|held| {
            held.name == contest.name
                && held.program == workplace.program
                && held.rounds == arguments.rounds
        });
        if done && arguments.resume {
            continue;
        }
        let Some(held) = hold(contest, &workplace, arguments.rounds)? else { continue };
        print!("{}", table::text(&held));
        results.put(held);
        results.save(&file).map_err(in_file)?;
    }
    Ok(())
}

fn choose(names: &[String]) -> Result<Vec<&'static Contest>, String> {
    if names.is_empty() {
        return Ok(CONTESTS.iter().collect());
    }
    let find = |name: &String| {
        let found = CONTESTS.iter().find(|contest| contest.name == name);
        found.ok_or_else(|| format!("no contest {name}, see --list"))
    };
    names.iter().map(find).collect()
}

/// Lets everyone run in turns. Who fails is out, and the others go on. `None` when the contest
/// would be one without us.
fn hold(contest: &Contest, workplace: &Workplace, rounds: usize) -> Result<Option<Held>, String> {
    let admitted = admit(workplace, contest);
    for (entrant, obstacle) in &admitted {
        if let Some(reason) = obstacle {
            host::skip(&format!("{}, {}: {reason}", contest.name, entrant.name));
        }
    }
    let present: Vec<&Entrant> = admitted
        .iter()
        .filter(|(_, obstacle)| obstacle.is_none())
        .map(|(entrant, _)| *entrant)
        .collect();
    if !present.iter().any(|entrant| entrant.role == Role::Ours) {
        host::skip(&format!("{}: nothing of ours to measure", contest.name));
        return Ok(None);
    }
    workplace.prepare(&present)?;
    let mut entrants: Vec<(&Entrant, Entered)> = admitted
        .into_iter()
        .map(|(entrant, skipped)| {
            let (name, role) = (entrant.name.to_owned(), entrant.role);
            (entrant, Entered { name, role, runs: Vec::new(), skipped })
        })
        .collect();
    for round in 1..=rounds {
        for (entrant, entered) in &mut entrants {
            if entered.skipped.is_some() {
                continue;
            }
            eprintln!("{} {round}/{rounds}: {}", contest.name, entrant.name);
            match workplace.run(entrant) {
                Ok(run) => entered.runs.push(run),
                Err(reason) => {
                    host::skip(&format!("{}, {}: {reason}", contest.name, entrant.name));
                    entered.skipped = Some("it failed".to_owned());
                }
            }
        }
    }
    let entrants: Vec<Entered> = entrants.into_iter().map(|(_, entered)| entered).collect();
    Ok(Some(Held {
        name: contest.name.to_owned(),
        task: contest.task.to_owned(),
        cores: host::cores(),
        program: workplace.program.clone(),
        rounds,
        outcomes: goals::judge(contest.goals, &entrants),
        entrants,
    }))
}
