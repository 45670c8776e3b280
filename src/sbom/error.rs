//! Why there is no bill of materials.

use crate::image::{ContentError, ResolveError};

/// Why the packages of an image could not be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SbomError {
    /// A database is damaged.
    #[error("/{path}: {problem}")]
    Damaged {
        /// The database.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A database is larger than any honest one.
    #[error("/{path}: {size} bytes are too many for a package database, {limit} is the limit")]
    TooLarge {
        /// The database.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The most allowed.
        limit: u64,
    },
    /// Symbolic links lead to nowhere.
    #[error("/{path}: cannot be found")]
    Resolve {
        /// The database.
        path: String,
        /// The cause.
        source: ResolveError,
    },
    /// A database could not be read.
    #[error(transparent)]
    Content(#[from] ContentError),
}
