//! Shim, GRUB and MokManager, where distributions put them.

use bootwright_image::FileTree;

use super::resolve::file;
use super::{Architecture, Found, LookupError};
use crate::grub;

/// Where the loaders will lie. Debian and Ubuntu build a GRUB of its own for removable media,
/// whose prefix is `/boot/grub` instead of `/EFI/debian` or `/EFI/ubuntu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Live media: ISO, USB stick.
    Live,
    /// An installed disk.
    Disk,
}

/// A file for the EFI system partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EfiFile {
    /// Its path there, without a leading slash: `EFI/BOOT/bootx64.efi`.
    pub target: String,
    /// Where its content comes from.
    pub source: Found,
}

/// What a base image brings for UEFI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EfiLoaders {
    /// The machine.
    pub architecture: Architecture,
    /// Shim, which Secure Boot firmware trusts. Without it GRUB is started directly.
    pub shim: Option<Found>,
    /// GRUB.
    pub grub: Found,
    /// The program with which people enrol keys in shim.
    pub mok_manager: Option<Found>,
}

/// Finds shim and GRUB. Signed ones are preferred; the lists are those of the Kairos SDK, followed
/// by places it does not know.
///
/// # Errors
/// [`LookupError::Missing`] when there is no GRUB; it names the places for shim too if that is
/// missing as well.
pub fn efi(
    tree: &FileTree,
    architecture: Architecture,
    medium: Medium,
) -> Result<EfiLoaders, LookupError> {
    let first = |paths: &[String]| paths.iter().find_map(|path| file(tree, path));
    let shims = shim_paths(architecture);
    let shim = first(&shims);
    let grubs = grub_paths(architecture, medium);
    let Some(grub) = first(&grubs) else {
        let (what, tried) = match shim {
            Some(_) => ("GRUB", grubs),
            None => ("shim and GRUB", [shims, grubs].concat()),
        };
        return Err(LookupError::Missing { what, architecture: architecture.name(), tried });
    };
    let mok_manager = if shim.is_some() { first(&mok_manager_paths(architecture)) } else { None };
    Ok(EfiLoaders { architecture, shim, grub, mok_manager })
}

impl EfiLoaders {
    /// The files of `EFI/BOOT`. The firmware starts `boot<arch>.efi`; shim starts its second stage
    /// by the exact name that is compiled in: `grubx64.efi`, with SUSE `grub.efi`.
    #[must_use]
    pub fn files(&self) -> Vec<EfiFile> {
        let entry = |name: &str, source: &Found| EfiFile {
            target: format!("EFI/BOOT/{name}"),
            source: source.clone(),
        };
        let first = format!("boot{}.efi", self.architecture.efi_suffix());
        let Some(shim) = &self.shim else { return vec![entry(&first, &self.grub)] };
        let second = unsigned_name(&self.grub.path).replace("gcd", "grub");
        let mut files = vec![entry(&first, shim), entry(&second, &self.grub)];
        if let Some(mok_manager) = &self.mok_manager {
            files.push(entry(unsigned_name(&mok_manager.path), mok_manager));
        }
        files
    }
}

/// The last name of a path without what marks it as signed.
fn unsigned_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".signed.latest", ".dualsigned", ".signed"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}

/// The directories of the medium, without leading slashes, in which a `grub.cfg` makes GRUB find
/// the menu: its prefix is compiled in. `path` is where GRUB was found; its content, when at hand,
/// tells the prefix, and without it all that `path` leaves possible are listed.
#[must_use]
pub fn config_directories(path: &str, content: Option<&[u8]>) -> Vec<String> {
    let mut directories = vec!["boot/grub".to_owned(), "EFI/BOOT".to_owned()];
    let mut add = |directory: &str| {
        let directory = directory.trim_matches('/');
        let known = directories.iter().any(|known| known.eq_ignore_ascii_case(directory));
        if !directory.is_empty() && !known {
            directories.push(directory.to_owned());
        }
    };
    match content.and_then(grub::embedded_prefix) {
        // A prefix in a RAM disk needs no file; one on a device is looked for on ours.
        Some(prefix) if prefix.starts_with("(memdisk)") => {}
        Some(prefix) => add(prefix.rsplit_once(')').map_or(prefix.as_str(), |(_, path)| path)),
        None if path.contains("-efi-signed/") => {
            add("EFI/debian");
            add("EFI/ubuntu");
        }
        None => {}
    }
    let vendor = path.trim_start_matches('/').strip_prefix("boot/efi/");
    if let Some((directory, _)) = vendor.and_then(|path| path.rsplit_once('/')) {
        add(directory);
    }
    directories
}

/// Vendors with a directory of their own on the EFI system partition.
const VENDORS: [&str; 7] = ["fedora", "rocky", "redhat", "almalinux", "centos", "opensuse", "sles"];

fn shim_paths(architecture: Architecture) -> Vec<String> {
    let (machine, suffix) = (architecture.machine(), architecture.efi_suffix());
    if architecture == Architecture::Riscv64 {
        return Vec::new();
    }
    // SUSE and Hadron, then Ubuntu and Debian.
    let mut paths = vec![format!("usr/share/efi/{machine}/shim.efi")];
    for signed in [".dualsigned", ".signed.latest", ".signed"] {
        paths.push(format!("usr/lib/shim/shim{suffix}.efi{signed}"));
    }
    for vendor in VENDORS {
        paths.push(format!("boot/efi/EFI/{vendor}/shim.efi"));
        paths.push(format!("boot/efi/EFI/{vendor}/shim{suffix}.efi"));
    }
    paths
}

fn grub_paths(architecture: Architecture, medium: Medium) -> Vec<String> {
    let (machine, suffix) = (architecture.machine(), architecture.efi_suffix());
    let platform = architecture.grub_platform();
    let removable = |directory: &str, signed: &str| {
        (medium == Medium::Live)
            .then(|| format!("usr/lib/grub/{directory}/gcd{suffix}.efi{signed}"))
    };
    let signed = format!("{platform}-signed");
    let mut paths: Vec<String> = removable(&signed, ".signed").into_iter().collect();
    paths.push(format!("usr/share/efi/{machine}/grub.efi"));
    paths.push(format!("usr/lib/grub/{signed}/grub{suffix}.efi.signed"));
    for vendor in VENDORS {
        paths.push(format!("boot/efi/EFI/{vendor}/grub{suffix}.efi"));
    }
    // Not signed: Hadron, Debian's monolithic images, Alpine.
    paths.push(format!("usr/lib/grub/{platform}/grub{suffix}.efi"));
    paths.extend(removable(&format!("{platform}/monolithic"), ""));
    paths.push(format!("usr/lib/grub/{platform}/monolithic/grub{suffix}.efi"));
    paths.push(format!("usr/lib/grub/{platform}/grub.efi"));
    paths.push(format!("usr/share/grub2/{platform}/grub.efi"));
    paths
}

fn mok_manager_paths(architecture: Architecture) -> Vec<String> {
    let (machine, suffix) = (architecture.machine(), architecture.efi_suffix());
    let mut paths = vec![
        format!("usr/share/efi/{machine}/MokManager.efi"),
        format!("usr/lib/shim/mm{suffix}.efi.signed"),
        format!("usr/lib/shim/mm{suffix}.efi"),
    ];
    paths.extend(VENDORS.map(|vendor| format!("boot/efi/EFI/{vendor}/mm{suffix}.efi")));
    paths
}
