//! How many sectors each part of a volume takes.

use super::format::{DIRECTORY_ENTRIES_MAX, ENTRY_LEN, FATS, FatType, ROOT_ENTRIES};
use crate::SectorSize;

/// Clusters to keep away from the limits of a type, because some drivers count wrongly near them
/// (Microsoft's specification, "FAT type determination"). Only where the number is ours to choose.
const MARGIN: u64 = 16;
/// FAT32's reserved sectors, unless asked for otherwise.
const RESERVED_FAT32: u64 = 32;

/// Type and cluster size, tried one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) fat_type: FatType,
    pub(super) sector_size: SectorSize,
    pub(super) cluster_sectors: u8,
    pub(super) reserved: Option<u16>,
    /// Whether the cluster size was asked for, so that the limits count to the last cluster.
    pub(super) explicit: bool,
}

/// The sectors of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) fat_type: FatType,
    pub(super) sector_size: SectorSize,
    pub(super) cluster_sectors: u8,
    pub(super) reserved: u16,
    pub(super) fat_sectors: u32,
    /// Sectors of the root directory outside of the clusters.
    pub(super) root_sectors: u32,
    pub(super) clusters: u32,
    pub(super) total_sectors: u32,
}

impl Geometry {
    pub(super) fn cluster_len(&self) -> u64 {
        u64::from(self.cluster_sectors) * self.sector_size.bytes()
    }

    /// The sector of the first cluster.
    pub(super) fn data_start(&self) -> u64 {
        u64::from(self.reserved)
            + u64::from(FATS) * u64::from(self.fat_sectors)
            + u64::from(self.root_sectors)
    }

    pub(super) fn len(&self) -> u64 {
        u64::from(self.total_sectors) * self.sector_size.bytes()
    }

    /// The same volume with fewer clusters, though never with fewer than its type must have. FATs
    /// and clusters stay where they are.
    pub(super) fn shrunk(&self, clusters: u32) -> Self {
        let (min, _) = self.fat_type.clusters();
        let least = u32::try_from(min + MARGIN).unwrap_or(u32::MAX);
        let clusters = clusters.max(least).min(self.clusters);
        let cut = (self.clusters - clusters) * u32::from(self.cluster_sectors);
        Self { clusters, total_sectors: self.total_sectors - cut, ..*self }
    }
}

impl Shape {
    fn cluster(&self) -> u64 {
        u64::from(self.cluster_sectors)
    }

    pub(super) fn cluster_len(&self) -> u64 {
        self.cluster() * self.sector_size.bytes()
    }

    /// The clusters this type may have.
    fn limits(&self) -> (u64, u64) {
        let (min, max) = self.fat_type.clusters();
        let margin = if self.explicit { 0 } else { MARGIN };
        match self.fat_type {
            FatType::Fat12 => (min, max - margin),
            _ => (min + margin, max - margin),
        }
    }

    fn root_sectors(&self) -> u64 {
        match self.fat_type {
            FatType::Fat32 => 0,
            _ => (u64::from(ROOT_ENTRIES) * ENTRY_LEN as u64).div_ceil(self.sector_size.bytes()),
        }
    }

    fn reserved(&self, fat_sectors: u64) -> u64 {
        if let Some(reserved) = self.reserved {
            return reserved.into();
        }
        let least = if self.fat_type == FatType::Fat32 { RESERVED_FAT32 } else { 1 };
        let behind = u64::from(FATS) * fat_sectors + self.root_sectors();
        (least + behind).next_multiple_of(self.cluster()) - behind
    }

    fn data_start(&self, fat_sectors: u64) -> u64 {
        self.reserved(fat_sectors) + u64::from(FATS) * fat_sectors + self.root_sectors()
    }

    /// Sectors of a FAT for that many clusters and the two entries in front.
    fn fat_sectors(&self, clusters: u64) -> u64 {
        ((clusters + 2) * self.fat_type.bits()).div_ceil(8).div_ceil(self.sector_size.bytes())
    }

    /// The smallest volume with at least `clusters`; `None` when the type cannot have as many.
    pub(super) fn with_clusters(&self, clusters: u64) -> Option<Geometry> {
        let (min, max) = self.limits();
        let clusters = clusters.max(min);
        if clusters > max {
            return None;
        }
        let fat_sectors = self.fat_sectors(clusters);
        let total = self.data_start(fat_sectors) + clusters * self.cluster();
        self.geometry(fat_sectors, clusters, total)
    }

