//! The build manifest: what went into an artefact, with digests and places.

use std::io::Write;
use std::path::Path;

use bootwright_oci::InputSummary;
use serde_json::{Map, Value, json};

use super::load::Project;
use super::plan::{Input, Planned, Source};
use super::target::Target;
use crate::output::{OutputError, Staged};
use crate::recipe::checksum_hex;

/// What is known about one artefact. It says nothing about the machine or the time, so that the
/// same inputs give the same manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    value: Value,
}

/// The file or the image that was made.
#[derive(Clone, Copy, Debug)]
pub struct Artefact<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its length in bytes; an image's is that of all its blobs.
    pub len: u64,
    /// Its SHA-256; an image's is that of its manifest.
    pub sha256: &'a [u8; 32],
    /// The images and archives that were read, with what was found in them.
    pub read: &'a [InputSummary],
}

impl Manifest {
    /// Describes an artefact of a step.
    #[must_use]
    pub fn new(
        project: &Project,
        target: Target,
        planned: &Planned,
        artefact: &Artefact<'_>,
    ) -> Self {
        let given = project.arguments.shown().filter(|(_, value, _)| !value.is_empty());
        let values: Map<String, Value> = given
            .map(|(key, value, origin)| {
                (key.to_owned(), json!({ "value": value, "origin": origin.to_string() }))
            })
            .collect();
        let read: Vec<Value> = artefact
            .read
            .iter()
            .map(|input| {
                json!({
                    "name": input.what.to_string(),
                    "digest": input.digest.as_ref().map(ToString::to_string),
                    "media_type": input.media_type,
                    "bytes": input.stored_size,
                })
            })
            .collect();
        // Images are among what was read, with their digests.
        let is_file = |input: &&Input| matches!(input.source, Source::File { .. });
        let inputs = planned.inputs.iter().filter(is_file);
        let value = json!({
            "manifest": 1,
            "made_by": concat!("bootwright ", env!("CARGO_PKG_VERSION")),
            "target": target.to_string(),
            "artefact": {
                "name": artefact.name,
                "bytes": artefact.len,
                "sha256": checksum_hex(artefact.sha256),
            },
            "inputs": inputs.map(Input::json).collect::<Vec<_>>(),
            "read": read,
            "values": values,
        });
        Self { value }
    }

    /// The text of the file.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{:#}\n", self.value)
    }

    /// Writes `NAME.manifest.json` into `folder`; it appears when it is complete.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn write(&self, folder: &Path, name: &str) -> Result<(), OutputError> {
        let target = folder.join(format!("{name}.manifest.json"));
        let staged = Staged::new(&target)?;
        let finish = |source| OutputError::Finish { path: target.clone(), source };
        staged.file().write_all(self.text().as_bytes()).map_err(finish)?;
        staged.publish()
    }
}
