//! Which type and cluster size a volume gets.

use super::format::{DIRECTORY_ENTRIES_MAX, ENTRY_LEN, FatType};
use super::geometry::{Demand, Geometry, Shape, by_content, by_size, root_entries_max};
use super::nodes::{Content, Node, entries};
use super::plan::PlanError;
use super::{Options, Size};

/// The least of reserved sectors on FAT32: boot sector, FSInfo, and their copies behind sector 6.
const RESERVED_MIN_FAT32: u16 = 8;

/// What the volume has to hold.
pub(super) fn demand(
    nodes: &[Node],
    labelled: bool,
    options: &Options,
) -> Result<Demand, PlanError> {
    let mut lengths = Vec::new();
    for (index, node) in nodes.iter().enumerate().skip(1) {
        lengths.push(match &node.content {
            Content::File(blob) => blob.len(),
            Content::Directory(_) => {
                let entries = entries(nodes, index, labelled);
                if entries > DIRECTORY_ENTRIES_MAX {
                    let path = node.path.clone();
                    let max = DIRECTORY_ENTRIES_MAX;
                    return Err(PlanError::DirectoryFull { path, entries, max });
                }
                entries * ENTRY_LEN as u64
            }
        });
    }
    let headroom = match options.size {
        Size::Auto { headroom } => headroom,
        Size::Exact(_) => 0,
    };
    let is_bound = nodes.iter().any(Node::is_open);
    Ok(Demand { lengths, root_entries: entries(nodes, 0, labelled), headroom, is_bound })
}

/// The shape with clusters of `cluster_len` bytes, if the options allow it.
fn shape(fat_type: FatType, cluster_len: u64, options: &Options) -> Option<Shape> {
    let sectors = cluster_len / options.sector_size.bytes();
    let cluster_sectors = match options.cluster_sectors {
        Some(asked) => asked,
        None => u8::try_from(sectors).ok().filter(|sectors| (1..=128).contains(sectors))?,
    };
    let reserved = options.reserved_sectors;
    let fits = fat_type != FatType::Fat32 || reserved.is_none_or(|r| r >= RESERVED_MIN_FAT32);
    let asked = options.fat_type.is_none_or(|asked| asked == fat_type);
    (fits && asked).then_some(Shape {
        fat_type,
        sector_size: options.sector_size,
        cluster_sectors,
        reserved,
        explicit: options.cluster_sectors.is_some(),
    })
}

/// The smallest volume that holds everything, or the one of the size asked for.
pub(super) fn choose(demand: &Demand, options: &Options) -> Result<Geometry, PlanError> {
    let smallest = by_content(demand.bytes(), demand.is_bound)
        .filter_map(|(fat_type, cluster_len)| shape(fat_type, cluster_len, options))
        .filter(|shape| demand.root_fits(shape.fat_type))
        .find_map(|shape| shape.with_clusters(demand.clusters(&shape)));
    let given = match options.size {
        Size::Auto { .. } => return smallest.ok_or_else(|| impossible(demand, options)),
        Size::Exact(given) => given,
    };
    let total = given / options.sector_size.bytes();
    by_size(given)
        .flat_map(|len| [FatType::Fat12, FatType::Fat16, FatType::Fat32].map(|kind| (kind, len)))
        .filter_map(|(fat_type, len)| shape(fat_type, len, options))
        .filter(|shape| demand.root_fits(shape.fat_type))
        .filter_map(|shape| Some((shape, shape.with_total(total)?)))
        .find(|(shape, geometry)| demand.clusters(shape) <= u64::from(geometry.clusters))
        .map(|(_, geometry)| geometry)
        .ok_or_else(|| match smallest {
            Some(smallest) if smallest.len() > given => {
                PlanError::TooSmall { given, needed: smallest.len() }
            }
            _ => impossible(demand, options),
        })
}

/// Why no shape does.
fn impossible(demand: &Demand, options: &Options) -> PlanError {
    let fat_type = options.fat_type.unwrap_or(FatType::Fat32);
    if !demand.root_fits(fat_type) {
        let (entries, max) = (demand.root_entries, root_entries_max(fat_type));
        return PlanError::DirectoryFull { path: String::new(), entries, max };
    }
    match options.size {
        Size::Exact(bytes) => PlanError::NoGeometry { bytes },
        Size::Auto { .. } => PlanError::NoGeometry { bytes: demand.bytes() },
    }
}
