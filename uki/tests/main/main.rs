//! Images, signatures and variables, judged by programs that others wrote.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod authenticode;
mod keys;
mod later;
mod pcr;
mod properties;
mod support;
#[cfg(feature = "pkcs11")]
mod token;
mod tools;
mod unified;
mod variables;
