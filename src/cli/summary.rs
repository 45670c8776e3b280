//! What is said at the end of a build: lines for people, one object for programs.

use serde_json::{Map, Value, json};

use super::size::human;
use crate::oci::InputSummary;
use crate::squashfs::Summary as Squashfs;

/// Labelled facts in the order in which they are shown. A label that comes again makes a list of
/// the JSON value.
#[derive(Debug, Default)]
pub(super) struct Summary {
    lines: Vec<(&'static str, String)>,
    json: Map<String, Value>,
}

impl Summary {
    /// Adds one fact as text and as JSON.
    pub(super) fn line(&mut self, label: &'static str, text: String, value: Value) {
        let key = label.replace(' ', "_");
        if self.lines.iter().any(|(known, _)| *known == label) {
            let slot = self.json.entry(key).or_insert(Value::Null);
            match slot {
                Value::Array(list) => list.push(value),
                first => *first = Value::Array(vec![first.take(), value]),
            }
        } else {
            self.json.insert(key, value);
        }
        self.lines.push((label, text));
    }

    /// The text for standard output.
    pub(super) fn render(&self, json: bool) -> String {
        if json {
            return format!("{}\n", Value::Object(self.json.clone()));
        }
        let width = self.lines.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let mut text = String::new();
        let mut last = "";
        for (label, line) in &self.lines {
            let shown = if *label == last { "" } else { label };
            text.push_str(&format!("{shown:>width$}  {line}\n"));
            last = label;
        }
        text
    }
}

/// What went in.
pub(super) fn inputs(summary: &mut Summary, inputs: &[InputSummary]) {
    for input in inputs {
        let text =
            format!("{}  {} entries, {}", input.what, input.entries, human(input.stored_size));
        let value = json!({
            "name": input.what,
            "digest": input.digest.as_ref().map(ToString::to_string),
            "media_type": input.media_type,
            "entries": input.entries,
            "bytes": input.stored_size,
        });
        summary.line("input", text, value);
    }
}

/// What became of the root file system.
pub(super) fn squashfs(summary: &mut Summary, squashfs: &Squashfs) {
    let files = format!("{} files, {} folders", squashfs.files, squashfs.directories);
    let value = json!({ "files": squashfs.files, "directories": squashfs.directories });
    summary.line("contents", files, value);
    let duplicates = format!(
        "{} files with {} stored once",
        squashfs.duplicate_files,
        human(squashfs.duplicate_bytes)
    );
    let value = json!({ "files": squashfs.duplicate_files, "bytes": squashfs.duplicate_bytes });
    summary.line("duplicates", duplicates, value);
    // In thousandths, so that no floating point is needed.
    let ratio = (squashfs.compressed.saturating_mul(1000)) / squashfs.uncompressed.max(1);
    let text = format!(
        "{} from {} ({}.{} %)",
        human(squashfs.bytes_used),
        human(squashfs.uncompressed),
        ratio / 10,
        ratio % 10
    );
    let value = json!({
        "bytes": squashfs.bytes_used,
        "uncompressed": squashfs.uncompressed,
        "compressed": squashfs.compressed,
    });
    summary.line("squashfs", text, value);
    if squashfs.reused > 0 {
        let text =
            format!("{} of {} taken from it", human(squashfs.reused), human(squashfs.compressed));
        summary.line("cache", text, json!({ "bytes": squashfs.reused }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_labels_are_shown_once_and_make_a_list() {
        let mut summary = Summary::default();
        summary.line("input", "a".into(), json!(1));
        summary.line("input", "b".into(), json!(2));
        summary.line("boots on", "BIOS".into(), json!("BIOS"));
        assert_eq!(summary.render(false), "   input  a\n          b\nboots on  BIOS\n");
        assert_eq!(summary.render(true), "{\"input\":[1,2],\"boots_on\":\"BIOS\"}\n");
    }
}
