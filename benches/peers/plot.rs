//! The results as an SVG: for each contest bars of wall time, with whiskers from the least to the
//! most. It brings its own background, light or dark as the reader's, so that it can stand on any
//! page.

use std::fmt::Write;

use super::contests::Role;
use super::results::{Entered, Held, Results, WALL};

const WIDTH: u32 = 860;
const MARGIN: u32 = 20;
/// Where bars begin, behind the names.
const BARS: u32 = 330;
/// How long the longest bar is, with room for its figure behind it.
const LONGEST: f64 = 360.0;
const ROW: u32 = 24;
const BAR: u32 = 14;
const HEADING: u32 = 42;

const STYLE: &str = "\
.card { fill: #ffffff; stroke: #d0d7de } text { fill: #1f2328; font: 13px sans-serif } \
.heading { font-weight: 600 } .figure { fill: #59636e } .ours { fill: #0a69da } \
.peer { fill: #8c959f } .step { fill: #d0d7de } .whisker { stroke: #1f2328; stroke-width: 1.5 } \
@media (prefers-color-scheme: dark) { .card { fill: #161b22; stroke: #30363d } \
text { fill: #e6edf3 } .figure { fill: #9198a1 } .ours { fill: #4493f8 } .peer { fill: #7d8590 } \
.step { fill: #3d444d } .whisker { stroke: #e6edf3 } }";

/// The picture of all contests in which something was measured.
pub(crate) fn svg(results: &Results) -> String {
    let mut body = String::new();
    let mut top = MARGIN;
    for held in &results.contests {
        let measured: Vec<_> = held.entrants.iter().filter_map(Bar::of).collect();
        if !measured.is_empty() {
            top = group(&mut body, top, held, &measured);
        }
    }
    let height = legend(&mut body, top) + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>Wall time of bootwright and its peers</title>\n<style>{STYLE}</style>\n\
         <rect class=\"card\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n\
         {body}</svg>\n",
        WIDTH - 1,
        height - 1
    )
}

struct Bar<'a> {
    entered: &'a Entered,
    median: f64,
    least: f64,
    most: f64,
}

impl<'a> Bar<'a> {
    fn of(entered: &'a Entered) -> Option<Self> {
        let spread = entered.spread(WALL)?;
        Some(Self { entered, median: spread.median, least: spread.least, most: spread.most })
    }
}

/// Draws a contest below `top` and returns where the next one begins.
fn group(body: &mut String, top: u32, held: &Held, bars: &[Bar<'_>]) -> u32 {
    let rounds = held.rounds;
    let heading = format!("{} (rounds: {rounds}, processors: {})", held.task, held.cores);
    put(body, format_args!("<text class=\"heading\" x=\"{MARGIN}\" y=\"{}\">", top + 20));
    put(body, format_args!("{}</text>\n", escape(&heading)));
    let most = bars.iter().map(|bar| bar.most).fold(f64::MIN_POSITIVE, f64::max);
    let mut y = top + HEADING - ROW / 2;
    for bar in bars {
        row(body, y, bar, LONGEST / most);
        y += ROW;
    }
    y + ROW / 2
}

fn row(body: &mut String, y: u32, bar: &Bar<'_>, scale: f64) {
    let middle = y + BAR / 2;
    let name = escape(&bar.entered.name);
    let class = class(bar.entered.role);
    let end = |seconds: f64| f64::from(BARS) + seconds * scale;
    let (least, median, most) = (end(bar.least), end(bar.median), end(bar.most));
    put(
        body,
        format_args!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\n\
             <rect class=\"{class}\" x=\"{BARS}\" y=\"{y}\" width=\"{:.1}\" height=\"{BAR}\"/>\n\
             <path class=\"whisker\" d=\"M{least:.1} {middle}H{most:.1}M{least:.1} {}v6M{most:.1} {}v6\"/>\n\
             <text class=\"figure\" x=\"{:.1}\" y=\"{}\">{:.*} s</text>\n",
            BARS - 8,
            y + BAR - 3,
            median - f64::from(BARS),
            middle - 3,
            middle - 3,
            most + 8.0,
            y + BAR - 3,
            if bar.median < 10.0 { 2 } else { 1 },
            bar.median,
        ),
    );
}

/// Says what the colours mean, and returns where the picture ends.
fn legend(body: &mut String, top: u32) -> u32 {
    let texts = [
        (Role::Ours, "bootwright"),
        (Role::Peer, "another tool for the same task"),
        (Role::Step, "a part of the task alone"),
    ];
    let mut x = MARGIN;
    for (role, text) in texts {
        put(
            body,
            format_args!(
                "<rect class=\"{}\" x=\"{x}\" y=\"{top}\" width=\"{BAR}\" height=\"{BAR}\"/>\n\
                 <text x=\"{}\" y=\"{}\">{text}</text>\n",
                class(role),
                x + BAR + 6,
                top + BAR - 3
            ),
        );
        x += 240;
    }
    top + BAR
}

fn class(role: Role) -> &'static str {
    match role {
        Role::Ours => "ours",
        Role::Peer => "peer",
        Role::Step => "step",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn put(body: &mut String, what: std::fmt::Arguments<'_>) {
    body.write_fmt(what).expect("BUG: writing to a string fails");
}
