//! CanvOS projects as they are: `.arg`, targets, and the files that a build takes in.

pub mod arguments;
mod checkout;
mod load;
mod nearest;
mod problem;

pub use load::{Given, Project};
pub use nearest::nearest;
pub use problem::{Place, Position, Problem, Problems, Severity};
