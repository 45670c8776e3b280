//! Reads volumes that anyone may have made, and says what is wrong with them.

use std::io::{self, Read, Seek, SeekFrom, Write};

use bootwright_image::Timestamp;

use super::check::{Walk, walk};
use super::format::{BACKUP_BOOT_SECTOR, FIRST_CLUSTER, FatType, boot, extended};
use crate::bytes::{u16_at, u32_at};

/// Bytes of a boot sector that count, whatever the sector size.
const BOOT_LEN: usize = 512;

/// Why a volume, or a file of it, could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The volume could not be read, or ends early.
    #[error("cannot read the volume")]
    Io(#[from] io::Error),
    /// No FAT file system, or one with impossible numbers.
    #[error("not a FAT file system: {field} is {value}")]
    NotFat {
        /// The field of the boot sector.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// A file's chain ends early or leaves the volume.
    #[error("cluster chain of {path:?} breaks at cluster {cluster}")]
    Chain {
        /// The file.
        path: String,
        /// The last number of the chain that could be followed.
        cluster: u32,
    },
    /// The output refused a file's content.
    #[error("cannot write the content of {path:?}")]
    Output {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
}

/// Something wrong with a volume.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The volume reaches behind the end of the disk or file.
    #[error("volume of {len} bytes in {available} bytes")]
    Truncated {
        /// Its length.
        len: u64,
        /// What there is.
        available: u64,
    },
    /// The FAT has fewer entries than there are clusters.
    #[error("a FAT of {entries} entries for {clusters} clusters")]
    FatTooSmall {
        /// The entries without the first two.
        entries: u64,
        /// The clusters.
        clusters: u64,
    },
    /// A field has a wrong value.
    #[error("{field} is {found:#x}, expected {expected:#x}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The value it should have.
        expected: u64,
    },
    /// Two copies of a structure differ.
    #[error("the copy of the {what} differs")]
    Copy {
        /// What there are two of.
        what: &'static str,
    },
    /// The boot sector and the root directory have different labels.
    #[error("label {boot:?} in the boot sector, {root:?} in the root directory")]
    Label {
        /// The one.
        boot: String,
        /// The other.
        root: String,
    },
    /// Something about a file or directory.
    #[error("{path:?}: {problem}")]
    Entry {
        /// Its path.
        path: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A chain has another length than its file.
    #[error("{path:?}: {clusters} clusters for {len} bytes")]
    Length {
        /// The file.
        path: String,
        /// The length of the chain.
        clusters: u64,
        /// The length of the file.
        len: u64,
    },
    /// Clusters are in use that no file has.
    #[error("{count} clusters belong to no file")]
    Lost {
        /// How many.
        count: u64,
    },
}

/// A file or directory found on a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    /// Its path, without a leading slash.
    pub path: String,
    /// Its short name in upper case.
    pub short_name: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Length in bytes; 0 for a directory.
    pub len: u32,
    /// When it was last modified, if that is a time.
    pub modified: Option<Timestamp>,
    /// Its first cluster, 0 for an empty file.
    pub cluster: u32,
}

/// A volume that was read.
#[derive(Debug)]
pub struct Volume<R> {
    source: R,
    pub(super) layout: Layout,
    pub(super) fat: Vec<u8>,
    walk: Walk,
}

/// What the boot sector says, all of it plausible.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Where the volume begins in its source.
    pub(super) start: u64,
    pub(super) fat_type: FatType,
    pub(super) sector_len: u64,
    pub(super) cluster_len: u64,
    pub(super) reserved: u64,
    pub(super) fats: u64,
    pub(super) fat_len: u64,
    pub(super) root_len: u64,
    /// FAT32's root directory.
    pub(super) root_cluster: u32,
    /// Clusters, as far as the FAT has entries for them.
    pub(super) clusters: u32,
    pub(super) len: u64,
    pub(super) volume_id: u32,
    pub(super) label: String,
    pub(super) fs_info: u64,
    pub(super) backup: u64,
    pub(super) media: u8,
}

