//! Decompression in a thread of its own, a few buffers ahead of whoever reads.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::compression::{Compression, Decoder, MAGIC_LEN, read_up_to};
use crate::digest::{ContentDigest, Hasher};
use crate::error::Error;
use crate::feed::Feed;
use crate::source::TarSource;

/// Bytes of a buffer between the two threads.
const BUFFER: usize = 1 << 20;
/// Stored bytes read at once.
const STORED: usize = 1 << 18;

enum Message {
    Start(Compression),
    Data(Vec<u8>),
    End(ContentDigest),
    Failed(Error),
}

/// The decompressing thread's end.
pub(crate) struct Outlet {
    full: Sender<Message>,
    empty: Receiver<Vec<u8>>,
    given_up: Arc<AtomicBool>,
}

/// The reading thread's end. Dropping it ends the other thread.
pub(crate) struct Pipe {
    full: Receiver<Message>,
    empty: Sender<Vec<u8>>,
    given_up: Arc<AtomicBool>,
    input: Arc<str>,
    buffer: Vec<u8>,
    at: usize,
    compression: Option<Compression>,
    digest: Option<ContentDigest>,
}

/// Two ends with room for `buffers` buffers of 1 MiB between them; `input` names the stream.
pub(crate) fn pipe(buffers: usize, input: &Arc<str>) -> (Outlet, Pipe) {
    let (full_sender, full) = bounded(buffers);
    let (empty, empty_receiver) = bounded(buffers + 2);
    let given_up = Arc::new(AtomicBool::new(false));
    let outlet =
        Outlet { full: full_sender, empty: empty_receiver, given_up: Arc::clone(&given_up) };
    let pipe = Pipe {
        full,
        empty,
        given_up,
        input: Arc::clone(input),
        buffer: Vec::new(),
        at: 0,
        compression: None,
        digest: None,
    };
    (outlet, pipe)
}

impl Pipe {
    /// The digest of the stored bytes, once the stream was read to its end.
    pub(crate) fn digest(&self) -> Option<ContentDigest> {
        self.digest
    }

    /// Reads the rest of the stored bytes without decompressing them, to learn whether a stream
    /// that makes no sense is damaged. Returns the error that says so.
    pub(crate) fn give_up(mut self) -> Option<Error> {
        self.given_up.store(true, Ordering::Relaxed);
        loop {
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    let damaged = matches!(
                        error,
                        Error::Digest { .. } | Error::DiffId { .. } | Error::Size { .. }
                    );
                    return damaged.then_some(error);
                }
            }
        }
    }

    /// How the stream is compressed; known with the first buffer.
    pub(crate) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// The next buffer, when everything before it was consumed; `false` at the end.
    pub(crate) fn advance(&mut self) -> Result<bool, Error> {
        if self.digest.is_some() {
            return Ok(false);
        }
        let mut message = self.full.recv();
        if let Ok(Message::Start(compression)) = message {
            self.compression = Some(compression);
            message = self.full.recv();
        }
        match message {
            Ok(Message::Data(buffer)) => {
                let used = std::mem::replace(&mut self.buffer, buffer);
                self.at = 0;
                if used.capacity() > 0 {
                    // Without room the buffer is one too many, and without the thread of no use.
                    let _ = self.empty.try_send(used);
                }
                Ok(true)
            }
            Ok(Message::End(digest)) => {
                self.digest = Some(digest);
                (self.buffer, self.at) = (Vec::new(), 0);
                Ok(false)
            }
            Ok(Message::Failed(error)) => Err(error),
            Ok(Message::Start(_)) | Err(_) => {
                Err(Error::ThreadLost { input: Arc::clone(&self.input) })
            }
        }
    }

    /// The bytes of the current buffer that were not consumed.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }
}

