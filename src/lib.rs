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

pub use bootwright_boot as boot;
pub use bootwright_image as image;
pub use bootwright_oci as oci;
pub use bootwright_partitions as partitions;
pub use bootwright_squashfs as squashfs;
pub use bootwright_uki as uki;

#[doc(hidden)]
pub mod cli;
pub mod output;
pub mod recipe;
