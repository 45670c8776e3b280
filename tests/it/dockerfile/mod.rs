//! Dockerfiles: what is understood, what is done, what is refused and how.

mod copying;
pub(crate) mod fixture;
mod mistakes;
