//! Constants of the on-disk format (Linux, Documentation/filesystems/ext4).

/// Where the superblock stands, in bytes from the start of the volume.
pub(super) const SUPERBLOCK_OFFSET: u64 = 1024;
/// Bytes of a superblock.
pub(super) const SUPERBLOCK_LEN: usize = 1024;
/// In every superblock.
pub(super) const MAGIC: u16 = 0xEF53;
/// Revision with features and inode sizes.
pub(super) const DYNAMIC_REVISION: u32 = 1;
/// In the last block of `lost+found`'s name space: what e2fsck wants there.
pub(super) const LOST_AND_FOUND: &[u8] = b"lost+found";

/// Offsets in the superblock.
pub(super) mod superblock {
    pub(in super::super) const INODES: usize = 0x00;
    pub(in super::super) const BLOCKS: usize = 0x04;
    pub(in super::super) const RESERVED_BLOCKS: usize = 0x08;
    pub(in super::super) const FREE_BLOCKS: usize = 0x0C;
    pub(in super::super) const FREE_INODES: usize = 0x10;
    pub(in super::super) const FIRST_DATA_BLOCK: usize = 0x14;
    pub(in super::super) const LOG_BLOCK_SIZE: usize = 0x18;
    pub(in super::super) const LOG_CLUSTER_SIZE: usize = 0x1C;
    pub(in super::super) const BLOCKS_PER_GROUP: usize = 0x20;
    pub(in super::super) const CLUSTERS_PER_GROUP: usize = 0x24;
    pub(in super::super) const INODES_PER_GROUP: usize = 0x28;
    pub(in super::super) const WRITTEN: usize = 0x30;
    pub(in super::super) const MOUNTS_MAX: usize = 0x36;
    pub(in super::super) const MAGIC: usize = 0x38;
    pub(in super::super) const STATE: usize = 0x3A;
    pub(in super::super) const ERRORS: usize = 0x3C;
    pub(in super::super) const CHECKED: usize = 0x40;
    pub(in super::super) const REVISION: usize = 0x4C;
    pub(in super::super) const FIRST_INODE: usize = 0x54;
    pub(in super::super) const INODE_SIZE: usize = 0x58;
    pub(in super::super) const GROUP: usize = 0x5A;
    pub(in super::super) const COMPAT: usize = 0x5C;
    pub(in super::super) const INCOMPAT: usize = 0x60;
    pub(in super::super) const RO_COMPAT: usize = 0x64;
    pub(in super::super) const UUID: usize = 0x68;
    pub(in super::super) const LABEL: usize = 0x78;
    pub(in super::super) const RESERVED_DESCRIPTORS: usize = 0xCE;
    pub(in super::super) const JOURNAL_INODE: usize = 0xE0;
    pub(in super::super) const HASH_SEED: usize = 0xEC;
    pub(in super::super) const HASH_VERSION: usize = 0xFC;
    pub(in super::super) const JOURNAL_BACKUP: usize = 0xFD;
    pub(in super::super) const DESCRIPTOR_LEN: usize = 0xFE;
    pub(in super::super) const MOUNT_OPTIONS: usize = 0x100;
    pub(in super::super) const FIRST_META_BLOCK: usize = 0x104;
    pub(in super::super) const MADE: usize = 0x108;
    pub(in super::super) const JOURNAL_BLOCKS: usize = 0x10C;
    pub(in super::super) const BLOCKS_HIGH: usize = 0x150;
    pub(in super::super) const FREE_BLOCKS_HIGH: usize = 0x158;
    pub(in super::super) const EXTRA_ISIZE_MIN: usize = 0x15C;
    pub(in super::super) const EXTRA_ISIZE_WANTED: usize = 0x15E;
    pub(in super::super) const FLAGS: usize = 0x160;
    pub(in super::super) const LOG_FLEX: usize = 0x174;
    pub(in super::super) const CHECKSUM_TYPE: usize = 0x175;
    /// The two groups with copies of the superblock, should there be only two.
    pub(in super::super) const COPIES: usize = 0x24C;
    pub(in super::super) const CHECKSUM_SEED: usize = 0x270;
    pub(in super::super) const ORPHAN_FILE: usize = 0x280;
    pub(in super::super) const CHECKSUM: usize = 0x3FC;
}

/// Features that old kernels may ignore.
pub(super) mod compat {
    pub(in super::super) const HAS_JOURNAL: u32 = 0x4;
    pub(in super::super) const EXT_ATTR: u32 = 0x8;
    pub(in super::super) const RESIZE_INODE: u32 = 0x10;
    pub(in super::super) const DIR_INDEX: u32 = 0x20;
    pub(in super::super) const SPARSE_SUPER2: u32 = 0x200;
    pub(in super::super) const ORPHAN_FILE: u32 = 0x1000;
}

