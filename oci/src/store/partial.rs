//! Blobs on their way into the store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::StoreError;
use super::walk::Item;
use crate::digest::Hasher;

/// How often a lock is tried and the wish to stop is looked at.
const TICK: Duration = Duration::from_millis(50);
/// Bytes read at once.
const CHUNK: usize = 1 << 18;

/// A blob that is not complete yet: `partial/<hex>.partial`. It outlives this process, and the next
/// one that wants the blob goes on where this one stopped. One process at a time has it.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    item: Item,
    hasher: Hasher,
    len: u64,
}

impl Partial {
    /// Opens or makes the file at `path` that will be `target`, and hashes what it has. `None` when
    /// the blob is complete, perhaps thanks to another process that was waited for.
    pub(super) fn open(
        path: PathBuf,
        target: PathBuf,
        item: &Item,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, StoreError> {
        loop {
            if is_complete(&target, item) {
                return Ok(None);
            }
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(StoreError::io("open", &path))?;
            if !lock(&file, &path, cancelled)? {
                return Err(StoreError::Cancelled);
            }
            // Whoever had the lock may have finished the blob or thrown the file away.
            if same_file(&file, &path) && !is_complete(&target, item) {
                let hasher = Hasher::like(Some(&item.digest));
                let mut partial = Self { file, path, target, item: item.clone(), hasher, len: 0 };
                partial.hash_what_is_there(cancelled)?;
                return Ok(Some(partial));
            }
        }
    }

    fn hash_what_is_there(&mut self, cancelled: &dyn Fn() -> bool) -> Result<(), StoreError> {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = self.file.read(&mut buffer).map_err(StoreError::io("read", &self.path))?;
            if read == 0 {
                return Ok(());
            }
            self.len += read as u64;
            if self.len > self.item.size {
                return self.restart();
            }
            self.hasher.update(&buffer[..read]);
            if cancelled() {
                return Err(StoreError::Cancelled);
            }
        }
    }

    /// Bytes that are there.
    #[cfg(feature = "registry")]
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Forgets what is there.
    pub(crate) fn restart(&mut self) -> Result<(), StoreError> {
        let truncated = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        truncated.map_err(StoreError::io("truncate", &self.path))?;
        self.hasher = Hasher::like(Some(&self.item.digest));
        self.len = 0;
        Ok(())
    }

    /// Appends bytes, never more than were promised.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let len = self.len + bytes.len() as u64;
        if len > self.item.size {
            let expected = self.item.size;
            let digest = Box::new(self.item.digest);
            return Err(StoreError::Size { digest, expected, actual: expected + 1 });
        }
        self.file.write_all(bytes).map_err(StoreError::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.len = len;
        Ok(())
    }

    /// Gives the blob its name if it is what was promised. Bytes of the right number with the wrong
    /// digest are of no use to anybody and are thrown away.
    pub(crate) fn finish(self) -> Result<(), StoreError> {
        if self.len != self.item.size {
            let (expected, actual) = (self.item.size, self.len);
            return Err(StoreError::Size { digest: Box::new(self.item.digest), expected, actual });
        }
        let actual = self.hasher.finish();
        if actual != self.item.digest {
            std::fs::remove_file(&self.path).map_err(StoreError::io("remove", &self.path))?;
            let expected = Box::new(self.item.digest);
            return Err(StoreError::Digest { expected, actual: Box::new(actual) });
        }
        self.file.sync_data().map_err(StoreError::io("write", &self.path))?;
        std::fs::rename(&self.path, &self.target).map_err(StoreError::io("write", &self.target))
    }
}

/// Whether there is a blob with the right size; it had the right digest when it got its name.
pub(super) fn is_complete(target: &Path, item: &Item) -> bool {
    std::fs::metadata(target).is_ok_and(|found| found.is_file() && found.len() == item.size)
}

fn lock(file: &File, path: &Path, cancelled: &dyn Fn() -> bool) -> Result<bool, StoreError> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if cancelled() => return Ok(false),
            Err(TryLockError::WouldBlock) => std::thread::sleep(TICK),
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", path)(error)),
        }
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    let ids = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    matches!(
        (file.metadata().map(ids), std::fs::metadata(path).map(ids)),
        (Ok(open), Ok(named)) if open == named
    )
}
