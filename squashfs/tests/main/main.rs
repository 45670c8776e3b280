//! Images read back by our own reader and by readers that we did not write.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod boundaries;
mod damage;
mod errors;
mod foreign;
mod fuzz;
mod pictures;
mod reuse;
mod roundtrip;
mod sink;
mod support;
