//! Data and fragment blocks on their way through the compressors, written in order.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Seek, Write};

use bootwright_image::{Observer, Phase, Pool, Sink};

use crate::block_list::{FileTable, Slot};
use crate::codec::{Encoder, Use};
use crate::error::WriteError;
use crate::format::DATA_STORED;
use crate::options::Options;

/// Compressed blocks are gathered to writes of this many bytes.
const GATHER: usize = 1 << 20;

/// The output from byte zero of the image on.
pub(crate) type Output<W> = Sink<BufWriter<W>>;

/// Compresses blocks on several threads and writes them in the order in which they were handed
/// in, so blocks of one file follow each other and no offset depends on timing.
pub(crate) struct Blocks<'a, W: Write + Seek> {
    pub(crate) output: Output<W>,
    pub(crate) files: FileTable,
    /// Place and stored size of each fragment block.
    pub(crate) fragments: Vec<(u64, u32)>,
    pub(crate) counts: Counts,
    observer: &'a dyn Observer,
    pool: Pool<Job, Done>,
    max_in_flight: usize,
    block_size: usize,
    /// The fragment block being filled.
    fragment: Vec<u8>,
    /// Where the ends of files are that are in fragments, by their digest and length.
    tails: BTreeMap<([u8; 32], usize), (u32, u32)>,
    inputs: Vec<Vec<u8>>,
    outputs: Vec<Vec<u8>>,
}

/// What went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) blocks: u64,
    pub(crate) uncompressed: u64,
    pub(crate) compressed: u64,
    pub(crate) holes: u64,
    pub(crate) shared_tails: u64,
    pub(crate) shared_tail_bytes: u64,
}

struct Job {
    place: Place,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What the block's place on disk is wanted for.
enum Place {
    File(Slot),
    Fragment(usize),
}

struct Done {
    job: Job,
    /// Length of the compressed form if it is shorter.
    encoded: io::Result<Option<usize>>,
}

impl<'a, W: Write + Seek> Blocks<'a, W> {
    pub(crate) fn new(
        output: Output<W>,
        contents: usize,
        options: &Options,
        observer: &'a dyn Observer,
    ) -> Self {
        let (compression, block_size) = (options.compression, options.block_size);
        let pool = Pool::new(options.jobs, move || {
            let mut encoder = Encoder::new(compression, Use::Data(block_size));
            move |mut job: Job| {
                let encoded = match &mut encoder {
                    Ok(encoder) => encoder.encode(&job.input, &mut job.output),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
                };
                Done { job, encoded }
            }
        });
        // A block on its way is there twice: as it came and compressed.
        let affordable = options.memory / (2 * u64::from(block_size.bytes()));
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX).max(1);
        Self {
            output,
            files: FileTable::new(contents),
            fragments: Vec::new(),
            counts: Counts::default(),
            observer,
            pool,
            max_in_flight: affordable.min(options.jobs.get().saturating_mul(4)),
            block_size: block_size.len(),
            fragment: Vec::new(),
            tails: BTreeMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// An empty buffer with room for a block.
    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.inputs.pop().unwrap_or_else(|| Vec::with_capacity(self.block_size))
    }

    /// Takes a buffer back.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.inputs.push(buffer);
    }

    /// Adds a block to the content begun last.
    pub(crate) fn block(&mut self, content: u32, block: Vec<u8>) -> Result<(), WriteError> {
        if is_zero(&block) {
            self.hole(content, 1, block.len() as u64);
            self.recycle(block);
            return Ok(());
        }
        let slot = self.files.reserve(content);
        self.submit(Place::File(slot), block)
    }

    /// Adds blocks of zeros, `bytes` in all, to the content begun last.
    pub(crate) fn hole(&mut self, content: u32, blocks: u64, bytes: u64) {
        self.files.hole(content, blocks, bytes);
        self.counts.holes += bytes;
        self.observer.advance(Phase::Compress, bytes);
    }

