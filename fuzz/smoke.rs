//! Fuzzing without a fuzzer: random changes of sound inputs, for some seconds for each target.
//!
//!     cargo run --no-default-features --example smoke -- [--seconds N] [TARGET]...
//!     cargo run --no-default-features --example smoke -- --corpus FOLDER
//!
//! Targets share the processors, one each at a time. The n-th input of a target is the same on every
//! machine. An input that breaks an invariant is kept in `artifacts/`. `--corpus` writes the sound inputs, for libFuzzer to start from.

use std::num::NonZeroUsize;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use bootwright_fuzz::{TARGETS, Target};

fn main() -> ExitCode {
    let mut seconds = 10;
    let mut names = Vec::new();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seconds" => {
                let value = arguments.next().expect("--seconds needs a number");
                seconds = value.parse().expect("--seconds needs a number");
            }
            "--corpus" => {
                write_corpus(&PathBuf::from(arguments.next().expect("--corpus needs a folder")));
                return ExitCode::SUCCESS;
            }
            _ => names.push(argument),
        }
    }
    let unknown = names.iter().find(|name| TARGETS.iter().all(|target| target.name != **name));
    assert!(unknown.is_none(), "no target {unknown:?}");
    let chosen: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
        .collect();
    let passed = smoke_all(&chosen, Duration::from_secs(seconds));
    let failed = chosen.len() - passed;
    println!("fuzzing: {passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many targets passed.
fn smoke_all(targets: &[&Target], time: Duration) -> usize {
    let (next, passed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                    passed.fetch_add(usize::from(smoke(target, time)), Ordering::Relaxed);
                }
            });
        }
    });
    passed.into_inner()
}

fn smoke(target: &Target, time: Duration) -> bool {
    let seeds = (target.seeds)();
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let started = Instant::now();
    let mut inputs = 0;
    let mut slowest = Duration::ZERO;
    while inputs < seeds.len() || started.elapsed() < time {
        let mut input = seeds[inputs % seeds.len()].clone();
        if inputs >= seeds.len() {
            for _ in 0..=numbers.below(6) {
                change(&mut input, &mut numbers);
            }
            if numbers.below(4) != 0 {
                (target.repair)(&mut input);
            }
        }
        let run_started = Instant::now();
        if catch_unwind(|| (target.run)(&input)).is_err() {
            let artifact =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
            fs::create_dir_all(&artifact).expect("artifacts can be kept");
            let artifact = artifact.join(format!("smoke-{inputs}"));
            fs::write(&artifact, &input).expect("artifacts can be kept");
            println!("{}: FAILED on input {inputs}, kept at {}", target.name, artifact.display());
            return false;
        }
        slowest = slowest.max(run_started.elapsed());
        inputs += 1;
    }
    println!("{}: {inputs} inputs, the slowest {} ms", target.name, slowest.as_millis());
    true
}

/// One change of the kinds that find mistakes in parsers.
fn change(input: &mut Vec<u8>, numbers: &mut Numbers) {
    const EDGES: [u64; 8] = [0, 1, 0x7F, 0x80, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, u64::MAX];
    if input.is_empty() {
        input.push(0);
    }
    let at = numbers.below(input.len());
    let room = input.len() - at;
    let piece = 1 + numbers.below(room.min(64));
    match numbers.below(8) {
        0 => input[at] ^= 1 << numbers.below(8),
        1 => input[at] = numbers.byte(),
        2 | 3 => {
            let width = (1 << numbers.below(4)).min(room);
            let value = EDGES[numbers.below(EDGES.len())].to_le_bytes();
            input[at..at + width].copy_from_slice(&value[..width]);
        }
        4 => {
            let change = numbers.byte() % 16;
            input[at] = input[at].wrapping_add(change).wrapping_sub(8);
        }
        5 => {
            let from = numbers.below(input.len() - piece + 1);
            input.copy_within(from..from + piece, at);
        }
        6 => input[at..at + piece].fill(0),
        _ => match numbers.below(8) {
            0 => input.truncate(at),
            1 => input.extend_from_within(at..at + piece),
            _ => input[at] = input[at].rotate_left(4),
        },
    }
}

fn write_corpus(folder: &Path) {
    for target in &TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder).expect("the folder can be made");
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number}")), seed).expect("seeds can be written");
        }
    }
}

/// A fixed row of numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }
}
