//! The on-disk structures of squashfs 4.0. Every number is little-endian.

use crate::metadata::MetadataRef;

/// `hsqs` on disk.
pub(crate) const MAGIC: u32 = 0x7371_7368;
/// Bytes of the superblock.
pub(crate) const SUPERBLOCK_LEN: usize = 96;
/// Uncompressed bytes of a full metadata block.
pub(crate) const METADATA_BLOCK: usize = 8192;
/// In a metadata block's header: the block is stored as it is.
pub(crate) const METADATA_STORED: u16 = 0x8000;
/// In a data block's size: the block is stored as it is.
pub(crate) const DATA_STORED: u32 = 1 << 24;
/// The place of a table that an image does not have.
pub(crate) const NO_TABLE: u64 = u64::MAX;
/// The fragment index of a file without a fragment.
pub(crate) const NO_FRAGMENT: u32 = u32::MAX;
/// The xattr index of an inode without extended attributes.
pub(crate) const NO_XATTR: u32 = u32::MAX;
/// Linux looks at the file size of a directory three bytes later, past its made-up `.` and `..`.
pub(crate) const DIRECTORY_SIZE_EXTRA: u32 = 3;
/// Most entries below one directory header.
pub(crate) const HEADER_ENTRIES: usize = 256;
/// Longest name of a directory entry.
pub(crate) const NAME_MAX: usize = 256;
/// Bytes of a directory header.
pub(crate) const DIRECTORY_HEADER_LEN: usize = 12;
/// Bytes of a directory entry before its name.
pub(crate) const DIRECTORY_ENTRY_LEN: usize = 8;
/// Bytes of an entry of the fragment table and of the xattr id table.
pub(crate) const TABLE_ENTRY_LEN: usize = 16;
/// The image is padded to this, so that block devices of any usual sector size can hold it.
pub(crate) const DEVICE_BLOCK: u64 = 4096;

/// The flags of a superblock. Only [`COMPRESSOR_OPTIONS`](Self::COMPRESSOR_OPTIONS) matters to
/// readers; the others say how the image was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// Inodes are stored uncompressed.
    pub const RAW_INODES: Self = Self(0x0001);
    /// Data blocks are stored uncompressed.
    pub const RAW_DATA: Self = Self(0x0002);
    /// Fragments are stored uncompressed.
    pub const RAW_FRAGMENTS: Self = Self(0x0008);
    /// There are no fragments.
    pub const NO_FRAGMENTS: Self = Self(0x0010);
    /// The last part of every file is in a fragment, whatever the file's length.
    pub const ALWAYS_FRAGMENTS: Self = Self(0x0020);
    /// Equal files share their blocks.
    pub const DUPLICATES: Self = Self(0x0040);
    /// There is an export table.
    pub const EXPORTABLE: Self = Self(0x0080);
    /// Extended attributes are stored uncompressed.
    pub const RAW_XATTRS: Self = Self(0x0100);
    /// Extended attributes were left out.
    pub const NO_XATTRS: Self = Self(0x0200);
    /// The superblock is followed by the compressor's options.
    pub const COMPRESSOR_OPTIONS: Self = Self(0x0400);
    /// The id table is stored uncompressed.
    pub const RAW_IDS: Self = Self(0x0800);

    const NAMES: [(Self, &'static str); 11] = [
        (Self::RAW_INODES, "uncompressed inodes"),
        (Self::RAW_DATA, "uncompressed data"),
        (Self::RAW_FRAGMENTS, "uncompressed fragments"),
        (Self::NO_FRAGMENTS, "no fragments"),
        (Self::ALWAYS_FRAGMENTS, "always fragments"),
        (Self::DUPLICATES, "duplicates shared"),
        (Self::EXPORTABLE, "exportable"),
        (Self::RAW_XATTRS, "uncompressed xattrs"),
        (Self::NO_XATTRS, "no xattrs"),
        (Self::COMPRESSOR_OPTIONS, "compressor options"),
        (Self::RAW_IDS, "uncompressed ids"),
    ];

    /// Whether every flag of `other` is set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What the set flags mean, lowest bit first. Bits without a meaning are left out.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| name)
    }
}

/// The compressor's number in the superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressorId(pub u16);

impl CompressorId {
    /// zlib streams.
    pub const GZIP: Self = Self(1);
    /// xz streams with CRC32 or without a check.
    pub const XZ: Self = Self(4);
    /// LZ4 blocks.
    pub const LZ4: Self = Self(5);
    /// Zstandard frames.
    pub const ZSTD: Self = Self(6);

    /// The compressor's usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            1 => "gzip",
            2 => "lzma",
            3 => "lzo",
            4 => "xz",
            5 => "lz4",
            6 => "zstd",
            _ => "unknown",
        }
    }
}

/// The first 96 bytes of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Number of inodes; the largest inode number.
    pub inode_count: u32,
    /// When the image was made, in seconds since 1970.
    pub mkfs_time: u32,
    /// Uncompressed bytes of a full data block.
    pub block_size: u32,
    /// Entries of the fragment table.
    pub fragment_count: u32,
    /// The compressor of data and metadata.
    pub compressor: CompressorId,
    /// Binary logarithm of the block size.
    pub block_log: u16,
    /// How the image was made.
    pub flags: Flags,
    /// Entries of the id table.
    pub id_count: u16,
    /// 4.
    pub version_major: u16,
    /// 0.
    pub version_minor: u16,
    /// Where the root directory's inode is.
    pub root_inode: MetadataRef,
    /// Bytes of the image before its padding.
    pub bytes_used: u64,
    /// Offset of the id table's pointers.
    pub id_table: u64,
    /// Offset of the xattr id table's header, or all ones.
    pub xattr_table: u64,
    /// Offset of the inode table.
    pub inode_table: u64,
    /// Offset of the directory table.
    pub directory_table: u64,
    /// Offset of the fragment table's pointers, or all ones.
    pub fragment_table: u64,
    /// Offset of the export table's pointers, or all ones.
    pub export_table: u64,
}

