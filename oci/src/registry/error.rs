//! Why a registry could not give or take an image.

use crate::digest::ContentDigest;
use crate::name::ImageName;
use crate::store::StoreError;

/// Why a pull or a push failed. Texts from registries are shortened and stripped of what does not
/// print; secrets never get in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No connection, or it broke and did not come back.
    #[error("{host}: cannot get {what}")]
    Connection {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The last cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The registry does not have it, or hides it from this user.
    #[error("{host}: there is no {what}")]
    NotFound {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// The registry wants other credentials or none would do.
    #[error("{host}: {what} is denied {}{}", if *.anonymous { "to anonymous users" } else { "to this user" }, colon(.message))]
    Denied {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// Whether no credentials were known for the host.
        anonymous: bool,
        /// What the registry says.
        message: String,
    },
    /// Another status than expected.
    #[error("{host}: {what} is answered with status {status}{}", colon(.message))]
    Status {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What the registry says.
        message: String,
    },
    /// The registry breaks the protocol.
    #[error("{host}: {what}: {problem}")]
    Protocol {
        /// The host.
        host: String,
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// A document is larger than any honest one.
    #[error("{host}: {what} has more than {limit} bytes")]
    TooLarge {
        /// The host.
        host: String,
        /// The document.
        what: String,
        /// The most allowed.
        limit: u64,
    },
    /// A credential helper failed, or would be needed and may not be run.
    #[error("{host}: credential helper {helper:?}: {problem}")]
    Helper {
        /// The host.
        host: String,
        /// The helper's name.
        helper: String,
        /// What is wrong.
        problem: String,
    },
    /// What is wanted is not in the store and there is no network. All of it is listed.
    #[error("without network, the store lacks {}", list(.0))]
    Missing(Vec<MissingImage>),
    /// A connection would be needed, and none is allowed.
    #[error("{host}: nothing can be {what} without network")]
    Offline {
        /// The host.
        host: String,
        /// What would have been done.
        what: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The observer asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// An image that is not in the store, or not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingImage {
    /// The image.
    pub name: ImageName,
    /// What it lacks; nothing when all of it is missing.
    pub blobs: Vec<ContentDigest>,
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn list(images: &[MissingImage]) -> String {
    let mut text = String::new();
    for (number, image) in images.iter().enumerate() {
        if number > 0 {
            text.push_str(", ");
        }
        text.push_str(&image.name.to_string());
        for (number, blob) in image.blobs.iter().enumerate() {
            text.push_str(if number == 0 { " (its parts " } else { ", " });
            text.push_str(&blob.to_string());
        }
        text.push_str(if image.blobs.is_empty() { "" } else { ")" });
    }
    text
}

impl From<StoreError> for RegistryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Cancelled => Self::Cancelled,
            error => Self::Store(error),
        }
    }
}

impl From<crate::Error> for RegistryError {
    fn from(error: crate::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// A failed attempt, and whether another one makes sense.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: RegistryError,
    pub(super) again: Again,
}

/// Whether an attempt is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// After a while; how long, if the registry says.
    Later(Option<std::time::Duration>),
    /// Soon, since this one has brought a good part of what is wanted.
    Progressed,
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self { error, again: Again::Never }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        RegistryError::from(error).into()
    }
}

/// A registry's text as it may be shown: one line, printable, short.
pub(super) fn printable(text: &str) -> String {
    const MOST: usize = 300;
    let mut shown: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
