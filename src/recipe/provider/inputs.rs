//! Trees that are read for an image.

use bootwright_image::{FileTree, InodeId, Timestamp};

/// The first release of systemd whose extensions of the system CanvOS relies on.
const EXTENSIONS: u32 = 255;

/// Lowers the times of what is in `tree` and has another time in `base`, or is not there.
pub(super) fn lower_new_times(base: Option<&FileTree>, tree: &mut FileTree, epoch: Timestamp) {
    let time = |tree: &FileTree, id| tree.inode(id).metadata.mtime;
    let of_base = |path: &[u8]| base.and_then(|base| Some(time(base, base.lookup(path)?)));
    let is_late = |path: &[u8], id| time(tree, id) > epoch && of_base(path) != Some(time(tree, id));
    let walk = tree.walk().map(|walked| (walked.path, walked.id));
    let all = walk.chain([(Vec::new(), tree.root())]);
    let late: Vec<InodeId> =
        all.filter(|(path, id)| is_late(path, *id)).map(|(_, id)| id).collect();
    for id in late {
        tree.metadata_mut(id).mtime = epoch;
    }
}

/// Whether the system takes Kubernetes as an extension: the release of systemd, by the name of its
/// shared library `libsystemd-shared-RELEASE.so`. `None` when there is no such library.
pub(super) fn takes_extensions(tree: &FileTree) -> Option<bool> {
    let release = |path: &[u8]| {
        let name = path.rsplit(|byte| *byte == b'/').next()?;
        let rest = name.strip_prefix(b"libsystemd-shared-")?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&rest[..digits]).ok()?.parse::<u32>().ok()
    };
    tree.walk().find_map(|walked| release(&walked.path)).map(|release| release >= EXTENSIONS)
}
