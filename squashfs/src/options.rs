//! What the caller of the writer can choose.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

/// How to write an image. [`Options::new`] gives gzip in blocks of 1 MiB, as `mksquashfs -b 1M` does.
#[derive(Clone, Debug)]
pub struct Options {
    /// The compressor of data and metadata.
    pub compression: Compression,
    /// Uncompressed bytes of a data block.
    pub block_size: BlockSize,
    /// Threads that compress. The image does not depend on it.
    pub jobs: NonZeroUsize,
    /// Most bytes of blocks on their way to and from the compressors; the codecs' own state comes
    /// on top. One block is always on its way, however little this allows.
    pub memory: u64,
    /// Time of creation in the superblock, seconds since 1970.
    pub time: u32,
    /// Whether to write the export table, which NFS servers need.
    pub export: bool,
    /// What happens to the ends of files that do not fill a block.
    pub fragments: Fragments,
}

impl Options {
    /// gzip, 1 MiB blocks, `jobs` threads, at most 256 MiB of blocks, time 0, exportable, small
    /// files packed.
    #[must_use]
    pub fn new(jobs: NonZeroUsize) -> Self {
        Self {
            compression: Compression::default(),
            block_size: BlockSize::default(),
            jobs,
            memory: 256 << 20,
            time: 0,
            export: true,
            fragments: Fragments::default(),
        }
    }
}

/// What happens to the last part of a file when it does not fill a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragments {
    /// Files smaller than a block are packed together; the end of a larger one is a short block of
    /// its own. Measured smaller than packing all ends, by 0.01 to 0.03 %, and read with one block
    /// less.
    #[default]
    SmallFiles,
    /// The ends of larger files are packed, too.
    Always,
    /// Each is a short block of its own. Larger images, slightly quicker reads.
    Never,
}

/// A compressor and its level. As text: `gzip`, `gzip:9`, `zstd:15`, `xz:6`, `xz:6:x86`, `lz4`,
/// `lz4:12` (high compression), `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// zlib streams, made by libdeflate.
    Gzip {
        /// 1 to 12; libdeflate's scale, on which 9 makes what zlib's 9 makes.
        level: u8,
    },
    /// Zstandard; Linux 4.14 and newer.
    Zstd {
        /// 1 to 22.
        level: u8,
    },
    /// xz with a dictionary of the block's size.
    Xz {
        /// 0 to 9.
        level: u8,
        /// A filter for machine code, tried on every data block and kept where it helps.
        bcj: Option<Bcj>,
    },
    /// LZ4.
    Lz4 {
        /// `None` is the fast compressor, 1 to 12 the high-compression one.
        level: Option<u8>,
    },
    /// Everything is stored as it is. The superblock names gzip, as it must name something.
    None,
}

/// A branch/call/jump filter for machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bcj {
    /// x86, 32 and 64 bits.
    X86,
    /// 64-bit ARM; Linux 6.12 and newer.
    Arm64,
}

impl Bcj {
    const ALL: [(Self, &'static str); 2] = [(Self::X86, "x86"), (Self::Arm64, "arm64")];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(bcj, _)| *bcj == self).map_or("", |(_, name)| name)
    }
}

impl Compression {
    /// On Debian's files a little smaller than what zlib's level 9 makes, in a tenth of its time.
    const GZIP_DEFAULT: u8 = 6;
    /// On Debian's files 0.8 % larger than 15 in a quarter of its time: 11 s of processor time for
    /// 828 MiB. 9 takes 12 s for 0.02 % less, 12 takes 18 s for 0.5 % less.
    const ZSTD_DEFAULT: u8 = 8;
    /// The first level with the thorough search: 5 takes a tenth less time for 0.4 % more.
    const XZ_DEFAULT: u8 = 6;

    /// The compressor's name and the range of its levels.
    fn range(self) -> (&'static str, u8, u8) {
        match self {
            Self::Gzip { .. } => ("gzip", 1, 12),
            Self::Zstd { .. } => ("zstd", 1, 22),
            Self::Xz { .. } => ("xz", 0, 9),
            Self::Lz4 { .. } => ("lz4", 1, 12),
            Self::None => ("none", 0, 0),
        }
    }

    fn level(self) -> Option<u8> {
        match self {
            Self::Gzip { level } | Self::Zstd { level } | Self::Xz { level, .. } => Some(level),
            Self::Lz4 { level } => level,
            Self::None => None,
        }
    }