    /// Puts the end of the content begun last into a fragment. `alone` says that it is the whole
    /// content. Zeros become a hole.
    pub(crate) fn tail(
        &mut self,
        content: u32,
        tail: Vec<u8>,
        alone: bool,
    ) -> Result<(), WriteError> {
        if is_zero(&tail) {
            return self.block(content, tail);
        }
        let key = (*blake3::hash(&tail).as_bytes(), tail.len());
        let known = self.tails.get(&key).copied();
        let (fragment, offset) = match known {
            Some(place) => {
                if alone {
                    self.counts.shared_tails += 1;
                    self.counts.shared_tail_bytes += tail.len() as u64;
                }
                self.observer.advance(Phase::Compress, tail.len() as u64);
                place
            }
            None => {
                let place = self.append_to_fragment(&tail)?;
                self.tails.insert(key, place);
                place
            }
        };
        self.files.end_in_fragment(content, fragment, offset);
        self.recycle(tail);
        Ok(())
    }

    fn append_to_fragment(&mut self, tail: &[u8]) -> Result<(u32, u32), WriteError> {
        if self.fragment.len() + tail.len() > self.block_size {
            self.end_fragment()?;
        }
        if self.fragment.is_empty() {
            self.fragment = self.buffer();
        }
        // The largest number means that there is no fragment.
        let number = u32::try_from(self.fragments.len()).ok().filter(|number| *number < u32::MAX);
        let offset = u32::try_from(self.fragment.len()).expect("BUG: below 1 MiB");
        self.fragment.extend_from_slice(tail);
        Ok((number.ok_or(WriteError::Fragments)?, offset))
    }

    fn end_fragment(&mut self) -> Result<(), WriteError> {
        if self.fragment.is_empty() {
            return Ok(());
        }
        let fragment = std::mem::take(&mut self.fragment);
        self.fragments.push((0, 0));
        self.submit(Place::Fragment(self.fragments.len() - 1), fragment)
    }

    fn submit(&mut self, place: Place, input: Vec<u8>) -> Result<(), WriteError> {
        if self.observer.cancelled() {
            return Err(WriteError::Cancelled);
        }
        while let Some(done) = self.pool.ready() {
            self.write(done)?;
        }
        while self.pool.in_flight() >= self.max_in_flight {
            if let Some(done) = self.pool.retire()? {
                self.write(done)?;
            }
        }
        let output = self.outputs.pop().unwrap_or_default();
        self.pool.submit(Job { place, input, output });
        Ok(())
    }

    fn write(&mut self, done: Done) -> Result<(), WriteError> {
        let Job { place, input, output } = done.job;
        let (flag, bytes) = match done.encoded.map_err(WriteError::Compress)? {
            Some(len) => (0, &output[..len]),
            None => (DATA_STORED, &*input),
        };
        let size = u32::try_from(bytes.len()).expect("BUG: at most 1 MiB") | flag;
        let offset = self.output.position();
        self.output.write_all(bytes).map_err(WriteError::Output)?;
        self.counts.blocks += 1;
        self.counts.uncompressed += input.len() as u64;
        self.counts.compressed += bytes.len() as u64;
        match place {
            Place::File(slot) => self.files.place(slot, offset, size),
            Place::Fragment(number) => self.fragments[number] = (offset, size),
        }
        self.observer.advance(Phase::Compress, input.len() as u64);
        self.recycle(input);
        self.outputs.push(output);
        Ok(())
    }

    /// Ends the last fragment and waits until every block is written.
    pub(crate) fn finish(&mut self) -> Result<(), WriteError> {
        self.end_fragment()?;
        while let Some(done) = self.pool.retire()? {
            if self.observer.cancelled() {
                return Err(WriteError::Cancelled);
            }
            self.write(done)?;
        }
        self.tails = BTreeMap::new();
        Ok(())
    }
}

/// Byte zero of the image is position zero of `output`, wherever that stands.
pub(crate) fn open_output<W: Write + Seek>(mut output: W) -> io::Result<Output<W>> {
    output.seek(io::SeekFrom::Start(0))?;
    Ok(Sink::new(BufWriter::with_capacity(GATHER, output)))
}

/// Whether all bytes are zero; quick to say no.
fn is_zero(bytes: &[u8]) -> bool {
    let (chunks, rest) = bytes.as_chunks::<64>();
    chunks.iter().all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_recognised() {
        assert!(is_zero(&[]));
        let mut bytes = [0; 200];
        assert!(is_zero(&bytes));
        for index in 0..200 {
            bytes[index] = 1;
            assert!(!is_zero(&bytes));
            bytes[index] = 0;
        }
    }
}
