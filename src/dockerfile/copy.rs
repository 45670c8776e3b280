//! `COPY` and `ADD` on trees, with BuildKit's rules: the entries of a folder are copied, not the
//! folder; a source that is a link counts as what it leads to, links within a folder stay links;
//! missing folders of the destination are made with mode 0755.

use bootwright_image::{Blob, FileTree, InodeId, Kind, Metadata, Observer, Timestamp};
use bootwright_oci::{Adapt, Graft, LayerStreams, Limits, Location, Options, Overwrite, Stack};

use super::error::Problem;
use super::ignore::Ignore;
use super::pattern::{Pattern, is_pattern, unescape};

/// A copy whose words are expanded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) sources: Vec<Source>,
    /// A path from the root, still with its last slash.
    pub(crate) destination: String,
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) mode: Option<u16>,
    pub(crate) exclude: Vec<String>,
    pub(crate) parents: bool,
    pub(crate) unpack: bool,
}

/// What is copied.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A path or a pattern.
    Path(String),
    /// A here-document: its name and content.
    Text(String, String),
}

/// Where sources are looked for.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) tree: &'a FileTree,
    /// As errors call it.
    pub(crate) name: &'a str,
    /// The rules of the context; `None` for a stage or an image.
    pub(crate) context: Option<&'a Ignore>,
}

/// Where copies go.
pub(crate) struct Target<'a> {
    pub(crate) tree: &'a mut FileTree,
    pub(crate) streams: &'a mut LayerStreams,
    /// Of what is made and not copied.
    pub(crate) time: Timestamp,
    pub(crate) options: &'a Options,
    pub(crate) observer: &'a dyn Observer,
}

/// Carries out a copy.
pub(crate) fn copy(
    order: &Order,
    origin: Origin<'_>,
    target: &mut Target<'_>,
) -> Result<(), Problem> {
    let exclude = Ignore::of(&order.exclude)?;
    let changes = Changes { exclude: &exclude, owner: order.owner, mode: order.mode };
    let mut found = Vec::new();
    for source in &order.sources {
        match source {
            Source::Text(name, text) => found.push(Found::Text(name, text)),
            Source::Path(path) => find(path, origin, order.parents, &exclude, &mut found)?,
        }
    }
    let several = found.len() > 1 || order.sources.len() > 1;
    let into = order.destination.ends_with('/') || order.parents;
    if several && !into && !at(target, &order.destination)?.is_directory() {
        return Err(Problem::ManySources { path: order.destination.clone() });
    }
    let job = Job { order, origin, changes, into };
    for found in found {
        job.one(found, target)?;
    }
    Ok(())
}

/// A source that is there.
enum Found<'a> {
    Text(&'a str, &'a str),
    Node {
        /// Its path as it was asked for or matched.
        path: String,
        /// How much of the path, in bytes, `--parents` does not keep.
        pivot: usize,
        id: InodeId,
    },
}

struct Job<'a> {
    order: &'a Order,
    origin: Origin<'a>,
    changes: Changes<'a>,
    into: bool,
}

