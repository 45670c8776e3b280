//! A small partition for curtin to land on, when no system boots before recovery: it has what
//! curtin asks of a target, a shell among it, and hooks that keep what MAAS says about the machine.

mod elf;

use std::path::{Path, PathBuf};

use bootwright_image::{Blob, FileTree, InodeId, Observer, collect};

use crate::recipe::disk::trees::Files;
use crate::recipe::{Architecture, RecipeError, Root};
use elf::Problem;

/// Where base images keep a shell that needs no libraries.
const SHELLS: [&str; 4] =
    ["bin/busybox", "usr/bin/busybox", "bin/busybox.static", "usr/bin/busybox.static"];
/// The largest shell, in bytes: the partition has 64 MiB.
const SHELL_MAX: u64 = 16 << 20;
/// Paths, modes and contents beside the shell. curtin asks for `bash` by the search path of the
/// system that installs, whose `/bin` may be one with `/usr/bin`.
const ADDED: [(&str, u16, &str); 4] = [
    ("curtin/curtin-hooks", 0o750, include_str!("curtin-hooks")),
    ("usr/bin/bash", 0o755, "#!/bin/sh\nexec /bin/busybox sh \"$@\"\n"),
    ("usr/bin/cloud-init", 0o755, NOTHING),
    ("usr/bin/netplan", 0o755, NOTHING),
];
const NOTHING: &str = "#!/bin/sh\nexit 0\n";
const NAMES: [&str; 2] = ["bin/sh", "bin/ash"];
/// Folders that curtin mounts on and writes to.
const FOLDERS: [(&str, u16); 9] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("var/lib", 0o755),
    ("var/tmp", 0o1777),
];

/// Why there is no shell for the landing partition.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LandingError {
    /// Neither given nor in the base image.
    #[error("the landing partition needs a static busybox; looked in /{tried} of the base image")]
    NoShell {
        /// The paths looked at.
        tried: String,
    },
    /// One that would not run there.
    #[error("busybox {path} {problem}")]
    Shell {
        /// Where it is.
        path: String,
        /// Why not.
        problem: Problem,
    },
}

/// The landing partition's tree. `busybox` is a file of the build host; without one it comes from
/// the base image.
pub(super) fn tree(
    root: &Root,
    busybox: Option<&Path>,
    architecture: Architecture,
    observer: &dyn Observer,
) -> Result<FileTree, RecipeError> {
    let shell = match busybox {
        Some(path) => given(path, architecture)?,
        None => found(root, architecture, observer)?,
    };
    let mut files = Files::new("the landing partition", root.epoch);
    files.put("bin/busybox", 0o755, shell.into())?;
    for name in NAMES {
        files.link(name, "busybox")?;
    }
    for (path, mode, text) in ADDED {
        files.put(path, mode, text.into())?;
    }
    for (path, _) in FOLDERS {
        files.folder(path)?;
    }
    let mut tree = files.into_tree();
    for (path, mode) in FOLDERS {
        if let Some(inode) = tree.lookup(path.as_bytes()) {
            tree.metadata_mut(inode).mode = mode;
        }
    }
    Ok(tree)
}

fn given(path: &Path, architecture: Architecture) -> Result<Vec<u8>, RecipeError> {
    let read = |source| RecipeError::Read { path: PathBuf::from(path), source };
    let len = std::fs::metadata(path).map_err(read)?.len();
    let path_text = path.display().to_string();
    if len > SHELL_MAX {
        return Err(RecipeError::TooLarge { path: path_text, len, limit: SHELL_MAX });
    }
    let bytes = std::fs::read(path).map_err(read)?;
    match elf::check(&bytes, architecture) {
        Ok(()) => Ok(bytes),
        Err(problem) => Err(LandingError::Shell { path: path_text, problem }.into()),
    }
}

/// The first that runs by itself; many images have one that does not.
fn found(
    root: &Root,
    architecture: Architecture,
    observer: &dyn Observer,
) -> Result<Vec<u8>, RecipeError> {
    let mut last = None;
    for path in SHELLS {
        let Some(inode) = file(root, path) else { continue };
        let mut contents = collect(&root.tree, &root.streams, &[inode], SHELL_MAX, observer)?;
        let bytes = contents.pop().unwrap_or_default();
        match elf::check(&bytes, architecture) {
            Ok(()) => return Ok(bytes),
            Err(problem) => last = Some(LandingError::Shell { path: format!("/{path}"), problem }),
        }
    }
    let none = LandingError::NoShell { tried: SHELLS.join(", /") };
    Err(last.unwrap_or(none).into())
}

fn file(root: &Root, path: &str) -> Option<InodeId> {
    let inode = root.tree.resolve(path.as_bytes()).ok().flatten()?;
    root.tree.inode(inode).as_file().map(Blob::len).filter(|len| *len <= SHELL_MAX)?;
    Some(inode)
}
