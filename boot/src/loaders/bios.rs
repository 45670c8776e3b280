//! GRUB for PC BIOS: an El Torito image that is ready, or the parts of one.

use std::collections::BTreeMap;

use bootwright_image::{FileTree, InodeId};

use super::resolve::{file, real_path};
use super::{Architecture, Found, LookupError};
use crate::grub::GrubFiles;

/// Where distributions put GRUB's platform `i386-pc`: Debian, Ubuntu, Alpine, Fedora, RHEL and
/// SUSE; SUSE again.
const DIRECTORIES: [&str; 3] =
    ["usr/lib/grub/i386-pc", "usr/lib/grub2/i386-pc", "usr/share/grub2/i386-pc"];

/// What a base image brings for BIOS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BiosFiles {
    /// The directory, without a leading slash.
    pub directory: String,
    /// An El Torito image, to be taken as it is. Only some images have one.
    pub eltorito: Option<Found>,
    /// What [`core_image`](crate::grub::core_image) makes one from.
    pub parts: Option<CoreParts>,
    /// Boot code for the master boot record of a hybrid ISO: 512 bytes, of which the first 440
    /// count.
    pub boot_hybrid: Option<Found>,
}

/// The files that [`core_image`](crate::grub::core_image) needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreParts {
    /// In the order of the fields of [`GrubFiles`]: cdboot, diskboot, lzma_decompress, kernel and
    /// moddep.
    fixed: [Found; 5],
    modules: BTreeMap<String, Found>,
}

impl CoreParts {
    /// All files, in the order in which [`with_contents`](Self::with_contents) takes them.
    #[must_use]
    pub fn inodes(&self) -> Vec<InodeId> {
        self.fixed.iter().chain(self.modules.values()).map(|found| found.inode).collect()
    }

    /// The files with their contents, in the order of [`inodes`](Self::inodes). `None` when there
    /// are fewer contents.
    #[must_use]
    pub fn with_contents(&self, contents: Vec<Vec<u8>>) -> Option<GrubFiles> {
        let mut contents = contents.into_iter();
        let mut next = || contents.next();
        Some(GrubFiles {
            cdboot: next()?,
            diskboot: next()?,
            lzma_decompress: next()?,
            kernel: next()?,
            moddep: next()?,
            modules: self
                .modules
                .keys()
                .map(|name| Some((name.clone(), next()?)))
                .collect::<Option<_>>()?,
        })
    }
}

/// Finds GRUB for BIOS: the first directory with an `eltorito.img` or the parts of one.
///
/// # Errors
/// [`LookupError::Missing`].
pub fn bios(tree: &FileTree) -> Result<BiosFiles, LookupError> {
    let mut tried = Vec::new();
    for directory in DIRECTORIES {
        let found = |name: &str| file(tree, &format!("{directory}/{name}"));
        let (eltorito, parts) = (found("eltorito.img"), parts(tree, directory, &mut tried));
        if eltorito.is_some() || parts.is_some() {
            let boot_hybrid = found("boot_hybrid.img");
            let directory = directory.to_owned();
            return Ok(BiosFiles { directory, eltorito, parts, boot_hybrid });
        }
        tried.push(format!("{directory}/eltorito.img"));
    }
    let architecture = Architecture::Amd64.name();
    Err(LookupError::Missing { what: "GRUB for BIOS", architecture, tried })
}

/// The parts in one directory; adds the missing ones to `tried`.
fn parts(tree: &FileTree, directory: &str, tried: &mut Vec<String>) -> Option<CoreParts> {
    let fixed = ["cdboot.img", "diskboot.img", "lzma_decompress.img", "kernel.img", "moddep.lst"]
        .map(|name| {
            let path = format!("{directory}/{name}");
            let found = file(tree, &path);
            if found.is_none() {
                tried.push(path);
            }
            found
        });
    let [Some(cdboot), Some(diskboot), Some(lzma), Some(kernel), Some(moddep)] = fixed else {
        return None;
    };
    let real = tree.lookup(&real_path(tree, directory.as_bytes())?)?;
    let modules = tree
        .children(real)
        .filter_map(|(name, _)| {
            let module = std::str::from_utf8(name).ok()?.strip_suffix(".mod")?;
            Some((module.to_owned(), file(tree, &format!("{directory}/{module}.mod"))?))
        })
        .collect();
    Some(CoreParts { fixed: [cdboot, diskboot, lzma, kernel, moddep], modules })
}
