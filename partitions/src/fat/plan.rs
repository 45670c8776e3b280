//! Where everything goes.

use std::fmt;

use bootwright_image::{FileTree, Origin, Region};

use super::choose::{choose, demand};
use super::format::{ENTRY_LEN, FATS, FIRST_CLUSTER, FatType};
use super::geometry::Geometry;
use super::name::{self, Short};
use super::nodes::{Content, Node, collect, entries, name_children};
use super::time::DosTime;
use super::{Options, Size};

/// Bytes of the largest file.
pub(super) const FILE_MAX: u64 = 0xFFFF_FFFF;
/// Why there cannot be such a volume. Paths are without a leading slash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A name that FAT cannot hold.
    #[error("name of {path:?} {problem}")]
    Name {
        /// The path.
        path: String,
        /// What is wrong with its last name.
        problem: &'static str,
    },
    /// Two names of one directory differ in case only.
    #[error("{first:?} and {second:?} are the same name to FAT, which does not tell case")]
    Case {
        /// One path.
        first: String,
        /// The other.
        second: String,
    },
    /// Neither a directory nor a regular file.
    #[error("{path:?} is a {kind}: FAT holds regular files and directories only")]
    Kind {
        /// The path.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A content that cannot be read when the volume is written.
    #[error("content of {path:?} cannot be read out of its source's order")]
    Content {
        /// The path.
        path: String,
    },
    /// A file is too long.
    #[error("{path:?} has {len} bytes: at most {FILE_MAX}")]
    FileTooLarge {
        /// The path.
        path: String,
        /// Its length in bytes.
        len: u64,
    },
    /// A directory has too many entries. A long name takes several.
    #[error("directory {path:?} needs {entries} entries: at most {max}")]
    DirectoryFull {
        /// The directory; empty for the root.
        path: String,
        /// The entries it needs.
        entries: u64,
        /// The most there can be.
        max: u64,
    },
    /// A label that FAT cannot hold.
    #[error("label {label:?} {problem}")]
    Label {
        /// The label.
        label: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An option has a value that cannot be.
    #[error("{option} of {value}: {expected}")]
    Option {
        /// The option.
        option: &'static str,
        /// Its value.
        value: u64,
        /// What it should be.
        expected: &'static str,
    },
    /// The contents do not fit.
    #[error("a volume of {given} bytes is too small: {needed} bytes are needed")]
    TooSmall {
        /// The size asked for.
        given: u64,
        /// A size that does.
        needed: u64,
    },
    /// No type of FAT and size of clusters make such a volume.
    #[error("no FAT file system of the type and cluster size asked for holds {bytes} bytes")]
    NoGeometry {
        /// The contents, or the size asked for.
        bytes: u64,
    },
}

/// A volume in which every cluster has its place.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) geometry: Geometry,
    /// The root first, each directory before what is in it, siblings in order of names.
    pub(super) nodes: Vec<Node>,
    pub(super) label: Option<Short>,
    pub(super) label_time: DosTime,
    pub(super) volume_id: u32,
    pub(super) hidden_sectors: u32,
    pub(super) oem_name: [u8; 8],
    /// Clusters in use; they are the first ones.
    pub(super) used_clusters: u32,
}

