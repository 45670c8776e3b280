//! What the benchmarks share: the cost of a command with its children, medians, inputs made from
//! nothing, blocks of real data and fixed workloads.
//!
//! Figures are taken in `benches/*.rs`; nothing here prints results.

pub mod cost;
pub mod host;
pub mod layout;
pub mod members;
pub mod prose;
pub mod sample;
pub mod spread;
pub mod workload;
