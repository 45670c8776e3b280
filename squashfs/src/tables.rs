//! Everything behind the data: the tables in the order that Linux insists on.

use std::io::{Seek, Write};

use bootwright_image::Observer;

use crate::blocks::{Blocks, Output};
use crate::codec::{Encoder, Use, identify};
use crate::error::WriteError;
use crate::format::{Flags, NO_TABLE, PutFields, Superblock};
use crate::metadata::{MetadataRef, MetadataWriter};
use crate::options::{Compression, Fragments, Options};
use crate::plan::Plan;
use crate::{inodes, xattrs};

/// Writes all tables and returns the superblock that leads to them.
pub(crate) fn emit<W: Write + Seek>(
    plan: &Plan<'_>,
    blocks: &mut Blocks<'_, W>,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Superblock, WriteError> {
    let encoder = || Encoder::new(options.compression, Use::Metadata).map_err(WriteError::Compress);
    let inode_table = blocks.output.position();
    let (directory_table, places) = emit_inodes(plan, blocks, encoder, observer)?;
    let output = &mut blocks.output;

    let mut fragment_table = NO_TABLE;
    if !blocks.fragments.is_empty() {
        let mut entries = Vec::new();
        for (start, size) in &blocks.fragments {
            entries.u64(*start);
            entries.u32(*size);
            entries.u32(0);
        }
        fragment_table = emit_lookup(&entries, output, encoder()?)?;
    }
    let mut export_table = NO_TABLE;
    if options.export {
        let mut entries = Vec::with_capacity(8 * places.len());
        places.iter().for_each(|place| entries.u64(place.0));
        export_table = emit_lookup(&entries, output, encoder()?)?;
    }
    let mut entries = Vec::new();
    plan.ids.iter().for_each(|id| entries.u32(*id));
    let id_table = emit_lookup(&entries, output, encoder()?)?;
    let xattr_table = xattrs::emit(&plan.xattrs, output, encoder)?;

    let (compressor, record) = identify(options.compression, options.block_size);
    Ok(Superblock {
        inode_count: plan.inode_count,
        mkfs_time: options.time,
        block_size: options.block_size.bytes(),
        fragment_count: u32::try_from(blocks.fragments.len()).expect("BUG: checked before"),
        compressor,
        block_log: options.block_size.log(),
        flags: flags(options, record.is_some()),
        id_count: u16::try_from(plan.ids.len()).expect("BUG: checked by the plan"),
        version_major: 4,
        version_minor: 0,
        root_inode: places.first().copied().unwrap_or(MetadataRef(0)),
        bytes_used: output.position(),
        id_table,
        xattr_table,
        inode_table,
        directory_table,
        fragment_table,
        export_table,
    })
}

/// Writes the inode table and the directory table, and returns the offset of the latter and where
/// each inode is, by its number less one.
fn emit_inodes<W: Write + Seek>(
    plan: &Plan<'_>,
    blocks: &mut Blocks<'_, W>,
    encoder: impl Fn() -> Result<Encoder, WriteError>,
    observer: &dyn Observer,
) -> Result<(u64, Vec<MetadataRef>), WriteError> {
    let output = &mut blocks.output;
    let mut inodes = MetadataWriter::new(&mut *output, encoder()?);
    // Grows beside the inode table, but lies behind it: it waits in memory, compressed.
    let mut directories = MetadataWriter::new(Vec::new(), encoder()?);
    let places = inodes::emit(plan, &blocks.files, &mut inodes, &mut directories, observer)?;
    inodes.finish()?;
    let directory_table = output.position();
    let (bytes, _) = directories.finish()?;
    output.write_all(&bytes).map_err(WriteError::Output)?;
    Ok((directory_table, places))
}

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

/// Writes a lookup table, metadata blocks and pointers to them, and returns the offset of the
/// pointers.
fn emit_lookup<W: Write + Seek>(
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

fn flags(options: &Options, record: bool) -> Flags {
    let raw = options.compression == Compression::None;
    [
        (true, Flags::DUPLICATES),
        (options.export, Flags::EXPORTABLE),
        (record, Flags::COMPRESSOR_OPTIONS),
        (options.fragments == Fragments::Always, Flags::ALWAYS_FRAGMENTS),
        (options.fragments == Fragments::Never, Flags::NO_FRAGMENTS),
        (raw, Flags::RAW_INODES),
        (raw, Flags::RAW_DATA),
        (raw, Flags::RAW_FRAGMENTS),
        (raw, Flags::RAW_XATTRS),
        (raw, Flags::RAW_IDS),
    ]
    .into_iter()
    .filter(|(set, _)| *set)
    .fold(Flags::default(), |flags, (_, flag)| flags.with(flag))
}
