//! Kernel and initrd, by the rules of the Kairos agent.

use bootwright_image::FileTree;

use super::resolve::{file, real_path};
use super::{Found, LookupError};

const KERNEL: &[&str] = &["uImage", "Image", "zImage", "vmlinuz", "image"];
const INITRD: &[&str] = &["initrd", "initramfs"];

/// The kernel: the first file of `/boot`, in order of the bytes of the names, whose name begins
/// with `uImage`, `Image`, `zImage`, `vmlinuz` or `image`. So the link `vmlinuz`, where there is
/// one, decides between several kernels. Names that lead to no regular file are passed over.
///
/// # Errors
/// [`LookupError::NoPrefix`].
pub fn kernel(tree: &FileTree) -> Result<Found, LookupError> {
    first_with_prefix(tree, "kernel", KERNEL)
}

/// The initrd: as [`kernel`], with `initrd` and `initramfs`.
///
/// # Errors
/// [`LookupError::NoPrefix`].
pub fn initrd(tree: &FileTree) -> Result<Found, LookupError> {
    first_with_prefix(tree, "initrd", INITRD)
}

fn first_with_prefix(
    tree: &FileTree,
    what: &'static str,
    prefixes: &'static [&'static str],
) -> Result<Found, LookupError> {
    let mut skipped = Vec::new();
    let boot = real_path(tree, b"boot").and_then(|path| tree.lookup(&path));
    for (name, _) in boot.into_iter().flat_map(|boot| tree.children(boot)) {
        if !prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes())) {
            continue;
        }
        let found = std::str::from_utf8(name).ok().and_then(|n| file(tree, &format!("boot/{n}")));
        match found {
            Some(found) => return Ok(found),
            None => skipped.push(format!("boot/{}", String::from_utf8_lossy(name))),
        }
    }
    Err(LookupError::NoPrefix { what, prefixes, skipped })
}