impl Job<'_> {
    fn one(&self, found: Found<'_>, target: &mut Target<'_>) -> Result<(), Problem> {
        let (path, pivot, id) = match found {
            Found::Text(name, text) => return self.text(name, text, target),
            Found::Node { path, pivot, id } => (path, pivot, id),
        };
        if self.origin.context.is_some() {
            refuse_special(self.origin.tree, id, &path)?;
        }
        if self.order.unpack && self.unpacked(id, target)? {
            return Ok(());
        }
        let is_directory = self.origin.tree.inode(id).as_directory().is_some();
        let tree = self.origin.tree;
        let mut graft = Graft::new(tree, Overwrite::Copy, &self.changes);
        if self.order.parents {
            let parent = self.parents(&path[pivot..], &path[..pivot], target)?;
            let name = path.rsplit('/').next().unwrap_or_default();
            match name {
                "" => graft.entries(id, target.tree, parent)?,
                name => graft.entry(id, target.tree, parent, name.as_bytes())?,
            }
            return Ok(());
        }
        if is_directory {
            let to = self.folder(&at(target, &self.order.destination)?, target)?;
            return Ok(graft.entries(id, target.tree, to)?);
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        let (to, name) = self.place(name, target)?;
        Ok(graft.entry(id, target.tree, to, &name)?)
    }

    /// The folder and the name that a file called `name` goes to.
    fn place(&self, name: &str, target: &mut Target<'_>) -> Result<(InodeId, Box<[u8]>), Problem> {
        let mut location = at(target, &self.order.destination)?;
        if self.into || location.is_directory() {
            return Ok((self.folder(&location, target)?, name.as_bytes().into()));
        }
        let Some(name) = location.rest.pop() else {
            return Ok((location.directory, name.as_bytes().into()));
        };
        Ok((self.folder(&location, target)?, name))
    }

    /// A folder of the destination, made where it is missing.
    fn folder(&self, location: &Location, target: &mut Target<'_>) -> Result<InodeId, Problem> {
        let (uid, gid) = self.order.owner.unwrap_or_default();
        let metadata = Metadata { uid, gid, mtime: target.time, ..Metadata::directory(0o755) };
        Ok(location.make(target.tree, &metadata)?)
    }

    fn text(&self, name: &str, text: &str, target: &mut Target<'_>) -> Result<(), Problem> {
        let (to, name) = self.place(name, target)?;
        let mut tree = FileTree::new(Metadata::directory(0o755));
        let metadata = Metadata { mtime: target.time, ..Metadata::file(0o644) };
        let kind = Kind::File(Blob::from(text));
        let failed = |error| {
            Problem::Graft(bootwright_oci::GraftError::Tree {
                path: String::from_utf8_lossy(&name).into_owned(),
                source: error,
            })
        };
        let id = tree.add(tree.root(), &name, metadata, kind).map_err(failed)?;
        Graft::new(&tree, Overwrite::Copy, &self.changes).entry(id, target.tree, to, &name)?;
        Ok(())
    }

    /// The folder in the destination that takes the last part of `path`, with the folders above it
    /// as they are in the origin below `pivot`.
    fn parents(
        &self,
        path: &str,
        pivot: &str,
        target: &mut Target<'_>,
    ) -> Result<InodeId, Problem> {
        let mut to = self.folder(&at(target, &self.order.destination)?, target)?;
        let folders: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let mut from = pivot.to_owned();
        for folder in folders.iter().take(folders.len().saturating_sub(1)) {
            from = format!("{from}/{folder}");
            to = match target.tree.child(to, folder.as_bytes()) {
                Some(there) => there,
                None => {
                    let id = self.origin.tree.resolve(from.as_bytes()).ok().flatten();
                    let mut metadata = Metadata::directory(0o755);
                    if let Some(id) = id {
                        let inode = self.origin.tree.inode(id);
                        metadata = inode.metadata.clone();
                        self.changes.change(inode.kind(), &mut metadata);
                    }
                    let location = Location { directory: to, rest: vec![folder.as_bytes().into()] };
                    location.make(target.tree, &metadata)?
                }
            };
        }
        Ok(to)
    }

    /// Unpacks a local tar; `false` when the file is none.
    fn unpacked(&self, id: InodeId, target: &mut Target<'_>) -> Result<bool, Problem> {
        let blob = self.origin.tree.inode(id).as_file();
        let Some(bootwright_image::Origin::HostFile { path, .. }) = blob.map(Blob::origin) else {
            return Ok(false);
        };
        let failed = |source| match source {
            bootwright_oci::Error::Cancelled => Problem::Cancelled,
            source => Problem::Image { name: path.display().to_string(), source: Box::new(source) },
        };
        if is_bzip2(path)? {
            return Err(Problem::Unsupported {
                what: "a bzip2 archive".to_owned(),
                advice: "compress it with gzip, xz or zstd, or unpack it in the context",
            });
        }
        if !Stack::is_archive(path).map_err(failed)? {
            return Ok(false);
        }
        let empty = FileTree::new(Metadata::default());
        let lower = std::mem::replace(target.tree, empty);
        let mut stack = Stack::over(lower, target.time, target.options.clone(), target.observer);
        stack.unpack(path, self.order.destination.as_bytes(), self.order.owner).map_err(failed)?;
        *target.tree = stack.finish_into(target.streams).map_err(failed)?.tree;
        Ok(true)
    }
}

