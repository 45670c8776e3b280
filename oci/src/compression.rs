//! How a stream is compressed, told from its first bytes, and its decompression.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

/// Memory that an xz stream may ask for; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;
/// The largest zstd window, log2, which is also what `zstd` accepts without `--long=31`.
const ZSTD_WINDOW_LOG: u32 = 27;
/// Bytes that tell the formats apart.
pub(crate) const MAGIC_LEN: usize = 6;

/// How a layer or an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), one or several members.
    Gzip,
    /// Zstandard (RFC 8878), one or several frames.
    Zstd,
    /// xz, one or several streams.
    Xz,
}

impl Compression {
    /// What a stream that starts with `head` is compressed with. Names and media types are not
    /// asked, since they are wrong too often.
    pub(crate) fn detect(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // A skippable frame, which zstd:chunked tools may put first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "plain tar",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        })
    }
}

/// Reads the uncompressed bytes of a stream. Concatenated members, frames or streams count as one
/// stream; anything else behind the end is an error.
pub(crate) enum Decoder<R: BufRead> {
    Plain(R),
    Gzip(MultiGzDecoder<R>),
    Zstd(Box<zstd::stream::read::Decoder<'static, R>>),
    Xz(XzDecoder<R>),
}

impl<R: BufRead> Decoder<R> {
    pub(crate) fn new(compression: Compression, input: R) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(input),
            Compression::Gzip => Self::Gzip(MultiGzDecoder::new(input)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Self::Zstd(Box::new(decoder))
            }
            Compression::Xz => {
                let stream = liblzma::stream::Stream::new_stream_decoder(
                    XZ_MEMORY,
                    liblzma::stream::CONCATENATED,
                )?;
                Self::Xz(XzDecoder::new_stream(input, stream))
            }
        })
    }

    /// The compressed input, from where decompression stopped.
    pub(crate) fn into_inner(self) -> R {
        match self {
            Self::Plain(input) => input,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Xz(decoder) => decoder.into_inner(),
        }
    }
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
        }
    }
}

/// Fills `buffer` as far as `input` has bytes and returns how many came.
pub(crate) fn read_up_to(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn compress(compression: Compression, bytes: &[u8]) -> Vec<u8> {
        match compression {
            Compression::None => bytes.to_vec(),
            Compression::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
            Compression::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    fn inflate(bytes: &[u8]) -> io::Result<(Vec<u8>, usize)> {
        let mut decoder = Decoder::new(Compression::detect(bytes), bytes)?;
        let mut text = Vec::new();
        decoder.read_to_end(&mut text)?;
        Ok((text, decoder.into_inner().len()))
    }

    #[test]
    fn streams_are_told_apart_joined_and_checked_to_their_end() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::Xz] {
            let mut stream = compress(compression, b"one ");
            let first = stream.len();
            stream.extend(compress(compression, b"two"));
            assert_eq!(Compression::detect(&stream), compression);
            assert_eq!(inflate(&stream).unwrap(), (b"one two".to_vec(), 0), "{compression}");
            for cut in [first - 1, stream.len() - 1] {
                assert!(inflate(&stream[..cut]).is_err(), "{compression} cut at {cut}");
            }
            stream.extend(b"garbage!");
            let noticed = match inflate(&stream) {
                Ok((_, left)) => left > 0,
                Err(_) => true,
            };
            assert!(noticed, "{compression} with garbage");
        }
        assert_eq!(Compression::detect(b""), Compression::None);
    }
}
