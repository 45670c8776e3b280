//! The agent as an archive: a docker archive with one layer, which `luet util unpack` unpacks on
//! the machine.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use bootwright_image::{Observer, Phase};
use bootwright_oci::InputSummary;
use bootwright_oci::write::{
    ArchiveFormat, Changes, HistoryEntry, ImageArchive, LayerOptions, NewImage, write_layer,
};

use super::{RecipeError, Root, Source, architecture, checksum};
use crate::output::Staged;

/// What the archive calls itself when its image has no name.
const NAMELESS: &str = "agent:latest";
/// More than header and padding of a member take in the archive, beside its name, in bytes.
const MEMBER: u64 = 4096;

/// The agent's image as an archive.
#[derive(Clone, Debug)]
pub struct AgentRecipe {
    /// The agent's files.
    pub source: Source,
    /// What the archive calls itself; empty: `agent:latest`.
    pub name: String,
}

/// What was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct AgentReport {
    /// The archive.
    pub path: PathBuf,
    /// What went in.
    pub inputs: Vec<InputSummary>,
    /// Its length in bytes.
    pub len: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// An archive whose inputs are read.
#[derive(Debug)]
pub(super) struct PreparedAgent<'a> {
    recipe: &'a AgentRecipe,
    root: Root,
}

impl AgentRecipe {
    /// Writes the archive to `path`, with `PATH.sha256`. Both appear when they are complete.
    ///
    /// # Errors
    /// [`RecipeError`]; nothing is left behind.
    pub fn write_file(
        &self,
        path: &Path,
        observer: &dyn Observer,
    ) -> Result<AgentReport, RecipeError> {
        let prepared = self.prepare(observer)?;
        let staged = Staged::new(path)?;
        observer.begin(Phase::Write, None);
        let len = prepared.write(staged.file(), observer)?;
        observer.end(Phase::Write);
        let sha256 = checksum::publish(staged, len, observer)?;
        Ok(AgentReport { path: path.into(), inputs: prepared.root.inputs, len, sha256 })
    }

    pub(super) fn prepare(
        &self,
        observer: &dyn Observer,
    ) -> Result<PreparedAgent<'_>, RecipeError> {
        Ok(PreparedAgent { recipe: self, root: Root::load(&self.source, observer)? })
    }
}

impl PreparedAgent<'_> {
    pub(super) fn inputs(&self) -> &[InputSummary] {
        &self.root.inputs
    }

    /// The archive is not longer, in bytes.
    pub(super) fn len_max(&self) -> u64 {
        let names: u64 =
            self.root.tree.walk().map(|walked| MEMBER + 2 * walked.path.len() as u64).sum();
        let len = self.root.content_len().saturating_add(names).saturating_add(1 << 20);
        // What a compressor adds to data it cannot compress.
        len.saturating_add(len / 128)
    }

    /// Writes the archive from the output's beginning on; returns its length in bytes.
    pub(super) fn write<W: Write + Seek>(
        &self,
        output: W,
        observer: &dyn Observer,
    ) -> Result<u64, RecipeError> {
        let Root { tree, streams, epoch, .. } = &self.root;
        let changes = Changes::whole(tree)?;
        let mut archive = ImageArchive::new(output, ArchiveFormat::Docker);
        let options = LayerOptions::new(self.recipe.source.jobs);
        let layer = write_layer(&mut archive, &changes, tree, streams, options, observer)?;
        let mut image =
            NewImage::scratch(architecture(&self.root, &self.recipe.source)?.oci_name());
        image.config.set_created(*epoch);
        let created_by = "bootwright +stylus-image-pack".into();
        image.push(layer, &HistoryEntry { created_by, ..HistoryEntry::default() });
        let name = Some(self.recipe.name.as_str()).filter(|name| !name.is_empty());
        image.write(&mut archive, &[name.unwrap_or(NAMELESS).to_owned()], observer)?;
        Ok(archive.finish()?.stream_position()?)
    }
}
