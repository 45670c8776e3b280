//! Blocks of an earlier image in place of compressing the same bytes again.
//!
//! A [`Writer`](crate::Writer) can record an [`Index`] of what it writes: where each content lies,
//! by its digest, and which ends of files share a fragment block. A later writer with the same
//! compressor takes from that image, its [`Donor`], every block whose bytes would come out the
//! same. The image is the same byte for byte with a donor and without.
//!
//! Every block taken is compared with its digest first, so a donor damaged on disk is an error
//! ([`WriteError::Donor`](crate::WriteError::Donor)) and never a wrong image.

mod donor;
mod index;

use std::sync::Arc;

pub use donor::{Donor, DonorError, DonorReader};
pub(crate) use donor::{ReaderState, check_of};
pub(crate) use index::{Check, FragmentRecord, Recorder, Tail};
pub use index::{Index, IndexError, codec};

/// What a writer takes from an earlier image and leaves for a later one.
#[derive(Clone, Debug, Default)]
pub struct Reuse {
    /// The earlier image.
    pub donor: Option<Arc<Donor>>,
    /// Whether an [`Index`] of the new image is wanted.
    pub record: bool,
}
