//! Turns a container image of an operating system into what an edge site boots.
//!
//! ```text
//!  container image          FileTree               squashfs                    ISO
//!  layers, streamed  ──▶  merged, validated  ──▶  blocks compressed on  ──▶  head written last,
//!  and verified           tree in memory          N workers, in order        El Torito, MBR, GPT
//! ```
//!
//! Nothing is unpacked onto the build host, no other program runs, and the same inputs give the
//! same bytes. Each format is a crate of its own that can be used alone; this one joins them in
//! [recipes](recipe) and carries the command line.
//!
//! | crate | holds |
//! |---|---|
//! | [`image`] | file trees, contents by reference, output windows, an ordered worker pool |
//! | [`oci`] | container images, archives and folders as file trees |
//! | [`squashfs`] | a squashfs 4.0 writer and reader |
//! | [`boot`] | ISO 9660, El Torito, hybrid partition tables, GRUB images, boot-loader discovery |
//! | [`partitions`] | GPT, MBR, FAT |
//! | [`uki`] | PE images |
//!
//! ```no_run
//! use std::path::Path;
//!
//! use bootwright::image::Silent;
//! use bootwright::oci::Reference;
//! use bootwright::recipe::{Source, iso::IsoRecipe};
//!
//! let base: Reference = "oci:build/base-image".parse()?;
//! let recipe = IsoRecipe { user_data: Some("user-data".into()), ..IsoRecipe::new(Source::new(base)) };
//! let report = recipe.write_file(Path::new("build"), "installer", &Silent)?;
//! println!("{} bytes", report.len);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use bootwright_boot as boot;
pub use bootwright_image as image;
pub use bootwright_oci as oci;
pub use bootwright_partitions as partitions;
pub use bootwright_squashfs as squashfs;
pub use bootwright_uki as uki;

pub mod cache;
#[doc(hidden)]
pub mod cli;
pub mod dockerfile;
pub mod editor;
mod identify;
#[cfg(feature = "openpgp")]
pub mod openpgp;
pub mod output;
pub mod project;
mod raw;
pub mod recipe;
pub mod sbom;
pub mod verify;
