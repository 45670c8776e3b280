//! Compressors and decompressors behind one face.

use std::io;

use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use lz4::block::CompressionMode;

use crate::format::{CompressorId, METADATA_BLOCK, PutFields};
use crate::options::{Bcj, BlockSize, Compression};

/// What a compressor is to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Data(BlockSize),
    Metadata,
}

/// As much as a metadata block has.
const XZ_METADATA_DICTIONARY: u32 = 8192;
const _: () = assert!(XZ_METADATA_DICTIONARY as usize == METADATA_BLOCK);

/// A compressor and its state, reused from block to block.
pub(crate) enum Encoder {
    Gzip(libdeflater::Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
    Xz { level: u32, dictionary: u32, bcj: Option<Bcj>, second: Vec<u8> },
    Lz4(CompressionMode),
    None,
}

impl Encoder {
    pub(crate) fn new(compression: Compression, used_for: Use) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip { level } => {
                let level = libdeflater::CompressionLvl::new(i32::from(level))
                    .map_err(|_| io::Error::other(format!("libdeflate has no level {level}")))?;
                Self::Gzip(libdeflater::Compressor::new(level))
            }
            Compression::Zstd { level } => {
                Self::Zstd(zstd::bulk::Compressor::new(i32::from(level))?)
            }
            Compression::Xz { level, bcj } => {
                let level = u32::from(level);
                // Small dictionaries make starting on each metadata block cheap. Code is not
                // found in metadata.
                let (dictionary, bcj) = match used_for {
                    Use::Data(block_size) => (block_size.bytes(), bcj),
                    Use::Metadata => (XZ_METADATA_DICTIONARY, None),
                };
                Self::Xz { level, dictionary, bcj, second: Vec::new() }
            }
            Compression::Lz4 { level: None } => Self::Lz4(CompressionMode::DEFAULT),
            Compression::Lz4 { level: Some(level) } => {
                Self::Lz4(CompressionMode::HIGHCOMPRESSION(i32::from(level)))
            }
            Compression::None => Self::None,
        })
    }

    /// Compresses `input` to the front of `output`, which grows as needed and never shrinks, and
    /// returns the compressed length. `None` when the compressed form is not shorter.
    pub(crate) fn encode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        let len = match self {
            Self::Gzip(compressor) => {
                // Room for one byte less than the input: libdeflate gives up early.
                let room = grow(output, input.len().saturating_sub(1));
                match compressor.zlib_compress(input, room) {
                    Ok(len) => len,
                    Err(libdeflater::CompressionError::InsufficientSpace) => return Ok(None),
                }
            }
            Self::Zstd(compressor) => {
                let room = grow(output, zstd::zstd_safe::compress_bound(input.len()));
                compressor.compress_to_buffer(input, room)?
            }
            Self::Xz { level, dictionary, bcj, second } => {
                let plain = encode_xz(input, output, *level, *dictionary, None)?;
                let filtered = match bcj {
                    Some(bcj) => encode_xz(input, second, *level, *dictionary, Some(*bcj))?,
                    None => None,
                };
                return Ok(match (plain, filtered) {
                    (Some(plain), Some(filtered)) if plain <= filtered => Some(plain),
                    (_, Some(filtered)) => {
                        grow(output, filtered).copy_from_slice(&second[..filtered]);
                        Some(filtered)
                    }
                    (plain, None) => plain,
                });
            }
            Self::Lz4(mode) => {
                let room = grow(output, lz4::block::compress_bound(input.len())?);
                lz4::block::compress_to_buffer(input, Some(*mode), false, room)?
            }
            Self::None => return Ok(None),
        };
        Ok((len < input.len()).then_some(len))
    }
}

fn grow(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    &mut buffer[..len]
}

/// One xz stream with a CRC32, the only check that Linux's reader has besides none.
fn encode_xz(
    input: &[u8],
    output: &mut Vec<u8>,
    level: u32,
    dictionary: u32,
    bcj: Option<Bcj>,
) -> io::Result<Option<usize>> {
    let mut options = LzmaOptions::new_preset(level)?;
    options.dict_size(dictionary);
    let mut filters = Filters::new();
    match bcj {
        Some(Bcj::X86) => filters.x86().lzma2(&options),
        Some(Bcj::Arm64) => filters.arm64().lzma2(&options),
        None => filters.lzma2(&options),
    };
    let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let room = grow(output, input.len().saturating_sub(1));
    match stream.process(input, room, Action::Finish)? {
        Status::StreamEnd => Ok(usize::try_from(stream.total_out()).ok()),
        // The room is used up.
        _ => Ok(None),
    }
}

