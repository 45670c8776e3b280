//! What was measured, as it is kept in `peers.json`.

use std::fs;
use std::io;
use std::path::Path;

use bootwright_rig::cost::Cost;
use bootwright_rig::spread::{Spread, mebibytes};
use serde::{Deserialize, Serialize};

use super::contests::Role;
use super::goals::Outcome;

/// Every contest that was held, the newest figures of each.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Results {
    pub(crate) contests: Vec<Held>,
}

/// A contest that was held.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Held {
    pub(crate) name: String,
    pub(crate) task: String,
    /// Processors of the machine.
    pub(crate) cores: usize,
    /// Identifies the program that was measured.
    pub(crate) program: String,
    pub(crate) rounds: usize,
    pub(crate) entrants: Vec<Entered>,
    /// Of the contest's goals.
    #[serde(default)]
    pub(crate) outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Entered {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// In the order of the rounds.
    pub(crate) runs: Vec<Run>,
    /// Why there are no runs, or no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Run {
    #[serde(flatten)]
    pub(crate) cost: Cost,
    /// Length of the image, if an image was made.
    pub(crate) size_bytes: Option<u64>,
    /// What it takes on its disk: less than its length when it has holes.
    #[serde(default)]
    pub(crate) allocated_bytes: Option<u64>,
}

/// A column of the tables: its heading, and the figure of a run in the heading's unit.
pub(crate) type Column = (&'static str, fn(&Run) -> f64);

pub(crate) const WALL: Column = ("wall s", |run| run.cost.wall_s);
pub(crate) const COLUMNS: [Column; 7] = [
    WALL,
    ("cpu s", |run| run.cost.cpu_s),
    ("others s", |run| run.cost.others_s),
    ("peak MiB", |run| mebibytes(run.cost.peak_bytes)),
    ("write() MiB", |run| mebibytes(run.cost.write_bytes)),
    ("stored MiB", |run| mebibytes(run.cost.stored_bytes)),
    ("size MiB", |run| run.size_bytes.map_or(f64::NAN, mebibytes)),
];

impl Entered {
    pub(crate) fn spread(&self, (_, figure): Column) -> Option<Spread> {
        Spread::of(self.runs.iter().map(figure))
    }

    /// How many times the figure of `other` this one has, round by round.
    pub(crate) fn ratio_to(&self, other: &Self, figure: fn(&Run) -> f64) -> Option<Spread> {
        let pairs = self.runs.iter().zip(&other.runs);
        Spread::of(pairs.map(|(this, other)| figure(this) / figure(other)))
    }
}

impl Results {
    /// Earlier results, if there are any.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the contest of the same name.
    pub(crate) fn put(&mut self, held: Held) {
        match self.contests.iter_mut().find(|other| other.name == held.name) {
            Some(other) => *other = held,
            None => self.contests.push(held),
        }
    }

    /// Writes `path` and, beside it, the same as text.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let unfinished = path.with_extension("json.unfinished");
        fs::write(&unfinished, json)?;
        fs::rename(&unfinished, path)?;
        let text: String = self.contests.iter().map(super::table::text).collect();
        fs::write(path.with_extension("txt"), text)
    }
}
