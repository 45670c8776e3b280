//! Entries of layers become one tree (OCI image specification, layer, "Applying Changesets").
//!
//! Each layer takes two steps. First its whiteouts and opaque markers take away what lower layers
//! left, wherever they stand in their own layer; then its entries go in, in their order, so that
//! the last one of a name wins.
//!
//! A hard link's header says nothing about its inode; the target's does.
//!
//! A whiteout's parent is looked up in the lower layers. A symbolic link on the way is followed
//! inside the root, unless this very layer puts something else in the link's place: then nothing
//! below is left to hide, and what the link pointed to is none of the whiteout's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bootwright_image::{Directory, FileTree, InodeId, Kind, Metadata, Observer, Timestamp};

use crate::entry::{Entry, Layer, What, split_parent};
use crate::error::{Error, Problem, escape};

/// Links followed before a path counts as a loop (Linux's limit).
const LINKS_MAX: usize = 40;
/// Paths named in warnings before the rest is only counted.
const WARNINGS_MAX: usize = 32;

/// How a layer's entries go into the tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Placement {
    /// The folder under which they go; empty for the root.
    pub(crate) at: Vec<u8>,
    /// Whether directories that exist, also behind a link, stay as they are.
    pub(crate) keep_directories: bool,
    /// User and group of everything, whatever the entries say.
    pub(crate) owner: Option<(u32, u32)>,
}

/// Builds the tree.
#[derive(Debug)]
pub(crate) struct Merger {
    tree: FileTree,
    /// Of directories that no layer describes.
    missing: Metadata,
    depth_limit: usize,
    /// Names of attributes that could not be kept, by inode.
    dropped: BTreeMap<InodeId, Arc<str>>,
    /// The parent of the last entry, which mostly is the next one's, too.
    last_parent: Option<(Vec<u8>, Found)>,
}

/// A directory, and how many directories are above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    id: InodeId,
    depth: usize,
}

/// Where a path leads: to a directory, or to one that lacks some directories on the way.
struct Way<'a> {
    found: Found,
    missing: Vec<&'a [u8]>,
}

impl Merger {
    /// Starts with `lower` when there is one. Directories that no layer describes get mode 0755,
    /// owner 0:0 and `time`.
    pub(crate) fn new(lower: Option<FileTree>, time: Timestamp, depth_limit: usize) -> Self {
        let missing = Metadata { mtime: time, ..Metadata::directory(0o755) };
        Self {
            tree: lower.unwrap_or_else(|| FileTree::new(missing.clone())),
            missing,
            depth_limit,
            dropped: BTreeMap::new(),
            last_parent: None,
        }
    }

    /// Puts one layer on top.
    pub(crate) fn apply(&mut self, layer: &Layer, placement: &Placement) -> Result<(), Error> {
        self.last_parent = None;
        self.hide(layer);
        for entry in &layer.entries {
            if matches!(entry.what, What::Whiteout | What::Opaque) {
                continue;
            }
            let path = layer.names.get(entry.path);
            self.add(layer, entry, placement).map_err(|problem| Error::Member {
                input: Arc::clone(&layer.name),
                member: escape(path),
                problem,
            })?;
        }
        self.last_parent = None;
        Ok(())
    }

    /// The tree; attributes that could not be kept are reported with the paths they were lost at.
    pub(crate) fn finish(self, observer: &dyn Observer) -> FileTree {
        let Self { tree, mut dropped, .. } = self;
        if dropped.is_empty() {
            return tree;
        }
        let mut warned = 0;
        let root = dropped.remove(&tree.root()).map(|names| (Vec::new(), names));
        let below =
            tree.walk().filter_map(|walked| Some((walked.path, dropped.remove(&walked.id)?)));
        for (path, names) in root.into_iter().chain(below) {
            warned += 1;
            if warned <= WARNINGS_MAX {
                let path = escape(&path);
                observer.warn(format_args!("/{path}: extended attributes left out: {names}"));
            }
        }
        if warned > WARNINGS_MAX {
            let more = warned - WARNINGS_MAX;
            observer.warn(format_args!("extended attributes left out of {more} more files"));
        }
        tree
    }

