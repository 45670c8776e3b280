//! Images made byte by byte, read, merged and delivered.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;
mod delivery;
mod dialects;
mod documents;
mod folders;
mod foreign;
mod grafting;
mod hostile;
mod merging;
mod model;
mod records;
#[cfg(feature = "registry")]
mod registry;
mod writing;
