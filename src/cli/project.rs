//! `bootwright args` and `bootwright +TARGET`.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::args::ArgsArgs;
use super::print;
use super::progress::Progress;
use crate::image::Observer;
use crate::project::{Given, Problems, Project};

/// Prints every value and where it comes from.
pub(super) fn args(args: &ArgsArgs, keys: &[String], progress: &Progress) -> anyhow::Result<()> {
    let project = load(&args.project, keys)?;
    warn(&project.problems, progress);
    let text = if args.json { values_json(&project) } else { values(&project) };
    print(text.as_bytes())?;
    refuse(project.problems)
}

/// Reads a project with what the environment says.
fn load(folder: &Path, keys: &[String]) -> anyhow::Result<Project> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    let environment = |name: &str| std::env::var(name).ok();
    let build_args = environment("EARTHLY_BUILD_ARGS");
    let given =
        Given { command_line: keys, build_args: build_args.as_deref(), environment: &environment };
    Ok(Project::load(folder, &given)?)
}

fn warn(problems: &Problems, progress: &Progress) {
    for problem in problems.warnings() {
        progress.warn(format_args!("{problem}"));
    }
}

/// A project with mistakes; all of them are in the text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mistakes(Problems);

fn refuse(problems: Problems) -> anyhow::Result<()> {
    if problems.has_errors() { Err(Mistakes(problems).into()) } else { Ok(()) }
}

fn values(project: &Project) -> String {
    let rows: Vec<_> = project.arguments.shown().collect();
    let name = rows.iter().map(|row| row.0.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value, origin) in rows {
        text.push_str(&format!("{key:name$}  {value}  ({origin})\n"));
    }
    text
}

fn values_json(project: &Project) -> String {
    let entry = |(key, value, origin): (&str, String, &crate::project::arguments::Origin)| {
        (key.to_owned(), json!({ "value": value, "origin": origin.to_string() }))
    };
    let values: Map<String, Value> = project.arguments.shown().map(entry).collect();
    format!("{:#}\n", Value::Object(values))
}
