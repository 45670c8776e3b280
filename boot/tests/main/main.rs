//! Images as our own reader and as readers that others wrote see them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;
mod cpio;
mod foreign;
mod fuzzing;
mod hybrid;
mod limits;
mod model;
mod properties;
mod tools;