impl<R: Read + Seek> Volume<R> {
    /// Reads the volume that begins at byte `start` of `source`: boot sector, FATs and all
    /// directories.
    ///
    /// # Errors
    /// [`ReadError`]. Damage that leaves something to read is no error but a [`Finding`].
    pub fn open(mut source: R, start: u64) -> Result<Self, ReadError> {
        let available = source.seek(SeekFrom::End(0))?.saturating_sub(start);
        let sector = bytes(&mut source, start, BOOT_LEN as u64)?;
        let mut findings = Vec::new();
        let layout = Layout::new(start, &sector, &mut findings)?;
        if layout.len > available {
            findings.push(Finding::Truncated { len: layout.len, available });
        }
        let fat = bytes(&mut source, start + layout.reserved, layout.fat_len)?;
        let mut volume = Self { source, layout, fat, walk: Walk::default() };
        volume.check_copies(&sector, &mut findings)?;
        let mut found = walk(&mut volume)?;
        findings.append(&mut found.findings);
        found.findings = findings;
        volume.walk = found;
        Ok(volume)
    }

    /// Writes a file's content to `output`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_file(
        &mut self,
        entry: &FoundEntry,
        output: &mut impl Write,
    ) -> Result<(), ReadError> {
        let (mut cluster, mut left) = (entry.cluster, u64::from(entry.len));
        // More clusters than there are would be a loop.
        for _ in 0..=self.layout.clusters {
            if left == 0 {
                return Ok(());
            }
            let broken = || ReadError::Chain { path: entry.path.clone(), cluster };
            let offset = self.layout.cluster_offset(cluster).ok_or_else(broken)?;
            let len = left.min(self.layout.cluster_len);
            let content = bytes(&mut self.source, offset, len)?;
            output
                .write_all(&content)
                .map_err(|source| ReadError::Output { path: entry.path.clone(), source })?;
            left -= len;
            cluster = self.next(cluster);
        }
        Err(ReadError::Chain { path: entry.path.clone(), cluster })
    }

    pub(super) fn bytes(&mut self, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        bytes(&mut self.source, offset, len)
    }

    fn check_copies(&mut self, boot: &[u8], findings: &mut Vec<Finding>) -> io::Result<()> {
        let layout = self.layout.clone();
        for copy in 1..layout.fats {
            let offset = layout.start + layout.reserved + copy * layout.fat_len;
            if bytes(&mut self.source, offset, layout.fat_len)? != self.fat {
                findings.push(Finding::Copy { what: "FAT" });
            }
        }
        let backup = layout.backup * layout.sector_len;
        if layout.fat_type == FatType::Fat32 && backup != 0 && backup < layout.reserved {
            let copy = bytes(&mut self.source, layout.start + backup, BOOT_LEN as u64)?;
            if copy != boot {
                findings.push(Finding::Copy { what: "boot sector" });
            }
        }
        Ok(())
    }
}

impl<R> Volume<R> {
    /// The kind of FAT.
    #[must_use]
    pub fn fat_type(&self) -> FatType {
        self.layout.fat_type
    }

    /// The volume's length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a volume has at least a boot sector")]
    pub fn len(&self) -> u64 {
        self.layout.len
    }

    /// The label of the root directory, else that of the boot sector; empty for none.
    #[must_use]
    pub fn label(&self) -> &str {
        self.walk.label.as_ref().unwrap_or(&self.layout.label)
    }

    /// The serial number.
    #[must_use]
    pub fn volume_id(&self) -> u32 {
        self.layout.volume_id
    }

    /// Clusters in all.
    #[must_use]
    pub fn clusters(&self) -> u32 {
        self.layout.clusters
    }

    /// Clusters not in use.
    #[must_use]
    pub fn free_clusters(&self) -> u32 {
        self.walk.free
    }

    /// Bytes in a cluster.
    #[must_use]
    pub fn cluster_len(&self) -> u64 {
        self.layout.cluster_len
    }

    /// Everything below the root, a directory before what is in it.
    #[must_use]
    pub fn entries(&self) -> &[FoundEntry] {
        &self.walk.entries
    }

    /// What is wrong; empty for a sound volume.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.walk.findings
    }

    /// The FAT's entry of a cluster: the next one of its chain. Numbers outside end any chain.
    pub(super) fn next(&self, cluster: u32) -> u32 {
        let at = cluster as usize;
        match self.layout.fat_type {
            FatType::Fat12 => u32::from(u16_at(&self.fat, at + at / 2) >> (at % 2 * 4)) & 0xFFF,
            FatType::Fat16 => u16_at(&self.fat, at.saturating_mul(2)).into(),
            FatType::Fat32 => u32_at(&self.fat, at.saturating_mul(4)) & 0x0FFF_FFFF,
        }
    }
}

