//! The listing of one directory in the directory table.

use std::io::Write;

use crate::error::WriteError;
use crate::format::{
    DIRECTORY_ENTRY_LEN, DIRECTORY_HEADER_LEN, HEADER_ENTRIES, InodeType, METADATA_BLOCK, PutFields,
};
use crate::inodes::table_offset;
use crate::metadata::{MetadataRef, MetadataWriter};

/// An entry of a directory.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    /// The inode's number.
    pub(crate) number: u32,
    /// Where the inode is in the inode table.
    pub(crate) place: MetadataRef,
    pub(crate) kind: InodeType,
}

/// Where a listing is.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Uncompressed length in bytes.
    pub(crate) len: u64,
    /// Where it starts in the directory table; zero when it is empty.
    pub(crate) place: MetadataRef,
    /// One entry for each 8 KiB of a listing after the first.
    pub(crate) index: Vec<IndexEntry>,
}

/// An entry of a directory index: where a header is, and the first name below it.
#[derive(Debug)]
pub(crate) struct IndexEntry {
    /// Bytes from the start of the listing.
    pub(crate) offset: u32,
    /// Bytes from the start of the directory table to the metadata block.
    pub(crate) block: u64,
    pub(crate) name: Box<[u8]>,
}

/// Entries below one header: their inodes lie in one metadata block and have near numbers.
struct Run {
    bytes: Vec<u8>,
    count: usize,
    block: u32,
    number: u32,
}

pub(crate) struct ListingWriter<'a, D> {
    directories: &'a mut MetadataWriter<D>,
    listing: Listing,
    run: Run,
    /// Where the last header that is in the index lies in the listing.
    indexed: u64,
}

impl<'a, D: Write> ListingWriter<'a, D> {
    pub(crate) fn new(directories: &'a mut MetadataWriter<D>) -> Self {
        let listing = Listing { len: 0, place: MetadataRef::default(), index: Vec::new() };
        let run = Run { bytes: Vec::new(), count: 0, block: 0, number: 0 };
        Self { directories, listing, run, indexed: 0 }
    }

    /// Adds an entry. Names must come in ascending order.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) -> Result<(), WriteError> {
        let block = table_offset("inode table", entry.place.block())?;
        let entry_len = DIRECTORY_ENTRY_LEN + entry.name.len();
        let end = self.listing.len + (self.run.bytes.len() + entry_len) as u64;
        let far = end - self.indexed > METADATA_BLOCK as u64;
        let delta = i16::try_from(i64::from(entry.number) - i64::from(self.run.number)).ok();
        let run = &self.run;
        let fits = run.count > 0 && run.count < HEADER_ENTRIES && run.block == block && !far;
        let delta = match delta.filter(|_| fits) {
            Some(delta) => delta,
            None => {
                self.begin_run(entry, block, far)?;
                0
            }
        };
        let name_len = u16::try_from(entry.name.len() - 1).expect("BUG: names have 256 bytes");
        self.run.count += 1;
        self.run.bytes.u16(entry.place.offset());
        self.run.bytes.extend_from_slice(&delta.to_le_bytes());
        self.run.bytes.u16(entry.kind.basic());
        self.run.bytes.u16(name_len);
        self.run.bytes.extend_from_slice(entry.name);
        Ok(())
    }

    fn begin_run(&mut self, entry: &Entry<'_>, block: u32, far: bool) -> Result<(), WriteError> {
        let first = self.run.count == 0;
        self.end_run()?;
        if first {
            self.listing.place = self.directories.position();
        } else if far {
            self.indexed = self.listing.len;
            // Beyond this many, readers go on from the last one.
            if self.listing.index.len() < usize::from(u16::MAX)
                && let Ok(offset) = u32::try_from(self.listing.len)
            {
                let (block, name) = (self.directories.position().block(), entry.name.into());
                self.listing.index.push(IndexEntry { offset, block, name });
            }
        }
        self.run.block = block;
        self.run.number = entry.number;
        self.run.bytes.resize(DIRECTORY_HEADER_LEN, 0);
        Ok(())
    }

    fn end_run(&mut self) -> Result<(), WriteError> {
        let run = &mut self.run;
        if run.count == 0 {
            return Ok(());
        }
        let count = u32::try_from(run.count - 1).expect("BUG: at most 256 entries");
        run.bytes[..4].copy_from_slice(&count.to_le_bytes());
        run.bytes[4..8].copy_from_slice(&run.block.to_le_bytes());
        run.bytes[8..12].copy_from_slice(&run.number.to_le_bytes());
        self.directories.write(&run.bytes)?;
        self.listing.len += run.bytes.len() as u64;
        run.bytes.clear();
        run.count = 0;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<Listing, WriteError> {
        self.end_run()?;
        Ok(self.listing)
    }
}
