//! Paths without symbolic links.

use bootwright_image::{FileTree, Kind};

use super::Found;

/// Links followed before a path counts as a loop, as in Linux.
const LINKS_MAX: usize = 40;

/// The regular file at `path`; links are followed inside the tree.
pub(super) fn file(tree: &FileTree, path: &str) -> Option<Found> {
    let resolved = real_path(tree, path.as_bytes())?;
    let inode = tree.lookup(&resolved)?;
    tree.inode(inode).as_file()?;
    Some(Found {
        inode,
        path: path.trim_start_matches('/').to_owned(),
        resolved: String::from_utf8_lossy(&resolved).into_owned(),
    })
}

/// The path that leads to the same place without links, without a leading slash. `None` when
/// there is no such place.
pub(super) fn real_path(tree: &FileTree, path: &[u8]) -> Option<Vec<u8>> {
    let names = |path: &[u8]| -> Vec<Vec<u8>> {
        let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        names.rev().map(<[u8]>::to_vec).collect()
    };
    let mut left = names(path);
    let mut real: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(name) = left.pop() {
        if name == b".." {
            real.pop();
            continue;
        }
        real.push(name);
        let inode = tree.inode(tree.lookup(&real.join(&b'/'))?);
        let Kind::Symlink(target) = inode.kind() else { continue };
        links += 1;
        if links > LINKS_MAX {
            return None;
        }
        real.pop();
        if target.starts_with(b"/") {
            real.clear();
        }
        left.extend(names(target));
    }
    Some(real.join(&b'/'))
}
