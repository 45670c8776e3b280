//! `bootwright uki compat`.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use crate::cli::print;
use crate::cli::summary::Summary;
use crate::uki::unified::{Compat, Coverage, Inspection, compat, inspect};

/// Runs the command and prints what it found.
///
/// # Errors
/// Also when a disk would not open.
pub(super) fn run(old: &Path, new: &Path, as_json: bool) -> anyhow::Result<()> {
    let found = compat(&read(old)?, &read(new)?);
    print(summary(&found).render(as_json).as_bytes())?;
    if found.opens() {
        return Ok(());
    }
    Err(anyhow::anyhow!("{}", reason(&found))
        .context(format!("a disk sealed under {old:?} does not open under {new:?}")))
}

fn read(path: &Path) -> anyhow::Result<Inspection> {
    let mut file = File::open(path).with_context(|| format!("cannot open {path:?}"))?;
    let len = file.metadata().with_context(|| format!("cannot read {path:?}"))?.len();
    inspect(&mut file, len).with_context(|| format!("cannot make sense of {path:?}"))
}

fn reason(found: &Compat) -> &'static str {
    if found.old_key.is_none() {
        "the old image has no policy key: nothing can be sealed to it"
    } else if found.new_key.is_none() {
        "the new image has no policy key"
    } else if found.old_key != found.new_key {
        "its policies are signed by another key"
    } else {
        "some of the old image's policies are missing in it"
    }
}

fn summary(found: &Compat) -> Summary {
    let mut summary = Summary::default();
    for (label, key) in [("old key", &found.old_key), ("new key", &found.new_key)] {
        summary.line(label, key.clone().unwrap_or_else(|| "none".into()), json!(key));
    }
    if !found.is_compared {
        let text = "the new image's stub is not known: its measurements are a guess";
        summary.line("doubt", text.into(), text.into());
    }
    for Coverage { profile, bank, phase, before, now } in &found.coverage {
        let what = match (before, now) {
            (true, true) => "opens",
            (true, false) => "does not open",
            (false, _) => "new",
        };
        let (bank, shown) = (bank.name(), if profile.is_empty() { "" } else { " of profile " });
        let value = json!({
            "profile": profile, "bank": bank, "phase": phase, "before": before, "now": now,
        });
        summary.line("policies", format!("{bank}  {phase}{shown}{profile}  {what}"), value);
    }
    summary.line(
        "opens",
        if found.opens() { "yes" } else { "no" }.into(),
        Value::Bool(found.opens()),
    );
    summary
}