    /// A volume of `total` sectors; `None` when it would not be of this type.
    pub(super) fn with_total(&self, total: u64) -> Option<Geometry> {
        let clusters = |fat: u64| total.saturating_sub(self.data_start(fat)) / self.cluster();
        // With more sectors in the FAT there are fewer clusters to count: search the smallest
        // number that does.
        let (mut low, mut high) = (1, self.fat_sectors(total / self.cluster()));
        while low < high {
            let middle = low.midpoint(high);
            if self.fat_sectors(clusters(middle)) <= middle {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let (min, max) = self.limits();
        let clusters = clusters(low);
        if (min..=max).contains(&clusters) { self.geometry(low, clusters, total) } else { None }
    }

    fn geometry(&self, fat_sectors: u64, clusters: u64, total: u64) -> Option<Geometry> {
        Some(Geometry {
            fat_type: self.fat_type,
            sector_size: self.sector_size,
            cluster_sectors: self.cluster_sectors,
            reserved: u16::try_from(self.reserved(fat_sectors)).ok()?,
            fat_sectors: u32::try_from(fat_sectors).ok()?,
            root_sectors: u32::try_from(self.root_sectors()).ok()?,
            clusters: u32::try_from(clusters).ok()?,
            total_sectors: u32::try_from(total).ok()?,
        })
    }
}

/// What a volume has to hold.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// Lengths in bytes of the files and of the directories but the root.
    pub(super) lengths: Vec<u64>,
    /// Entries of the root directory.
    pub(super) root_entries: u64,
    /// Bytes to leave free.
    pub(super) headroom: u64,
    /// Whether some lengths are upper bounds.
    pub(super) is_bound: bool,
}

impl Demand {
    /// The clusters it takes.
    pub(super) fn clusters(&self, shape: &Shape) -> u64 {
        let clusters = |len: u64| len.div_ceil(shape.cluster_len());
        let root = match shape.fat_type {
            FatType::Fat32 => clusters(self.root_entries * ENTRY_LEN as u64).max(1),
            _ => 0,
        };
        let content = self.lengths.iter().map(|len| clusters(*len)).sum::<u64>();
        root + content + clusters(self.headroom)
    }

    /// The bytes it takes, without what is lost in clusters that are not full.
    pub(super) fn bytes(&self) -> u64 {
        self.lengths.iter().fold(self.headroom, |sum, len| sum.saturating_add(*len))
    }

