//! Packs a folder of this machine into a squashfs image:
//! `cargo run --release -p bootwright-squashfs --example pack -- FOLDER IMAGE [COMPRESSION [JOBS]]`.

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use bootwright_image::{Blob, Device, FileTree, InodeId, Kind, Metadata, Observer, Timestamp};
use bootwright_squashfs::{Options, write};

/// Shows warnings.
struct Warnings;

impl Observer for Warnings {
    fn warn(&self, text: std::fmt::Arguments<'_>) {
        eprintln!("warning: {text}");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), Some(image)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pack FOLDER IMAGE [COMPRESSION [JOBS]]".into());
    };
    let text = |argument: OsString| argument.into_string().map_err(|_| "not UTF-8");
    let mut options = Options::new(NonZeroUsize::MIN);
    if let Some(compression) = arguments.next() {
        options.compression = text(compression)?.parse()?;
    }
    if let Some(jobs) = arguments.next() {
        options.jobs = text(jobs)?.parse()?;
    }
    let folder = Path::new(&folder);
    let mut tree = FileTree::new(metadata(&fs::metadata(folder)?));
    let root = tree.root();
    add_entries(&mut tree, root, folder, &mut BTreeMap::new())?;
    let summary = write(&tree, &(), options, File::create(image)?, &Warnings)?;
    println!("{summary:#?}");
    Ok(())
}

fn metadata(stat: &fs::Metadata) -> Metadata {
    let mut metadata = Metadata::file(u16::try_from(stat.mode() & 0o7777).unwrap_or(0));
    (metadata.uid, metadata.gid) = (stat.uid(), stat.gid());
    metadata.mtime = Timestamp(stat.mtime());
    metadata
}

/// `links` holds the inodes with several names by device and number.
fn add_entries(
    tree: &mut FileTree,
    directory: InodeId,
    path: &Path,
    links: &mut BTreeMap<(u64, u64), InodeId>,
) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let (name, stat) = (name.as_bytes(), entry.metadata()?);
        let key = (stat.dev(), stat.ino());
        if let Some(first) = links.get(&key) {
            tree.add_link(directory, name, *first)?;
            continue;
        }
        let kind = stat.file_type();
        let device = Device {
            major: u32::try_from((stat.rdev() >> 8) & 0xfff)?,
            minor: u32::try_from((stat.rdev() & 0xff) | ((stat.rdev() >> 12) & 0xf_ff00))?,
        };
        let kind = if kind.is_dir() {
            let id = tree.add_directory(directory, name, metadata(&stat))?;
            add_entries(tree, id, &path, links)?;
            continue;
        } else if kind.is_file() {
            Kind::File(Blob::host_file(path.into(), 0, stat.len()))
        } else if kind.is_symlink() {
            Kind::Symlink(fs::read_link(&path)?.as_os_str().as_bytes().into())
        } else if kind.is_block_device() {
            Kind::BlockDevice(device)
        } else if kind.is_char_device() {
            Kind::CharDevice(device)
        } else if kind.is_fifo() {
            Kind::Fifo
        } else {
            Kind::Socket
        };
        let id = tree.add(directory, name, metadata(&stat), kind)?;
        if stat.nlink() > 1 {
            links.insert(key, id);
        }
    }
    Ok(())
}
