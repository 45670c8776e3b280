//! Data and fragment blocks on their way through the compressors, written in order.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Seek, Write};
use std::sync::Arc;

use bootwright_image::{Digest, Observer, Phase, Pool, Sink};

use crate::block_list::{FileTable, is_zero_run, zero_run};
use crate::error::WriteError;
use crate::fragments::{FragmentBuilder, TailBytes};
use crate::options::Options;
use crate::reuse::{Donor, Index, Recorder, Reuse, Tail};
use crate::worker::{Done, Job, Place, Work, Worker};

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
    pool: Pool<Job, Result<Done, WriteError>>,
    max_in_flight: usize,
    block_size: usize,
    fragment: FragmentBuilder,
    /// Where the ends of files are that are in fragments, by their digest and length.
    tails: BTreeMap<([u8; 32], usize), (u32, u32)>,
    donor: Option<Arc<Donor>>,
    recorder: Option<Recorder>,
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
    /// Bytes taken from the donor, as stored.
    pub(crate) reused: u64,
}

impl<'a, W: Write + Seek> Blocks<'a, W> {
    pub(crate) fn new(
        output: Output<W>,
        contents: usize,
        options: &Options,
        reuse: Reuse,
        observer: &'a dyn Observer,
    ) -> Self {
        let Reuse { donor, record } = reuse;
        let pool = Pool::new(options.jobs, || {
            let mut worker = Worker::new(options, donor.clone(), record);
            move |job| worker.run(job)
        });
        // A block on its way is there twice: as it came and compressed.
        let affordable = options.memory / (2 * u64::from(options.block_size.bytes()));
        let affordable = usize::try_from(affordable).unwrap_or(usize::MAX).max(1);
        Self {
            output,
            files: FileTable::new(contents),
            fragments: Vec::new(),
            counts: Counts::default(),
            observer,
            pool,
            max_in_flight: affordable.min(options.jobs.get().saturating_mul(4)),
            block_size: options.block_size.len(),
            fragment: FragmentBuilder::new(options.block_size.len()),
            tails: BTreeMap::new(),
            donor,
            recorder: record.then(Recorder::default),
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
        if buffer.capacity() >= self.block_size {
            self.inputs.push(buffer);
        }
    }

    /// Adds a block to the content begun last.
    pub(crate) fn block(&mut self, content: u32, block: Vec<u8>) -> Result<(), WriteError> {
        if is_zero(&block) {
            self.hole(content, 1, block.len() as u64);
            self.recycle(block);
            return Ok(());
        }
        let slot = self.files.reserve(content);
        self.submit(Place::File(slot), Work::Compress(block))
    }

    /// Adds blocks of zeros, `bytes` in all, to the content begun last.
    pub(crate) fn hole(&mut self, content: u32, blocks: u64, bytes: u64) {
        self.files.hole(content, blocks, bytes);
        self.counts.holes += bytes;
        self.observer.advance(Phase::Compress, bytes);
    }

    /// Puts the end of the content begun last into a fragment. `digest` is that of the whole
    /// content, if that is all there is of it and the digest is known. Zeros become a hole.
    pub(crate) fn tail(
        &mut self,
        content: u32,
        tail: Vec<u8>,
        alone: bool,
        digest: Option<Digest>,
    ) -> Result<(), WriteError> {
        if is_zero(&tail) {
            return self.block(content, tail);
        }
        let known = digest.filter(|_| alone);
        let digest = known.map_or_else(|| *blake3::hash(&tail).as_bytes(), |digest| digest.0);
        self.pack(content, &digest, TailBytes::Here(&tail), alone)?;
        self.recycle(tail);
        Ok(())
    }

    /// Puts the content that was begun last together from the donor's blocks.
    pub(crate) fn take(
        &mut self,
        content: u32,
        digest: Digest,
        len: u64,
    ) -> Result<(), WriteError> {
        let Some(donor) = self.donor.clone() else { return Ok(()) };
        let Some(found) = donor.content(digest, len) else { return Ok(()) };
        let block_size = self.block_size as u64;
        let (mut offset, mut left) = (found.start, len);
        for (size, check) in donor.index().blocks(found) {
            if is_zero_run(size) {
                let blocks = u64::from(zero_run(size));
                let bytes = left.min(blocks * block_size);
                self.hole(content, blocks, bytes);
                left -= bytes;
                continue;
            }
            let raw_len = usize::try_from(left).unwrap_or(usize::MAX).min(self.block_size);
            let slot = self.files.reserve(content);
            self.submit(Place::File(slot), Work::Copy { offset, size, check, raw_len })?;
            offset += u64::from(size & !crate::format::DATA_STORED);
            left -= raw_len as u64;
        }
        match found.tail {
            Some(tail) => {
                self.pack(content, &tail.digest, TailBytes::Donor(tail), u64::from(tail.len) == len)
            }
            None => Ok(()),
        }
    }

    fn pack(
        &mut self,
        content: u32,
        digest: &[u8; 32],
        bytes: TailBytes<'_>,
        alone: bool,
    ) -> Result<(), WriteError> {
        let len = bytes.len();
        let key = (*digest, len);
        let known = self.tails.get(&key).copied();
        let (fragment, offset) = match known {
            Some(place) => {
                if alone {
                    self.counts.shared_tails += 1;
                    self.counts.shared_tail_bytes += len as u64;
                }
                self.observer.advance(Phase::Compress, len as u64);
                place
            }
            None => {
                let place = self.append_to_fragment(digest, bytes)?;
                self.tails.insert(key, place);
                place
            }
        };
        self.files.end_in_fragment(content, fragment, offset);
        if let Some(recorder) = &mut self.recorder {
            let len = u32::try_from(len).expect("BUG: below 1 MiB");
            recorder.tail(content, Tail { digest: *digest, fragment, offset, len });
        }
        Ok(())
    }

    fn append_to_fragment(
        &mut self,
        digest: &[u8; 32],
        bytes: TailBytes<'_>,
    ) -> Result<(u32, u32), WriteError> {
        if !self.fragment.has_room(bytes.len()) {
            self.end_fragment()?;
        }
        if self.fragment.is_empty() {
            let buffer = self.buffer();
            self.fragment.begin(buffer);
        }
        // The largest number means that there is no fragment.
        let number = u32::try_from(self.fragments.len()).ok().filter(|number| *number < u32::MAX);
        let offset = self.fragment.push(digest, bytes);
        Ok((number.ok_or(WriteError::Fragments)?, offset))
    }

    fn end_fragment(&mut self) -> Result<(), WriteError> {
        let Some(filled) = self.fragment.take() else { return Ok(()) };
        self.fragments.push((0, 0));
        self.submit(Place::Fragment(self.fragments.len() - 1), Work::Pack(filled))
    }

    fn submit(&mut self, place: Place, work: Work) -> Result<(), WriteError> {
        if self.observer.cancelled() {
            return Err(WriteError::Cancelled);
        }
        while let Some(done) = self.pool.ready() {
            self.write(done?)?;
        }
        while self.pool.in_flight() >= self.max_in_flight {
            if let Some(done) = self.pool.retire()? {
                self.write(done?)?;
            }
        }
        let output = self.outputs.pop().unwrap_or_default();
        self.pool.submit(Job { place, work, output });
        Ok(())
    }

    fn write(&mut self, done: Done) -> Result<(), WriteError> {
        let (offset, size) = (self.output.position(), done.size());
        self.output.write_all(done.bytes()).map_err(WriteError::Output)?;
        let len = done.bytes().len() as u64;
        self.counts.blocks += 1;
        self.counts.uncompressed += done.raw_len as u64;
        self.counts.compressed += len;
        if done.reused {
            self.counts.reused += len;
        }
        match done.place {
            Place::File(slot) => self.files.place(slot, offset, size),
            Place::Fragment(number) => self.fragments[number] = (offset, size),
        }
        match (&mut self.recorder, done.place) {
            (Some(recorder), Place::File(slot)) => recorder.block(slot.size, done.check),
            (Some(recorder), Place::Fragment(number)) => {
                recorder.fragment(number, done.key, done.check);
            }
            (None, _) => {}
        }
        self.observer.advance(Phase::Compress, done.raw_len as u64);
        self.recycle(done.input);
        self.outputs.push(done.output);
        Ok(())
    }

    /// Whether an index is asked for.
    pub(crate) fn records(&self) -> bool {
        self.recorder.is_some()
    }

    /// The index of what was written, if it was asked for; see [`Recorder::finish`].
    pub(crate) fn index(
        &self,
        options: &Options,
        digests: impl Iterator<Item = (Option<Digest>, u64)>,
    ) -> Option<Index> {
        let recorder = self.recorder.as_ref()?;
        Some(recorder.finish(options, &self.files, &self.fragments, digests))
    }

    /// Ends the last fragment and waits until every block is written.
    pub(crate) fn finish(&mut self) -> Result<(), WriteError> {
        self.end_fragment()?;
        while let Some(done) = self.pool.retire()? {
            if self.observer.cancelled() {
                return Err(WriteError::Cancelled);
            }
            self.write(done?)?;
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
