//! Kernel and initrd, found as Kairos finds them.

use bootwright_image::{FileTree, InodeId};

use super::FindError;

const KERNELS: &[&str] = &["uImage", "Image", "zImage", "vmlinuz", "image"];
const INITRDS: &[&str] = &["initrd", "initramfs"];

/// A kernel and its initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The kernel's file.
    pub kernel: InodeId,
    /// Where it was found.
    pub kernel_path: String,
    /// The initrd's file.
    pub initrd: InodeId,
    /// Where it was found.
    pub initrd_path: String,
}

/// Looks in `/boot`, in order of names, for the first file whose name begins with one of the
/// known prefixes; the order of the names decides, not that of the prefixes, so a link `vmlinuz`
/// comes before the `vmlinuz-VERSION` that it may or may not lead to. Links that lead to no
/// regular file are passed over.
///
/// # Errors
/// [`FindError::Boot`].
pub fn find_kernel(tree: &FileTree) -> Result<Kernel, FindError> {
    let (kernel, kernel_path) = find(tree, "kernel", KERNELS)?;
    let (initrd, initrd_path) = find(tree, "initrd", INITRDS)?;
    Ok(Kernel { kernel, kernel_path, initrd, initrd_path })
}

/// Looks for a kernel alone, as [`find_kernel`] does, and returns its file and where it was found.
///
/// # Errors
/// [`FindError::Boot`].
pub fn find_kernel_image(tree: &FileTree) -> Result<(InodeId, String), FindError> {
    find(tree, "kernel", KERNELS)
}

fn find(
    tree: &FileTree,
    what: &'static str,
    prefixes: &[&str],
) -> Result<(InodeId, String), FindError> {
    let boot = tree.resolve(b"boot").ok().flatten();
    let names = boot.into_iter().flat_map(|boot| tree.children(boot)).map(|(name, _)| name);
    for name in names {
        if !prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes())) {
            continue;
        }
        let path = [b"/boot/", name].concat();
        if let Ok(Some(inode)) = tree.resolve(&path)
            && tree.inode(inode).as_file().is_some()
        {
            return Ok((inode, String::from_utf8_lossy(&path).into_owned()));
        }
    }
    Err(FindError::Boot { what, prefixes: prefixes.join(", ") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::{Kind, Metadata};

    fn tree(files: &[&str], links: &[(&str, &str)]) -> FileTree {
        let mut tree = FileTree::new(Metadata::default());
        let boot = tree.add_directory(tree.root(), b"boot", Metadata::default()).unwrap();
        for name in files {
            tree.add_file(boot, name.as_bytes(), Metadata::default(), (*name).into()).unwrap();
        }
        for (name, target) in links {
            let link = Kind::Symlink(target.as_bytes().into());
            tree.add(boot, name.as_bytes(), Metadata::default(), link).unwrap();
        }
        tree
    }

    #[test]
    fn the_first_name_wins_and_links_resolve_inside_the_image() {
        let files = ["vmlinuz-1", "vmlinuz-2", "initrd.img-1", "config-1"];
        let plain = find_kernel(&tree(&files, &[])).unwrap();
        assert_eq!(plain.kernel_path, "/boot/vmlinuz-1");
        for target in ["vmlinuz-2", "/boot/vmlinuz-2", "../boot/./vmlinuz-2"] {
            let linked = tree(&files, &[("vmlinuz", target)]);
            let found = find_kernel(&linked).unwrap();
            assert_eq!(found.kernel_path, "/boot/vmlinuz");
            assert_eq!(Some(found.kernel), linked.lookup(b"boot/vmlinuz-2"), "{target}");
        }
    }

    #[test]
    fn dangling_links_and_folders_are_passed_over() {
        let mut tree = tree(&["zImage", "initramfs"], &[("Image", "gone"), ("vmlinuz", "/")]);
        let boot = tree.lookup(b"boot").unwrap();
        tree.add_directory(boot, b"initrd.d", Metadata::default()).unwrap();
        let found = find_kernel(&tree).unwrap();
        assert_eq!(found.kernel_path, "/boot/zImage");
        assert_eq!(found.initrd_path, "/boot/initramfs");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = find_kernel(&tree(&["initrd"], &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no kernel in /boot: no regular file there begins with \
             uImage, Image, zImage, vmlinuz, image"
        );
        let error = find_kernel(&tree(&["vmlinuz"], &[("initrd", "loop/initrd")])).unwrap_err();
        assert!(error.to_string().starts_with("no initrd in /boot"), "{error}");
    }
}
