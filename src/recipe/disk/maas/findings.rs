//! What MAAS, and curtin on a machine's behalf, ask of a disk that they write as it is.
//!
//! curtin mounts every partition and takes for the installed system the one with a folder of a
//! certain name in its root, the last such. It then runs that system's `/curtin/curtin-hooks`
//! instead of its own if it can be executed.

use bootwright_image::{FileTree, InodeId, Kind};

use crate::recipe::Architecture;

/// Folders by which curtin knows its target.
const TARGETS: [&str; 3] = ["curtin", "system-data/var/lib/snapd", "snaps"];
const HOOKS: &str = "curtin/curtin-hooks";
/// Programs that recent releases run in the target, and the shell for those that are scripts.
const PROGRAMS: [&str; 4] = ["bash", "cloud-init", "netplan", "sh"];
const EXECUTABLE: u16 = 0o111;

/// What was seen in the volumes of a disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Volumes that curtin would take for its target.
    targets: usize,
    /// Whether one of them has hooks that can be executed.
    hooks: bool,
    /// Programs that the target lacks.
    lacking: Vec<&'static str>,
    /// By the boot loader's name.
    pub(crate) architecture: Option<Architecture>,
}

impl Findings {
    /// Looks at the paths of a FAT.
    pub(crate) fn see_names<'a>(&mut self, paths: impl Iterator<Item = &'a str>) {
        for path in paths {
            let is = |name: &str| path.eq_ignore_ascii_case(name);
            self.targets += usize::from(TARGETS.iter().any(|target| is(target)));
            if is("EFI/BOOT/BOOTX64.EFI") {
                self.architecture = Some(Architecture::Amd64);
            } else if is("EFI/BOOT/BOOTAA64.EFI") {
                self.architecture = Some(Architecture::Arm64);
            }
        }
    }

    /// Looks at the tree of a volume.
    pub(crate) fn see_tree(&mut self, tree: &FileTree) {
        let find = |path: &str| tree.resolve(path.as_bytes()).ok().flatten();
        let is_folder = |path: &str| {
            find(path).is_some_and(|inode| matches!(tree.inode(inode).kind(), Kind::Directory(_)))
        };
        if !TARGETS.iter().any(|target| is_folder(target)) {
            return;
        }
        self.targets += 1;
        let is_program = |inode: InodeId| {
            let inode = tree.inode(inode);
            inode.as_file().is_some() && inode.metadata.mode & EXECUTABLE != 0
        };
        self.hooks |= tree.lookup(HOOKS.as_bytes()).is_some_and(is_program);
        let there = |name: &str| {
            let mut folders = ["usr/bin", "bin", "usr/sbin"].iter();
            folders.any(|folder| find(&format!("{folder}/{name}")).is_some_and(is_program))
        };
        self.lacking.extend(PROGRAMS.iter().filter(|name| !there(name)));
    }

    /// Whether a volume is meant for curtin.
    pub(crate) fn is_for_maas(&self) -> bool {
        self.targets > 0
    }

    /// Programs that recent releases of MAAS look for in the target and do not find.
    pub(crate) fn lacking(&self) -> &[&'static str] {
        &self.lacking
    }

    /// What stands in the way, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.targets {
            0 => Err("no partition has a folder /curtin, by which curtin knows its target".into()),
            1 if self.hooks => Ok(()),
            1 => Err(format!("/{HOOKS} is missing or cannot be executed")),
            several => Err(format!("{several} partitions look like curtin's target, not one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::{Blob, Metadata};

    fn target(mode: u16) -> FileTree {
        let mut tree = FileTree::new(Metadata::directory(0o755));
        let folder = Metadata::directory(0o755);
        let curtin = tree.add_directory(tree.root(), b"curtin", folder).unwrap();
        tree.add_file(curtin, b"curtin-hooks", Metadata::file(mode), Blob::from("x")).unwrap();
        tree
    }

    #[test]
    fn curtin_finds_one_target_with_hooks() {
        let mut findings = Findings::default();
        assert!(findings.check().unwrap_err().contains("no partition"));
        findings.see_names(["EFI", "EFI/BOOT/bootaa64.efi"].into_iter());
        findings.see_tree(&FileTree::new(Metadata::directory(0o755)));
        assert!(!findings.is_for_maas());
        findings.see_tree(&target(0o750));
        assert_eq!(findings.check(), Ok(()));
        assert_eq!(findings.architecture, Some(Architecture::Arm64));
        assert_eq!(findings.lacking(), PROGRAMS);
        findings.see_names(["Snaps"].into_iter());
        assert!(findings.check().unwrap_err().starts_with("2 partitions"));

        let mut findings = Findings::default();
        findings.see_tree(&target(0o640));
        assert!(findings.check().unwrap_err().contains("cannot be executed"));
    }
}
