//! `index.json`: which names the store knows.

use std::fs::{File, OpenOptions};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::error::StoreError;
use super::walk::Item;
use crate::json::{self, Index};
use crate::limits::Limits;

const NAME: &str = "index.json";
/// The short name's annotation; here it holds the full one.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// containerd's annotation for full names.
const IMAGE_NAME: &str = "io.containerd.image.name";

/// What is in the index.
pub(super) fn read(dir: &Path, limits: &Limits) -> Result<Vec<(String, Item)>, StoreError> {
    let path = dir.join(NAME);
    let title = path.display().to_string();
    let index: Index = json::parse(&load(&path, limits)?, &title)?;
    let mut named = Vec::new();
    for entry in &index.manifests {
        if let Some(name) = entry.reference_name() {
            let digest = json::digest(&entry.digest, &title)?;
            let item = Item { media_type: entry.media_type.clone(), digest, size: entry.size };
            named.push((name.to_owned(), item));
        }
    }
    Ok(named)
}

/// Makes the index of an empty store unless there is one.
pub(super) fn create(dir: &Path) -> Result<(), StoreError> {
    let _lock = Lock::take(dir)?;
    if dir.join(NAME).exists() {
        return Ok(());
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": []
    });
    replace(dir, &index)
}

/// Lets `name` mean `item` alone, or nothing. Other entries stay as they are.
pub(super) fn set(
    dir: &Path,
    name: &str,
    item: Option<&Item>,
    limits: &Limits,
) -> Result<(), StoreError> {
    let _lock = Lock::take(dir)?;
    let path = dir.join(NAME);
    let title = path.display().to_string();
    let mut index: Map<String, Value> = json::parse(&load(&path, limits)?, &title)?;
    let entries = index.entry("manifests").or_insert(Value::Null);
    let mut kept = match entries.take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    kept.retain(|entry| entry_name(entry) != Some(name));
    if let Some(item) = item {
        kept.push(json!({
            "mediaType": item.media_type,
            "digest": item.digest.to_string(),
            "size": item.size,
            "annotations": { REF_NAME: name, IMAGE_NAME: name }
        }));
    }
    kept.sort_by(|a, b| entry_name(a).cmp(&entry_name(b)));
    *entries = Value::Array(kept);
    replace(dir, &Value::Object(index))
}

fn entry_name(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(REF_NAME)?.as_str()
}

fn load(path: &Path, limits: &Limits) -> Result<Vec<u8>, StoreError> {
    let location = crate::source::Location::file(path)?;
    Ok(crate::archive::read_document(&location, &path.display().to_string(), limits)?)
}

/// Readers see the old index or the new one.
fn replace(dir: &Path, index: &Value) -> Result<(), StoreError> {
    let (path, new) = (dir.join(NAME), dir.join("index.json.new"));
    std::fs::write(&new, index.to_string()).map_err(StoreError::io("write", &new))?;
    std::fs::rename(&new, &path).map_err(StoreError::io("write", &path))
}

/// Keeps other processes from changing the index.
struct Lock {
    _file: File,
}

impl Lock {
    fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("index.json.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open", &path))?;
        file.lock().map_err(StoreError::io("lock", &path))?;
        Ok(Self { _file: file })
    }
}
