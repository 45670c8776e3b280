//! What lies on the ISO beside the EFI system partition.

use std::io::{Seek, Write};

use bootwright_boot::iso9660;
use bootwright_image::{
    Blob, BoxError, ContentSink, FileTree, InodeId, Kind, Observer, Origin, Timestamp, deliver,
};
use bootwright_oci::{InputSummary, LayerStreams, Limits, Options, Reference, Stack};

use super::UkiRecipe;
use crate::recipe::agent::PreparedAgent;
use crate::recipe::iso::{Inputs, Medium};
use crate::recipe::tee::{Tap, Taps, Tee};
use crate::recipe::{Architecture, RecipeError};

/// Where the first boot looks for the agent and for what unpacks it.
const AGENT: &[u8] = b"stylus-image.tar";
const LUET: &[u8] = b"luet";
/// Where the installer's own files are.
const PRODUCT: &[u8] = b"opt/spectrocloud";

/// The tree of the medium, and where those contents come from that lie in layers and archives.
pub(super) struct OnMedium<'a> {
    pub(super) medium: Medium,
    streams: LayerStreams,
    agent: Option<(InodeId, PreparedAgent<'a>)>,
    pub(super) read: Vec<InputSummary>,
}

impl<'a> OnMedium<'a> {
    /// Reads and checks everything.
    pub(super) fn new(
        recipe: &'a UkiRecipe,
        time: Timestamp,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let mut medium = Medium::new(time);
        medium.add_overlays(&recipe.overlay_iso, recipe.source.jobs, observer)?;
        let inputs = Inputs {
            user_data: recipe.user_data.as_deref(),
            edge_custom_config: recipe.edge_custom_config.as_deref(),
            cluster_config: recipe.cluster_config.as_deref(),
            content: &recipe.content,
        };
        inputs.add_to(&mut medium, observer)?;
        let streams = LayerStreams::new(recipe.source.jobs);
        let mut this = Self { medium, streams, agent: None, read: Vec::new() };
        this.add_local_ui(recipe, observer)?;
        this.add_luet(recipe, observer)?;
        if let Some(agent) = &recipe.agent {
            let prepared = agent.prepare(observer)?;
            let blob = Blob::deferred(prepared.len_max());
            let place = this.medium.add(AGENT, 0o644, blob, "the agent's archive")?;
            this.read.extend(prepared.inputs().iter().cloned());
            this.agent = Some((place, prepared));
        }
        Ok(this)
    }

    fn add_local_ui(
        &mut self,
        recipe: &UkiRecipe,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        let Some(archive) = &recipe.local_ui else { return Ok(()) };
        let tree = self.load(recipe, observer, |stack| Ok(stack.add_archive(archive, PRODUCT)?))?;
        self.medium.graft(&tree, "--local-ui")
    }

    fn add_luet(&mut self, recipe: &UkiRecipe, observer: &dyn Observer) -> Result<(), RecipeError> {
        let Some((image, path)) = &recipe.luet else { return Ok(()) };
        let add = |stack: &mut Stack<'_>| Ok(stack.add_image(image).map(|_| ())?);
        let tree = self.load(recipe, observer, add)?;
        let found = tree.resolve(path.as_bytes()).ok().flatten();
        let blob = found.and_then(|id| tree.inode(id).as_file().cloned());
        let blob = blob.ok_or_else(|| missing(image, path))?;
        self.medium.add(LUET, 0o755, blob, "luet").map(|_| ())
    }

    fn load(
        &mut self,
        recipe: &UkiRecipe,
        observer: &dyn Observer,
        add: impl FnOnce(&mut Stack<'_>) -> Result<(), RecipeError>,
    ) -> Result<FileTree, RecipeError> {
        let source = &recipe.source;
        let architecture = source.architecture.or_else(Architecture::host);
        let architecture = architecture.unwrap_or(Architecture::Amd64).oci_name().into();
        let options = Options { architecture, limits: Limits::default(), jobs: source.jobs };
        let mut stack = Stack::new(options, observer);
        add(&mut stack)?;
        let merged = stack.finish_into(&mut self.streams)?;
        self.read.extend(merged.inputs);
        Ok(merged.tree)
    }
}

fn missing(image: &Reference, path: &str) -> RecipeError {
    RecipeError::NotInImage { image: image.to_string(), path: path.to_owned() }
}

/// Contents of the medium that are written while it is.
pub(super) struct Streamed<'a> {
    tree: FileTree,
    streams: LayerStreams,
    agent: Option<(InodeId, PreparedAgent<'a>)>,
}

impl<'a> OnMedium<'a> {
    /// The tree for the medium's writer, and what is streamed into it.
    pub(super) fn split(self) -> (FileTree, Streamed<'a>) {
        let tree = self.medium.into_tree();
        let streamed = Streamed { tree: tree.clone(), streams: self.streams, agent: self.agent };
        (tree, streamed)
    }
}

impl Streamed<'_> {
    /// Puts the contents into their places.
    pub(super) fn write<W: Write + Seek>(
        &self,
        iso: &mut iso9660::Writer<W>,
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        if let Some((place, agent)) = &self.agent {
            let window = iso.begin_open(*place, BLOCK)?;
            let len = agent.write(window, observer)?;
            iso.end_open(*place, len)?;
        }
        let mut taps = Taps::new();
        let mut wanted = Vec::new();
        for walked in self.tree.walk() {
            let Kind::File(blob) = self.tree.inode(walked.id).kind() else { continue };
            if matches!(blob.origin(), Origin::Stream(_)) {
                taps.add(walked.id, Tap::Place(iso.place(walked.id, blob.len())?));
                wanted.push(walked.id);
            }
        }
        let mut nothing = Nothing;
        let mut tee = Tee::new(&mut nothing, &mut taps);
        Ok(deliver(&self.tree, &self.streams, wanted, &mut tee, observer)?)
    }
}

/// Bytes of a block of the medium.
const BLOCK: u64 = 2048;

/// Takes contents that only taps want.
struct Nothing;

impl ContentSink for Nothing {
    fn begin(&mut self, _: InodeId, _: u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn data(&mut self, _: &[u8]) -> Result<(), BoxError> {
        Ok(())
    }

    fn hole(&mut self, _: u64) -> Result<(), BoxError> {
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}
