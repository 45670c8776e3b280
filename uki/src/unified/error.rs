//! Why an image could not be built.

use bootwright_image::WorkerLost;

use crate::pe::{Machine, WriteError};
use crate::public_key::PublicKeyError;
use crate::signer::SignError;

/// Why an image could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The stub cannot be used.
    #[error("the stub cannot be used")]
    Stub(#[source] WriteError),
    /// The kernel cannot be started by firmware.
    #[error("the kernel {problem}")]
    Kernel {
        /// What is wrong.
        problem: String,
    },
    /// Stub and kernel are for different machines.
    #[error("the stub is for {stub}, the kernel for {kernel}")]
    Machine {
        /// The stub's machine.
        stub: Machine,
        /// The kernel's machine.
        kernel: Machine,
    },
    /// A text that would be cut, or would end a line.
    #[error("the {what} {text:?} holds a {problem}")]
    Text {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
        /// `NUL` or `line break`.
        problem: &'static str,
    },
    /// Policies were asked for, but the stub is none whose measurements are known.
    #[error("the stub does not say that it measures anything: policies for it would never hold")]
    Unmeasured,
    /// The image cannot be written.
    #[error("cannot write the image")]
    Write(#[from] WriteError),
    /// The PCR policies could not be signed.
    #[error("cannot sign the PCR policies")]
    Sign(#[from] SignError),
    /// A thread that hashes was lost.
    #[error(transparent)]
    WorkerLost(#[from] WorkerLost),
    /// The public key of the policies cannot be written.
    #[error("cannot write the public key of the PCR policies")]
    Key(#[from] PublicKeyError),
}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error.into())
    }
}
