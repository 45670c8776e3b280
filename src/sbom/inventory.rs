//! What is installed in an image.

use super::{Component, OsRelease, SbomError, apk, dpkg, rpm};
use crate::image::{FileTree, InodeId, Observer, Streams, collect};

/// The most bytes that a database may have.
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

impl Inventory {
    /// Reads the package databases of an image.
    ///
    /// # Errors
    /// [`SbomError`]; an image without any database has no packages, and a note says so.
    pub fn read(
        tree: &FileTree,
        streams: &dyn Streams,
        observer: &dyn Observer,
    ) -> Result<Self, SbomError> {
        let reader = Reader { tree, streams, observer };
        let mut inventory = Self::default();
        let mut read = Vec::new();
        for path in OS_RELEASE {
            if let Some(id) = reader.find(path)? {
                inventory.os = OsRelease::parse(&reader.content(path, id)?);
                break;
            }
        }
        for (path, parse) in DATABASES {
            let Some(id) = reader.find(path)?.filter(|id| !read.contains(id)) else { continue };
            read.push(id);
            let found = parse(&reader.content(path, id)?);
            let damaged = |problem| SbomError::Damaged { path: path.to_owned(), problem };
            inventory.components.extend(found.map_err(damaged)?);
            let log = format!("{path}-wal");
            if let Some(log) = reader.find(&log)?
                && tree.inode(log).as_file().is_some_and(|blob| !blob.is_empty())
            {
                let text = "what its write-ahead log holds is not read";
                inventory.notes.push(format!("/{path}: {text}"));
            }
        }
        inventory.components.extend(reader.dpkg_files()?);
        for path in BERKELEY {
            if reader.find(path)?.is_some() {
                let text = "Berkeley DB is not read: its packages are missing";
                inventory.notes.push(format!("/{path}: {text}"));
            }
        }
        if inventory.components.is_empty() && inventory.notes.is_empty() {
            inventory.notes.push("there is no package database".to_owned());
        }
        inventory.components.sort();
        inventory.components.dedup();
        Ok(inventory)
    }
}

struct Reader<'a> {
    tree: &'a FileTree,
    streams: &'a dyn Streams,
    observer: &'a dyn Observer,
}

impl Reader<'_> {
    /// The regular file at `path`, links followed.
    fn find(&self, path: &str) -> Result<Option<InodeId>, SbomError> {
        let failed = |source| SbomError::Resolve { path: path.to_owned(), source };
        let found = self.tree.resolve(path.as_bytes()).map_err(failed)?;
        Ok(found.filter(|id| self.tree.inode(*id).as_file().is_some()))
    }

    fn content(&self, path: &str, id: InodeId) -> Result<Vec<u8>, SbomError> {
        let size = self.tree.inode(id).as_file().map_or(0, crate::image::Blob::len);
        if size > DATABASE_LIMIT {
            return Err(SbomError::TooLarge { path: path.to_owned(), size, limit: DATABASE_LIMIT });
        }
        let mut contents = collect(self.tree, self.streams, &[id], DATABASE_LIMIT, self.observer)?;
        Ok(contents.pop().unwrap_or_default())
    }

    /// The packages that have a file each.
    fn dpkg_files(&self) -> Result<Vec<Component>, SbomError> {
        let failed = |source| SbomError::Resolve { path: DPKG_FILES.to_owned(), source };
        let Some(folder) = self.tree.resolve(DPKG_FILES.as_bytes()).map_err(failed)? else {
            return Ok(Vec::new());
        };
        let is_status = |(name, id): &(&[u8], InodeId)| {
            !name.ends_with(b".md5sums") && self.tree.inode(*id).as_file().is_some()
        };
        let files: Vec<_> =
            self.tree.children(folder).filter(is_status).map(|(_, id)| id).collect();
        let contents = collect(self.tree, self.streams, &files, DATABASE_LIMIT, self.observer)?;
        Ok(contents.iter().flat_map(|bytes| dpkg::parse(bytes)).collect())
    }
}