impl Feed for Pipe {
    fn fill(&mut self) -> Result<&[u8], Error> {
        while self.rest().is_empty() {
            if !self.advance()? {
                break;
            }
        }
        Ok(self.rest())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

/// Reads, checks and decompresses `source` into `outlet` until the stream ends or nobody reads.
/// `progress` gets the numbers of stored bytes as they are read.
pub(crate) fn pump(source: &TarSource, outlet: &Outlet, progress: &(dyn Fn(u64) + Sync)) {
    let message = match inflate(source, outlet, progress) {
        Ok(Some(digest)) => Message::End(digest),
        Ok(None) => return,
        Err(error) => Message::Failed(error),
    };
    // Nobody waits for the end any more: fine.
    let _ = outlet.full.send(message);
}

/// `None` when nobody reads any more.
fn inflate(
    source: &TarSource,
    outlet: &Outlet,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Option<ContentDigest>, Error> {
    let location = &source.location;
    let mut stored = location.open().map_err(|error| location.error(error))?;
    let mut head = [0; MAGIC_LEN];
    let head_len = read_up_to(&mut *stored, &mut head).map_err(|error| location.error(error))?;
    if head[..head_len].starts_with(b"BZh") {
        let input = source.name.to_string();
        return Err(Error::UnsupportedCompression { input, found: "bzip2" });
    }
    let compression = Compression::detect(&head[..head_len]);
    let hashed = Hashed {
        inner: Cursor::new(head).take(head_len as u64).chain(stored),
        hasher: Hasher::like(source.expected_digest(compression)),
        count: 0,
        failed: false,
        progress,
    };
    let input = BufReader::with_capacity(STORED, hashed);
    let failed = |source_error| Error::Decompress {
        input: source.name.to_string(),
        compression,
        source: source_error,
    };
    let mut decoder = Decoder::new(compression, input).map_err(failed)?;
    if outlet.full.send(Message::Start(compression)).is_err() {
        return Ok(None);
    }
    let mut result = Ok(());
    while !outlet.given_up.load(Ordering::Relaxed) {
        let mut buffer = outlet.empty.try_recv().unwrap_or_default();
        buffer.resize(BUFFER, 0);
        match read_up_to(&mut decoder, &mut buffer) {
            Ok(0) => break,
            Ok(read) => buffer.truncate(read),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
        if outlet.full.send(Message::Data(buffer)).is_err() {
            return Ok(None);
        }
    }
    let mut input = decoder.into_inner();
    if input.get_ref().failed {
        return Err(location.error(result.err().unwrap_or_else(|| io::ErrorKind::Other.into())));
    }
    let trailing = !input.fill_buf().map_err(|error| location.error(error))?.is_empty();
    // A wrong digest explains everything else, so the rest is read before anything is reported.
    io::copy(&mut input, &mut io::sink()).map_err(|error| location.error(error))?;
    let hashed = input.into_inner();
    let digest = hashed.check(source, compression)?;
    result.map_err(failed)?;
    if trailing && !outlet.given_up.load(Ordering::Relaxed) {
        return Err(Error::TrailingBytes { input: source.name.to_string(), compression });
    }
    Ok(Some(digest))
}

impl TarSource {
    /// What the stored bytes must have: a plain tar's uncompressed digest is that of its bytes.
    pub(crate) fn expected_digest(&self, compression: Compression) -> Option<&ContentDigest> {
        let plain = self.diff_id.as_ref().filter(|_| compression == Compression::None);
        self.digest.as_ref().or(plain)
    }

    /// Whether the digest of the stored bytes says all about the uncompressed ones.
    pub(crate) fn diff_id_is_digest(&self, compression: Compression) -> bool {
        let diff_id = self.diff_id.as_ref();
        compression == Compression::None && diff_id == self.expected_digest(compression)
    }
}

/// Hashes and counts stored bytes on their way.
struct Hashed<'a, R> {
    inner: R,
    hasher: Hasher,
    count: u64,
    /// Whether an error came from here and not from the decompressor.
    failed: bool,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<R: Read> Read for Hashed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = loop {
            match self.inner.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.inspect_err(|_| self.failed = true)?,
            }
        };
        self.hasher.update(&buffer[..read]);
        self.count += read as u64;
        (self.progress)(read as u64);
        Ok(read)
    }
}

impl<R> Hashed<'_, R> {
    fn check(self, source: &TarSource, compression: Compression) -> Result<ContentDigest, Error> {
        let blob = || source.name.to_string();
        if self.count != source.location.len {
            let (expected, actual) = (source.location.len, self.count);
            return Err(Error::Size { blob: blob(), expected, actual });
        }
        let actual = self.hasher.finish();
        match source.expected_digest(compression) {
            Some(expected) if *expected != actual => {
                let (expected, actual) = (Box::new(*expected), Box::new(actual));
                Err(if source.digest.is_some() {
                    Error::Digest { blob: blob(), expected, actual }
                } else {
                    Error::DiffId { layer: blob(), expected, actual }
                })
            }
            _ => Ok(actual),
        }
    }
}
