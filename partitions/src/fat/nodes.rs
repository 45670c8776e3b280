//! The tree as the volume will hold it.

use std::collections::BTreeMap;

use bootwright_image::{Blob, FileTree, Inode, Kind, Origin};

use super::format::DIRECTORY_ENTRIES_MAX;
use super::name::{self, Name};
use super::plan::{FILE_MAX, PlanError};
use super::time::DosTime;

/// What a directory or file of the volume is made of.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) path: String,
    pub(super) time: DosTime,
    pub(super) parent: usize,
    pub(super) content: Content,
    /// Its name in its parent; the root has none.
    pub(super) name: Name,
    /// Its first cluster; 0 for an empty file and for the root of FAT12 and FAT16.
    pub(super) cluster: u32,
    /// How many follow each other.
    pub(super) clusters: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The indices of the children.
    Directory(Vec<usize>),
    File(Blob),
}

impl Node {
    fn new(path: String, parent: usize, inode: &Inode, content: Content) -> Self {
        Self {
            path,
            time: inode.metadata.mtime.into(),
            parent,
            content,
            name: Name { short: [b' '; 11], long: Vec::new() },
            cluster: 0,
            clusters: 0,
        }
    }

    /// Whether its content comes while the volume is written.
    pub(super) fn is_open(&self) -> bool {
        matches!(&self.content, Content::File(blob) if matches!(blob.origin(), Origin::Deferred))
    }

    fn base(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// The nodes in the order of the tree's walk, without short names and places. Contents of unknown
/// length are refused unless they are `open`.
pub(super) fn collect(tree: &FileTree, open: bool) -> Result<Vec<Node>, PlanError> {
    let root = Node::new(String::new(), 0, tree.inode(tree.root()), Content::Directory(vec![]));
    let mut nodes = vec![root];
    // The directories above the current path, by depth.
    let mut above = vec![0];
    for walked in tree.walk() {
        let depth = walked.path.iter().filter(|byte| **byte == b'/').count();
        above.truncate(depth + 1);
        let inode = tree.inode(walked.id);
        let path = checked_path(walked.path)?;
        let content = content(&path, inode, open)?;
        let (parent, index) = (above[depth], nodes.len());
        if let Content::Directory(children) = &mut nodes[parent].content {
            children.push(index);
        }
        if let Content::Directory(_) = content {
            above.push(index);
        }
        nodes.push(Node::new(path, parent, inode, content));
    }
    Ok(nodes)
}

fn checked_path(path: Vec<u8>) -> Result<String, PlanError> {
    let path = String::from_utf8(path).map_err(|error| PlanError::Name {
        path: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        problem: "is not UTF-8",
    })?;
    match name::problem(path.rsplit('/').next().unwrap_or_default()) {
        Some(problem) => Err(PlanError::Name { path, problem }),
        None => Ok(path),
    }
}

fn content(path: &str, inode: &Inode, open: bool) -> Result<Content, PlanError> {
    let kind = match inode.kind() {
        Kind::Directory(_) => return Ok(Content::Directory(Vec::new())),
        Kind::File(blob) if blob.len() > FILE_MAX => {
            return Err(PlanError::FileTooLarge { path: path.to_owned(), len: blob.len() });
        }
        Kind::File(blob) => {
            return match blob.origin() {
                Origin::Bytes(_) | Origin::HostFile { .. } => Ok(Content::File(blob.clone())),
                Origin::Deferred if open => Ok(Content::File(blob.clone())),
                _ => Err(PlanError::Content { path: path.to_owned() }),
            };
        }
        Kind::Symlink(_) => "symbolic link",
        Kind::CharDevice(_) => "character device",
        Kind::BlockDevice(_) => "block device",
        Kind::Fifo => "named pipe",
        Kind::Socket => "socket",
    };
    Err(PlanError::Kind { path: path.to_owned(), kind })
}

pub(super) fn name_children(nodes: &mut [Node], directory: usize) -> Result<(), PlanError> {
    let Content::Directory(children) = nodes[directory].content.clone() else { return Ok(()) };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for child in &children {
        if let Some(other) = seen.insert(name::folded(nodes[*child].base()), *child) {
            let path = |index: usize| nodes[index].path.clone();
            return Err(PlanError::Case { first: path(other), second: path(*child) });
        }
    }
    let names: Vec<&str> = children.iter().map(|child| nodes[*child].base()).collect();
    let Some(names) = name::assign(&names) else {
        return Err(PlanError::DirectoryFull {
            path: nodes[directory].path.clone(),
            entries: children.len() as u64,
            max: DIRECTORY_ENTRIES_MAX,
        });
    };
    for (child, name) in children.into_iter().zip(names) {
        nodes[child].name = name;
    }
    Ok(())
}

/// Entries a directory is written with: its children and, in the root, the label, elsewhere `.`
/// and `..`.
pub(super) fn entries(nodes: &[Node], directory: usize, labelled: bool) -> u64 {
    let Content::Directory(children) = &nodes[directory].content else { return 0 };
    let own = if directory == 0 { u64::from(labelled) } else { 2 };
    own + children.iter().map(|child| nodes[*child].name.entries() as u64).sum::<u64>()
}
