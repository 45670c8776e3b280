//! Images made byte by byte, read, merged and delivered.

mod build;
mod delivery;
mod dialects;
mod documents;
mod folders;
mod foreign;
mod hostile;
mod merging;
mod model;