fn is_bzip2(path: &std::path::Path) -> Result<bool, Problem> {
    use std::io::Read;
    let failed = |source| Problem::Io { path: path.to_owned(), source };
    let mut head = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(10).read_to_end(&mut head).map_err(failed)?;
    Ok(matches!(&head[..], [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y']))
}

/// What copying changes and leaves out.
struct Changes<'a> {
    exclude: &'a Ignore,
    owner: Option<(u32, u32)>,
    mode: Option<u16>,
}

impl Adapt for Changes<'_> {
    fn leaves_out(&self, path: &[u8], _: bool) -> bool {
        self.exclude.leaves_out(&String::from_utf8_lossy(path))
    }

    fn change(&self, kind: &Kind, metadata: &mut Metadata) {
        if let Some((uid, gid)) = self.owner {
            (metadata.uid, metadata.gid) = (uid, gid);
        }
        if let (Some(mode), false) = (self.mode, matches!(kind, Kind::Symlink(_))) {
            metadata.mode = mode;
        }
    }
}

fn at(target: &Target<'_>, path: &str) -> Result<Location, Problem> {
    Ok(Location::find(target.tree, path.as_bytes())?)
}

/// Finds what a path or a pattern names, in the order of names. A pattern may name nothing.
fn find<'a>(
    text: &str,
    origin: Origin<'_>,
    parents: bool,
    exclude: &Ignore,
    found: &mut Vec<Found<'a>>,
) -> Result<(), Problem> {
    let pivot = if parents { text.find("/./").map_or(0, |at| clean(&text[..at]).len()) } else { 0 };
    let path = clean(text);
    if !is_pattern(&path) {
        let path = unescape(&path);
        let location = Location::find(origin.tree, path.as_bytes());
        let id = location.ok().and_then(|location| match location.is_directory() {
            true => Some(location.directory),
            false => location.entry(origin.tree),
        });
        let id = id.ok_or_else(|| Problem::NoSource {
            path: if path.is_empty() { text.to_owned() } else { path.clone() },
            place: origin.name.to_owned(),
            ignored: origin.context.is_some_and(|rules| rules.leaves_out(&path)),
            leads_to: link_target(origin.tree, &path),
        })?;
        found.push(Found::Node { path, pivot, id });
        return Ok(());
    }
    let mut places = vec![(String::new(), origin.tree.root())];
    for part in path.split('/') {
        places = step(part, &places, origin.tree)?;
    }
    for (path, _) in places {
        // Exclusions are relative to what is copied: here to the folder that the match lies in.
        let name = path.rsplit('/').next().unwrap_or_default();
        if exclude.leaves_out(&path) || exclude.leaves_out(name) {
            continue;
        }
        // What matched counts as what it leads to.
        if let Ok(Some(id)) = origin.tree.resolve(path.as_bytes()) {
            found.push(Found::Node { path, pivot, id });
        }
    }
    Ok(())
}

/// Where the link at `path` leads, if there is one.
fn link_target(tree: &FileTree, path: &str) -> Option<String> {
    match tree.inode(tree.lookup(path.as_bytes())?).kind() {
        Kind::Symlink(target) => Some(String::from_utf8_lossy(target).into_owned()),
        _ => None,
    }
}

/// The entries of `places` that one part of a pattern matches.
fn step(
    part: &str,
    places: &[(String, InodeId)],
    tree: &FileTree,
) -> Result<Vec<(String, InodeId)>, Problem> {
    let pattern = Pattern::source(part)?;
    let mut next = Vec::new();
    for (path, id) in places {
        let join =
            |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        // A folder on the way may be a link.
        let Ok(Some(folder)) = tree.resolve(path.as_bytes()) else { continue };
        debug_assert!(folder == *id || tree.inode(*id).as_directory().is_none());
        for (name, child) in tree.children(folder) {
            let name = String::from_utf8_lossy(name);
            if pattern.matches(&name) {
                next.push((join(&name), child));
            }
        }
    }
    Ok(next)
}

fn refuse_special(tree: &FileTree, id: InodeId, path: &str) -> Result<(), Problem> {
    let mut open = vec![(id, path.to_owned())];
    while let Some((id, path)) = open.pop() {
        let kind = match tree.inode(id).kind() {
            Kind::Fifo => "named pipe",
            Kind::Socket => "socket",
            Kind::CharDevice(_) | Kind::BlockDevice(_) => "device",
            Kind::Directory(_) => {
                let below = |(name, id): (&[u8], InodeId)| {
                    (id, format!("{path}/{}", String::from_utf8_lossy(name)))
                };
                open.extend(tree.children(id).map(below));
                continue;
            }
            _ => continue,
        };
        return Err(Problem::Special { path, kind });
    }
    Ok(())
}

/// A path from the root without `.`, `..`, empty parts and slashes at its ends.
pub(crate) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Options for reading archives and images.
pub(crate) fn options(architecture: &str, jobs: std::num::NonZeroUsize) -> Options {
    Options { architecture: architecture.to_owned(), limits: Limits::default(), jobs }
}
