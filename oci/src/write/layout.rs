//! An OCI image layout in a folder, new or added to (OCI image specification, "Image Layout").

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value, json};

use super::store::Digesting;
use super::{BlobRole, Fill, ImageStore, WriteError, WrittenImage};
use crate::digest::ContentDigest;

/// The annotation that names an image.
pub(super) const NAME: &str = "org.opencontainers.image.ref.name";
/// The file that marks a layout.
pub(super) const MARK: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// Writes are gathered to this many bytes.
const GATHER: usize = 1 << 20;

/// An OCI image layout in a folder. Blobs come in under names of their own and get their digests'
/// when they are complete; the index is replaced as a whole, under a lock on the folder. So
/// several may write into one layout at a time, and whoever reads sees whole images only.
#[derive(Debug)]
pub struct LayoutFolder {
    dir: PathBuf,
    /// Names handed out so far.
    staged: u64,
}

impl LayoutFolder {
    /// Opens a layout; a folder that is missing or empty becomes one.
    ///
    /// # Errors
    /// [`WriteError::File`], also when the folder holds something else.
    pub fn open(dir: &Path) -> Result<Self, WriteError> {
        fs::create_dir_all(dir.join("blobs/sha256")).map_err(failed(dir))?;
        let mut folder = Self { dir: dir.to_owned(), staged: 0 };
        let mark = dir.join("oci-layout");
        match fs::read_to_string(&mark) {
            Ok(text) if is_layout(&text) => {}
            Ok(_) => {
                let (field, expected) = ("imageLayoutVersion", "\"1.0.0\"");
                let document = mark.display().to_string();
                return Err(WriteError::Field { document, field, expected });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                folder.replace(&mark, MARK.as_bytes())?;
            }
            Err(error) => return Err(failed(&mark)(error)),
        }
        Ok(folder)
    }

    fn blob_path(&self, digest: &ContentDigest) -> PathBuf {
        self.dir.join(digest.blob_path())
    }

    /// A new file with a name of its own.
    fn stage(&mut self) -> Result<Staged, WriteError> {
        loop {
            let name = format!(".{}-{}.part", std::process::id(), self.staged);
            self.staged += 1;
            let path = self.dir.join(name);
            match File::create_new(&path) {
                Ok(file) => return Ok(Staged { file, path: Some(path) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path)(error)),
            }
        }
    }

    fn replace(&mut self, target: &Path, bytes: &[u8]) -> Result<(), WriteError> {
        let mut staged = self.stage()?;
        staged.file.write_all(bytes).map_err(failed(target))?;
        staged.publish(target)
    }
}

fn is_layout(text: &str) -> bool {
    let mark: Option<Value> = serde_json::from_str(text).ok();
    mark.is_some_and(|mark| mark["imageLayoutVersion"] == "1.0.0")
}

impl ImageStore for LayoutFolder {
    fn contains(&self, digest: &ContentDigest, size: u64) -> bool {
        let found = fs::symlink_metadata(self.blob_path(digest));
        found.is_ok_and(|found| found.is_file() && found.len() == size)
    }

    fn store(
        &mut self,
        _: BlobRole,
        expected: Option<(ContentDigest, u64)>,
        fill: &mut Fill<'_>,
    ) -> Result<(ContentDigest, u64), WriteError> {
        let staged = self.stage()?;
        let mut output = BufWriter::with_capacity(GATHER, &staged.file);
        let mut digesting = Digesting::new(&mut output, expected);
        fill(&mut digesting)?;
        let (digest, size) = digesting.finish(expected)?;
        output.flush()?;
        drop(output);
        let target = self.blob_path(&digest);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(failed(folder))?;
        }
        staged.publish(&target)?;
        Ok((digest, size))
    }

    fn name(&mut self, image: &WrittenImage, names: &[String]) -> Result<(), WriteError> {
        let lock = File::open(&self.dir).map_err(failed(&self.dir))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(&self.dir)(e.into()))?;
        let path = self.dir.join("index.json");
        let mut index = match fs::read(&path) {
            Ok(bytes) => crate::json::parse(&bytes, &path.display().to_string())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => empty_index(),
            Err(error) => return Err(failed(&path)(error)),
        };
        add_to_index(&mut index, image, names).ok_or_else(|| WriteError::Field {
            document: path.display().to_string(),
            field: "manifests",
            expected: "a list",
        })?;
        self.replace(&path, Value::from(index).to_string().as_bytes())
    }
}

pub(super) fn empty_index() -> Map<String, Value> {
    let mut index = Map::new();
    index.insert("schemaVersion".into(), 2.into());
    index.insert("mediaType".into(), "application/vnd.oci.image.index.v1+json".into());
    index.insert("manifests".into(), json!([]));
    index
}

/// Adds an image under its names, which others lose. `None` when this is no index.
pub(super) fn add_to_index(
    index: &mut Map<String, Value>,
    image: &WrittenImage,
    names: &[String],
) -> Option<()> {
    let manifests = index.entry("manifests").or_insert_with(|| json!([])).as_array_mut()?;
    let digest = image.manifest.digest.to_string();
    manifests.retain(|entry| {
        let name = entry["annotations"][NAME].as_str();
        let renamed = name.is_some_and(|name| names.iter().any(|new| new == name));
        let known = names.is_empty() && name.is_none() && entry["digest"] == digest.as_str();
        !renamed && !known
    });
    let mut entry = image.manifest.to_json();
    let (architecture, os) = &image.platform;
    if !architecture.is_empty() {
        entry["platform"] = json!({"architecture": architecture, "os": os});
    }
    if names.is_empty() {
        manifests.push(entry.clone());
    }
    for name in names {
        entry["annotations"] = json!({NAME: name});
        manifests.push(entry.clone());
    }
    Some(())
}

/// A file that has no place yet; dropped, it is gone.
struct Staged {
    file: File,
    path: Option<PathBuf>,
}

impl Staged {
    /// Puts the file in its place when its bytes are on the disk.
    fn publish(mut self, target: &Path) -> Result<(), WriteError> {
        self.file.sync_data().map_err(failed(target))?;
        if let Some(path) = &self.path {
            fs::rename(path, target).map_err(failed(target))?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    |source| WriteError::File { path, source }
}
