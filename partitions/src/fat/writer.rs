//! A volume whose files grow in their places.

use std::io::{Seek, Write};

use bootwright_image::{Blob, Canvas, FileTree, Region, Sink, Window};

use super::emit::EmitError;
use super::nodes::{Content, Node};
use super::plan::Plan;
use super::{Options, PlanError, Size};

/// Why a volume with open files could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The tree or the options make no volume.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The output or a content failed.
    #[error(transparent)]
    Emit(#[from] EmitError),
    /// The path of no file whose length was left open, or of one that has its place.
    #[error("{path:?} is not a file to be written now")]
    NotOpen {
        /// The path.
        path: String,
    },
    /// A file is longer than was said.
    #[error("{path:?} has {len} bytes: {max} at most were planned")]
    TooLong {
        /// The path.
        path: String,
        /// Its length in bytes.
        len: u64,
        /// What was said to be the most.
        max: u64,
    },
}

/// Writes a volume in which the lengths of some files, [`Blob::deferred`], turn out while they are
/// written, one after the other, each in its final place. The FATs have room for the most that was
/// announced; the volume ends behind what there is, or where its type or
/// [`Size::Exact`] demand.
///
/// Clusters that nothing is written to must read as zeros, as in a new file.
#[derive(Debug)]
pub struct Writer<W> {
    plan: Plan,
    canvas: Canvas<W>,
    options: Options,
    /// The node that is being written.
    open: Option<usize>,
}

impl<W: Write + Seek> Writer<W> {
    /// Places the directories and all files whose lengths are known. Byte zero of the volume is
    /// byte zero of `output`.
    ///
    /// # Errors
    /// [`WriteError::Plan`].
    pub fn new(tree: &FileTree, options: &Options, output: W) -> Result<Self, WriteError> {
        let mut plan = Plan::unplaced(tree, options, true)?;
        plan.place();
        Ok(Self { plan, canvas: Canvas::new(output), options: options.clone(), open: None })
    }

    /// Begins the file at `path`. What is written to the window is its content;
    /// [`Window::base`] says where in the volume it begins.
    ///
    /// # Errors
    /// [`WriteError::NotOpen`], also while another file is being written.
    pub fn begin(&mut self, path: &str) -> Result<Window<W>, WriteError> {
        let index = self.plan.nodes.iter().position(|node| node.path == path && node.is_open());
        let Some(index) = index.filter(|_| self.open.is_none()) else {
            return Err(WriteError::NotOpen { path: path.to_owned() });
        };
        self.open = Some(index);
        let next = super::format::FIRST_CLUSTER + self.plan.used_clusters;
        Ok(self.canvas.window(self.plan.cluster_offset(next)))
    }

    /// Ends the file that was begun last: it has `len` bytes.
    ///
    /// # Errors
    /// [`WriteError::TooLong`]; [`WriteError::NotOpen`] when none was begun.
    pub fn end(&mut self, len: u64) -> Result<(), WriteError> {
        let Some(index) = self.open.take() else {
            return Err(WriteError::NotOpen { path: String::new() });
        };
        let node = &mut self.plan.nodes[index];
        let Content::File(blob) = &mut node.content else { return Ok(()) };
        let max = blob.len();
        if len > max {
            return Err(WriteError::TooLong { path: node.path.clone(), len, max });
        }
        *blob = Blob::deferred(len);
        self.plan.place_node(index);
        Ok(())
    }

    /// The serial number, when it is known only now.
    pub fn set_volume_id(&mut self, id: u32) {
        self.options.volume_id = Some(id);
    }

    /// Writes everything else and returns the plan of what there is now.
    ///
    /// # Errors
    /// [`WriteError::NotOpen`] with the path of a file that was not written; [`WriteError::Emit`].
    pub fn finish(mut self) -> Result<Plan, WriteError> {
        let missing = |node: &&Node| {
            let is_empty = matches!(&node.content, Content::File(blob) if blob.is_empty());
            node.is_open() && node.clusters == 0 && !is_empty
        };
        if let Some(node) = self.plan.nodes.iter().find(missing) {
            return Err(WriteError::NotOpen { path: node.path.clone() });
        }
        let plan = &mut self.plan;
        if let Size::Auto { headroom } = self.options.size {
            let room = u32::try_from(headroom.div_ceil(plan.cluster_len())).unwrap_or(u32::MAX);
            plan.geometry = plan.geometry.shrunk(plan.used_clusters.saturating_add(room));
        }
        plan.volume_id = self.options.volume_id.unwrap_or_else(|| plan.content_id());
        plan.emit_head(&mut Sink::new(self.canvas.window(0)))?;
        for (index, node) in plan.nodes.iter().enumerate() {
            if node.clusters > 0 && !node.is_open() {
                let mut sink = Sink::new(self.canvas.window(plan.cluster_offset(node.cluster)));
                let region = Region { offset: 0, ..plan.node_region(index) };
                sink.region(&region, |sink| plan.emit_node(index, sink))?;
            }
        }
        if self.canvas.end() < plan.len() {
            self.canvas.write_at(plan.len() - 1, &[0]).map_err(EmitError::from)?;
        }
        Ok(self.plan)
    }
}
