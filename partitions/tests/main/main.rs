//! Tests with readers that others wrote, and properties.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod disk;
mod ext;
mod fat;
mod gpt;
mod tools;