impl Superblock {
    /// The bytes on disk.
    pub(crate) fn to_bytes(self) -> [u8; SUPERBLOCK_LEN] {
        let mut out = Vec::with_capacity(SUPERBLOCK_LEN);
        out.u32(MAGIC);
        out.u32(self.inode_count);
        out.u32(self.mkfs_time);
        out.u32(self.block_size);
        out.u32(self.fragment_count);
        out.u16(self.compressor.0);
        out.u16(self.block_log);
        out.u16(self.flags.0);
        out.u16(self.id_count);
        out.u16(self.version_major);
        out.u16(self.version_minor);
        out.u64(self.root_inode.0);
        out.u64(self.bytes_used);
        out.u64(self.id_table);
        out.u64(self.xattr_table);
        out.u64(self.inode_table);
        out.u64(self.directory_table);
        out.u64(self.fragment_table);
        out.u64(self.export_table);
        out.try_into().expect("BUG: the superblock's fields have 96 bytes")
    }

    /// The fields of a superblock, unchecked; `None` without the magic number.
    pub(crate) fn parse(bytes: &[u8; SUPERBLOCK_LEN]) -> Option<Self> {
        let mut fields = Fields(bytes);
        (fields.u32()? == MAGIC).then_some(())?;
        Some(Self {
            inode_count: fields.u32()?,
            mkfs_time: fields.u32()?,
            block_size: fields.u32()?,
            fragment_count: fields.u32()?,
            compressor: CompressorId(fields.u16()?),
            block_log: fields.u16()?,
            flags: Flags(fields.u16()?),
            id_count: fields.u16()?,
            version_major: fields.u16()?,
            version_minor: fields.u16()?,
            root_inode: MetadataRef(fields.u64()?),
            bytes_used: fields.u64()?,
            id_table: fields.u64()?,
            xattr_table: fields.u64()?,
            inode_table: fields.u64()?,
            directory_table: fields.u64()?,
            fragment_table: fields.u64()?,
            export_table: fields.u64()?,
        })
    }
}

/// The type field of inodes; a directory entry always holds the basic type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InodeType {
    Directory = 1,
    File = 2,
    Symlink = 3,
    BlockDevice = 4,
    CharDevice = 5,
    Fifo = 6,
    Socket = 7,
}

impl InodeType {
    /// The number of the basic inode.
    pub(crate) fn basic(self) -> u16 {
        self as u16
    }

    /// The number of the extended inode.
    pub(crate) fn extended(self) -> u16 {
        self as u16 + 7
    }

    /// The type and whether it is the extended inode.
    pub(crate) fn from_number(number: u16) -> Option<(Self, bool)> {
        let (number, extended) = if number > 7 { (number - 7, true) } else { (number, false) };
        let kind = match number {
            1 => Self::Directory,
            2 => Self::File,
            3 => Self::Symlink,
            4 => Self::BlockDevice,
            5 => Self::CharDevice,
            6 => Self::Fifo,
            7 => Self::Socket,
            _ => return None,
        };
        Some((kind, extended))
    }
}

/// The prefixes of attribute names and their numbers.
pub(crate) const XATTR_PREFIXES: [(u16, &[u8]); 3] =
    [(0, b"user."), (1, b"trusted."), (2, b"security.")];
/// In an attribute's type: the value is a reference to where the value is.
pub(crate) const XATTR_OUT_OF_LINE: u16 = 0x0100;

/// A device's number as Linux encodes it: minor bits 0-7, major, minor bits 8-19.
pub(crate) fn encode_device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The inverse of [`encode_device`].
pub(crate) fn decode_device(number: u32) -> (u32, u32) {
    ((number >> 8) & 0xfff, (number & 0xff) | ((number >> 12) & 0xf_ff00))
}

/// Little-endian fields appended to bytes.
pub(crate) trait PutFields {
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
}

impl PutFields for Vec<u8> {
    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
}

/// Little-endian fields taken from bytes, front to back.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_keep_all_their_bits() {
        for (major, minor) in [(0, 0), (1, 3), (8, 256), (4095, 1_048_575), (259, 0xf_ff00)] {
            assert_eq!(decode_device(encode_device(major, minor)), (major, minor));
        }
        assert_eq!(encode_device(8, 1), 0x801);
    }

    #[test]
    fn a_superblock_survives_a_round_trip() {
        let bytes: [u8; SUPERBLOCK_LEN] = std::array::from_fn(|n| match n {
            0..4 => MAGIC.to_le_bytes()[n],
            n => u8::try_from(n).unwrap(),
        });
        assert_eq!(Superblock::parse(&bytes).unwrap().to_bytes(), bytes);
        assert_eq!(Superblock::parse(&[0; SUPERBLOCK_LEN]), None);
    }

    #[test]
    fn inode_types_have_basic_and_extended_numbers() {
        for number in 1..=14 {
            let (kind, extended) = InodeType::from_number(number).unwrap();
            assert_eq!(if extended { kind.extended() } else { kind.basic() }, number);
        }
        assert_eq!(InodeType::from_number(0), None);
        assert_eq!(InodeType::from_number(15), None);
    }
}
