//! The seam behind which commands run.

use bootwright_image::{FileTree, Observer, Timestamp};
use bootwright_oci::LayerStreams;

use super::config::Config;
use super::error::Problem;
use super::instruction::RunInstruction;

/// A stage while a command works on it.
pub struct Workplace<'a> {
    /// The root file system.
    pub tree: &'a mut FileTree,
    /// The config: environment, user, working directory, shell.
    pub config: &'a Config,
    /// Contents that lie in layers.
    pub streams: &'a LayerStreams,
    /// The time of what is written.
    pub time: Timestamp,
    /// Variables of the command: the environment, arguments, proxies.
    pub variables: &'a dyn Fn(&str) -> Option<String>,
    /// Progress and warnings.
    pub observer: &'a dyn Observer,
}

impl std::fmt::Debug for Workplace<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workplace").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It takes a process; the reason says why. The tree may have been changed already.
    NeedsProcess(String),
}

/// Carries out `RUN`.
pub trait Runner {
    /// Works on the tree of a stage.
    ///
    /// # Errors
    /// [`Problem`], when the command was begun and failed.
    fn run(&mut self, run: &RunInstruction, stage: &mut Workplace<'_>) -> Result<Outcome, Problem>;
}

/// Runs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Refuse;

impl Runner for Refuse {
    fn run(&mut self, _: &RunInstruction, _: &mut Workplace<'_>) -> Result<Outcome, Problem> {
        Ok(Outcome::NeedsProcess("no command is run".to_owned()))
    }
}
