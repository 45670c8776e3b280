//! Volume descriptors (ECMA-119 8).

use std::io::{Read, Seek};

use bootwright_image::Timestamp;

use super::source::{Source, array, le32, twice16, twice32};
use super::{Extent, ReadError, corrupt};
use crate::iso9660::format::{BLOCK, DESCRIPTORS, STANDARD_ID, parse_volume_date};

/// Descriptors looked at before a set without terminator is given up.
const DESCRIPTORS_MAX: u32 = 64;

/// A primary or supplementary volume descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Volume {
    /// The descriptor's block.
    pub block: u32,
    /// The block of the image that the volume's addresses are counted from.
    pub base: u32,
    /// Whether it is Joliet's.
    pub joliet: bool,
    /// Name of the volume.
    pub volume_id: String,
    /// The system that uses the system area.
    pub system_id: String,
    /// The set the volume belongs to.
    pub volume_set_id: String,
    /// Publisher.
    pub publisher: String,
    /// Data preparer.
    pub preparer: String,
    /// Application.
    pub application: String,
    /// Blocks of the volume.
    pub blocks: u32,
    /// Length of a path table in bytes.
    pub path_table_len: u32,
    /// Block of the type L path table in the image.
    pub path_table_l: u64,
    /// Block of the type M path table in the image.
    pub path_table_m: u64,
    /// The root directory in the image.
    pub root: Extent,
    /// Creation time.
    pub created: Option<Timestamp>,
    /// Modification time.
    pub modified: Option<Timestamp>,
}

/// Whether block `block` holds a primary volume descriptor.
pub(super) fn is_primary<R: Read + Seek>(
    source: &mut Source<R>,
    block: u32,
) -> Result<bool, ReadError> {
    let offset = u64::from(block) * BLOCK;
    if source.len() < offset + BLOCK {
        return Ok(false);
    }
    let head = source.bytes(offset, 7)?;
    Ok(head[0] == 1 && head[1..6] == *STANDARD_ID && head[6] == 1)
}

/// The volumes of a descriptor set, and the block of the boot catalog.
pub(super) fn read<R: Read + Seek>(
    source: &mut Source<R>,
    base: u32,
) -> Result<(Vec<Volume>, Option<u32>), ReadError> {
    let first = base + DESCRIPTORS;
    if !is_primary(source, first)? {
        return Err(ReadError::NotIso);
    }
    let (mut volumes, mut catalog) = (Vec::new(), None);
    for block in first..first + DESCRIPTORS_MAX {
        let at = u64::from(block) * BLOCK;
        let bytes = source.block(u64::from(block))?;
        if bytes[1..6] != *STANDARD_ID {
            return Err(corrupt("no volume descriptor set terminator", at));
        }
        match bytes[0] {
            0 if bytes[7..39] == *b"EL TORITO SPECIFICATION\0\0\0\0\0\0\0\0\0" => {
                catalog = catalog.or(Some(le32(&bytes, 71)));
            }
            1 => volumes.push(parse(&bytes, block, base, false)?),
            2 if is_joliet(&bytes) => volumes.push(parse(&bytes, block, base, true)?),
            255 => return Ok((volumes, catalog)),
            _ => {}
        }
    }
    Err(corrupt("no volume descriptor set terminator", u64::from(first) * BLOCK))
}

fn is_joliet(bytes: &[u8]) -> bool {
    matches!(bytes[88..91], [b'%', b'/', b'@' | b'C' | b'E'])
}

fn parse(bytes: &[u8], block: u32, base: u32, joliet: bool) -> Result<Volume, ReadError> {
    let at = u64::from(block) * BLOCK;
    let disagree = || corrupt("a number of a volume descriptor differs between byte orders", at);
    let text = |from: usize, len: usize| match joliet {
        true => utf16(&bytes[from..from + len]),
        false => String::from_utf8_lossy(&bytes[from..from + len]).trim_end().to_owned(),
    };
    let in_image = |block: u32| u64::from(block) + u64::from(base);
    if twice16(bytes, 128).ok_or_else(disagree)? != 2048 {
        return Err(corrupt("logical blocks of another size than 2048 bytes", at + 128));
    }
    let root_block = twice32(bytes, 158).ok_or_else(disagree)?;
    let root_len = twice32(bytes, 166).ok_or_else(disagree)?;
    Ok(Volume {
        block,
        base,
        joliet,
        volume_id: text(40, 32),
        system_id: text(8, 32),
        volume_set_id: text(190, 128),
        publisher: text(318, 128),
        preparer: text(446, 128),
        application: text(574, 128),
        blocks: twice32(bytes, 80).ok_or_else(disagree)?,
        path_table_len: twice32(bytes, 132).ok_or_else(disagree)?,
        path_table_l: in_image(le32(bytes, 140)),
        path_table_m: in_image(u32::from_be_bytes(array(bytes, 148))),
        root: Extent { block: in_image(root_block), len: root_len.into() },
        created: parse_volume_date(array(bytes, 813)),
        modified: parse_volume_date(array(bytes, 830)),
    })
}

/// Big-endian UCS-2 as text, without padding.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_be_bytes(*unit));
    let text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    text.trim_end_matches([' ', '\0']).to_owned()
}
