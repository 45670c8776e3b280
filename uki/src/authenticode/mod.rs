//! Authenticode: signatures in PE images (Microsoft, "Windows Authenticode Portable Executable
//! Signature Format"; UEFI 2.11, chapter 32.2.4).

mod digest;
mod sign;
mod spc;
mod verify;

use std::io;

use crate::cms::CmsError;
use crate::pe::WriteError;
use crate::signer::SignError;

pub use digest::image_digest;
pub(crate) use digest::visit_hashed;
pub use sign::{Options, message, request, seal, sign, unsign};
pub use verify::{Signature, signatures, verify};

/// The longest certificate table that is read, in bytes.
pub const TABLE_LEN_MAX: u64 = 1 << 20;

/// Why an image could not be signed, or its signatures are not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticodeError {
    /// The image cannot be understood.
    #[error("the image cannot be signed or verified")]
    Image(#[from] WriteError),
    /// Verifiers disagree about what is signed in such an image.
    #[error("{problem} at byte {offset}: verifiers disagree about the digest of such an image")]
    Gap {
        /// What is there.
        problem: &'static str,
        /// Where.
        offset: u64,
    },
    /// The certificate table is damaged, or not at the end.
    #[error("certificate table of {len} bytes at byte {offset} of {file_len}: {problem}")]
    Table {
        /// What is wrong.
        problem: &'static str,
        /// Where it begins.
        offset: u64,
        /// Its length.
        len: u64,
        /// Length of the file.
        file_len: u64,
    },
    /// Nothing to verify.
    #[error("the image is not signed")]
    Unsigned,
    /// A signature cannot be understood or is not good.
    #[error("signature {index}")]
    Signature {
        /// Its number, from zero.
        index: usize,
        /// The cause.
        source: CmsError,
    },
    /// The image was changed after it was signed.
    #[error("signature {index} is for another image: it says {signed}, the image has {actual}")]
    Digest {
        /// Its number, from zero.
        index: usize,
        /// The digest that is signed, in hexadecimal digits.
        signed: String,
        /// The image's digest.
        actual: String,
    },
    /// No signature is by someone who is trusted.
    #[error("no signature is trusted: signed by {signers}")]
    Untrusted {
        /// The subjects of the signers.
        signers: String,
    },
    /// The signer failed.
    #[error("cannot sign the image")]
    Sign(#[from] SignError),
    /// The file cannot be read or written.
    #[error("cannot read or write the image")]
    Io(#[from] io::Error),
}