/// The compressor's number and the body of its options record, if it needs one: readers assume
/// the defaults of `mksquashfs` without it, except for LZ4, whose record is mandatory.
pub(crate) fn identify(
    compression: Compression,
    block_size: BlockSize,
) -> (CompressorId, Option<Vec<u8>>) {
    /// zlib's highest level and what is assumed without a record.
    const GZIP_LEVEL: u8 = 9;
    const ZSTD_LEVEL: u8 = 15;
    let mut body = Vec::new();
    let id = match compression {
        Compression::None => CompressorId::GZIP,
        Compression::Gzip { level } => {
            if level < GZIP_LEVEL {
                body.u32(u32::from(level));
                body.u16(15); // window bits
                body.u16(0); // no strategies
            }
            CompressorId::GZIP
        }
        Compression::Zstd { level } => {
            if level != ZSTD_LEVEL {
                body.u32(u32::from(level));
            }
            CompressorId::ZSTD
        }
        Compression::Xz { bcj, .. } => {
            if let Some(bcj) = bcj {
                body.u32(block_size.bytes());
                body.u32(match bcj {
                    Bcj::X86 => 1,
                    Bcj::Arm64 => 1 << 6,
                });
            }
            CompressorId::XZ
        }
        Compression::Lz4 { level } => {
            body.u32(1); // the LZ4 block format
            body.u32(u32::from(level.is_some()));
            CompressorId::LZ4
        }
    };
    (id, (!body.is_empty()).then_some(body))
}

/// A decompressor; `None` from [`Decoder::new`] when the compressor is not supported.
pub(crate) enum Decoder {
    Gzip,
    Zstd(zstd::bulk::Decompressor<'static>),
    Xz,
    Lz4,
}

/// Enough for the dictionary of a 1 MiB block.
const XZ_MEMORY: u64 = 32 << 20;

impl Decoder {
    pub(crate) fn new(id: CompressorId) -> Option<Self> {
        match id {
            CompressorId::GZIP => Some(Self::Gzip),
            CompressorId::ZSTD => zstd::bulk::Decompressor::new().ok().map(Self::Zstd),
            CompressorId::XZ => Some(Self::Xz),
            CompressorId::LZ4 => Some(Self::Lz4),
            _ => None,
        }
    }

    /// Decompresses `input` into `output` and returns the length; `None` when it is damaged or
    /// longer than `output`.
    pub(crate) fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Option<usize> {
        match self {
            Self::Gzip => {
                let mut inflate = flate2::Decompress::new(true);
                let status =
                    inflate.decompress(input, output, flate2::FlushDecompress::Finish).ok()?;
                let len = usize::try_from(inflate.total_out()).ok()?;
                (status == flate2::Status::StreamEnd).then_some(len)
            }
            Self::Zstd(decompressor) => decompressor.decompress_to_buffer(input, output).ok(),
            Self::Xz => {
                let mut stream = Stream::new_stream_decoder(XZ_MEMORY, 0).ok()?;
                let status = stream.process(input, output, Action::Finish).ok()?;
                let len = usize::try_from(stream.total_out()).ok()?;
                (status == Status::StreamEnd).then_some(len)
            }
            Self::Lz4 => {
                let room = i32::try_from(output.len()).ok()?;
                lz4::block::decompress_to_buffer(input, Some(room), output).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 12] = [
        "gzip:1",
        "gzip:9",
        "gzip:12",
        "zstd:1",
        "zstd:22",
        "xz:0",
        "xz:6",
        "xz:6:x86",
        "xz:6:arm64",
        "lz4",
        "lz4:1",
        "lz4:12",
    ];

    #[test]
    fn what_is_compressed_comes_back_and_what_does_not_shrink_is_refused() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        let noise: Vec<u8> =
            (0..4096_u32).map(|n| blake3::hash(&n.to_le_bytes()).as_bytes()[0]).collect();
        for name in ALL {
            let compression = name.parse().unwrap();
            let (id, _) = identify(compression, BlockSize::MAX);
            for used_for in [Use::Data(BlockSize::MAX), Use::Metadata] {
                let mut encoder = Encoder::new(compression, used_for).unwrap();
                let mut decoder = Decoder::new(id).unwrap();
                let mut output = Vec::new();
                for _ in 0..2 {
                    let input = if used_for == Use::Metadata { &text[..8192] } else { &text };
                    let len = encoder.encode(input, &mut output).unwrap().unwrap();
                    assert!(len < input.len() / 2, "{name}");
                    let mut back = vec![0; input.len()];
                    assert_eq!(decoder.decode(&output[..len], &mut back), Some(input.len()));
                    assert_eq!(back, input, "{name}");
                    let short = decoder.decode(&output[..len], &mut back[1..]);
                    assert_eq!(short, None, "{name}");
                    assert_eq!(encoder.encode(&noise, &mut output).unwrap(), None, "{name}");
                    assert_eq!(encoder.encode(b"a", &mut output).unwrap(), None, "{name}");
                }
                assert_eq!(decoder.decode(b"\x01damaged", &mut [0; 16]), None, "{name}");
            }
        }
    }

    #[test]
    fn options_are_recorded_where_readers_would_assume_something_else() {
        let record = |text: &str| identify(text.parse().unwrap(), BlockSize::MAX).1;
        for text in ["gzip:9", "gzip:12", "zstd:15", "xz:9", "none"] {
            assert_eq!(record(text), None, "{text}");
        }
        assert_eq!(record("gzip:6").unwrap(), [6, 0, 0, 0, 15, 0, 0, 0]);
        assert_eq!(record("zstd:3").unwrap(), [3, 0, 0, 0]);
        assert_eq!(record("xz:6:x86").unwrap(), [0, 0, 16, 0, 1, 0, 0, 0]);
        assert_eq!(record("xz:6:arm64").unwrap(), [0, 0, 16, 0, 0x40, 0, 0, 0]);
        assert_eq!(record("lz4").unwrap(), [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(record("lz4:9").unwrap(), [1, 0, 0, 0, 1, 0, 0, 0]);
    }
}
