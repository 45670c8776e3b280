//! The trees of the small partitions.

use std::path::{Path, PathBuf};

use bootwright_boot::loaders::{Use, chain_paths, find_efi};
use bootwright_image::{Blob, FileTree, Kind, Metadata, Observer, Timestamp, collect};

use super::grub;
use crate::recipe::iso::{check_loader, machine};
use crate::recipe::{Architecture, RecipeError, Root};

/// What boot loaders may have together: they are held in memory.
const LOADERS_MAX: u64 = 128 << 20;

/// A tree that is filled with files; folders come by themselves. All have one time, belong to root
/// and have modes of their own.
pub(super) struct Files {
    tree: FileTree,
    time: Timestamp,
    what: &'static str,
}

impl Files {
    /// `what` names the tree in errors.
    pub(super) fn new(what: &'static str, time: Timestamp) -> Self {
        let root = Metadata { mtime: time, ..Metadata::directory(0o755) };
        Self { tree: FileTree::new(root), time, what }
    }

    pub(super) fn put(&mut self, path: &str, mode: u16, blob: Blob) -> Result<(), RecipeError> {
        let failed =
            |source| RecipeError::Place { path: format!("/{path} on {}", self.what), source };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let folder = self.tree.add_directories(folder.as_bytes(), &metadata).map_err(failed)?;
        let metadata = Metadata { mtime: self.time, ..Metadata::file(mode) };
        self.tree.add_file(folder, name.as_bytes(), metadata, blob).map_err(failed)?;
        Ok(())
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> Result<(), RecipeError> {
        let failed =
            |source| RecipeError::Place { path: format!("/{path} on {}", self.what), source };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let folder = self.tree.add_directories(folder.as_bytes(), &metadata).map_err(failed)?;
        let metadata = Metadata { mtime: self.time, ..Metadata::file(0o777) };
        let kind = Kind::Symlink(target.as_bytes().into());
        self.tree.add(folder, name.as_bytes(), metadata, kind).map_err(failed)?;
        Ok(())
    }

    pub(super) fn folder(&mut self, path: &str) -> Result<(), RecipeError> {
        let failed =
            |source| RecipeError::Place { path: format!("/{path} on {}", self.what), source };
        let metadata = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        self.tree.add_directories(path.as_bytes(), &metadata).map_err(failed)?;
        Ok(())
    }

    /// A file of the build host.
    pub(super) fn host(&mut self, path: &str, mode: u16, from: &Path) -> Result<u64, RecipeError> {
        let read = |source| RecipeError::Read { path: from.into(), source };
        let metadata = std::fs::metadata(from).map_err(read)?;
        if !metadata.is_file() {
            return Err(RecipeError::NotAFile { path: from.into() });
        }
        self.put(path, mode, Blob::host_file(from.into(), 0, metadata.len()))?;
        Ok(metadata.len())
    }

    pub(super) fn into_tree(self) -> FileTree {
        self.tree
    }
}

/// The EFI system partition: shim, GRUB, and its way to the recovery partition.
pub(super) fn efi(
    root: &Root,
    architecture: Architecture,
    observer: &dyn Observer,
) -> Result<FileTree, RecipeError> {
    let loaders = find_efi(&root.tree, machine(architecture), Use::Disk)?;
    let wanted: Vec<_> = loaders.files.iter().map(|file| file.inode).collect();
    let contents = collect(&root.tree, &root.streams, &wanted, LOADERS_MAX, observer)?;
    let mut files = Files::new("the EFI system partition", root.epoch);
    for (file, bytes) in loaders.files.iter().zip(contents) {
        check_loader(&file.path, &bytes, architecture)?;
        files.put(&format!("EFI/BOOT/{}", file.name), 0o644, bytes.into())?;
    }
    for path in chain_paths(&loaders.vendors) {
        files.put(&path, 0o644, grub::CHAIN.into())?;
    }
    Ok(files.into_tree())
}

/// The menu's entry for the recovery system.
pub(super) const RECOVERY_ENTRY: &str = "recovery";

/// What a user puts on the partition for the system's owner.
pub(super) struct Oem<'a> {
    pub(super) user_data: Option<&'a Path>,
    /// What boots first.
    pub(super) next_entry: &'static str,
    /// More for the menu.
    pub(super) menu: Option<&'a str>,
    /// MiB of the partition that the system makes for its images.
    pub(super) state: u64,
}

