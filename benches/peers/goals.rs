//! What a contest's first entrant is to reach, and whether it does.

use serde::{Deserialize, Serialize};

use super::results::{Entered, Run, WALL};
use bootwright_rig::spread::{Spread, mebibytes};

/// A limit for the medians of the first entrant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Wall time: at most so many times that of the entrant `of`, round by round.
    Wall { of: &'static str, times: f64 },
    /// Length: at most that of the entrant `of`.
    Size { of: &'static str },
    /// Memory, in MiB.
    Peak { mebibytes: f64 },
    /// Bytes written: at most so many times what the result takes on the disk.
    Written { times: f64 },
}

/// What became of a goal.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Outcome {
    /// The goal and the figure.
    pub(crate) goal: String,
    /// `None` when nobody was there to compare with.
    pub(crate) reached: Option<bool>,
}

/// Compares the first entrant with the goals.
pub(crate) fn judge(goals: &[Goal], entrants: &[Entered]) -> Vec<Outcome> {
    let Some((first, others)) = entrants.split_first() else { return Vec::new() };
    goals
        .iter()
        .map(|goal| {
            let (what, figure, most) = goal.figure(first, others);
            let reached = figure.map(|figure| figure <= most);
            let figure = figure.map_or("not measured".to_owned(), |figure| format!("{figure:.3}"));
            Outcome { goal: format!("{what}: {figure}, at most {most:.2}"), reached }
        })
        .collect()
}

impl Goal {
    /// The name of a figure, the figure and the most that it may be.
    fn figure(&self, first: &Entered, others: &[Entered]) -> (String, Option<f64>, f64) {
        let other = |name: &str| others.iter().find(|entered| entered.name == name);
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        match *self {
            Self::Wall { of, times } => {
                let ratio = other(of).and_then(|other| first.ratio_to(other, WALL.1));
                (format!("wall time, times that of {of}"), median(ratio), times)
            }
            Self::Size { of } => {
                let len = |run: &Run| run.size_bytes.map_or(f64::NAN, mebibytes);
                let ratio = other(of).and_then(|other| first.ratio_to(other, len));
                (format!("size, times that of {of}"), median(ratio), 1.0)
            }
            Self::Peak { mebibytes: most } => {
                let peaks = first.runs.iter().map(|run| mebibytes(run.cost.peak_bytes));
                ("peak MiB".to_owned(), median(Spread::of(peaks)), most)
            }
            Self::Written { times } => {
                let stored = |run: &Run| run.allocated_bytes.map_or(f64::NAN, mebibytes);
                let ratios =
                    first.runs.iter().map(|run| mebibytes(run.cost.write_bytes) / stored(run));
                (
                    "write(), times what the result takes".to_owned(),
                    median(Spread::of(ratios)),
                    times,
                )
            }
        }
    }
}
