//! Shim and GRUB for UEFI, where the distributions keep them.

use bootwright_image::{FileTree, InodeId};

use super::{FindError, file_at};

/// A machine type that UEFI firmware boots removable media on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// x86-64.
    X64,
    /// AArch64.
    Aa64,
}

impl Machine {
    /// The suffix in names such as `bootx64.efi`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Aa64 => "aa64",
        }
    }

    fn arch(self) -> &'static str {
        match self {
            Self::X64 => "x86_64",
            Self::Aa64 => "aarch64",
        }
    }

    /// GRUB's name of the platform.
    fn platform(self) -> &'static str {
        match self {
            Self::X64 => "x86_64-efi",
            Self::Aa64 => "arm64-efi",
        }
    }
}

/// What the loaders are to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A disc or stick: a GRUB that looks in `/boot/grub` comes first.
    Live,
    /// A disk: a GRUB that looks in its distribution's folder comes first.
    Disk,
}

/// One file for the folder `EFI/BOOT` of a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EfiFile {
    /// What it is, for messages.
    pub what: &'static str,
    /// The file.
    pub inode: InodeId,
    /// Where it was found.
    pub path: String,
    /// Its name in `EFI/BOOT`.
    pub name: String,
}

/// The loaders found, and where their GRUB looks for its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EfiLoaders {
    /// What firmware starts first comes first.
    pub files: Vec<EfiFile>,
    /// Whether the first is a shim, which Secure Boot needs.
    pub shim: bool,
    /// Distributions whose GRUB looks in `/EFI/NAME`.
    pub vendors: Vec<String>,
}

/// Folders of an installed EFI system partition that hold a distribution's loaders.
const VENDORS: &[&str] = &["fedora", "rocky", "redhat", "almalinux", "centos"];

/// Looks for shim, GRUB and MokManager of Debian, Ubuntu, openSUSE and SLES, Fedora, RHEL, Rocky,
/// AlmaLinux and CentOS, and for an unsigned GRUB elsewhere. Without a shim GRUB itself takes its
/// place.
///
/// # Errors
/// [`FindError::Loader`] with every path looked for, when there is no GRUB.
pub fn find_efi(tree: &FileTree, machine: Machine, on: Use) -> Result<EfiLoaders, FindError> {
    let suffix = machine.suffix();
    let grubs = grub_paths(machine, on);
    let Some((grub_path, grub)) = first(tree, &grubs) else {
        return Err(FindError::Loader {
            what: "GRUB",
            machine: machine.arch(),
            tried: grubs.join(", "),
        });
    };
    let file = |what, inode, path: &str, name| EfiFile { what, inode, path: path.into(), name };
    let boot = format!("boot{suffix}.efi");
    let mut files = Vec::new();
    let shims = shim_paths(machine);
    let shim = first(tree, &shims);
    if let Some((path, inode)) = shim {
        files.push(file("shim", inode, path, boot));
        files.push(file("GRUB", grub, grub_path, second_stage(grub_path, suffix)));
        let managers = manager_paths(machine);
        if let Some((path, inode)) = first(tree, &managers) {
            let name = if path.ends_with("MokManager.efi") {
                "MokManager.efi".into()
            } else {
                format!("mm{suffix}.efi")
            };
            files.push(file("MokManager", inode, path, name));
        }
    } else {
        files.push(file("GRUB", grub, grub_path, boot));
    }
    Ok(EfiLoaders { files, shim: shim.is_some(), vendors: vendors(grub_path) })
}

fn first<'a>(tree: &FileTree, paths: &'a [String]) -> Option<(&'a str, InodeId)> {
    paths.iter().find_map(|path| file_at(tree, path).map(|inode| (path.as_str(), inode)))
}

fn shim_paths(machine: Machine) -> Vec<String> {
    let (suffix, arch) = (machine.suffix(), machine.arch());
    let mut paths = vec![
        format!("/usr/share/efi/{arch}/shim.efi"),
        format!("/usr/lib/shim/shim{suffix}.efi.dualsigned"),
        format!("/usr/lib/shim/shim{suffix}.efi.signed.latest"),
        format!("/usr/lib/shim/shim{suffix}.efi.signed"),
    ];
    for vendor in VENDORS {
        paths.push(format!("/boot/efi/EFI/{vendor}/shim.efi"));
        paths.push(format!("/boot/efi/EFI/{vendor}/shim{suffix}.efi"));
    }
    paths
}

fn grub_paths(machine: Machine, on: Use) -> Vec<String> {
    let (suffix, arch, platform) = (machine.suffix(), machine.arch(), machine.platform());
    let for_discs = format!("/usr/lib/grub/{platform}-signed/gcd{suffix}.efi.signed");
    let mut paths = vec![
        format!("/usr/share/efi/{arch}/grub.efi"),
        format!("/usr/lib/grub/{platform}-signed/grub{suffix}.efi.signed"),
    ];
    paths.extend(VENDORS.iter().map(|vendor| format!("/boot/efi/EFI/{vendor}/grub{suffix}.efi")));
    paths.extend([
        format!("/usr/lib/grub/{platform}/grub{suffix}.efi"),
        format!("/usr/lib/grub/{platform}/monolithic/gcd{suffix}.efi"),
        format!("/usr/lib/grub/{platform}/monolithic/grub{suffix}.efi"),
        format!("/usr/share/grub2/{platform}/grub.efi"),
    ]);
    match on {
        Use::Live => paths.insert(0, for_discs),
        Use::Disk => paths.push(for_discs),
    }
    paths
}