    /// Takes away what the layer's whiteouts hide.
    fn hide(&mut self, layer: &Layer) {
        let is_marker = |entry: &Entry| matches!(entry.what, What::Whiteout | What::Opaque);
        if !layer.entries.iter().any(is_marker) {
            return;
        }
        let own: BTreeSet<&[u8]> = layer
            .entries
            .iter()
            .filter(|entry| !is_marker(entry))
            .map(|entry| layer.names.get(entry.path))
            .collect();
        for entry in layer.entries.iter().filter(|entry| is_marker(entry)) {
            let path = layer.names.get(entry.path);
            match entry.what {
                What::Opaque => {
                    let Some(id) = self.lower_directory(path, &own) else { continue };
                    let names: Vec<Box<[u8]>> =
                        self.tree.children(id).map(|(name, _)| name.into()).collect();
                    for name in names {
                        self.tree.remove(id, &name);
                    }
                }
                _ => {
                    let (parent, name) = split_parent(path);
                    if let Some(id) = self.lower_directory(parent, &own) {
                        self.tree.remove(id, name);
                    }
                }
            }
        }
    }

    /// The directory of the lower layers at `path`, if there is one that `own` entries do not
    /// replace by something else.
    fn lower_directory(&self, path: &[u8], own: &BTreeSet<&[u8]>) -> Option<InodeId> {
        let mut left: Vec<&[u8]> = components(path).rev().collect();
        let mut way: Vec<(InodeId, &[u8])> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            if name == b".." {
                way.pop();
                continue;
            }
            let at = way.last().map_or(self.tree.root(), |(id, _)| *id);
            let child = self.tree.child(at, name)?;
            match self.tree.inode(child).kind() {
                Kind::Directory(_) => way.push((child, name)),
                Kind::Symlink(target) => {
                    let names: Vec<_> = way.iter().map(|(_, name)| *name).chain([name]).collect();
                    links += 1;
                    if links > LINKS_MAX || own.contains(&names.join(&b'/')[..]) {
                        return None;
                    }
                    if target.first() == Some(&b'/') {
                        way.clear();
                    }
                    left.extend(components(target).rev());
                }
                _ => return None,
            }
        }
        Some(way.last().map_or(self.tree.root(), |(id, _)| *id))
    }

    fn add(&mut self, layer: &Layer, entry: &Entry, placement: &Placement) -> Result<(), Problem> {
        let within = layer.names.get(entry.path);
        let joined;
        let path = if placement.at.is_empty() {
            within
        } else {
            joined = join(&placement.at, within);
            &joined
        };
        if path.is_empty() {
            if !placement.keep_directories {
                self.describe(self.tree.root(), entry, placement);
            }
            return Ok(());
        }
        let (parent_path, name) = split_parent(path);
        let parent = self.parent(parent_path)?;
        if parent.depth >= self.depth_limit {
            return Err(Problem::TooDeep { limit: self.depth_limit });
        }
        let kind = match &entry.what {
            What::Directory => return self.add_directory(parent.id, name, entry, placement),
            What::HardLink(target) => {
                let target = layer.names.get(*target);
                return self.add_link(parent.id, name, &join(&placement.at, target));
            }
            What::File(blob) => Kind::File(blob.clone()),
            What::Symlink(target) => Kind::Symlink(layer.names.get(*target).into()),
            What::CharDevice(device) => Kind::CharDevice(*device),
            What::BlockDevice(device) => Kind::BlockDevice(*device),
            What::Fifo => Kind::Fifo,
            What::Socket => Kind::Socket,
            What::Whiteout | What::Opaque => return Ok(()),
        };
        self.take_away(parent.id, name);
        let metadata = metadata(entry, placement);
        let id = self.tree.add(parent.id, name, metadata, kind).map_err(Problem::Tree)?;
        self.note_dropped(id, entry);
        Ok(())
    }

    /// A header over a directory describes it anew and keeps its children.
    fn add_directory(
        &mut self,
        parent: InodeId,
        name: &[u8],
        entry: &Entry,
        placement: &Placement,
    ) -> Result<(), Problem> {
        if let Some(id) = self.tree.child(parent, name) {
            let keep = placement.keep_directories;
            match self.tree.inode(id).kind() {
                Kind::Directory(_) if keep => return Ok(()),
                Kind::Directory(_) => {
                    self.describe(id, entry, placement);
                    return Ok(());
                }
                Kind::Symlink(_) if keep && self.leads_to_directory(parent, name) => return Ok(()),
                _ => self.take_away(parent, name),
            }
        }
        let metadata = metadata(entry, placement);
        let id = self.tree.add_directory(parent, name, metadata).map_err(Problem::Tree)?;
        self.note_dropped(id, entry);
        Ok(())
    }

    fn leads_to_directory(&self, parent: InodeId, name: &[u8]) -> bool {
        let start = Found { id: parent, depth: 0 };
        let way = self.walk(start, name, usize::MAX);
        way.is_ok_and(|way| way.missing.is_empty())
    }

    /// One more name for what `target` names; links are followed in its parent part only.
    fn add_link(&mut self, parent: InodeId, name: &[u8], target: &[u8]) -> Result<(), Problem> {
        let (target_parent, target_name) = split_parent(target);
        let start = Found { id: self.tree.root(), depth: 0 };
        let way = self.walk(start, target_parent, self.depth_limit)?;
        let id = match way.missing.is_empty() {
            _ if target.is_empty() => Some(self.tree.root()),
            true => self.tree.child(way.found.id, target_name),
            false => None,
        };
        let id = id.ok_or_else(|| Problem::LinkTarget { target: escape(target) })?;
        if self.tree.inode(id).as_directory().is_some() {
            return Err(Problem::LinkToDirectory { target: escape(target) });
        }
        if self.tree.child(parent, name) == Some(id) {
            return Ok(());
        }
        self.take_away(parent, name);
        if self.tree.inode(id).names() == 0 {
            // The target lay below what the link replaces.
            return Err(Problem::LinkTarget { target: escape(target) });
        }
        self.tree.add_link(parent, name, id).map_err(Problem::Tree)
    }

    fn describe(&mut self, id: InodeId, entry: &Entry, placement: &Placement) {
        *self.tree.metadata_mut(id) = metadata(entry, placement);
        self.note_dropped(id, entry);
    }

    fn note_dropped(&mut self, id: InodeId, entry: &Entry) {
        match &entry.dropped {
            Some(names) => {
                self.dropped.insert(id, Arc::clone(names));
            }
            None => {
                self.dropped.remove(&id);
            }
        }
    }

    fn take_away(&mut self, parent: InodeId, name: &[u8]) {
        if self.tree.remove(parent, name).is_some() {
            self.last_parent = None;
        }
    }

    /// The directory at `path`, made when it is missing.
    fn parent(&mut self, path: &[u8]) -> Result<Found, Problem> {
        if let Some((last, found)) = &self.last_parent
            && last == path
        {
            return Ok(*found);
        }
        let start = Found { id: self.tree.root(), depth: 0 };
        let way = self.walk(start, path, self.depth_limit)?;
        let mut found = way.found;
        let missing: Vec<Box<[u8]>> = way.missing.into_iter().map(Into::into).collect();
        for name in &missing {
            let metadata = self.missing.clone();
            found.id = self.tree.add_directory(found.id, name, metadata).map_err(Problem::Tree)?;
            found.depth += 1;
        }
        self.last_parent = Some((path.to_vec(), found));
        Ok(found)
    }

    /// Follows `path`, and links on it, from `start` inside the root. A name that does not exist
    /// counts as a directory that is missing.
    fn walk<'a>(
        &'a self,
        start: Found,
        path: &'a [u8],
        depth_limit: usize,
    ) -> Result<Way<'a>, Problem> {
        let mut way = Way { found: start, missing: Vec::new() };
        let mut left: Vec<&[u8]> = components(path).rev().collect();
        let mut links = 0;
        while let Some(name) = left.pop() {
            let at = way.found;
            if name == b".." {
                if way.missing.pop().is_none() {
                    let id = self.tree.inode(at.id).as_directory().map_or(at.id, Directory::parent);
                    way.found = Found { id, depth: at.depth.saturating_sub(1) };
                }
                continue;
            }
            if at.depth + way.missing.len() >= depth_limit {
                return Err(Problem::TooDeep { limit: depth_limit });
            }
            let child = self.tree.child(at.id, name).filter(|_| way.missing.is_empty());
            let Some(child) = child else {
                way.missing.push(name);
                continue;
            };
            match self.tree.inode(child).kind() {
                Kind::Directory(_) => way.found = Found { id: child, depth: at.depth + 1 },
                Kind::Symlink(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Problem::Loop);
                    }
                    if target.first() == Some(&b'/') {
                        way.found = Found { id: self.tree.root(), depth: 0 };
                    }
                    left.extend(components(target).rev());
                }
                _ => return Err(Problem::ParentKind { ancestor: escape(name) }),
            }
        }
        Ok(way)
    }
}

fn metadata(entry: &Entry, placement: &Placement) -> Metadata {
    let (uid, gid) = placement.owner.unwrap_or((entry.uid, entry.gid));
    Metadata {
        mode: entry.mode,
        uid,
        gid,
        mtime: Timestamp(entry.mtime),
        xattrs: entry.xattrs.clone(),
    }
}

fn join(at: &[u8], path: &[u8]) -> Vec<u8> {
    match (at, path) {
        (b"", path) => path.to_vec(),
        (at, b"") => at.to_vec(),
        (at, path) => [at, b"/", path].concat(),
    }
}

/// The components of a path, without empty ones and `.`.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."))
}
