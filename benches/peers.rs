//! Side by side, in one run, in turns: bootwright and the tools that CanvOS strings together.
//!
//!     cargo bench --bench peers -- [--rounds N] [--base LAYOUT] [--list] [PAIR]...
//!
//! Pairs: `iso` (the whole installer ISO), `squashfs-gzip`, `-zstd`, `-lz4`, `-xz` (the root file
//! system alone; the peers unpack with umoci, then run mksquashfs). The peers need root.
//! Every process of a run is counted: processor time and bytes from the kernel's accounts of ended
//! children, memory from twenty looks a second at the resident sizes of all of them together.
//! Files read are in the page cache for both sides; dirty pages are flushed before each run.
//! Results: standard output, and `peers.txt` and `peers.json` in Cargo's target folder.

mod peers {
    pub(super) mod contest;
    pub(super) mod measure;
    pub(super) mod report;
}

use std::fs;
use std::path::{Path, PathBuf};

use peers::contest::{PAIRS, Pair, Workplace};
use peers::report;

struct Arguments {
    rounds: usize,
    base: PathBuf,
    pairs: Vec<&'static Pair>,
}

fn main() {
    match arguments() {
        Ok(Some(arguments)) => contest(&arguments),
        Ok(None) => PAIRS.iter().for_each(|pair| println!("{}", pair.name)),
        Err(message) => {
            eprintln!("peers: {message}");
            std::process::exit(2);
        }
    }
}

fn arguments() -> Result<Option<Arguments>, String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut parsed =
        Arguments { rounds: 3, base: project.join("build/base-image"), pairs: Vec::new() };
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut value = || given.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            // Cargo's own, for every benchmark.
            "--bench" => {}
            "--list" => return Ok(None),
            "--rounds" => {
                parsed.rounds = value()?.parse().map_err(|error| format!("--rounds: {error}"))?;
            }
            "--base" => parsed.base = value()?.into(),
            name => parsed.pairs.push(
                PAIRS
                    .iter()
                    .find(|pair| pair.name == name)
                    .ok_or(format!("no pair {name}, see --list"))?,
            ),
        }
    }
    if parsed.pairs.is_empty() {
        parsed.pairs.extend(PAIRS.iter().take(2));
    }
    if !parsed.base.join("index.json").is_file() {
        return Err(format!("no base image at {} (./quickstart makes it)", parsed.base.display()));
    }
    Ok(Some(parsed))
}

fn contest(arguments: &Arguments) {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let workplace = Workplace::new(&arguments.base, &temporary.join("peers"));
    let mut results = Vec::new();
    for pair in &arguments.pairs {
        let mut sides = pair.sides().map(|side| (side, Vec::new()));
        for round in 1..=arguments.rounds {
            for (side, runs) in &mut sides {
                eprintln!("{} {round}/{}: {}", pair.name, arguments.rounds, side.name());
                runs.push(workplace.run(pair, *side));
            }
        }
        results.push(report::Result::new(pair.name, sides));
    }
    let text = report::text(&results);
    print!("{text}");
    let target = temporary.parent().unwrap_or(temporary);
    let written = fs::write(target.join("peers.txt"), &text)
        .and_then(|()| fs::write(target.join("peers.json"), report::json(&results)));
    if let Err(error) = written {
        eprintln!("peers: cannot write the results: {error}");
        std::process::exit(1);
    }
}
