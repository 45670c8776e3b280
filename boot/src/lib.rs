//! Boot media: ISO 9660 with Rock Ridge and Joliet, El Torito, hybrid partition tables, GRUB images and boot-loader discovery.
//!
//! ```text
//!  block
//!  0      master boot record, primary GPT     system area: what USB sticks boot from
//!  16     primary volume descriptor           ┐
//!  17     boot record                         │ what optical drives and mounts start from
//!  18     Joliet volume descriptor            │
//!  19     terminator                          ┘
//!  32     descriptors of the partition view     the same for partition 1, which begins at 16
//!  35     boot catalog
//!         path tables, directories,           ┐ once for each view and hierarchy; their length
//!         continuation areas                  ┘ is fixed before any content is written
//!         files in the order they were placed
//!         EFI system partition                  a file, a partition and a boot image at once
//!  end    backup GPT                            the image's very last sectors
//! ```
//!
//! A [`Writer`](iso9660::Writer) plans the head of the image from a
//! [`FileTree`](bootwright_image::FileTree), takes contents, and writes the head at the end. A
//! content whose length is not known before it is written, such as a compressed root file system,
//! goes straight to its final place:
//!
//! ```
//! use std::io::{Cursor, Write};
//!
//! use bootwright_boot::iso9660::{Boot, Options, Writer, read::Image};
//! use bootwright_image::{Blob, FileTree, Metadata, Silent};
//!
//! let mut tree = FileTree::new(Metadata::directory(0o755));
//! let root = tree.root();
//! tree.add_file(root, b"hello.txt", Metadata::file(0o644), Blob::from("hello\n"))?;
//! let big = tree.add_file(root, b"rootfs", Metadata::file(0o644), Blob::deferred(1 << 40))?;
//!
//! let options = Options { volume_id: "LIVE".into(), ..Options::default() };
//! let mut output = Cursor::new(Vec::new());
//! let mut writer = Writer::new(tree, options, &mut output)?;
//! writer.begin_open(big, 2048)?.write_all(b"as long as it gets")?;
//! writer.end_open(big, 18)?;
//! writer.write_contents(&Silent)?;
//! let summary = writer.finish(&Boot::default(), &Silent)?;
//! assert_eq!(summary.len, output.get_ref().len() as u64);
//!
//! let mut image = Image::open(output)?;
//! let volume = image.info().volumes[0].clone();
//! assert_eq!(volume.volume_id, "LIVE");
//! assert_eq!(image.entries(&volume)?[2].path, b"rootfs");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Bytes of an image depend on the tree, the options, the contents and the order in which they
//! are placed, and on nothing else.

mod boot_info;
pub mod cpio;
pub mod el_torito;
#[doc(hidden)]
pub mod fuzzing;
pub mod grub;
mod hybrid;
pub mod iso9660;
pub mod loaders;

pub use hybrid::PartitionTable;
