//! Dockerfiles: what is understood, what is done, what is refused and how.

mod builder;
mod commands;
mod copying;
pub(crate) mod fixture;
mod mistakes;
mod parsing;
