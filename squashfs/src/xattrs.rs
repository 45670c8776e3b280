//! The extended attribute tables.

use std::io::{Seek, Write};

use crate::blocks::Output;
use crate::codec::Encoder;
use crate::error::WriteError;
use crate::format::{NO_TABLE, PutFields};
use crate::metadata::{MetadataRef, MetadataWriter};
use crate::plan::{XattrSets, xattr_prefix};
use crate::tables::emit_blocks;

/// Writes the key-value pairs of every set, the xattr id table and its header, and returns the
/// header's offset. Nothing when there are no attributes, since an empty table is an error.
pub(crate) fn emit<W: Write + Seek>(
    sets: &XattrSets,
    output: &mut Output<W>,
    mut encoder: impl FnMut() -> Result<Encoder, WriteError>,
) -> Result<u64, WriteError> {
    if sets.sets.is_empty() {
        return Ok(NO_TABLE);
    }
    let pairs_start = output.position();
    let mut pairs = MetadataWriter::new(&mut *output, encoder()?);
    let mut ids = Vec::new();
    let mut buffer = Vec::new();
    for set in &sets.sets {
        buffer.clear();
        let place: MetadataRef = pairs.position();
        let mut count = 0_u32;
        for (name, value) in set.iter() {
            let (number, prefix) = xattr_prefix(name).expect("BUG: checked by the plan");
            let name = &name[prefix..];
            buffer.u16(number);
            buffer.u16(u16::try_from(name.len()).expect("BUG: checked by the plan"));
            buffer.extend_from_slice(name);
            buffer.u32(u32::try_from(value.len()).expect("BUG: checked by the plan"));
            buffer.extend_from_slice(value);
            count += 1;
        }
        pairs.write(&buffer)?;
        ids.u64(place.0);
        ids.u32(count);
        ids.u32(u32::try_from(buffer.len()).expect("BUG: checked by the plan"));
    }
    pairs.finish()?;
    let starts = emit_blocks(&ids, output, encoder()?)?;
    let table = output.position();
    let mut header = Vec::new();
    header.u64(pairs_start);
    header.u32(u32::try_from(sets.sets.len()).expect("BUG: fewer than inodes"));
    header.u32(0);
    starts.into_iter().for_each(|start| header.u64(start));
    output.write_all(&header).map_err(WriteError::Output)?;
    Ok(table)
}
