//! Tars, layouts and docker archives from a few words, and trees as text.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use bootwright_image::{Kind, Observer, collect};
use bootwright_oci::{Error, Limits, Options, Records, Reference, Rootfs, Stack};
use sha2::{Digest, Sha256, Sha512};

/// A member of a tar, header field by header field.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) flag: u8,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: u64,
    pub(crate) device: (u64, u64),
    pub(crate) size: Option<u64>,
    pub(crate) content: Vec<u8>,
}

impl Member {
    pub(crate) fn new(flag: u8, name: impl AsRef<[u8]>) -> Self {
        let mode = if flag == b'5' { 0o755 } else { 0o644 };
        Self {
            name: name.as_ref().to_vec(),
            link: Vec::new(),
            flag,
            mode,
            uid: 0,
            gid: 0,
            mtime: 0,
            device: (0, 0),
            size: None,
            content: Vec::new(),
        }
    }

    pub(crate) fn file(name: &str, content: impl AsRef<[u8]>) -> Self {
        Self { content: content.as_ref().to_vec(), ..Self::new(b'0', name) }
    }

    /// From words: `d NAME`, `f NAME CONTENT`, `s NAME TARGET`, `h NAME TARGET`, `p NAME`,
    /// `c NAME MAJOR MINOR`, `b NAME MAJOR MINOR`.
    pub(crate) fn parse(words: &str) -> Self {
        let words: Vec<_> = words.split(' ').collect();
        let number = |index: usize| words[index].parse().unwrap();
        let flag = match words[0] {
            "d" => b'5',
            "f" => b'0',
            "s" => b'2',
            "h" => b'1',
            "p" => b'6',
            "c" => b'3',
            "b" => b'4',
            other => panic!("no kind of member: {other}"),
        };
        let mut member = Self::new(flag, words[1]);
        match words[0] {
            "f" => member.content = words[2..].join(" ").into_bytes(),
            "s" | "h" => member.link = words[2].into(),
            "c" | "b" => member.device = (number(2), number(3)),
            _ => {}
        }
        member
    }

    /// The header block of a ustar.
    pub(crate) fn header(&self) -> [u8; 512] {
        assert!(self.name.len() <= 100 && self.link.len() <= 100);
        let mut block = [0; 512];
        block[..self.name.len()].copy_from_slice(&self.name);
        octal(&mut block[100..108], self.mode);
        octal(&mut block[108..116], self.uid);
        octal(&mut block[116..124], self.gid);
        octal(&mut block[124..136], self.size.unwrap_or(self.content.len() as u64));
        octal(&mut block[136..148], self.mtime);
        block[156] = self.flag;
        block[157..157 + self.link.len()].copy_from_slice(&self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut block[329..337], self.device.0);
        octal(&mut block[337..345], self.device.1);
        seal(&mut block);
        block
    }
}

/// Writes a number, in base 256 when it has too many octal digits.
pub(crate) fn octal(field: &mut [u8], value: u64) {
    let digits = format!("{value:0width$o}", width = field.len() - 1);
    if digits.len() < field.len() {
        field[..digits.len()].copy_from_slice(digits.as_bytes());
        return;
    }
    field.fill(0);
    let start = field.len() - 8;
    field[start..].copy_from_slice(&value.to_be_bytes());
    field[0] |= 0x80;
}

/// Sets the checksum.
pub(crate) fn seal(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// A tar while it grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tar(pub Vec<u8>);

impl Tar {
    pub(crate) fn of<'a>(members: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
        let mut tar = Self::default();
        for words in members {
            tar.add(&Member::parse(words));
        }
        tar.end()
    }

    pub(crate) fn add(&mut self, member: &Member) -> &mut Self {
        self.raw(&member.header(), &member.content)
    }

    pub(crate) fn raw(&mut self, header: &[u8], content: &[u8]) -> &mut Self {
        self.0.extend_from_slice(header);
        self.0.extend_from_slice(content);
        let padded = self.0.len().next_multiple_of(512);
        self.0.resize(padded, 0);
        self
    }

    /// An extended header (`x` or `g`) with these records.
    pub(crate) fn pax(&mut self, flag: u8, records: &[(&str, &[u8])]) -> &mut Self {
        let content: Vec<u8> = records.iter().flat_map(|(key, value)| record(key, value)).collect();
        self.add(&Member { content, ..Member::new(flag, "PaxHeader") })
    }

    pub(crate) fn end(&mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        std::mem::take(&mut self.0)
    }
}

pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let body = key.len() + value.len() + 3;
    let mut len = body + 1;
    while body + len.to_string().len() != len {
        len = body + len.to_string().len();
    }
    [format!("{len} {key}=").as_bytes(), value, b"\n"].concat()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    format!("sha512:{}", hex(&Sha512::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

pub(crate) fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An OCI layout as names and bytes, to be changed before it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// Entries of `index.json`.
    pub(crate) manifests: Vec<String>,
}

pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const CREATED: i64 = 1_700_000_000;

impl Layout {
    /// One image, unnamed, with plain layers.
    pub(crate) fn of(layers: &[Vec<u8>]) -> Self {
        let mut layout = Self::default();
        layout.image("", layers);
        layout
    }

    /// Adds an image with plain layers; `extra` goes into its descriptor.
    pub(crate) fn image(&mut self, extra: &str, layers: &[Vec<u8>]) -> String {
        let layers: Vec<_> = layers.iter().map(|layer| (layer.clone(), layer.clone())).collect();
        self.stored_image(extra, &layers)
    }

    /// Adds an image with layers as pairs of uncompressed and stored bytes.
    pub(crate) fn stored_image(&mut self, extra: &str, layers: &[(Vec<u8>, Vec<u8>)]) -> String {
        let diff_ids: Vec<_> =
            layers.iter().map(|(plain, _)| format!("{:?}", sha256(plain))).collect();
        let config = config(&diff_ids.join(","));
        let descriptors: Vec<_> =
            layers.iter().map(|(_, stored)| self.blob(LAYER, stored, "")).collect();
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.as_bytes(), "");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{config},"layers":[{}]}}"#,
            descriptors.join(",")
        );
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let descriptor = self.blob(kind, manifest.as_bytes(), extra);
        self.manifests.push(descriptor.clone());
        descriptor
    }

    /// Adds a blob and returns its descriptor.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: &[u8], extra: &str) -> String {
        let digest = sha256(bytes);
        self.files.push((format!("blobs/{}", digest.replace(':', "/")), bytes.to_vec()));
        let size = bytes.len();
        format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}{extra}}}"#)
    }

    /// All files, with `index.json` and `oci-layout` unless they are there.
    pub(crate) fn all_files(&self) -> Vec<(String, Vec<u8>)> {
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, self.manifests.join(","));
        let mut files = self.files.clone();
        for (name, text) in
            [("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#), ("index.json", &index)]
        {
            if !files.iter().any(|(other, _)| other == name) {
                files.push((name.to_owned(), text.as_bytes().to_vec()));
            }
        }
        files
    }

    pub(crate) fn write(&self, dir: &Path) {
        for (name, bytes) in self.all_files() {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    /// The layout as one tar.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut tar = Tar::default();
        for (name, bytes) in self.all_files() {
            tar.add(&Member::file(&name, bytes));
        }
        tar.end()
    }
}

pub(crate) fn config(diff_ids: &str) -> String {
    format!(
        r#"{{"architecture":"amd64","os":"linux","created":"2023-11-14T22:13:20.5Z","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#
    )
}

/// Collects warnings.
#[derive(Debug, Default)]
pub(crate) struct Warnings(pub Mutex<Vec<String>>);

impl Observer for Warnings {
    fn warn(&self, text: std::fmt::Arguments<'_>) {
        self.0.lock().unwrap().push(text.to_string());
    }
}

pub(crate) fn options() -> Options {
    Options {
        architecture: "amd64".to_owned(),
        limits: Limits::default(),
        jobs: NonZeroUsize::new(2).unwrap(),
    }
}

/// A scratch folder with a layout in it.
pub(crate) fn layout_dir(layout: &Layout) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    layout.write(dir.path());
    dir
}

