//! Path tables: every directory with its place and parent (ECMA-119 9.4).

use super::directory::Hierarchy;

/// Length of a path table in bytes; the same for both byte orders.
pub(super) fn len(hierarchy: &Hierarchy) -> u64 {
    let records = hierarchy.directories.iter().map(|directory| directory.identifier.len());
    records.map(|identifier| 8 + identifier.next_multiple_of(2) as u64).sum()
}

/// The type L (little-endian) and type M (big-endian) table. Parents are numbered from 1; there
/// are at most 65535 directories.
pub(super) fn emit(hierarchy: &Hierarchy, place: impl Fn(usize) -> u32) -> (Vec<u8>, Vec<u8>) {
    let (mut little, mut big) = (Vec::new(), Vec::new());
    for (index, directory) in hierarchy.directories.iter().enumerate() {
        let parent = u16::try_from(directory.parent + 1).expect("BUG: parent beyond 65535");
        let len = u8::try_from(directory.identifier.len()).expect("BUG: identifier beyond 255");
        let record = |table: &mut Vec<u8>, place: [u8; 4], parent: [u8; 2]| {
            table.extend_from_slice(&[len, 0]);
            table.extend_from_slice(&place);
            table.extend_from_slice(&parent);
            table.extend_from_slice(&directory.identifier);
            table.resize(table.len().next_multiple_of(2), 0);
        };
        record(&mut little, place(index).to_le_bytes(), parent.to_le_bytes());
        record(&mut big, place(index).to_be_bytes(), parent.to_be_bytes());
    }
    (little, big)
}
