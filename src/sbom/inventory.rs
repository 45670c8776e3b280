//! What is installed in an image.

use std::collections::BTreeMap;

use super::{Component, OsRelease, apk, dpkg, rpm};
use crate::image::{ContentError, FileTree, InodeId, Observer, Streams, collect};

/// The most bytes that all databases together may have.
const DATABASE_LIMIT: u64 = 256 << 20;

/// The packages of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// What the operating system says about itself.
    pub os: OsRelease,
    /// The packages, sorted, each once.
    pub components: Vec<Component>,
    /// What is missing above, and why.
    pub notes: Vec<String>,
}

/// What reads a database.
type Parser = fn(&[u8]) -> Result<Vec<Component>, &'static str>;

/// Where databases lie, and what reads them. One that is behind two of the paths is read once.
const DATABASES: [(&str, Parser); 8] = [
    ("var/lib/dpkg/status", |bytes| Ok(dpkg::parse(bytes))),
    ("lib/apk/db/installed", |bytes| Ok(apk::parse(bytes))),
    ("usr/lib/apk/db/installed", |bytes| Ok(apk::parse(bytes))),
    ("usr/lib/sysimage/rpm/rpmdb.sqlite", rpm::parse_sqlite),
    ("var/lib/rpm/rpmdb.sqlite", rpm::parse_sqlite),
    ("usr/lib/sysimage/rpm/Packages.db", rpm::parse_ndb),
    ("var/lib/rpm/Packages.db", rpm::parse_ndb),
    ("usr/share/rpm/rpmdb.sqlite", rpm::parse_sqlite),
];
/// Where images without dpkg keep a file for each package.
const DPKG_FILES: &str = "var/lib/dpkg/status.d";
/// Databases of rpm's former back end, which are not read.
const BERKELEY: [&str; 2] = ["var/lib/rpm/Packages", "usr/lib/sysimage/rpm/Packages"];
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// The contents of a tree that an inventory is made of, to be had on any occasion.
#[derive(Clone, Debug)]
pub struct Request {
    os: Option<InodeId>,
    databases: Vec<(&'static str, InodeId, Parser)>,
    /// Files with a package each.
    files: Vec<InodeId>,
    notes: Vec<String>,
}

impl Request {
    /// Looks for package databases. What is in the way of one is noted.
    #[must_use]
    pub fn new(tree: &FileTree) -> Self {
        let mut finder = Finder { tree, notes: Vec::new(), left: DATABASE_LIMIT };
        let os = OS_RELEASE.iter().find_map(|path| finder.find(path).map(|id| (path, id)));
        let os = os.filter(|(path, id)| finder.takes(path, finder.len(*id))).map(|(_, id)| id);
        let mut databases: Vec<(&str, InodeId, Parser)> = Vec::new();
        for (path, parse) in DATABASES {
            let Some(id) = finder.find(path) else { continue };
            let is_known = databases.iter().any(|(_, known, _)| *known == id);
            if is_known || !finder.takes(path, finder.len(id)) {
                continue;
            }
            databases.push((path, id, parse));
            if finder.find(&format!("{path}-wal")).is_some_and(|log| finder.len(log) > 0) {
                finder.note(path, "what its write-ahead log holds is not read");
            }
        }
        let files = finder.dpkg_files();
        for path in BERKELEY {
            if finder.find(path).is_some() {
                finder.note(path, "Berkeley DB is not read: its packages are missing");
            }
        }
        Self { os, databases, files, notes: finder.notes }
    }

    /// The contents that are wanted, together at most 256 MiB.
    pub fn inodes(&self) -> impl Iterator<Item = InodeId> {
        let databases = self.databases.iter().map(|(_, id, _)| *id);
        self.os.into_iter().chain(databases).chain(self.files.iter().copied())
    }

    /// Makes the inventory of the contents; those that are not given are empty. Damaged databases
    /// are noted.
    #[must_use]
    pub fn parse(&self, contents: &BTreeMap<InodeId, Vec<u8>>) -> Inventory {
        let content = |id: InodeId| contents.get(&id).map(Vec::as_slice).unwrap_or_default();
        let mut inventory = Inventory { notes: self.notes.clone(), ..Inventory::default() };
        if let Some(id) = self.os {
            inventory.os = OsRelease::parse(content(id));
        }
        for (path, id, parse) in &self.databases {
            match parse(content(*id)) {
                Ok(found) => inventory.components.extend(found),
                Err(problem) => {
                    inventory.notes.push(format!("/{path}: {problem}: its packages are missing"));
                }
            }
        }
        inventory.components.extend(self.files.iter().flat_map(|id| dpkg::parse(content(*id))));
        if inventory.components.is_empty() && inventory.notes.is_empty() {
            inventory.notes.push("there is no package database".to_owned());
        }
        inventory.components.sort();
        inventory.components.dedup();
        inventory
    }
}

impl Inventory {
    /// Reads the package databases of an image, in one pass. An image without any has no packages,
    /// and a note says so.
    ///
    /// # Errors
    /// [`ContentError`].
    pub fn read(
        tree: &FileTree,
        streams: &dyn Streams,
        observer: &dyn Observer,
    ) -> Result<Self, ContentError> {
        let request = Request::new(tree);
        let wanted: Vec<_> = request.inodes().collect();
        let contents = collect(tree, streams, &wanted, DATABASE_LIMIT, observer)?;
        Ok(request.parse(&wanted.into_iter().zip(contents).collect()))
    }
}

struct Finder<'a> {
    tree: &'a FileTree,
    notes: Vec<String>,
    /// Bytes that may still be wanted.
    left: u64,
}

impl Finder<'_> {
    fn note(&mut self, path: &str, text: impl std::fmt::Display) {
        self.notes.push(format!("/{path}: {text}"));
    }

    fn resolve(&mut self, path: &str) -> Option<InodeId> {
        let found = self.tree.resolve(path.as_bytes());
        found.unwrap_or_else(|error| {
            self.note(path, error);
            None
        })
    }

    /// The regular file at `path`, links followed.
    fn find(&mut self, path: &str) -> Option<InodeId> {
        let id = self.resolve(path)?;
        self.tree.inode(id).as_file().map(|_| id)
    }

    /// Whether so many bytes more can be wanted; they are from now on.
    fn takes(&mut self, path: &str, len: u64) -> bool {
        let fits = len <= self.left;
        if fits {
            self.left -= len;
        } else {
            self.note(path, format!("{len} bytes are too many, {} is the limit", self.left));
        }
        fits
    }

    fn len(&self, id: InodeId) -> u64 {
        self.tree.inode(id).as_file().map_or(0, crate::image::Blob::len)
    }

    /// The packages that have a file each.
    fn dpkg_files(&mut self) -> Vec<InodeId> {
        let Some(folder) = self.resolve(DPKG_FILES) else { return Vec::new() };
        let is_status = |(name, id): &(&[u8], InodeId)| {
            !name.ends_with(b".md5sums") && self.tree.inode(*id).as_file().is_some()
        };
        let files: Vec<_> =
            self.tree.children(folder).filter(is_status).map(|(_, id)| id).collect();
        let size = files.iter().map(|id| self.len(*id)).fold(0, u64::saturating_add);
        if !self.takes(DPKG_FILES, size) {
            return Vec::new();
        }
        files
    }
}