    /// Checks that the level exists.
    pub(crate) fn check(self) -> Result<Self, OptionError> {
        let (compression, min, max) = self.range();
        match self.level() {
            Some(level) if !(min..=max).contains(&level) => {
                Err(OptionError::Level { compression, level: level.to_string(), min, max })
            }
            _ => Ok(self),
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::Gzip { level: Self::GZIP_DEFAULT }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.range().0)?;
        if let Some(level) = self.level() {
            write!(f, ":{level}")?;
        }
        match self {
            Self::Xz { bcj: Some(bcj), .. } => write!(f, ":{}", bcj.name()),
            _ => Ok(()),
        }
    }
}

impl FromStr for Compression {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let unknown = || OptionError::Compression { text: text.to_owned() };
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let (level, bcj) = (parts.next(), parts.next());
        if parts.next().is_some() || (bcj.is_some() && name != "xz") {
            return Err(unknown());
        }
        let bcj = bcj
            .map(|text| {
                let found = Bcj::ALL.iter().find(|(_, name)| *name == text);
                found.map(|(bcj, _)| *bcj).ok_or(OptionError::Bcj { text: text.to_owned() })
            })
            .transpose()?;
        let plain = match name {
            "gzip" => Self::Gzip { level: Self::GZIP_DEFAULT },
            "zstd" => Self::Zstd { level: Self::ZSTD_DEFAULT },
            "xz" => Self::Xz { level: Self::XZ_DEFAULT, bcj },
            "lz4" => Self::Lz4 { level: None },
            "none" if level.is_none() => Self::None,
            _ => return Err(unknown()),
        };
        let Some(level) = level else { return Ok(plain) };
        let (compression, min, max) = plain.range();
        let level =
            level.parse().ok().filter(|level| (min..=max).contains(level)).ok_or_else(|| {
                OptionError::Level { compression, level: level.to_owned(), min, max }
            })?;
        Ok(match plain {
            Self::Gzip { .. } => Self::Gzip { level },
            Self::Zstd { .. } => Self::Zstd { level },
            Self::Lz4 { .. } => Self::Lz4 { level: Some(level) },
            Self::Xz { .. } | Self::None => Self::Xz { level, bcj },
        })
    }
}

/// Uncompressed bytes of a data block: a power of two from 4 KiB to 1 MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockSize(u32);

impl BlockSize {
    /// 4 KiB.
    pub const MIN: Self = Self(4096);
    /// 1 MiB, the default.
    pub const MAX: Self = Self(1 << 20);

    /// Checks a size in bytes.
    ///
    /// # Errors
    /// [`OptionError::BlockSize`].
    pub fn new(bytes: u64) -> Result<Self, OptionError> {
        u32::try_from(bytes)
            .ok()
            .filter(|size| size.is_power_of_two() && (Self::MIN.0..=Self::MAX.0).contains(size))
            .map(Self)
            .ok_or(OptionError::BlockSize { bytes })
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(self) -> u32 {
        self.0
    }

    /// The size in bytes, to index and allocate with.
    pub(crate) fn len(self) -> usize {
        self.0 as usize
    }

    /// Its binary logarithm.
    pub(crate) fn log(self) -> u16 {
        u16::try_from(self.0.ilog2()).expect("BUG: a logarithm below 32")
    }
}

impl Default for BlockSize {
    fn default() -> Self {
        Self::MAX
    }
}

/// Why an option was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionError {
    /// No such compressor.
    #[error(
        "unknown compression {text:?}: expected gzip, zstd, xz, lz4 or none, with a level after a \
         colon (gzip:9, xz:6:x86)"
    )]
    Compression {
        /// What was given.
        text: String,
    },
    /// The compressor has no such level.
    #[error("{compression} has no level {level}: expected {min} to {max}")]
    Level {
        /// The compressor.
        compression: &'static str,
        /// What was given.
        level: String,
        /// The lowest level.
        min: u8,
        /// The highest level.
        max: u8,
    },
    /// No such filter for machine code.
    #[error("unknown xz filter {text:?}: expected x86 or arm64")]
    Bcj {
        /// What was given.
        text: String,
    },
    /// The format has no such block size.
    #[error("block size {bytes} is no power of two from 4096 to 1048576")]
    BlockSize {
        /// What was given.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_read_and_shown() {
        for (text, shown) in [
            ("gzip", "gzip:6"),
            ("gzip:12", "gzip:12"),
            ("zstd", "zstd:8"),
            ("zstd:1", "zstd:1"),
            ("xz", "xz:6"),
            ("xz:0:x86", "xz:0:x86"),
            ("xz:9:arm64", "xz:9:arm64"),
            ("lz4", "lz4"),
            ("lz4:12", "lz4:12"),
            ("none", "none"),
        ] {
            let compression: Compression = text.parse().unwrap();
            assert_eq!(compression.to_string(), shown);
            assert_eq!(shown.parse(), Ok(compression));
            assert_eq!(compression.check(), Ok(compression));
        }
    }

    #[test]
    fn what_does_not_exist_is_refused_with_what_does() {
        for (text, message) in [
            ("gzip:13", "gzip has no level 13: expected 1 to 12"),
            ("gzip:0", "gzip has no level 0: expected 1 to 12"),
            ("zstd:23", "zstd has no level 23: expected 1 to 22"),
            ("xz:10", "xz has no level 10: expected 0 to 9"),
            ("lz4:x", "lz4 has no level x: expected 1 to 12"),
            ("xz:6:mips", r#"unknown xz filter "mips": expected x86 or arm64"#),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap_err().to_string(), message);
        }
        for text in ["", "lzo", "none:1", "gzip:9:x86", "xz:6:x86:arm", "GZIP"] {
            let error = text.parse::<Compression>().unwrap_err();
            assert_eq!(error, OptionError::Compression { text: text.to_owned() });
        }
        assert!(Compression::Zstd { level: 0 }.check().is_err());
    }

    #[test]
    fn block_sizes_are_powers_of_two_in_range() {
        for bytes in [4096, 131_072, 1 << 20] {
            assert_eq!(u64::from(BlockSize::new(bytes).unwrap().bytes()), bytes);
        }
        for bytes in [0, 2048, 4097, 1 << 21, 1 << 32] {
            let error = BlockSize::new(bytes).unwrap_err();
            let message = format!("block size {bytes} is no power of two from 4096 to 1048576");
            assert_eq!(error.to_string(), message);
        }
    }
}
