//! Medians, spreads and ratios, for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::contest::Side;
use super::measure::Cost;

/// One pair's runs.
pub(crate) struct Result {
    pair: &'static str,
    sides: [(Side, Vec<Cost>); 2],
}

impl Result {
    pub(crate) fn new(pair: &'static str, sides: [(Side, Vec<Cost>); 2]) -> Self {
        Self { pair, sides }
    }
}

/// Takes a figure from a run.
type Take = fn(&Cost) -> f64;

/// A row: its heading, and how to take it from a run in the heading's unit.
const ROWS: [(&str, Take); 6] = [
    ("wall s", |cost| cost.wall),
    ("cpu s", |cost| cost.cpu),
    ("peak MiB", |cost| mebibytes(cost.memory)),
    ("write() MiB", |cost| mebibytes(cost.written)),
    ("stored MiB", |cost| mebibytes(cost.stored)),
    ("size MiB", |cost| mebibytes(cost.size)),
];

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal digit")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

fn spread(runs: &[Cost], take: Take) -> Spread {
    let mut values: Vec<f64> = runs.iter().map(take).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let median = match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    };
    let [least, most] = [values.first(), values.last()].map(|value| *value.unwrap_or(&f64::NAN));
    Spread { median, least, most }
}

/// A table for each pair: medians with the least and the most, and how many times the peers' figure
/// is ours.
pub(crate) fn text(results: &[Result]) -> String {
    let mut text = String::new();
    for Result { pair, sides } in results {
        let [(ours, our_runs), (peers, peer_runs)] = sides;
        line(&mut text, [pair, ours.name(), peers.name(), "peers / ours"]);
        for (heading, take) in ROWS {
            let [our, peer] = [our_runs, peer_runs].map(|runs| spread(runs, take));
            let ratio = format!("{:.2}", peer.median / our.median);
            line(&mut text, [heading, &shown(&our), &shown(&peer), &ratio]);
        }
        text.push('\n');
    }
    text
}

fn line(text: &mut String, [heading, ours, peers, ratio]: [&str; 4]) {
    writeln!(text, "{heading:<14} {ours:>28} {peers:>28} {ratio:>13}")
        .expect("BUG: writing to a string fails");
}

fn shown(Spread { median, least, most }: &Spread) -> String {
    format!("{median:.1} ({least:.1} to {most:.1})")
}

pub(crate) fn json(results: &[Result]) -> String {
    let side = |(side, runs): &(Side, Vec<Cost>)| {
        let runs: Vec<_> = runs
            .iter()
            .map(|cost| {
                json!({
                    "wall_s": cost.wall, "cpu_s": cost.cpu, "peak_bytes": cost.memory,
                    "write_bytes": cost.written, "stored_bytes": cost.stored, "size_bytes": cost.size,
                })
            })
            .collect();
        json!({ "name": side.name(), "runs": runs })
    };
    let results: Vec<_> = results
        .iter()
        .map(|result| json!({ "pair": result.pair, "sides": result.sides.each_ref().map(side) }))
        .collect();
    format!("{:#}\n", json!(results))
}