    /// Whether the root directory has room.
    pub(super) fn root_fits(&self, fat_type: FatType) -> bool {
        self.root_entries <= root_entries_max(fat_type)
    }
}

/// The entries a root directory has room for.
pub(super) fn root_entries_max(fat_type: FatType) -> u64 {
    match fat_type {
        FatType::Fat32 => DIRECTORY_ENTRIES_MAX,
        _ => ROOT_ENTRIES.into(),
    }
}

/// Types and cluster sizes in bytes in the order of preference for volumes whose size follows
/// from their contents, each with the most bytes of clusters it is good for: about the sizes that
/// Microsoft's and Linux's formatters choose.
const BY_CONTENT: [(FatType, u64, u64); 9] = [
    (FatType::Fat12, 2048, u64::MAX),
    (FatType::Fat16, 2048, u64::MAX),
    (FatType::Fat16, 4096, u64::MAX),
    (FatType::Fat16, 8192, u64::MAX),
    (FatType::Fat32, 512, 260 << 20),
    (FatType::Fat32, 4096, u64::MAX),
    (FatType::Fat32, 8192, u64::MAX),
    (FatType::Fat32, 16384, u64::MAX),
    (FatType::Fat32, 32768, u64::MAX),
];

/// The same for volumes whose contents turn out shorter: however few clusters are needed in the
/// end, there are at least as many as the type must have, so clusters are small.
const BY_BOUND: [(FatType, u64, u64); 8] = [
    (FatType::Fat12, 2048, u64::MAX),
    (FatType::Fat16, 2048, u64::MAX),
    (FatType::Fat16, 4096, u64::MAX),
    (FatType::Fat16, 8192, u64::MAX),
    (FatType::Fat32, 2048, 8 << 30),
    (FatType::Fat32, 4096, u64::MAX),
    (FatType::Fat32, 8192, u64::MAX),
    (FatType::Fat32, 32768, u64::MAX),
];

/// Types and cluster sizes in the order of preference for contents of `len` bytes, which may be an
/// upper bound.
pub(super) fn by_content(len: u64, is_bound: bool) -> impl Iterator<Item = (FatType, u64)> {
    let table = if is_bound { &BY_BOUND[..] } else { &BY_CONTENT[..] };
    table.iter().filter(move |(_, _, max)| len <= *max).map(|(t, size, _)| (*t, *size))
}

/// Cluster sizes in bytes in the order of preference for a volume of `len` bytes.
pub(super) fn by_size(len: u64) -> impl Iterator<Item = u64> {
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    let preferred = match len {
        _ if len <= 128 * MIB => 2048,
        _ if len <= 256 * MIB => 4096,
        _ if len <= 512 * MIB => 8192,
        _ if len <= 8 * GIB => 4096,
        _ if len <= 16 * GIB => 8192,
        _ if len <= 32 * GIB => 16384,
        _ => 32768,
    };
    let all = [512, 1024, 2048, 4096, 8192, 16384, 32768_u64];
    let larger = all.into_iter().filter(move |len| *len > preferred);
    let smaller = all.into_iter().rev().filter(move |len| *len < preferred);
    std::iter::once(preferred).chain(smaller).chain(larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(fat_type: FatType, cluster_sectors: u8) -> Shape {
        let sector_size = SectorSize::B512;
        Shape { fat_type, sector_size, cluster_sectors, reserved: None, explicit: true }
    }

    #[test]
    fn a_fat_is_never_too_small_and_never_a_sector_too_large() {
        for fat_type in [FatType::Fat12, FatType::Fat16, FatType::Fat32] {
            for cluster_sectors in [1, 2, 4, 8, 64] {
                let shape = shape(fat_type, cluster_sectors);
                for total in (64_u64..6000).chain((6000..300_000).step_by(997)) {
                    let Some(geometry) = shape.with_total(total) else { continue };
                    let (fat, clusters) =
                        (u64::from(geometry.fat_sectors), u64::from(geometry.clusters));
                    assert!(shape.fat_sectors(clusters) <= fat);
                    assert_eq!(FatType::of(clusters), fat_type);
                    let left = total - geometry.data_start() - clusters * shape.cluster();
                    assert!(left < shape.cluster());
                    if fat > 1 {
                        let more = (total - shape.data_start(fat - 1)) / shape.cluster();
                        assert!(shape.fat_sectors(more) > fat - 1);
                    }
                }
            }
        }
    }

    #[test]
    fn the_smallest_volume_for_some_clusters_has_as_many() {
        for (fat_type, clusters) in [
            (FatType::Fat12, 1),
            (FatType::Fat12, 4084),
            (FatType::Fat16, 4085),
            (FatType::Fat16, 65524),
            (FatType::Fat32, 65525),
        ] {
            for cluster_sectors in [1, 4, 128] {
                let shape = shape(fat_type, cluster_sectors);
                let geometry = shape.with_clusters(clusters).unwrap();
                assert_eq!(shape.with_total(geometry.total_sectors.into()), Some(geometry));
                assert_eq!(u64::from(geometry.clusters), clusters);
                assert_eq!(geometry.data_start() % shape.cluster(), 0);
            }
        }
        assert_eq!(shape(FatType::Fat12, 1).with_clusters(4085), None);
        assert_eq!(shape(FatType::Fat16, 1).with_clusters(65525), None);
    }

    #[test]
    fn our_own_choice_keeps_away_from_the_limits() {
        let own = |fat_type| Shape { explicit: false, ..shape(fat_type, 4) };
        assert_eq!(own(FatType::Fat12).with_clusters(4069), None);
        assert_eq!(own(FatType::Fat16).with_clusters(4069).unwrap().clusters, 4101);
        assert_eq!(own(FatType::Fat16).with_clusters(65509), None);
        assert_eq!(own(FatType::Fat32).with_clusters(1).unwrap().clusters, 65541);
    }
}
