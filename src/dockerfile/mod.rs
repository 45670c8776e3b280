//! Dockerfiles: a parser, and a builder that does everything that needs no process.
//!
//! ```text
//!   bytes ──▶ lines ──▶ words, flags ──▶ Dockerfile: stages of typed instructions
//!                                            │
//!   context, images, arguments ──────────────┤
//!                                            ▼
//!                     build(): the stages that the target needs, each a FileTree and a Config
//!                                            │             └── RUN ──▶ Runner (the seam)
//!                                            ▼
//!                              Built ──▶ recipe::Root, or an image writer
//! ```
//!
//! # Determinism
//! Files of the context keep their modes and times and belong to 0:0. What is made beside them has
//! the base image's creation time, unless an epoch is given. The machine that builds counts as one
//! of the target's platform. Nothing depends on user, umask, clock or environment of the builder.
//!
//! # Specifications
//! The Dockerfile reference; where it is silent, BuildKit's behaviour.

mod build;
mod config;
mod context;
mod copy;
mod error;
mod flags;
#[doc(hidden)]
pub mod fuzzing;
mod ignore;
mod instruction;
mod lines;
mod owner;
mod parse;
mod pattern;
mod platform;
mod runner;
mod scope;
mod shell;
mod stage;
pub mod trust;
mod wanted;
mod words;

pub use build::{Base, Built, Images, Inputs, build};
pub use config::{Config, HistoryLine};
pub use error::{DockerfileError, Problem};
pub use ignore::Ignore;
pub use instruction::{
    Argument, Command, Copy, Dockerfile, Healthcheck, Instruction, Located, RunInstruction, Stage,
};
pub use lines::Heredoc;
pub use platform::Platform;
pub use runner::{Outcome, Refuse, Runner, Workplace};
pub use shell::Recognised;
pub use wanted::image_names;
pub use words::WordError;
