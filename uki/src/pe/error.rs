//! Why an image could not be changed or written.

use std::io;

use bootwright_image::BoxError;

/// Why an image could not be extended or signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The image to start from cannot be understood.
    #[error("no PE image: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// A section of the image to start from lies where it cannot.
    #[error("section {name:?} {problem}")]
    Section {
        /// The section's name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The stub is signed. Adding sections would break the signature.
    #[error("the stub is signed already; an unsigned one is needed")]
    Signed,
    /// A section name longer than eight bytes, or none.
    #[error("section name {name:?} has {len} bytes: 1 to 8 are possible")]
    Name {
        /// The name.
        name: String,
        /// Its length.
        len: usize,
    },
    /// The section table would run into the first section.
    #[error(
        "{count} sections need {needed} bytes of headers: the stub's first section begins at {limit}"
    )]
    HeaderRoom {
        /// Sections, the stub's and the new ones.
        count: usize,
        /// Bytes of headers for them.
        needed: u64,
        /// Where the first section is mapped.
        limit: u64,
    },
    /// More sections than firmware takes.
    #[error("{count} sections: 96 is the limit")]
    SectionCount {
        /// Sections, the stub's and the new ones.
        count: usize,
    },
    /// The image would be larger than any firmware loads.
    #[error(
        "the image reaches {len} bytes with section {name:?}: firmware loads less than {limit}"
    )]
    TooLarge {
        /// The section with which it gets there.
        name: String,
        /// Bytes so far.
        len: u64,
        /// The first length that does not work.
        limit: u64,
    },
    /// The output refused the bytes.
    #[error("cannot write the image")]
    Io(#[from] io::Error),
    /// What gave a section's content failed.
    #[error("cannot get the content of a section")]
    Content(#[source] BoxError),
    /// A defect of the caller: sections did not come as they were declared.
    #[error("BUG: section {came:?} came where {declared:?} was declared")]
    Order {
        /// What came.
        came: String,
        /// What was declared; empty when nothing more was.
        declared: String,
    },
}

/// A section's name as text for messages.
pub(crate) fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
