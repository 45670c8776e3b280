//! Where stored bytes lie, and layers as an image describes them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compression::{Compression, Decoder};
use crate::digest::ContentDigest;
use crate::error::Error;

/// A range of a file, or of what a compressed file decompresses to.
#[derive(Clone, Debug)]
pub(crate) struct Location {
    pub(crate) path: Arc<Path>,
    /// How the whole file is compressed. Reading then means decompressing all that comes before.
    pub(crate) wrapping: Compression,
    pub(crate) offset: u64,
    pub(crate) len: u64,
}

impl Location {
    /// A whole file as it is.
    pub(crate) fn file(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        if !metadata.is_file() {
            return Err(failed(io::Error::other("it is not a regular file")));
        }
        Ok(Self { path: path.into(), wrapping: Compression::None, offset: 0, len: metadata.len() })
    }

    /// Reads the range.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let mut file = File::open(&self.path)?;
        if self.wrapping == Compression::None {
            file.seek(SeekFrom::Start(self.offset))?;
            return Ok(Box::new(file.take(self.len)));
        }
        let input = BufReader::with_capacity(1 << 18, file);
        let mut decoder = Decoder::new(self.wrapping, input)?;
        io::copy(&mut decoder.by_ref().take(self.offset), &mut io::sink())?;
        Ok(Box::new(decoder.take(self.len)))
    }

    pub(crate) fn error(&self, source: io::Error) -> Error {
        Error::Io { path: PathBuf::from(&*self.path), source }
    }
}

/// A tar, possibly compressed, and what is promised about it.
#[derive(Clone, Debug)]
pub(crate) struct TarSource {
    /// Its name in errors, such as `oci:image: layer 3 (sha256:...)`.
    pub(crate) name: Arc<str>,
    pub(crate) location: Location,
    /// The digest of its stored bytes.
    pub(crate) digest: Option<ContentDigest>,
    /// The digest of its uncompressed bytes.
    pub(crate) diff_id: Option<ContentDigest>,
}
