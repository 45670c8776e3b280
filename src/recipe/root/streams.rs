//! Contents that several root file systems have in common.

use std::sync::Arc;

use bootwright_image::{ContentError, ContentSink, Observer, Streams, Wanted};
use bootwright_oci::LayerStreams;

/// Delivers what the layers hold; clones deliver the same.
#[derive(Clone, Debug)]
pub struct SharedStreams(Arc<LayerStreams>);

impl SharedStreams {
    /// The streams, to add more to them; `None` while clones are there.
    pub(in crate::recipe) fn get_mut(&mut self) -> Option<&mut LayerStreams> {
        Arc::get_mut(&mut self.0)
    }
}

impl From<LayerStreams> for SharedStreams {
    fn from(streams: LayerStreams) -> Self {
        Self(Arc::new(streams))
    }
}

impl Streams for SharedStreams {
    fn deliver(
        &self,
        wanted: &[Wanted],
        sink: &mut dyn ContentSink,
        observer: &dyn Observer,
    ) -> Result<(), ContentError> {
        self.0.deliver(wanted, sink, observer)
    }
}
