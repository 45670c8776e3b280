//! rpm's own database `Packages.db` (rpm's "ndb" back end): pages of slots, then blobs in blocks.

use super::{Problem, le32};

const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_MAGIC: u32 = u32::from_le_bytes(*b"BlbS");
const VERSION: u32 = 0;
/// Bytes of a page of slots.
const PAGE: usize = 4096;
/// Bytes of a slot: magic, number of the package, first block, number of blocks.
const SLOT: usize = 16;
/// The file's header takes the place of as many slots.
const HEADER_SLOTS: usize = 2;
/// Bytes of a block, and of a blob's head: magic, number, generation, length.
const BLOCK: usize = 16;

/// The blobs in the order of their slots.
pub(super) fn blobs(bytes: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    const SHORT: Problem = "the database ends early";
    if le32(bytes, 0) != Some(MAGIC) {
        return Err("this is no database of rpm");
    }
    if le32(bytes, 4) != Some(VERSION) {
        return Err("this version of rpm's database is not known");
    }
    let pages = le32(bytes, 12).ok_or(SHORT)? as usize;
    let slots = pages.checked_mul(PAGE).and_then(|end| bytes.get(..end)).ok_or(SHORT)?;
    let mut found = Vec::new();
    let mut total = 0_usize;
    for slot in slots.chunks_exact(SLOT).skip(HEADER_SLOTS) {
        let field = |at| le32(slot, at).unwrap_or_default();
        if field(0) != SLOT_MAGIC {
            return Err("a slot is damaged");
        }
        let (number, block) = (field(4), field(8) as usize);
        // A free slot has no blob.
        if block == 0 {
            continue;
        }
        let start = block.checked_mul(BLOCK).ok_or(SHORT)?;
        let head = bytes.get(start..).ok_or(SHORT)?;
        if le32(head, 0) != Some(BLOB_MAGIC) || le32(head, 4) != Some(number) {
            return Err("a slot leads to no blob");
        }
        let len = le32(head, 12).ok_or(SHORT)? as usize;
        let blob = head.get(BLOCK..).and_then(|rest| rest.get(..len)).ok_or(SHORT)?;
        total += len;
        if total > bytes.len() {
            return Err("blobs overlap");
        }
        found.push(blob);
    }
    Ok(found)
}