/// The partition with configuration. Without user-data there is an empty one: no user and no
/// password come from us.
pub(super) fn oem(wanted: &Oem<'_>, time: Timestamp) -> Result<FileTree, RecipeError> {
    let mut files = Files::new("the OEM partition", time);
    match wanted.user_data {
        Some(path) => files.host("90_custom.yaml", 0o600, path).map(|_| ())?,
        None => files.put("90_custom.yaml", 0o600, "#cloud-config\n".into())?,
    }
    files.put("01_reset.yaml", 0o644, reset(wanted.state).into_bytes().into())?;
    let block = grub::environment(&[("next_entry", wanted.next_entry)])?;
    files.put("grubenv", 0o644, block.into())?;
    if let Some(menu) = wanted.menu {
        files.put("grubcustom", 0o644, menu.as_bytes().to_vec().into())?;
        // What the first boot puts in place when it has no program to edit the block with.
        let block = grub::environment(&[("next_entry", RECOVERY_ENTRY)])?;
        files.put("grubenv.bak", 0o644, block.into())?;
    }
    Ok(files.into_tree())
}

/// What makes the missing partitions at the first boot and installs the system into them.
fn reset(state: u64) -> String {
    format!(
        "#cloud-config
name: \"Expand disk layout and autoreset\"
stages:
    after-reset:
        - if: '[ -f /oem/01_reset.yaml ]'
          commands:
            - rm /oem/01_reset.yaml
    network:
        - if: '[ -f /run/cos/recovery_mode ] && [ ! -f /oem/.autoreset.skip ]'
          commands:
            - udevadm trigger
            - kairos-agent --debug reset --unattended --reboot
    rootfs.before:
        - name: \"Add the partitions for the system\"
          layout:
            device:
                label: COS_RECOVERY
            add_partitions:
                - fsLabel: COS_STATE
                  size: {state}
                  pLabel: state
                  filesystem: ext2
                - fsLabel: COS_PERSISTENT
                  pLabel: persistent
                  filesystem: ext2
"
    )
}

/// What goes into the content partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Content<'a> {
    pub(super) folders: &'a [PathBuf],
    pub(super) cluster_config: Option<&'a Path>,
    /// A fixed name for the cluster configuration; `None` keeps its own.
    pub(super) cluster_config_name: Option<&'static str>,
    pub(super) edge_custom_config: Option<&'a Path>,
}

impl Content<'_> {
    /// The tree, and the partition's length in bytes; `None` when there is nothing to put there.
    pub(super) fn tree(&self, time: Timestamp) -> Result<Option<(FileTree, u64)>, RecipeError> {
        let is_empty = self.folders.is_empty()
            && self.cluster_config.is_none()
            && self.edge_custom_config.is_none();
        if is_empty {
            return Ok(None);
        }
        let mut files = Files::new("the content partition", time);
        for folder in ["bundle-content", "spc-config", "edge-config"] {
            files.folder(folder)?;
        }
        let mut len = 0;
        for folder in self.folders {
            for path in bundles(folder)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                len += files.host(&format!("bundle-content/{name}"), 0o644, &path)?;
            }
        }
        if let Some(path) = self.cluster_config {
            let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let name = self.cluster_config_name.map_or(own, str::to_owned);
            len += files.host(&format!("spc-config/{name}"), 0o644, path)?;
        }
        if let Some(path) = self.edge_custom_config {
            len += files.host("edge-config/.edge_custom_config.yaml", 0o644, path)?;
        }
        Ok(Some((files.into_tree(), len + len / 5 + (100 << 20))))
    }
}

/// The bundles of a folder and those below it, whole, in order of their paths.
fn bundles(folder: &Path) -> Result<Vec<PathBuf>, RecipeError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let read = |source| RecipeError::Read { path: folder.clone(), source };
        for entry in std::fs::read_dir(&folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let is_bundle = path.extension().is_some_and(|kind| kind == "zst" || kind == "tar");
            if path.is_dir() {
                open.push(path);
            } else if is_bundle {
                found.push(path);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(RecipeError::NoBundle { path: folder.into() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_in_by_default() {
        let wanted = Oem { user_data: None, next_entry: "recovery", menu: None, state: 100 };
        let tree = oem(&wanted, Timestamp(0)).unwrap();
        let text = |path: &[u8]| {
            let blob = tree.inode(tree.lookup(path).unwrap()).as_file().unwrap().clone();
            std::io::read_to_string(blob.open().unwrap()).unwrap()
        };
        assert_eq!(text(b"90_custom.yaml"), "#cloud-config\n");
        let all = text(b"01_reset.yaml") + &text(b"grubenv");
        assert!(!all.contains("passwd") && !all.contains("users"), "{all}");
    }

    #[test]
    fn bundles_are_found_in_folders_below() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["z.zst", "b/a.tar", "b/readme"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let found = bundles(folder.path()).unwrap();
        assert_eq!(found, ["b/a.tar", "z.zst"].map(|name| folder.path().join(name)));
        let content = Content { folders: &[folder.path().join("b")], ..Content::default() };
        let (tree, len) = content.tree(Timestamp(0)).unwrap().unwrap();
        assert!(tree.lookup(b"bundle-content/a.tar").is_some());
        assert_eq!(len, 1 + (100 << 20));
        assert!(Content::default().tree(Timestamp(0)).unwrap().is_none());
    }
}
