//! `/etc/kairos-release`: what the image is called.

use super::StepError;
use crate::editor::Editor;

const PATH: &str = "/etc/kairos-release";
const NAME: &str = "KAIROS_NAME=";
const LABEL: &str = "KAIROS_IMAGE_LABEL=";

/// Sets name and label; see [`edited`].
///
/// # Errors
/// [`StepError`].
pub fn edit(editor: &mut Editor<'_>, name: &str, label: &str) -> Result<(), StepError> {
    let old = editor.read(PATH)?;
    let new = edited(old.as_deref(), name, label);
    Ok(editor.replace(PATH, new)?)
}

/// Every line with a name gets this one, every line with a label goes, and a line with this label
/// is added at the end. A file that is missing has both lines.
#[must_use]
pub fn edited(text: Option<&[u8]>, name: &str, label: &str) -> Vec<u8> {
    let name = format!("{NAME}\"{name}\"\n").into_bytes();
    let label = format!("{LABEL}\"{label}\"\n").into_bytes();
    let Some(text) = text else { return [name, label].concat() };
    let mut out = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(NAME.as_bytes()) {
            out.extend_from_slice(&name);
        } else if !line.starts_with(LABEL.as_bytes()) {
            out.extend_from_slice(line);
        }
    }
    if out.last().is_some_and(|last| *last != b'\n') {
        out.push(b'\n');
    }
    out.extend(label);
    out
}
