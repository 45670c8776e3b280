//! Which files a project has.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::plan::supplied;

/// Files that a project may have in one folder.
const MOST: usize = 100_000;

/// Where cargo leaves the test program for firmware, which is a part of CanvOS's checkout.
const SIZE_CHECKS: [&str; 2] = [
    "efi-size-check/target/x86_64-unknown-uefi/release/efi-size-check.efi",
    "efi-size-check/target/x86_64-unknown-uefi/debug/efi-size-check.efi",
];

/// A file of a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProjectFile {
    /// Its path, from the project's folder on.
    pub path: PathBuf,
    /// Its length in bytes.
    pub len: u64,
}

/// The files that builds take in, each list sorted.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// `user-data`.
    pub user_data: Option<ProjectFile>,
    /// What `EDGE_CUSTOM_CONFIG` names.
    pub edge_config: Option<ProjectFile>,
    /// What `CLUSTERCONFIG` names.
    pub cluster_config: Option<ProjectFile>,
    /// `local-ui.tar`.
    pub local_ui: Option<ProjectFile>,
    /// `k8s_version.json`.
    pub versions: Option<ProjectFile>,
    /// `Dockerfile`.
    pub dockerfile: Option<ProjectFile>,
    /// `spectro-luet-auth.yaml`.
    pub luet_auth: Option<ProjectFile>,
    /// Bundles: `*.zst` in the folders `content-*`.
    pub content: Vec<ProjectFile>,
    /// Folders `content-*` with bundles.
    pub content_folders: Vec<PathBuf>,
    /// What lies in the folders `content-*` besides, hidden files aside.
    pub content_others: Vec<PathBuf>,
    /// `overlay/files`.
    pub overlay: Vec<ProjectFile>,
    /// `overlay/files-iso`.
    pub overlay_iso: Vec<ProjectFile>,
    /// `certs`.
    pub certificates: Vec<ProjectFile>,
    /// `secure-boot`.
    pub secure_boot: Vec<ProjectFile>,
    /// Files of CanvOS's own that go into root file systems.
    pub supplied: Vec<ProjectFile>,
    /// The test program for firmware, when somebody built it.
    pub size_check: Option<ProjectFile>,
}

impl Files {
    /// Looks what is there. The two paths are values of keys.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn find(folder: &Path, edge_config: &str, cluster_config: &str) -> io::Result<Self> {
        let mut files = Self {
            user_data: file(folder, "user-data"),
            edge_config: file(folder, edge_config),
            cluster_config: file(folder, cluster_config),
            local_ui: file(folder, "local-ui.tar"),
            versions: file(folder, "k8s_version.json"),
            dockerfile: file(folder, "Dockerfile"),
            luet_auth: file(folder, "spectro-luet-auth.yaml"),
            overlay: below(folder, "overlay/files")?,
            overlay_iso: below(folder, "overlay/files-iso")?,
            certificates: below(folder, "certs")?,
            secure_boot: below(folder, "secure-boot")?,
            supplied: supplied::paths().filter_map(|path| file(folder, path)).collect(),
            size_check: SIZE_CHECKS.iter().find_map(|path| file(folder, path)),
            ..Self::default()
        };
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with("content-")) else {
                continue;
            };
            let bundle = |file: &ProjectFile| {
                file.path.extension() == Some(OsStr::new("zst"))
                    && file.path.components().count() == 2
            };
            let (bundles, others): (Vec<_>, Vec<_>) =
                below(folder, name)?.into_iter().partition(bundle);
            let others = others.into_iter().map(|file| file.path);
            files.content_others.extend(others.filter(|path| !is_hidden(path)));
            if !bundles.is_empty() {
                files.content_folders.push(name.into());
                files.content.extend(bundles);
            }
        }
        files.content.sort();
        files.content_others.sort();
        files.content_folders.sort();
        Ok(files)
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn file(folder: &Path, name: &str) -> Option<ProjectFile> {
    let metadata = fs::metadata(folder.join(name)).ok().filter(fs::Metadata::is_file)?;
    Some(ProjectFile { path: name.into(), len: metadata.len() })
}

/// All files below a folder; none if it is not there.
fn below(folder: &Path, name: &str) -> io::Result<Vec<ProjectFile>> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::from(name)];
    while let Some(next) = open.pop() {
        let entries = match fs::read_dir(folder.join(&next)) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = next.join(entry.file_name());
            let metadata = entry.metadata()?;
            if metadata.is_dir() {
                open.push(path);
            } else {
                files.push(ProjectFile { path, len: metadata.len() });
            }
            if files.len() > MOST {
                let text = format!("{name} has more than {MOST} files");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
    files.sort();
    Ok(files)
}
