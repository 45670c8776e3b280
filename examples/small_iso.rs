//! Makes a small ISO from a tree built in code: a squashfs streamed into its place on a medium
//! that has a partition table too. `cargo run --example small_iso -- OUTPUT.iso`

use std::fs::File;
use std::num::NonZeroUsize;

use bootwright::boot::PartitionTable;
use bootwright::boot::iso9660::{self, Boot, Hybrid};
use bootwright::image::{Blob, FileTree, Metadata, Silent};
use bootwright::squashfs;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let output = File::create_new(std::env::args_os().nth(1).ok_or("usage: small_iso OUTPUT")?)?;

    let mut root = FileTree::new(Metadata::directory(0o755));
    let etc = root.add_directory(root.root(), b"etc", Metadata::directory(0o755))?;
    root.add_file(etc, b"hostname", Metadata::file(0o644), Blob::from("edge\n"))?;
    let options = squashfs::Options::new(NonZeroUsize::MIN);

    let mut medium = FileTree::new(Metadata::directory(0o755));
    let blob = Blob::deferred(squashfs::upper_bound(&root, &options));
    let place = medium.add_file(medium.root(), b"rootfs.squashfs", Metadata::file(0o644), blob)?;
    let named = iso9660::Options { volume_id: "SMALL".into(), ..Default::default() };

    let mut iso = iso9660::Writer::new(medium, named, &output)?;
    let window = iso.begin_open(place, 2048)?;
    let written = squashfs::write(&root, &(), options, window, &Silent)?;
    iso.end_open(place, written.padded_len)?;
    let table = PartitionTable::Gpt { seed: *b"a digest of what is on the ISO.." };
    let hybrid = Some(Hybrid { boot_code: None, disk_signature: 0, table });
    let summary = iso.finish(&Boot { hybrid, ..Boot::default() }, &Silent)?;
    println!("{} bytes", summary.len);
    Ok(())
}
