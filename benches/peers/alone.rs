//! Writers of ours for which `bootwright` has no command, as entrants: this program, started anew
//! with `--alone`, so that its time, memory and writing are counted as those of other tools.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use bootwright::oci::Reference;
use bootwright::recipe::{Root, Source};
use bootwright_gzip::{Gzip, Options};
use bootwright_image::{Blob, FileTree, InodeId, Metadata, Silent, SparseWrite};
use bootwright_partitions::{Size, SparseFile, ext, fat};
use bootwright_rig::host;

/// Bytes read at once.
const CHUNK: usize = 1 << 18;

/// What to make.
#[derive(Debug)]
pub(crate) struct Alone {
    kind: Kind,
    input: String,
    output: PathBuf,
}

#[derive(Debug)]
enum Kind {
    /// An ext4 volume of so many bytes from a reference, flushed to the disk.
    Ext4 { len: u64 },
    /// A FAT volume of so many bytes from a folder.
    Fat { len: u64 },
    /// A disk's gzip.
    Gz,
}

impl Alone {
    /// Kind, input, output and, for volumes, the length in bytes.
    pub(crate) fn parse(words: &[String]) -> Result<Self, String> {
        let [kind, input, output, rest @ ..] = words else { return Err("too few words".into()) };
        let len = rest.first().and_then(|len| len.parse().ok());
        let kind = match (kind.as_str(), len) {
            ("ext4", Some(len)) => Kind::Ext4 { len },
            ("fat", Some(len)) => Kind::Fat { len },
            ("gz", None) => Kind::Gz,
            _ => return Err(format!("nothing is made by {words:?}")),
        };
        Ok(Self { kind, input: input.clone(), output: output.into() })
    }
}

/// Makes it.
pub(crate) fn make(alone: &Alone) -> Result<(), String> {
    let output = File::create(&alone.output).map_err(text)?;
    match alone.kind {
        Kind::Ext4 { len } => ext4(&alone.input, len, &output),
        Kind::Fat { len } => fat(alone.input.as_ref(), len, &output),
        Kind::Gz => gz(alone.input.as_ref(), &output),
    }
}

fn ext4(reference: &str, len: u64, output: &File) -> Result<(), String> {
    let reference: Reference = reference.parse().map_err(text)?;
    let source = Source { jobs: jobs(), ..Source::new(reference) };
    let root = Root::load(&source, &Silent).map_err(text)?;
    let (time, size) = (root.epoch, Size::Exact(len));
    let options = ext::Options { time, size, ..ext::Options::new(ext::Variant::Ext4) };
    let holes = ext::Holes::new();
    let plan = ext::Plan::new(&root.tree, &options, &holes).map_err(text)?;
    let sparse = plan.emit(&root.streams, SparseFile::new(output), &Silent).map_err(text)?;
    sparse.finish().and_then(File::sync_all).map_err(text)
}

fn fat(folder: &Path, len: u64, output: &File) -> Result<(), String> {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let root = tree.root();
    add_folder(&mut tree, root, folder)?;
    let size = Size::Exact(len);
    let options = fat::Options { volume_id: Some(1), size, ..fat::Options::default() };
    let plan = fat::Plan::new(&tree, &options).map_err(text)?;
    let mut sparse = SparseFile::new(output);
    plan.emit(&mut sparse).map_err(text)?;
    sparse.finish().map(|_| ()).map_err(text)
}

fn add_folder(tree: &mut FileTree, parent: InodeId, folder: &Path) -> Result<(), String> {
    let entries: Result<Vec<_>, _> = fs::read_dir(folder).map_err(text)?.collect();
    for entry in entries.map_err(text)? {
        let (name, path) = (entry.file_name(), entry.path());
        let (name, metadata) = (name.as_encoded_bytes(), entry.metadata().map_err(text)?);
        if metadata.is_dir() {
            let made = tree.add_directory(parent, name, Metadata::directory(0o755));
            add_folder(tree, made.map_err(text)?, &path)?;
        } else {
            let blob = Blob::host_file(path.into(), 0, metadata.len());
            tree.add_file(parent, name, Metadata::file(0o644), blob).map_err(text)?;
        }
    }
    Ok(())
}

fn gz(disk: &Path, output: &File) -> Result<(), String> {
    let mut disk = File::open(disk).map_err(text)?;
    let mut gzip = Gzip::new(output, Options::new(jobs()));
    copy_sparse(&mut disk, &mut gzip).map_err(text)?;
    gzip.finish().map(|_| ()).map_err(text)
}

/// Hands on a file, its holes by their lengths.
fn copy_sparse(file: &mut File, output: &mut impl SparseWrite) -> io::Result<()> {
    let len = file.metadata()?.len();
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < len {
        let data = match rustix::fs::seek(&*file, rustix::fs::SeekFrom::Data(at)) {
            Err(rustix::io::Errno::NXIO) => len,
            data => data?,
        };
        output.zeros(data - at)?;
        if data == len {
            break;
        }
        at = rustix::fs::seek(&*file, rustix::fs::SeekFrom::Hole(data))?;
        file.seek(SeekFrom::Start(data))?;
        let mut run = (&*file).take(at - data);
        loop {
            match run.read(&mut buffer)? {
                0 => break,
                read => output.write_all(&buffer[..read])?,
            }
        }
    }
    Ok(())
}

fn jobs() -> NonZeroUsize {
    NonZeroUsize::new(host::cores()).unwrap_or(NonZeroUsize::MIN)
}

fn text(error: impl Display) -> String {
    error.to_string()
}