pub(crate) fn reference(dir: &Path) -> Reference {
    Reference::Layout { dir: dir.to_owned(), tag: None }
}

pub(crate) fn read(reference: &Reference) -> Result<Rootfs, Error> {
    read_with(options(), reference)
}

pub(crate) fn read_with(options: Options, reference: &Reference) -> Result<Rootfs, Error> {
    read_keeping(options, reference, &NoRecords)
}

/// Remembers nothing.
struct NoRecords;

impl Records for NoRecords {
    fn load(&self, _: &[u8; 32]) -> Option<Vec<u8>> {
        None
    }
    fn save(&self, _: &[u8; 32], _: &[u8]) {}
}

pub(crate) fn read_keeping(
    options: Options,
    reference: &Reference,
    records: &dyn Records,
) -> Result<Rootfs, Error> {
    let warnings = Warnings::default();
    let mut stack = Stack::new(options, &warnings);
    stack.keep_records(records);
    stack.add_image(reference)?;
    stack.finish()
}

/// A root file system and the scratch folder with its layers.
#[derive(Debug)]
pub(crate) struct Merged {
    rootfs: Rootfs,
    _dir: tempfile::TempDir,
}

impl std::ops::Deref for Merged {
    type Target = Rootfs;

    fn deref(&self) -> &Rootfs {
        &self.rootfs
    }
}

/// Merges layers of an image.
pub(crate) fn merge(layers: &[Vec<u8>]) -> Result<Merged, Error> {
    let dir = layout_dir(&Layout::of(layers));
    let rootfs = read(&reference(dir.path()))?;
    Ok(Merged { rootfs, _dir: dir })
}

/// Writes a file into a scratch folder.
pub(crate) fn scratch(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (dir, path)
}

/// Every name of a tree with what it is, in [`Member::parse`]'s words. Other names of a file with
/// several are shown as hard links to the first.
pub(crate) fn show(rootfs: &Rootfs) -> Vec<String> {
    let tree = &rootfs.tree;
    let mut files: Vec<_> =
        tree.walk().map(|w| w.id).filter(|id| tree.inode(*id).as_file().is_some()).collect();
    files.sort_unstable();
    files.dedup();
    let contents =
        collect(tree, &rootfs.streams, &files, 1 << 30, &bootwright_image::Silent).unwrap();
    let contents: std::collections::BTreeMap<_, _> = files.into_iter().zip(contents).collect();
    let mut first = std::collections::BTreeMap::new();
    let mut lines = Vec::new();
    for walked in tree.walk() {
        let path = String::from_utf8_lossy(&walked.path).into_owned();
        let inode = tree.inode(walked.id);
        if inode.as_directory().is_none() {
            if let Some(target) = first.get(&walked.id) {
                lines.push(format!("h {path} {target}"));
                continue;
            }
            first.insert(walked.id, path.clone());
        }
        lines.push(match inode.kind() {
            Kind::Directory(_) => format!("d {path}"),
            Kind::File(_) => {
                format!("f {path} {}", String::from_utf8_lossy(&contents[&walked.id]))
            }
            Kind::Symlink(target) => format!("s {path} {}", String::from_utf8_lossy(target)),
            Kind::CharDevice(d) => format!("c {path} {} {}", d.major, d.minor),
            Kind::BlockDevice(d) => format!("b {path} {} {}", d.major, d.minor),
            Kind::Fifo => format!("p {path}"),
            Kind::Socket => format!("socket {path}"),
        });
    }
    lines
}

/// The content of the file at `path`.
pub(crate) fn content(rootfs: &Rootfs, path: &[u8]) -> Vec<u8> {
    let id = rootfs.tree.lookup(path).unwrap();
    collect(&rootfs.tree, &rootfs.streams, &[id], 1 << 30, &bootwright_image::Silent)
        .unwrap()
        .remove(0)
}

/// The error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