impl Plan {
    /// Places the directories and regular files of `tree`.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn new(tree: &FileTree, options: &Options) -> Result<Self, PlanError> {
        let mut plan = Self::unplaced(tree, options, false)?;
        plan.place();
        plan.volume_id = options.volume_id.unwrap_or_else(|| plan.content_id());
        Ok(plan)
    }

    /// A volume with room for everything, in which nothing has its place yet.
    pub(super) fn unplaced(
        tree: &FileTree,
        options: &Options,
        open: bool,
    ) -> Result<Self, PlanError> {
        check_options(options)?;
        let label = encode_label(&options.label)?;
        let mut nodes = collect(tree, open)?;
        for directory in 0..nodes.len() {
            name_children(&mut nodes, directory)?;
        }
        let demand = demand(&nodes, label.is_some(), options)?;
        Ok(Self {
            geometry: choose(&demand, options)?,
            nodes,
            label,
            label_time: options.time.into(),
            volume_id: 0,
            hidden_sectors: options.hidden_sectors,
            oem_name: options.oem_name,
            used_clusters: 0,
        })
    }

    /// The volume's length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a volume has at least a boot sector")]
    pub fn len(&self) -> u64 {
        self.geometry.len()
    }

    /// The kind of FAT.
    #[must_use]
    pub fn fat_type(&self) -> FatType {
        self.geometry.fat_type
    }

    /// The serial number.
    #[must_use]
    pub fn volume_id(&self) -> u32 {
        self.volume_id
    }

    /// Clusters in all.
    #[must_use]
    pub fn clusters(&self) -> u32 {
        self.geometry.clusters
    }

    /// Bytes in a cluster.
    #[must_use]
    pub fn cluster_len(&self) -> u64 {
        self.geometry.cluster_len()
    }

    /// Where everything is, front to back, without gaps.
    #[must_use]
    pub fn regions(&self) -> Vec<Region> {
        let geometry = &self.geometry;
        let fats = vec![("FAT", u64::from(geometry.fat_sectors)); FATS.into()];
        let data = u64::from(geometry.total_sectors) - geometry.data_start();
        let mut offset = 0;
        [("reserved sectors", u64::from(geometry.reserved))]
            .into_iter()
            .chain(fats)
            .chain([("root directory", u64::from(geometry.root_sectors)), ("clusters", data)])
            .filter(|(_, sectors)| *sectors > 0)
            .map(|(name, sectors)| {
                let len = sectors * geometry.sector_size.bytes();
                let region = Region { name, offset, len };
                offset += len;
                region
            })
            .collect()
    }

    /// Where the content of the file at `path` lies in the volume, in bytes, and its length. Its
    /// clusters follow each other. `None` for a directory, an empty file and an unknown path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<Region> {
        let node = self.nodes.iter().find(|node| node.path == path)?;
        match &node.content {
            Content::File(blob) if !blob.is_empty() => {
                let offset = self.cluster_offset(node.cluster);
                Some(Region { name: "file", offset, len: blob.len() })
            }
            _ => None,
        }
    }

    /// The byte at which a cluster begins.
    pub(super) fn cluster_offset(&self, cluster: u32) -> u64 {
        self.geometry.data_start() * self.geometry.sector_size.bytes()
            + u64::from(cluster - FIRST_CLUSTER) * self.geometry.cluster_len()
    }

    /// The entries a directory is written with.
    pub(super) fn directory_entries(&self, directory: usize) -> u64 {
        entries(&self.nodes, directory, self.label.is_some())
    }

    /// Places everything but open files.
    pub(super) fn place(&mut self) {
        for index in 0..self.nodes.len() {
            if !self.nodes[index].is_open() {
                self.place_node(index);
            }
        }
    }

    /// Places a node behind all that have their places.
    pub(super) fn place_node(&mut self, index: usize) {
        let len = match &self.nodes[index].content {
            Content::File(blob) => blob.len(),
            Content::Directory(_) if index == 0 && self.fat_type() != FatType::Fat32 => 0,
            Content::Directory(_) => (self.directory_entries(index) * ENTRY_LEN as u64).max(1),
        };
        let clusters = u32::try_from(len.div_ceil(self.cluster_len()))
            .expect("BUG: a geometry was chosen that holds everything");
        let node = &mut self.nodes[index];
        node.clusters = clusters;
        node.cluster = if clusters == 0 { 0 } else { FIRST_CLUSTER + self.used_clusters };
        self.used_clusters += clusters;
    }

    /// A serial number that depends on what can be known without reading files.
    pub(super) fn content_id(&self) -> u32 {
        let mut hasher = blake3::Hasher::new();
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(&self.geometry.len().to_le_bytes());
        field(self.label.as_ref().map_or(&[], Short::as_slice));
        for node in &self.nodes {
            field(node.path.as_bytes());
            field(&node.time.date.to_le_bytes());
            field(&node.time.time.to_le_bytes());
            if let Content::File(blob) = &node.content {
                field(&blob.len().to_le_bytes());
                if let Origin::Bytes(bytes) = blob.origin() {
                    field(bytes);
                }
            }
        }
        let hash = hasher.finalize();
        let [a, b, c, d, ..] = *hash.as_bytes();
        u32::from_le_bytes([a, b, c, d])
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let geometry = &self.geometry;
        writeln!(
            f,
            "{} of {} bytes, {} of {} clusters of {} bytes used, volume id {:08X}",
            geometry.fat_type,
            self.len(),
            self.used_clusters,
            geometry.clusters,
            geometry.cluster_len(),
            self.volume_id
        )?;
        for region in self.regions() {
            writeln!(f, "{:>12} {:>12} {}", region.offset, region.len, region.name)?;
        }
        for node in &self.nodes[1..] {
            writeln!(f, "{:>12} {:>12} /{}", node.cluster, node.clusters, node.path)?;
        }
        Ok(())
    }
}

fn check_options(options: &Options) -> Result<(), PlanError> {
    let refuse = |option, value, expected| Err(PlanError::Option { option, value, expected });
    if let Some(sectors) = options.cluster_sectors {
        let len = u64::from(sectors) * options.sector_size.bytes();
        if !sectors.is_power_of_two() || len > 65536 {
            let expected = "a power of two up to 128 sectors and 64 KiB";
            return refuse("cluster size", sectors.into(), expected);
        }
    }
    if options.reserved_sectors == Some(0) {
        return refuse("reserved sectors", 0, "at least 1, the boot sector");
    }
    match options.size {
        Size::Exact(len) if len % options.sector_size.bytes() != 0 => {
            refuse("volume size", len, "a multiple of the sector size")
        }
        Size::Exact(len) if len / options.sector_size.bytes() > u64::from(u32::MAX) => {
            refuse("volume size", len, "at most 4294967295 sectors")
        }
        _ => Ok(()),
    }
}

fn encode_label(label: &str) -> Result<Option<Short>, PlanError> {
    let problem = match label.as_bytes() {
        b"" => return Ok(None),
        bytes if bytes.len() > 11 => "has more than 11 characters",
        bytes if !bytes.iter().all(|byte| *byte == b' ' || name::is_short(*byte)) => {
            "has a character other than upper-case letters, digits, space and !#$%&'()-@^_`{}~"
        }
        [b' ', ..] | [.., b' '] => "begins or ends with a space",
        bytes => {
            let mut padded = [b' '; 11];
            padded[..bytes.len()].copy_from_slice(bytes);
            return Ok(Some(padded));
        }
    };
    Err(PlanError::Label { label: label.to_owned(), problem })
}
