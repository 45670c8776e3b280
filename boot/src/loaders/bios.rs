//! GRUB's parts for BIOS, where the distributions keep them.

use bootwright_image::{FileTree, InodeId};

use super::file_at;

/// Folders with GRUB's files for BIOS.
const FOLDERS: &[&str] =
    &["/usr/lib/grub/i386-pc", "/usr/lib/grub2/i386-pc", "/usr/share/grub2/i386-pc"];

/// What it takes to assemble an El Torito image, beside modules.
const PARTS: &[&str] =
    &["cdboot.img", "diskboot.img", "kernel.img", "lzma_decompress.img", "moddep.lst"];

/// What a root file system offers to boot on BIOS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BiosFiles {
    /// The folder.
    pub folder: &'static str,
    /// A ready El Torito image.
    pub ready: Option<InodeId>,
    /// The parts to assemble one from, by name: `*.img`, `*.mod` and `*.lst`, sorted.
    pub parts: Vec<(String, InodeId)>,
    /// Boot code for hybrid media (`boot_hybrid.img`).
    pub hybrid: Option<InodeId>,
}

/// Looks for a folder with a ready `eltorito.img`, or with everything to assemble one. `None`: the
/// image does not boot on BIOS.
#[must_use]
pub fn find_bios(tree: &FileTree) -> Option<BiosFiles> {
    FOLDERS.iter().find_map(|folder| {
        let at = |name: &str| file_at(tree, &format!("{folder}/{name}"));
        let ready = at("eltorito.img");
        if ready.is_none() && PARTS.iter().any(|name| at(name).is_none()) {
            return None;
        }
        let inode = tree.resolve(folder.as_bytes()).ok().flatten()?;
        let parts = tree
            .children(inode)
            .filter_map(|(name, _)| {
                let name = std::str::from_utf8(name).ok()?;
                let part = [".img", ".mod", ".lst"].iter().any(|end| name.ends_with(end));
                part.then(|| at(name).map(|inode| (name.to_owned(), inode))).flatten()
            })
            .collect();
        Some(BiosFiles { folder, ready, parts, hybrid: at("boot_hybrid.img") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Metadata;

    fn tree(folder: &str, names: &[&str]) -> FileTree {
        let mut tree = FileTree::new(Metadata::default());
        let folder = tree.add_directories(folder.as_bytes(), &Metadata::default()).unwrap();
        for name in names {
            tree.add_file(folder, name.as_bytes(), Metadata::default(), (*name).into()).unwrap();
        }
        tree
    }

    #[test]
    fn parts_are_found_in_any_of_the_folders() {
        for folder in FOLDERS {
            let names = [PARTS, &["iso9660.mod", "efiemu64.o"]].concat();
            let found = find_bios(&tree(folder, &names)).unwrap();
            let parts: Vec<_> = found.parts.iter().map(|(name, _)| name.as_str()).collect();
            let expected = [
                "cdboot.img",
                "diskboot.img",
                "iso9660.mod",
                "kernel.img",
                "lzma_decompress.img",
                "moddep.lst",
            ];
            assert_eq!(parts, expected);
            assert_eq!((found.folder, found.ready, found.hybrid), (*folder, None, None));
        }
    }

    #[test]
    fn a_ready_image_is_enough_and_half_a_grub_is_not() {
        assert!(find_bios(&tree(FOLDERS[0], &["eltorito.img"])).unwrap().ready.is_some());
        assert_eq!(find_bios(&tree(FOLDERS[0], &PARTS[1..])), None);
        assert_eq!(find_bios(&tree("/usr/lib/grub/x86_64-efi", &["kernel.img"])), None);
    }
}
