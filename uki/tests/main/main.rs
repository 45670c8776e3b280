//! Images, signatures and variables, judged by programs that others wrote.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod authenticode;
mod keys;
mod later;
mod pcr;
mod properties;
mod support;
mod tools;
mod unified;
mod variables;
