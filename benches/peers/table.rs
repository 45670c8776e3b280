//! A contest as a table: a line for each entrant, medians with the least and the most.

use std::fmt::Write;

use bootwright_rig::spread::Spread;

use super::results::{COLUMNS, Entered, Held, WALL};

const NAME: usize = 40;
/// A figure with its range.
const RANGED: usize = 22;
/// A figure alone: those that hardly differ from run to run. All of them are in `peers.json`.
const ALONE: usize = 12;

/// The table, with an empty line behind it.
pub(crate) fn text(held: &Held) -> String {
    let mut text = format!(
        "{}: {}\nmedian (least..most), rounds: {}, processors: {}\n{:NAME$}",
        held.name, held.task, held.rounds, held.cores, ""
    );
    put(&mut text, format_args!("{:>RANGED$}", "times the first"));
    for (heading, width) in COLUMNS.iter().map(|(heading, _)| *heading).zip(widths()) {
        put(&mut text, format_args!("{heading:>width$}"));
    }
    text.push('\n');
    for entered in &held.entrants {
        row(&mut text, entered, &held.entrants[0]);
    }
    for outcome in &held.outcomes {
        let word = match outcome.reached {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "NOT JUDGED",
        };
        put(&mut text, format_args!("goal {word}: {}\n", outcome.goal));
    }
    text.push('\n');
    text
}

/// Times have ranges.
fn widths() -> impl Iterator<Item = usize> {
    [RANGED, RANGED].into_iter().chain(std::iter::repeat(ALONE))
}

fn row(text: &mut String, entered: &Entered, first: &Entered) {
    put(text, format_args!("{:NAME$}", entered.name));
    if let Some(reason) = &entered.skipped {
        put(text, format_args!("  SKIPPED: {reason}\n"));
        return;
    }
    put(text, format_args!("{:>RANGED$}", shown(entered.ratio_to(first, WALL.1), 2, RANGED)));
    for (column, width) in COLUMNS.into_iter().zip(widths()) {
        put(text, format_args!("{:>width$}", shown(entered.spread(column), 1, width)));
    }
    text.push('\n');
}

fn shown(spread: Option<Spread>, digits: usize, width: usize) -> String {
    match spread {
        Some(Spread { median, least, most }) if median.is_finite() => match width {
            RANGED => format!("{median:.digits$} ({least:.digits$}..{most:.digits$})"),
            _ => format!("{median:.digits$}"),
        },
        _ => "-".to_owned(),
    }
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("BUG: writing to a string fails");
}
