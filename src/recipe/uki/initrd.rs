//! The root file system as Linux unpacks it into memory.

use bootwright_image::{FileTree, Kind, Metadata, Observer, Timestamp};

use crate::recipe::RecipeError;

/// What Kairos starts.
const IMMUCORE: &str = "usr/bin/immucore";
/// What other systems start, in order.
const INITS: [&str; 3] = ["usr/lib/systemd/systemd", "sbin/init", "bin/init"];
/// Folders that Kairos mounts on.
const FOLDERS: [(&[u8], u16); 3] =
    [(b"oem", 0o755), (b"efi", 0o755), (b"usr/local/cloud-config", 0o755)];
/// What the running kernel fills; Kairos makes these folders itself.
const LEFT_OUT: [&[u8]; 6] = [b"boot", b"sys", b"run", b"dev", b"tmp", b"proc"];

/// Makes a tree an initrd's: `/init` leads to what starts the system, kernels and mount points go.
///
/// # Errors
/// [`RecipeError::Init`] when nothing can start it, or two things would;
/// [`RecipeError::MountPoint`].
pub(super) fn prepare(
    tree: &mut FileTree,
    time: Timestamp,
    observer: &dyn Observer,
) -> Result<(), RecipeError> {
    let folder = |mode| Metadata { mtime: time, ..Metadata::directory(mode) };
    for name in LEFT_OUT {
        tree.remove(tree.root(), name);
    }
    let exists = |tree: &FileTree, path: &str| matches!(tree.resolve(path.as_bytes()), Ok(Some(_)));
    let is_kairos = exists(tree, IMMUCORE);
    let has_init = tree.child(tree.root(), b"init").is_some();
    let target = match (is_kairos, has_init) {
        (true, true) => return Err(RecipeError::Init { problem: "/init is there already" }),
        (true, false) => Some(IMMUCORE),
        (false, true) => None,
        (false, false) => {
            let found = INITS.into_iter().find(|path| exists(tree, path));
            Some(found.ok_or(RecipeError::Init {
                problem: "neither /usr/bin/immucore nor /usr/lib/systemd/systemd nor /sbin/init is there",
            })?)
        }
    };
    if !is_kairos {
        observer.warn(format_args!(
            "the base image has no /usr/bin/immucore: {} starts it, which makes no Kairos system",
            target.map_or_else(|| "/init".to_owned(), |path| format!("/{path}"))
        ));
        // Without immucore nobody makes them.
        for name in LEFT_OUT.iter().filter(|name| **name != b"boot") {
            tree.add_directories(name, &folder(0o755)).map_err(RecipeError::MountPoint)?;
        }
    }
    if let Some(target) = target {
        let link = Kind::Symlink(format!("/{target}").into_bytes().into());
        let metadata = Metadata { mtime: time, ..Metadata::file(0o777) };
        tree.add(tree.root(), b"init", metadata, link).map_err(RecipeError::MountPoint)?;
    }
    for (path, mode) in FOLDERS {
        if !matches!(tree.resolve(path), Ok(Some(_))) {
            tree.add_directories(path, &folder(mode)).map_err(RecipeError::MountPoint)?;
        }
    }
    Ok(())
}

/// More bytes than the compressed archive of a tree can have: every name with its content, and what
/// a compressor adds to data it cannot compress.
pub(super) fn len_max(tree: &FileTree) -> u64 {
    /// Header, terminator and padding of an entry.
    const ENTRY: u64 = 120;
    let mut len: u64 = 1 << 20;
    let mut seen = vec![false; tree.capacity()];
    for walked in tree.walk() {
        let inode = tree.inode(walked.id);
        let first = !std::mem::replace(&mut seen[walked.id.index()], true);
        let content = match inode.kind() {
            Kind::File(blob) if first => blob.len(),
            Kind::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        len = len.saturating_add(ENTRY + walked.path.len() as u64).saturating_add(content);
    }
    len.saturating_add(len / 128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Silent;

    fn tree(files: &[&str]) -> FileTree {
        let mut tree = FileTree::new(Metadata::directory(0o755));
        for path in files {
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let folder = Metadata::directory(0o755);
            let parent = tree.add_directories(parent.as_bytes(), &folder).unwrap();
            tree.add_file(parent, name.as_bytes(), Metadata::file(0o755), "x".into()).unwrap();
        }
        tree
    }

    #[test]
    fn kairos_starts_with_immucore_and_other_systems_with_systemd() {
        let mut kairos = tree(&["usr/bin/immucore", "boot/vmlinuz", "dev/null"]);
        prepare(&mut kairos, Timestamp(7), &Silent).unwrap();
        let init = kairos.inode(kairos.lookup(b"init").unwrap()).kind().clone();
        assert!(matches!(init, Kind::Symlink(target) if *target == b"/usr/bin/immucore"[..]));
        assert!(kairos.lookup(b"boot").is_none() && kairos.lookup(b"dev").is_none());
        assert!(kairos.lookup(b"usr/local/cloud-config").is_some());

        let mut debian = tree(&["usr/lib/systemd/systemd", "boot/vmlinuz"]);
        prepare(&mut debian, Timestamp(7), &Silent).unwrap();
        assert!(debian.lookup(b"dev").is_some() && debian.lookup(b"init").is_some());
    }

    #[test]
    fn a_system_that_cannot_start_is_refused() {
        assert!(prepare(&mut tree(&["etc/x"]), Timestamp(0), &Silent).is_err());
        assert!(prepare(&mut tree(&["usr/bin/immucore", "init"]), Timestamp(0), &Silent).is_err());
    }
}