/// Features without which a volume must not be mounted.
pub(super) mod incompat {
    pub(in super::super) const COMPRESSION: u32 = 0x1;
    pub(in super::super) const FILETYPE: u32 = 0x2;
    pub(in super::super) const RECOVER: u32 = 0x4;
    pub(in super::super) const JOURNAL_DEVICE: u32 = 0x8;
    pub(in super::super) const META_BG: u32 = 0x10;
    pub(in super::super) const EXTENTS: u32 = 0x40;
    pub(in super::super) const BIT64: u32 = 0x80;
    pub(in super::super) const MULTIPLE_MOUNT: u32 = 0x100;
    pub(in super::super) const FLEX_BG: u32 = 0x200;
    pub(in super::super) const ATTRIBUTE_INODE: u32 = 0x400;
    pub(in super::super) const CHECKSUM_SEED: u32 = 0x2000;
    pub(in super::super) const LARGE_DIRECTORY: u32 = 0x4000;
    pub(in super::super) const INLINE_DATA: u32 = 0x8000;
    pub(in super::super) const ENCRYPTION: u32 = 0x1_0000;
    pub(in super::super) const CASE_FOLDING: u32 = 0x2_0000;
}

/// Features without which a volume must not be written.
pub(super) mod ro_compat {
    pub(in super::super) const SPARSE_SUPER: u32 = 0x1;
    pub(in super::super) const LARGE_FILE: u32 = 0x2;
    pub(in super::super) const HUGE_FILE: u32 = 0x8;
    pub(in super::super) const GROUP_CHECKSUM: u32 = 0x10;
    pub(in super::super) const DIRECTORY_LINKS: u32 = 0x20;
    pub(in super::super) const EXTRA_ISIZE: u32 = 0x40;
    pub(in super::super) const CLUSTERS: u32 = 0x200;
    pub(in super::super) const METADATA_CHECKSUM: u32 = 0x400;
}

/// Offsets in a group descriptor; the upper halves are there when it has 64 bytes.
pub(super) mod descriptor {
    pub(in super::super) const BLOCK_BITMAP: usize = 0x00;
    pub(in super::super) const INODE_BITMAP: usize = 0x04;
    pub(in super::super) const INODE_TABLE: usize = 0x08;
    pub(in super::super) const FREE_BLOCKS: usize = 0x0C;
    pub(in super::super) const FREE_INODES: usize = 0x0E;
    pub(in super::super) const DIRECTORIES: usize = 0x10;
    pub(in super::super) const FLAGS: usize = 0x12;
    pub(in super::super) const BLOCK_BITMAP_CHECKSUM: usize = 0x18;
    pub(in super::super) const INODE_BITMAP_CHECKSUM: usize = 0x1A;
    pub(in super::super) const UNUSED_INODES: usize = 0x1C;
    pub(in super::super) const CHECKSUM: usize = 0x1E;
    pub(in super::super) const LEN: usize = 0x20;
    pub(in super::super) const BLOCK_BITMAP_HIGH: usize = 0x20;
    pub(in super::super) const INODE_BITMAP_HIGH: usize = 0x24;
    pub(in super::super) const INODE_TABLE_HIGH: usize = 0x28;
    pub(in super::super) const BLOCK_BITMAP_CHECKSUM_HIGH: usize = 0x38;
    pub(in super::super) const INODE_BITMAP_CHECKSUM_HIGH: usize = 0x3A;
    pub(in super::super) const LEN_64: usize = 0x40;
    /// The inode bitmap was never written: no inode is in use.
    pub(in super::super) const INODES_UNWRITTEN: u16 = 0x1;
    /// The block bitmap was never written: only tables are in use.
    pub(in super::super) const BLOCKS_UNWRITTEN: u16 = 0x2;
    /// The inode table's unused part is zeros.
    pub(in super::super) const TABLE_ZEROED: u16 = 0x4;
}

/// Offsets in an inode.
pub(super) mod inode {
    pub(in super::super) const MODE: usize = 0x00;
    pub(in super::super) const UID: usize = 0x02;
    pub(in super::super) const SIZE: usize = 0x04;
    pub(in super::super) const ATIME: usize = 0x08;
    pub(in super::super) const CTIME: usize = 0x0C;
    pub(in super::super) const MTIME: usize = 0x10;
    pub(in super::super) const GID: usize = 0x18;
    pub(in super::super) const LINKS: usize = 0x1A;
    pub(in super::super) const SECTORS: usize = 0x1C;
    pub(in super::super) const FLAGS: usize = 0x20;
    pub(in super::super) const BLOCK: usize = 0x28;
    pub(in super::super) const GENERATION: usize = 0x64;
    pub(in super::super) const XATTR_BLOCK: usize = 0x68;
    pub(in super::super) const SIZE_HIGH: usize = 0x6C;
    pub(in super::super) const SECTORS_HIGH: usize = 0x74;
    pub(in super::super) const XATTR_BLOCK_HIGH: usize = 0x76;
    pub(in super::super) const UID_HIGH: usize = 0x78;
    pub(in super::super) const GID_HIGH: usize = 0x7A;
    pub(in super::super) const CHECKSUM: usize = 0x7C;
    pub(in super::super) const EXTRA_ISIZE: usize = 0x80;
    pub(in super::super) const CHECKSUM_HIGH: usize = 0x82;
    pub(in super::super) const CTIME_EXTRA: usize = 0x84;
    pub(in super::super) const MTIME_EXTRA: usize = 0x88;
    pub(in super::super) const ATIME_EXTRA: usize = 0x8C;
    pub(in super::super) const CRTIME: usize = 0x90;
    pub(in super::super) const CRTIME_EXTRA: usize = 0x94;
    /// Bytes of the fields beyond the first 128 that the writer fills.
    pub(in super::super) const EXTRA_LEN: u16 = 32;
    /// Bytes of an inode without them.
    pub(in super::super) const LEN_OLD: usize = 128;
    /// Bytes of the block map, of a short symbolic link and of an extent tree's root.
    pub(in super::super) const BLOCK_LEN: usize = 60;