impl Layout {
    fn new(start: u64, sector: &[u8], findings: &mut Vec<Finding>) -> Result<Self, ReadError> {
        let u8_at = |at: usize| u64::from(sector[at]);
        let u16_at = |at| u64::from(u16_at(sector, at));
        let u32_at = |at| u32_at(sector, at);
        let either = |short: u64, long: u32| if short == 0 { u64::from(long) } else { short };
        let (sector_len, cluster_sectors) =
            (u16_at(boot::SECTOR_LEN), u8_at(boot::CLUSTER_SECTORS));
        let (reserved, fats) = (u16_at(boot::RESERVED), u8_at(boot::FATS));
        let fat_sectors = either(u16_at(boot::FAT_SECTORS_16), u32_at(boot::FAT_SECTORS_32));
        let total = either(u16_at(boot::TOTAL_16), u32_at(boot::TOTAL_32));
        for (field, value, sound) in [
            ("signature", u16_at(boot::SIGNATURE), u16_at(boot::SIGNATURE) == 0xAA55),
            ("sector size", sector_len, matches!(sector_len, 512 | 1024 | 2048 | 4096)),
            ("cluster size", cluster_sectors, cluster_sectors.is_power_of_two()),
            ("reserved sectors", reserved, reserved > 0),
            ("number of FATs", fats, (1..=4).contains(&fats)),
            ("FAT size", fat_sectors, fat_sectors > 0),
        ] {
            if !sound {
                return Err(ReadError::NotFat { field, value });
            }
        }
        let root_len = (u16_at(boot::ROOT_ENTRIES) * 32).next_multiple_of(sector_len);
        let data = reserved + fats * fat_sectors + root_len / sector_len;
        let clusters = total.saturating_sub(data) / cluster_sectors;
        if clusters == 0 {
            return Err(ReadError::NotFat { field: "number of sectors", value: total });
        }
        let fat_type = FatType::of(clusters);
        let entries = (fat_sectors * sector_len * 8 / fat_type.bits()).saturating_sub(2);
        if entries < clusters {
            findings.push(Finding::FatTooSmall { entries, clusters });
        }
        let is_fat32 = fat_type == FatType::Fat32;
        let extended = if is_fat32 { boot::EXTENDED_32 } else { boot::EXTENDED_16 };
        let label = &sector[extended + extended::LABEL..extended + extended::TYPE];
        Ok(Self {
            start,
            fat_type,
            sector_len,
            cluster_len: cluster_sectors * sector_len,
            reserved: reserved * sector_len,
            fats,
            fat_len: fat_sectors * sector_len,
            root_len: if is_fat32 { 0 } else { root_len },
            root_cluster: if is_fat32 { u32_at(boot::ROOT_CLUSTER) } else { 0 },
            clusters: u32::try_from(clusters.min(entries)).unwrap_or(u32::MAX - 2),
            len: total * sector_len,
            volume_id: u32_at(extended + extended::VOLUME_ID),
            label: label_text(label),
            fs_info: u16_at(boot::FS_INFO),
            backup: if is_fat32 { u16_at(boot::BACKUP) } else { BACKUP_BOOT_SECTOR.into() },
            media: sector[boot::MEDIA],
        })
    }

    /// The byte of the source at which a cluster begins; `None` when there is no such cluster.
    pub(super) fn cluster_offset(&self, cluster: u32) -> Option<u64> {
        let index = cluster.checked_sub(FIRST_CLUSTER).filter(|index| *index < self.clusters)?;
        Some(self.root_offset() + self.root_len + u64::from(index) * self.cluster_len)
    }

    /// The byte of the source behind the FATs.
    pub(super) fn root_offset(&self) -> u64 {
        self.start + self.reserved + self.fats * self.fat_len
    }
}

/// A label without the spaces behind it; `NO NAME` stands for none.
pub(super) fn label_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.trim_end() {
        "NO NAME" => String::new(),
        text => text.to_owned(),
    }
}

/// `len` bytes from byte `offset`. Memory grows with what is there, not with `len`.
fn bytes<R: Read + Seek>(source: &mut R, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    source.take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
