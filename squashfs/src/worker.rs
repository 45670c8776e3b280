//! What one worker thread does with a block.

use std::io;
use std::sync::Arc;

use crate::block_list::Slot;
use crate::codec::{Encoder, Use};
use crate::error::WriteError;
use crate::evidence::is_compressed;
use crate::format::DATA_STORED;
use crate::fragments::Filled;
use crate::options::{Compression, Options};
use crate::reuse::{Check, Donor, FragmentRecord, ReaderState, check_of};

/// A block on its way through a worker.
pub(crate) struct Job {
    pub(crate) place: Place,
    pub(crate) work: Work,
    /// A buffer to use.
    pub(crate) output: Vec<u8>,
}

/// What the block's place on disk is wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    File(Slot),
    /// The fragment block's number.
    Fragment(usize),
}

/// How to come by a stored block.
pub(crate) enum Work {
    Compress(Vec<u8>),
    /// Ends of files: taken from the donor when it has just these in a block, else compressed.
    Pack(Filled),
    /// A block of the donor, and its length before compression.
    Copy {
        offset: u64,
        size: u32,
        check: Check,
        raw_len: usize,
    },
}

/// A block ready to be written.
pub(crate) struct Done {
    pub(crate) place: Place,
    pub(crate) raw_len: usize,
    /// Whether the block came from the donor.
    pub(crate) reused: bool,
    /// Whether the block is `input` as it came.
    pub(crate) stored: bool,
    /// Length in `output`, when that is what is to be written.
    pub(crate) len: usize,
    /// The uncompressed block, or what was its buffer.
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    /// Of a fragment block.
    pub(crate) key: [u8; 32],
    /// Zero for a compressed block unless it was asked for.
    pub(crate) check: Check,
}

impl Done {
    /// What is to be written.
    pub(crate) fn bytes(&self) -> &[u8] {
        if self.stored && !self.reused { &self.input } else { &self.output[..self.len] }
    }

    /// Its length with the flag of blocks that are stored as they are.
    pub(crate) fn size(&self) -> u32 {
        let flag = if self.stored { DATA_STORED } else { 0 };
        u32::try_from(self.bytes().len()).expect("BUG: at most 1 MiB") | flag
    }
}

/// An encoder that is spared what will not compress.
struct Compressor {
    encoder: Encoder,
    /// Whether to look for evidence. Zstandard and LZ4 do so themselves; whoever takes xz wants
    /// every byte.
    looks: bool,
}

impl Compressor {
    fn new(options: &Options) -> io::Result<Self> {
        let encoder = Encoder::new(options.compression, Use::Data(options.block_size))?;
        Ok(Self { encoder, looks: matches!(options.compression, Compression::Gzip { .. }) })
    }

    fn encode(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.looks && is_compressed(input) {
            return Ok(None);
        }
        self.encoder.encode(input, output)
    }
}

/// The state of one worker thread.
pub(crate) struct Worker {
    compressor: io::Result<Compressor>,
    donor: Option<Arc<Donor>>,
    reader: Option<ReaderState>,
    record: bool,
}

impl Worker {
    pub(crate) fn new(options: &Options, donor: Option<Arc<Donor>>, record: bool) -> Self {
        Self {
            compressor: Compressor::new(options),
            reader: donor.as_deref().map(ReaderState::new),
            donor,
            record,
        }
    }

    pub(crate) fn run(&mut self, job: Job) -> Result<Done, WriteError> {
        let Job { place, work, mut output } = job;
        let mut key = [0; 32];
        let mut done = match work {
            Work::Compress(input) => self.compress(place, input, output)?,
            Work::Copy { offset, size, check, raw_len } => {
                self.donor()?.stored(offset, size, check, &mut output)?;
                reused(place, (size, check), raw_len, Vec::new(), output)
            }
            Work::Pack(mut filled) => {
                key = filled.key;
                let known = self.donor.as_ref().and_then(|donor| donor.fragment_by_key(&key));
                match known {
                    Some(record) => {
                        let FragmentRecord { start, size, check, .. } = record;
                        self.donor()?.stored(start, size, check, &mut output)?;
                        reused(place, (size, check), filled.bytes.len(), filled.bytes, output)
                    }
                    None => {
                        self.fill(&mut filled)?;
                        self.compress(place, filled.bytes, output)?
                    }
                }
            }
        };
        done.key = key;
        // What came from the donor was compared with its digest just now.
        if self.record && !done.reused {
            done.check = check_of(done.bytes());
        }
        Ok(done)
    }

    fn compress(
        &mut self,
        place: Place,
        input: Vec<u8>,
        mut output: Vec<u8>,
    ) -> Result<Done, WriteError> {
        let compressor = self.compressor.as_mut().map_err(|error| {
            WriteError::Compress(io::Error::new(error.kind(), error.to_string()))
        })?;
        let encoded = compressor.encode(&input, &mut output).map_err(WriteError::Compress)?;
        Ok(Done {
            place,
            raw_len: input.len(),
            reused: false,
            stored: encoded.is_none(),
            len: encoded.unwrap_or_default(),
            input,
            output,
            key: [0; 32],
            check: Check::default(),
        })
    }

    /// Fetches what a fragment block needs from the donor's.
    fn fill(&mut self, filled: &mut Filled) -> Result<(), WriteError> {
        for (at, tail) in &filled.gaps {
            let Some((donor, reader)) = self.donor.as_ref().zip(self.reader.as_mut()) else {
                return Err(no_donor());
            };
            let bytes = reader.tail(donor, tail)?;
            filled.bytes[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        Ok(())
    }

    fn donor(&self) -> Result<&Donor, WriteError> {
        self.donor.as_deref().ok_or_else(no_donor)
    }
}

fn reused(
    place: Place,
    (size, check): (u32, Check),
    raw_len: usize,
    input: Vec<u8>,
    output: Vec<u8>,
) -> Done {
    Done {
        place,
        raw_len,
        reused: true,
        stored: size & DATA_STORED != 0,
        len: (size & !DATA_STORED) as usize,
        input,
        output,
        key: [0; 32],
        check,
    }
}

fn no_donor() -> WriteError {
    WriteError::Compress(io::Error::other("BUG: a block of a donor that is not there"))
}
