//! Lookup tables: metadata blocks of equally long entries, then pointers to the blocks.

use std::io::{Seek, Write};

use crate::blocks::Output;
use crate::codec::Encoder;
use crate::error::WriteError;
use crate::format::PutFields;
use crate::metadata::MetadataWriter;

/// Writes metadata blocks and returns where in the image each starts.
pub(crate) fn emit_blocks<W: Write + Seek>(
    entries: &[u8],
    output: &mut Output<W>,
    encoder: Encoder,
) -> Result<Vec<u64>, WriteError> {
    let base = output.position();
    let mut blocks = MetadataWriter::new(output, encoder);
    blocks.write(entries)?;
    let (_, mut starts) = blocks.finish()?;
    starts.iter_mut().for_each(|start| *start += base);
    Ok(starts)
}

/// Writes a lookup table and returns the offset of its pointers.
pub(crate) fn emit<W: Write + Seek>(
    entries: &[u8],
    output: &mut Output<W>,
    encoder: Encoder,
) -> Result<u64, WriteError> {
    let starts = emit_blocks(entries, output, encoder)?;
    let table = output.position();
    let mut pointers = Vec::with_capacity(8 * starts.len());
    starts.into_iter().for_each(|start| pointers.u64(start));
    output.write_all(&pointers).map_err(WriteError::Output)?;
    Ok(table)
}