fn manager_paths(machine: Machine) -> Vec<String> {
    let (suffix, arch) = (machine.suffix(), machine.arch());
    let mut paths = vec![
        format!("/usr/share/efi/{arch}/MokManager.efi"),
        format!("/usr/lib/shim/mm{suffix}.efi.signed"),
        format!("/usr/lib/shim/mm{suffix}.efi"),
    ];
    paths.extend(VENDORS.iter().map(|vendor| format!("/boot/efi/EFI/{vendor}/mm{suffix}.efi")));
    paths
}

/// The name under which shim loads GRUB from its own folder: SUSE's shim asks for `grub.efi`, all
/// others for `grubx64.efi`.
fn second_stage(path: &str, suffix: &str) -> String {
    if path.starts_with("/usr/share/efi/") {
        "grub.efi".into()
    } else {
        format!("grub{suffix}.efi")
    }
}

/// The folders below `/EFI` that a GRUB found at `path` may have been built to look in.
fn vendors(path: &str) -> Vec<String> {
    let names: &[&str] = match path.strip_prefix("/boot/efi/EFI/") {
        Some(rest) => return rest.split('/').next().map(str::to_owned).into_iter().collect(),
        None if path.starts_with("/usr/share/efi/") => &["opensuse", "sles"],
        None => &["debian", "ubuntu"],
    };
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Metadata;

    fn tree(paths: &[&str]) -> FileTree {
        let mut tree = FileTree::new(Metadata::default());
        for path in paths {
            let (folder, name) = path.rsplit_once('/').unwrap();
            let folder = tree.add_directories(folder.as_bytes(), &Metadata::default()).unwrap();
            tree.add_file(folder, name.as_bytes(), Metadata::default(), (*path).into()).unwrap();
        }
        tree
    }

    fn names(loaders: &EfiLoaders) -> Vec<(&str, &str)> {
        loaders.files.iter().map(|file| (file.path.as_str(), file.name.as_str())).collect()
    }

    #[test]
    fn distributions_and_the_names_their_loaders_need() {
        type Case = (Machine, &'static [(&'static str, &'static str)], &'static [&'static str]);
        let cases: &[Case] = &[
            (
                Machine::X64,
                &[
                    ("/usr/lib/shim/shimx64.efi.signed", "bootx64.efi"),
                    ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", "grubx64.efi"),
                    ("/usr/lib/shim/mmx64.efi.signed", "mmx64.efi"),
                ],
                &["debian", "ubuntu"],
            ),
            (
                Machine::X64,
                &[
                    ("/usr/share/efi/x86_64/shim.efi", "bootx64.efi"),
                    ("/usr/share/efi/x86_64/grub.efi", "grub.efi"),
                    ("/usr/share/efi/x86_64/MokManager.efi", "MokManager.efi"),
                ],
                &["opensuse", "sles"],
            ),
            (
                Machine::X64,
                &[
                    ("/boot/efi/EFI/rocky/shimx64.efi", "bootx64.efi"),
                    ("/boot/efi/EFI/rocky/grubx64.efi", "grubx64.efi"),
                ],
                &["rocky"],
            ),
            (
                Machine::Aa64,
                &[
                    ("/usr/lib/shim/shimaa64.efi.signed", "bootaa64.efi"),
                    ("/usr/lib/grub/arm64-efi-signed/gcdaa64.efi.signed", "grubaa64.efi"),
                ],
                &["debian", "ubuntu"],
            ),
        ];
        for (machine, expected, vendors) in cases {
            let paths: Vec<_> = expected.iter().map(|(path, _)| *path).collect();
            let loaders = find_efi(&tree(&paths), *machine, Use::Live).unwrap();
            assert_eq!(names(&loaders), *expected);
            assert_eq!(loaders.vendors, *vendors);
            assert!(loaders.shim);
        }
    }

    #[test]
    fn the_disc_build_of_grub_and_the_newest_shim_come_first() {
        let loaders = find_efi(
            &tree(&[
                "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
                "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
                "/usr/lib/shim/shimx64.efi.signed",
                "/usr/lib/shim/shimx64.efi.signed.latest",
            ]),
            Machine::X64,
            Use::Live,
        )
        .unwrap();
        assert_eq!(
            names(&loaders),
            [
                ("/usr/lib/shim/shimx64.efi.signed.latest", "bootx64.efi"),
                ("/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed", "grubx64.efi"),
            ]
        );
    }

    #[test]
    fn grub_alone_is_started_by_the_firmware() {
        let path = "/usr/lib/grub/x86_64-efi/monolithic/gcdx64.efi";
        let loaders = find_efi(&tree(&[path]), Machine::X64, Use::Live).unwrap();
        assert_eq!(names(&loaders), [(path, "bootx64.efi")]);
        assert!(!loaders.shim);
    }

    #[test]
    fn a_miss_lists_every_path() {
        let shim_only = tree(&["/usr/lib/shim/shimx64.efi.signed"]);
        let error = find_efi(&shim_only, Machine::X64, Use::Live).unwrap_err().to_string();
        assert!(error.starts_with("no GRUB for x86_64; looked for /usr/lib/grub/"), "{error}");
        for path in grub_paths(Machine::X64, Use::Live) {
            assert!(error.contains(&path), "{path}");
        }
    }

    #[test]
    fn a_disk_gets_a_grub_that_looks_in_its_distributions_folder() {
        let paths = [
            "/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
            "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
        ];
        let found = |on| find_efi(&tree(&paths), Machine::X64, on).unwrap().files[0].path.clone();
        assert_eq!(found(Use::Disk), paths[0]);
        assert_eq!(found(Use::Live), paths[1]);
    }
}