    /// The directory has a hash tree.
    pub(in super::super) const INDEX: u32 = 0x1000;
    /// The block map is an extent tree.
    pub(in super::super) const EXTENTS: u32 = 0x8_0000;
    /// The content is in the inode.
    pub(in super::super) const INLINE_DATA: u32 = 0x1000_0000;
    /// The content is encrypted.
    pub(in super::super) const ENCRYPTED: u32 = 0x800;
    /// The content is compressed.
    pub(in super::super) const COMPRESSED: u32 = 0x4;
}

/// Inodes with fixed numbers.
pub(super) mod number {
    pub(in super::super) const ROOT: u32 = 2;
    pub(in super::super) const RESIZE: u32 = 7;
    pub(in super::super) const JOURNAL: u32 = 8;
    /// The first that is free to use: `lost+found`.
    pub(in super::super) const FIRST: u32 = 11;
}

/// Kinds in an inode's mode.
pub(super) mod kind {
    pub(in super::super) const FIFO: u16 = 0x1000;
    pub(in super::super) const CHAR_DEVICE: u16 = 0x2000;
    pub(in super::super) const DIRECTORY: u16 = 0x4000;
    pub(in super::super) const BLOCK_DEVICE: u16 = 0x6000;
    pub(in super::super) const FILE: u16 = 0x8000;
    pub(in super::super) const SYMLINK: u16 = 0xA000;
    pub(in super::super) const SOCKET: u16 = 0xC000;
}

/// Extent trees.
pub(super) mod extent {
    pub(in super::super) const MAGIC: u16 = 0xF30A;
    /// Bytes of a node's header, and of each of its entries.
    pub(in super::super) const LEN: usize = 12;
    /// Blocks of the longest extent.
    pub(in super::super) const BLOCKS_MAX: u64 = 32768;
    /// Levels below the root that the format allows.
    pub(in super::super) const DEPTH_MAX: u16 = 5;
}

/// Entries of a block map that name blocks of data; three more name maps.
pub(super) const DIRECT: u64 = 12;

/// Directories.
pub(super) mod directory {
    /// Bytes of an entry without its name.
    pub(in super::super) const ENTRY_LEN: usize = 8;
    /// Bytes of the entry at a block's end that has the checksum.
    pub(in super::super) const TAIL_LEN: usize = 12;
    /// The type in that entry.
    pub(in super::super) const TAIL_TYPE: u8 = 0xDE;
    /// Bytes in front of a hash tree's root entries.
    pub(in super::super) const ROOT_HEAD: usize = 32;
    /// Bytes in front of an inner node's entries.
    pub(in super::super) const NODE_HEAD: usize = 8;
    /// Bytes of an entry of a hash tree, and of the checksum behind the last.
    pub(in super::super) const HASH_ENTRY_LEN: usize = 8;
    /// Half MD4, names as signed characters.
    pub(in super::super) const HALF_MD4: u8 = 1;
}

/// Extended attributes.
pub(super) mod xattr {
    pub(in super::super) const MAGIC: u32 = 0xEA02_0000;
    /// Bytes of a block's header.
    pub(in super::super) const HEADER_LEN: usize = 32;
    /// Bytes of an entry without its name.
    pub(in super::super) const ENTRY_LEN: usize = 16;
    /// Where a block's checksum stands.
    pub(in super::super) const CHECKSUM: usize = 16;
    /// The most inodes that share a block.
    pub(in super::super) const SHARED_MAX: u32 = 1024;
    /// Prefixes of names by their numbers, the exact names first.
    pub(in super::super) const PREFIXES: [(u8, &[u8]); 7] = [
        (2, b"system.posix_acl_access"),
        (3, b"system.posix_acl_default"),
        (1, b"user."),
        (4, b"trusted."),
        (6, b"security."),
        (8, b"system.richacl"),
        (7, b"system."),
    ];
}
