//! Output files that are complete or absent.
//!
//! An output is written to a file without a name in the destination folder (or, where the file
//! system has none, to one with a name of its own beside the target) and gets its name when it is
//! complete and flushed. Dropping it earlier leaves nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bootwright_image::Observer;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

/// Names tried for a staged file before giving up.
const ATTEMPTS: u32 = 10_000;

/// Where the kernel shows this process its open files, through which a nameless file gets a name.
const OPEN_FILES: &str = "/proc/self/fd";

/// Why an output file could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The target exists and is no regular file; replacing it would surprise.
    #[error("output {path:?} exists and is {kind}")]
    NotAFile {
        /// The target.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The folder for the output cannot be made or used.
    #[error("cannot write in the output folder {path:?}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Too little room for what is known to be needed.
    #[error("{path:?} has {available} bytes free, at least {needed} are needed")]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes available to this user.
        available: u64,
    },
    /// The complete file could not be flushed or named.
    #[error("cannot finish {path:?}")]
    Finish {
        /// The target.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// A file under construction. It replaces `target` in [`publish`](Self::publish); dropped before
/// that, it disappears and `target` stays as it was.
#[derive(Debug)]
#[must_use = "an output that is not published disappears"]
pub struct Staged {
    file: File,
    target: PathBuf,
    /// The file's own name, where it needs one; removed on drop.
    name: Option<PathBuf>,
}

impl Staged {
    /// Makes an empty file in the folder of `target`, which is created if it is missing.
    ///
    /// # Errors
    /// [`OutputError::NotAFile`] when `target` is a folder, device, pipe or socket (a symbolic
    /// link is replaced, not followed), [`OutputError::Folder`].
    pub fn new(target: &Path) -> Result<Self, OutputError> {
        refuse_special(target)?;
        let folder = folder_of(target);
        let failed = |source| OutputError::Folder { path: folder.to_path_buf(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        match rustix::fs::openat(CWD, folder, flags | OFlags::TMPFILE, mode) {
            Ok(fd) if Path::new(OPEN_FILES).exists() => {
                Ok(Self { file: fd.into(), target: target.into(), name: None })
            }
            Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {
                let create = |name: &Path| {
                    rustix::fs::open(name, flags | OFlags::CREATE | OFlags::EXCL, mode)
                };
                let (fd, name) = with_free_name(target, create).map_err(|e| failed(e.into()))?;
                Ok(Self { file: fd.into(), target: target.into(), name: Some(name) })
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// The file, to write and to read back.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// A path by which this process can open the file while this value lives.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let open = || format!("{OPEN_FILES}/{}", self.file.as_raw_fd()).into();
        self.name.clone().unwrap_or_else(open)
    }

    /// The path it will get.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Flushes what was written so far to the disk. [`publish`](Self::publish) does so too; this
    /// is to begin early, beside other work.
    ///
    /// # Errors
    /// [`OutputError::Finish`].
    pub fn flush(&self) -> Result<(), OutputError> {
        let failed = |source| OutputError::Finish { path: self.target.clone(), source };
        self.file.sync_data().map_err(failed)
    }

    /// Flushes the file to the disk and gives it its name, replacing what was there.
    ///
    /// # Errors
    /// [`OutputError`]; the target is unchanged then.
    pub fn publish(self) -> Result<(), OutputError> {
        refuse_special(&self.target)?;
        self.flush()?;
        self.publish_unflushed()
    }

    /// Gives the file its name without waiting for the disk: for files that are checked when they
    /// are used and can be made again.
    ///
    /// # Errors
    /// [`OutputError`]; the target is unchanged then.
    pub fn publish_unflushed(mut self) -> Result<(), OutputError> {
        self.give_name().map_err(|source| OutputError::Finish { path: self.target.clone(), source })
    }

    fn give_name(&mut self) -> io::Result<()> {
        let name = match self.name.take() {
            Some(name) => name,
            None => {
                if self.link(&self.target).is_ok() {
                    return Ok(());
                }
                with_free_name(&self.target, |name| self.link(name))?.1
            }
        };
        // Kept until the rename succeeded, so that drop removes it otherwise.
        self.name = Some(name.clone());
        fs::rename(&name, &self.target)?;
        self.name = None;
        Ok(())
    }

    /// Gives the nameless file a name that is free.
    fn link(&self, name: &Path) -> Result<(), Errno> {
        let fd = format!("{OPEN_FILES}/{}", self.file.as_raw_fd());
        rustix::fs::linkat(CWD, fd, CWD, name, AtFlags::SYMLINK_FOLLOW)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = fs::remove_file(name);
        }
    }
}

/// Publishes an image and the file that speaks of it (a checksum), so that no moment shows a pair
/// that does not match: the old side file goes first, the image comes, its side file follows.
///
/// # Errors
/// [`OutputError`]. When the side file cannot be made, the image is removed again.
pub fn publish_pair(image: Staged, side: Staged) -> Result<(), OutputError> {
    refuse_special(&side.target)?;
    side.file
        .sync_data()
        .map_err(|source| OutputError::Finish { path: side.target.clone(), source })?;
    match fs::remove_file(&side.target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(OutputError::Finish { path: side.target.clone(), source: error });
        }
        _ => {}
    }
    let target = image.target.clone();
    image.publish()?;
    side.publish().inspect_err(|_| {
        let _ = fs::remove_file(&target);
    })
}

/// Copies `len` bytes between two files, each from its own offset on. The kernel does it, without
/// copying at all where the file system can share blocks, else this process.
///
/// # Errors
/// What the files report; [`io::ErrorKind::UnexpectedEof`] when the source is shorter,
/// [`io::ErrorKind::Interrupted`] when the observer asks to stop.
pub(crate) fn copy_range(
    (from, mut read_at): (&File, u64),
    (to, mut write_at): (&File, u64),
    len: u64,
    observer: &dyn Observer,
) -> io::Result<()> {
    /// Bytes between two looks at the observer.
    const STEP: u64 = 64 << 20;
    let mut left = len;
    let mut by_hand = Vec::new();
    while left > 0 {
        if observer.cancelled() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let step = usize::try_from(left.min(STEP)).unwrap_or(usize::MAX);
        let (mut source, mut target) = (read_at, write_at);
        let copied = if by_hand.is_empty() {
            rustix::fs::copy_file_range(from, Some(&mut source), to, Some(&mut target), step)
        } else {
            let step = step.min(by_hand.len());
            let read = from.read_at(&mut by_hand[..step], read_at)?;
            to.write_all_at(&by_hand[..read], write_at)?;
            Ok(read)
        };
        match copied {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(copied) => {
                let copied = copied as u64;
                (read_at, write_at, left) = (read_at + copied, write_at + copied, left - copied);
            }
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                by_hand = vec![0; 1 << 20];
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Checks that the folder of `target` has room for `needed` bytes; the nearest existing parent
/// counts while the folder does not exist.
///
/// # Errors
/// [`OutputError::NoSpace`]. A file system that does not tell is taken to have room.
pub fn check_space(target: &Path, needed: u64) -> Result<(), OutputError> {
    let folder = folder_of(target);
    let Some(existing) = folder.ancestors().find(|path| path.exists()) else { return Ok(()) };
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let Ok(stat) = rustix::fs::statvfs(existing) else { return Ok(()) };
    let available = stat.f_bavail.saturating_mul(stat.f_frsize);
    if available >= needed {
        return Ok(());
    }
    Err(OutputError::NoSpace { path: folder.into(), needed, available })
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn refuse_special(target: &Path) -> Result<(), OutputError> {
    use std::os::unix::fs::FileTypeExt;
    let Ok(metadata) = fs::symlink_metadata(target) else { return Ok(()) };
    let kind = metadata.file_type();
    let kind = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        return Ok(());
    };
    Err(OutputError::NotAFile { path: target.into(), kind })
}

/// Calls `make` with names beside `target` until one is free.
fn with_free_name<T>(
    target: &Path,
    mut make: impl FnMut(&Path) -> Result<T, Errno>,
) -> Result<(T, PathBuf), Errno> {
    for attempt in 0..ATTEMPTS {
        let mut name = OsString::from(".");
        name.push(target.file_name().unwrap_or(OsStr::new("output")));
        name.push(format!(".{}-{attempt}.part", std::process::id()));
        let name = target.with_file_name(name);
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::EXIST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn staged(target: &Path, text: &str) -> Staged {
        let staged = Staged::new(target).unwrap();
        staged.file().write_all(text.as_bytes()).unwrap();
        staged
    }

    #[test]
    fn an_output_appears_when_it_is_published_and_not_before() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("new/image");
        drop(staged(&target, "lost"));
        assert!(names(&dir.path().join("new")).is_empty());
        staged(&target, "first").publish().unwrap();
        staged(&target, "second").publish().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "second");
        assert_eq!(names(&dir.path().join("new")), ["image"]);
    }

    #[test]
    fn a_file_with_a_name_of_its_own_behaves_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("image");
        let named = || {
            let (file, name) = with_free_name(&target, |name| match File::create_new(name) {
                Ok(file) => Ok(file),
                Err(_) => Err(Errno::EXIST),
            })
            .unwrap();
            Staged { file, target: target.clone(), name: Some(name) }
        };
        let (a, b) = (named(), named());
        assert_eq!(names(dir.path()).len(), 2);
        drop(a);
        b.publish().unwrap();
        assert_eq!(names(dir.path()), ["image"]);
    }

    #[test]
    fn a_link_is_replaced_and_a_folder_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "untouched").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        staged(&link, "new").publish().unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "untouched");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());

        let error = Staged::new(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with("exists and is a folder"), "{error}");
    }

    #[test]
    fn a_pair_leaves_no_image_without_its_side_file() {
        let dir = tempfile::tempdir().unwrap();
        let (image, side) = (dir.path().join("i"), dir.path().join("i.sha256"));
        publish_pair(staged(&image, "1"), staged(&side, "sum 1")).unwrap();
        publish_pair(staged(&image, "2"), staged(&side, "sum 2")).unwrap();
        assert_eq!(fs::read_to_string(&side).unwrap(), "sum 2");

        let (new_image, new_side) = (staged(&image, "3"), staged(&side, "sum 3"));
        fs::remove_file(&side).unwrap();
        fs::create_dir(&side).unwrap();
        publish_pair(new_image, new_side).unwrap_err();
        assert_eq!(fs::read_to_string(&image).unwrap(), "2");
    }

    #[test]
    fn too_little_room_is_noticed_before_the_folder_exists() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("not/yet/there");
        check_space(&target, 1).unwrap();
        let error = check_space(&target, u64::MAX).unwrap_err().to_string();
        assert!(error.ends_with("at least 18446744073709551615 are needed"), "{error}");
    }
}
