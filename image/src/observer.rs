//! Progress and cancellation.

use std::fmt;

/// What a build is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// Bringing images from registries; in bytes of blobs.
    Fetch,
    /// Reading and checking the layers or the folder of an input; in stored bytes.
    Scan,
    /// Reading contents again and compressing them; in uncompressed bytes.
    Compress,
    /// Writing what goes beside the root file system; in bytes.
    Write,
    /// Computing the checksum of the finished output; in bytes.
    Checksum,
    /// Sending images to registries; in bytes of blobs.
    Push,
}

/// Watches a build and can stop it. Every method may be called from any thread.
pub trait Observer: Sync {
    /// A phase starts; `total` is the amount of work in the phase's unit when it is known.
    fn begin(&self, phase: Phase, total: Option<u64>) {
        let _ = (phase, total);
    }

    /// `amount` more units of the phase's work are done.
    fn advance(&self, phase: Phase, amount: u64) {
        let _ = (phase, amount);
    }

    /// A phase is over.
    fn end(&self, phase: Phase) {
        let _ = phase;
    }

    /// Something in the input could not be kept exactly; the text names it.
    fn warn(&self, text: fmt::Arguments<'_>) {
        let _ = text;
    }

    /// Asked often; once it says `true`, the operation returns its `Cancelled` error soon.
    fn cancelled(&self) -> bool {
        false
    }
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
