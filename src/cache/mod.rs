//! A folder that remembers work between builds.
//!
//! ```text
//! DIR/CACHEDIR.TAG
//! DIR/1/KEY.layer      what the scan of a layer found
//!       KEY.squashfs   a finished image of a root file system
//!       KEY.index      where its contents lie, by their digests
//!       KEY.about      what it was made from; written last
//! ```
//!
//! A key is a digest of everything that the result depends on, so nothing in the folder ever goes
//! stale; what was not used for longest goes when the folder grows beyond its limit. Files appear
//! complete or not at all and are never changed, so any number of builds can share a folder. All
//! of them are compared with a digest when they are used: what is damaged is removed and made
//! again. A build with the folder gives the same bytes as one without.

mod fingerprint;
mod image;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use bootwright_oci::Records;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::output::{OutputError, Staged};
use crate::recipe::checksum_hex;

pub(crate) use fingerprint::{add_digests, fingerprint, tree_digest};
pub(crate) use image::{CachedImage, Found};

/// The layout of the folder; another one gets another name.
const LAYOUT: &str = "1";
/// What tells backup tools to leave the folder alone (the Cache Directory Tagging Specification).
const TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55\n\
    # This folder holds results of bootwright that can be made again.\n";
const DIGEST_LEN: usize = 32;

/// A cache folder.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

/// What kind of file a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Layer,
    Squashfs,
    Index,
    About,
}

impl Kind {
    const ALL: [Self; 4] = [Self::About, Self::Index, Self::Squashfs, Self::Layer];

    fn suffix(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Squashfs => "squashfs",
            Self::Index => "index",
            Self::About => "about",
        }
    }
}

impl Cache {
    /// Opens a cache folder, which is made when it is missing, for this user alone. `limit` is the
    /// number of bytes that [`trim`](Self::trim) leaves in it.
    ///
    /// # Errors
    /// [`OutputError::Folder`].
    pub fn open(path: &Path, limit: u64) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Folder { path: path.into(), source };
        let folder = path.join(LAYOUT);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
        let tag = path.join("CACHEDIR.TAG");
        match File::create_new(&tag).and_then(|mut file| file.write_all(TAG)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error)),
            _ => Ok(Self { folder, limit }),
        }
    }

    fn path(&self, key: &[u8; 32], kind: Kind) -> PathBuf {
        self.folder.join(format!("{}.{}", checksum_hex(key), kind.suffix()))
    }

    /// The bytes kept under a key, if they are there and whole.
    pub(crate) fn read(&self, key: &[u8; 32], kind: Kind) -> Option<Vec<u8>> {
        let path = self.path(key, kind);
        let mut bytes = fs::read(&path).ok()?;
        let len = bytes.len().checked_sub(DIGEST_LEN);
        let whole = len.is_some_and(|len| *blake3::hash(&bytes[..len]).as_bytes() == bytes[len..]);
        if !whole {
            let _ = fs::remove_file(path);
            return None;
        }
        bytes.truncate(bytes.len() - DIGEST_LEN);
        touch(&path);
        Some(bytes)
    }

    /// Keeps bytes under a key.
    pub(crate) fn write(
        &self,
        key: &[u8; 32],
        kind: Kind,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        let staged = Staged::new(&self.path(key, kind))?;
        let digest = blake3::hash(bytes);
        let written = staged.file().write_all(bytes);
        written
            .and_then(|()| staged.file().write_all(digest.as_bytes()))
            .map_err(|source| OutputError::Folder { path: self.folder.clone(), source })?;
        staged.publish_unflushed()
    }

    /// Removes what was not used for longest until no more than the limit is left. Files that
    /// other builds have open stay readable to them.
    pub fn trim(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let metadata = entry.metadata().ok()?;
                let used = (metadata.mtime(), metadata.mtime_nsec());
                metadata.is_file().then(|| (used, metadata.len(), entry.path()))
            })
            .collect();
        // What belongs together carries the time at which it was last used together.
        files.sort_unstable();
        let mut total = files.iter().fold(0u64, |sum, (_, len, _)| sum.saturating_add(*len));
        for (_, len, path) in files {
            if total <= self.limit {
                break;
            }
            if fs::remove_file(path).is_ok() {
                total = total.saturating_sub(len);
            }
        }
    }

    /// Removes everything kept under a key.
    pub(crate) fn forget(&self, key: &[u8; 32]) {
        for kind in Kind::ALL {
            let _ = fs::remove_file(self.path(key, kind));
        }
    }
}

impl Records for Cache {
    fn load(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        self.read(key, Kind::Layer)
    }

    fn save(&self, key: &[u8; 32], record: &[u8]) {
        // Without the record the next build scans the layer again.
        let _ = self.write(key, Kind::Layer, record);
    }
}

/// Marks a file as just used.
fn touch(path: &Path) {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: omitted, last_modification: now };
    let _ = rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [[u8; 32]; 3] = [[1; 32], [2; 32], [3; 32]];

    fn set_age(cache: &Cache, key: &[u8; 32], seconds: i64) {
        let then = Timespec { tv_sec: 1_000_000 - seconds, tv_nsec: 0 };
        let times = Timestamps { last_access: then, last_modification: then };
        let path = cache.path(key, Kind::Layer);
        let flags = rustix::fs::AtFlags::empty();
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
    }

    #[test]
    fn damaged_files_are_removed_and_never_believed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(&dir.path().join("new/cache"), 1 << 20).unwrap();
        let key = KEYS[0];
        assert_eq!(cache.read(&key, Kind::Layer), None);
        cache.save(&key, b"record");
        assert_eq!(cache.load(&key).as_deref(), Some(&b"record"[..]));
        let path = cache.path(&key, Kind::Layer);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            fs::write(&path, &bytes).unwrap();
            assert_eq!(cache.load(&key), None, "{at}");
            assert!(!path.exists());
        }
        for len in [0, 31, 32, whole.len() - 1] {
            fs::write(&path, &whole[..len]).unwrap();
            assert_eq!(cache.load(&key), None, "{len}");
        }
        fs::write(&path, &whole).unwrap();
        assert!(cache.load(&key).is_some());
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path(), 2 * 132 + 10).unwrap();
        for key in &KEYS {
            cache.save(key, &[7; 100]);
            set_age(&cache, key, i64::from(key[0]));
        }
        assert!(cache.load(&KEYS[2]).is_some());
        cache.trim();
        let left: Vec<_> = KEYS.iter().map(|key| cache.load(key).is_some()).collect();
        assert_eq!(left, [true, false, true]);
        assert!(dir.path().join("CACHEDIR.TAG").exists());
        // Opening it again changes nothing.
        Cache::open(dir.path(), 0).unwrap().trim();
        assert!(KEYS.iter().all(|key| cache.load(key).is_none()));
    }
}
