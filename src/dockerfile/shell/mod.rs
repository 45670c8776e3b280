//! Commands that are file work: a small part of the POSIX shell over a tree instead of a machine.
//!
//! Understood are lists with `&&`, `||`, `;` and `!`, `if`, quotes and variables, and the commands
//! in [`commands`]. Everything else, such as pipes, redirections, substitutions and patterns, takes
//! a process. A branch that is not taken may hold anything that parses.

mod bootargs;
mod commands;
mod parse;

use std::cell::RefCell;

use super::config::Config;
use super::error::Problem;
use super::instruction::{Command, RunInstruction};
use super::runner::{Outcome, Runner, Workplace};
use super::words;
use crate::editor::Editor;
use parse::{Join, Node, Script};

/// Variables that a running shell has and a tree does not.
const LIVE: [&str; 14] = [
    "HOME", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "RANDOM", "PPID", "UID", "EUID", "IFS", "OPTIND",
    "SECONDS", "LINENO", "PATH",
];

/// Carries out commands that are file work, and says of others what they need a process for.
///
/// Directories keep their times when entries come or go, and output goes nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recognised;

impl Runner for Recognised {
    fn run(&mut self, run: &RunInstruction, stage: &mut Workplace<'_>) -> Result<Outcome, Problem> {
        match attempt(run, stage) {
            Ok(()) => Ok(Outcome::Done),
            Err(Stop::Process(reason)) => Ok(Outcome::NeedsProcess(reason)),
            Err(Stop::Problem(problem)) => Err(problem),
        }
    }
}

/// Why a command ends early.
#[derive(Debug)]
enum Stop {
    Process(String),
    Problem(Problem),
}

impl<T: Into<Problem>> From<T> for Stop {
    fn from(problem: T) -> Self {
        Self::Problem(problem.into())
    }
}

fn process<T>(reason: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Process(reason.into()))
}

fn attempt(run: &RunInstruction, stage: &mut Workplace<'_>) -> Result<(), Stop> {
    if let Some((flag, _)) = run.flags.iter().find(|(flag, _)| flag == "mount") {
        return process(format!("--{flag}"));
    }
    if !matches!(stage.config.user.split(':').next(), Some("" | "root" | "0")) {
        return process(format!("it runs as user {}", stage.config.user));
    }
    let variables = stage.variables;
    let mut shell = Shell {
        editor: Editor {
            tree: stage.tree,
            streams: stage.streams,
            time: stage.time,
            observer: stage.observer,
        },
        working_dir: &stage.config.working_dir,
        variables,
        stops_at_errors: false,
        failed: String::new(),
    };
    let succeeded = match &run.command {
        Command::Exec(words) => {
            let Some((name, arguments)) = words.split_first() else { return process("nothing") };
            let name = name.rsplit('/').next().unwrap_or(name);
            if matches!(name, "sh" | "bash") {
                return process("a shell that is called by name");
            }
            shell.watched(name, arguments)
        }
        Command::Shell(text) => {
            shell.stops_at_errors = stops_at_errors(stage.config)?;
            let script = match &run.heredocs[..] {
                [] => text,
                [only] if words::heredoc_name(text.trim(), '\\').is_some() => &only.content,
                _ => return process("a here-document as a command's input"),
            };
            match parse::parse(script) {
                Ok(script) => shell.script(&script),
                Err(reason) => process(reason),
            }
        }
    }?;
    if succeeded { Ok(()) } else { Err(shell.failure()) }
}

/// Whether the stage's shell ends at the first error; other shells than `sh` and `bash` are not
/// understood.
fn stops_at_errors(config: &Config) -> Result<bool, Stop> {
    let Some(shell) = &config.shell else { return Ok(false) };
    let known = ["/bin/sh", "/bin/bash", "sh", "bash", "/usr/bin/bash", "/usr/bin/sh"];
    let flags = &shell[1..];
    let fine = |flag: &String| {
        flag.strip_prefix('-').is_some_and(|letters| letters.bytes().all(|b| b"ecxuo".contains(&b)))
            || flag == "pipefail"
    };
    if !known.contains(&shell[0].as_str()) || !flags.iter().all(fine) {
        return process(format!("shell {shell:?}"));
    }
    Ok(flags.iter().any(|flag| flag.starts_with('-') && flag.contains('e')))
}

/// A shell at work.
struct Shell<'a> {
    editor: Editor<'a>,
    working_dir: &'a str,
    variables: &'a dyn Fn(&str) -> Option<String>,
    /// `set -e`.
    stops_at_errors: bool,
    /// The last command that failed.
    failed: String,
}

impl Shell<'_> {
    /// Carries out a command and notes when it fails.
    fn watched(&mut self, name: &str, arguments: &[String]) -> Result<bool, Stop> {
        let succeeded = self.command(name, arguments)?;
        if !succeeded {
            self.failed = [&[name.to_owned()], arguments].concat().join(" ");
        }
        Ok(succeeded)
    }

    fn failure(&self) -> Stop {
        Stop::Problem(Problem::Failed { command: self.failed.clone() })
    }

    /// Whether the script succeeds.
    fn script(&mut self, script: &Script) -> Result<bool, Stop> {
        let mut succeeded = true;
        for chain in &script.0 {
            let mut last_ran = true;
            for (at, (join, node)) in chain.iter().enumerate() {
                let runs = match join {
                    Join::First => true,
                    Join::And => succeeded,
                    Join::Or => !succeeded,
                };
                if runs {
                    succeeded = self.node(node)?;
                }
                last_ran = runs && at + 1 == chain.len();
            }
            // A failure before the last && or || is a condition.
            if !succeeded && last_ran && self.stops_at_errors {
                return Err(self.failure());
            }
        }
        Ok(succeeded)
    }

    fn node(&mut self, node: &Node) -> Result<bool, Stop> {
        match node {
            Node::Not(node) => Ok(!self.condition(|shell| shell.node(node))?),
            Node::If { branches, otherwise } => {
                for (condition, body) in branches {
                    if self.condition(|shell| shell.script(condition))? {
                        return self.script(body);
                    }
                }
                otherwise.as_ref().map_or(Ok(true), |body| self.script(body))
            }
            Node::Simple(words) => {
                let mut expanded = Vec::new();
                for word in words {
                    expanded.extend(self.expand(word)?);
                }
                let Some((name, arguments)) = expanded.split_first() else { return Ok(true) };
                self.watched(name, arguments)
            }
        }
    }

    /// Runs something whose failure is an answer.
    fn condition(
        &mut self,
        run: impl FnOnce(&mut Self) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        let stops = std::mem::take(&mut self.stops_at_errors);
        let result = run(self);
        self.stops_at_errors = stops;
        result
    }

    /// What a word becomes: one word when it has quotes, else as many as its variables give.
    fn expand(&self, word: &str) -> Result<Vec<String>, Stop> {
        let live: RefCell<Option<String>> = RefCell::default();
        let value = |name: &str| {
            let value = (self.variables)(name);
            let letter = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            if value.is_none() && (LIVE.contains(&name) || !letter) {
                *live.borrow_mut() = Some(name.to_owned());
            }
            value
        };
        let expanded = if word.contains(['"', '\'', '\\']) {
            if parse::has_open_variable(word) {
                return process("a word with quotes and an unquoted variable");
            }
            vec![words::expand(word, '\\', &value)?]
        } else {
            words::expand_words(word, '\\', &value)?
        };
        match live.into_inner() {
            Some(name) => process(format!("variable {name} of a running shell")),
            None => Ok(expanded),
        }
    }

    /// A path from the root.
    fn path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.working_dir) }
    }
}
