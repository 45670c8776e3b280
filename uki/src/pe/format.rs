//! Places and values of PE headers that writing and signing need (Microsoft, "PE Format").

/// Where the DOS header says at which byte the PE signature is.
pub(crate) const NT_OFFSET_AT: usize = 0x3C;
/// What images begin with.
pub(crate) const DOS_MAGIC: [u8; 2] = *b"MZ";
/// What the PE headers begin with.
pub(crate) const NT_SIGNATURE: [u8; 4] = *b"PE\0\0";

/// Fields of the COFF header, from the PE signature.
pub(crate) mod coff {
    pub(crate) const MACHINE: usize = 4;
    pub(crate) const SECTION_COUNT: usize = 6;
    pub(crate) const SYMBOL_TABLE: usize = 12;
    pub(crate) const SYMBOL_COUNT: usize = 16;
    pub(crate) const OPTIONAL_LEN: usize = 20;
    pub(crate) const LEN: usize = 24;
    /// Bytes of one symbol.
    pub(crate) const SYMBOL_LEN: u64 = 18;
}

/// Fields of the optional header, from its beginning; the same in 32 and 64 bits unless said.
pub(crate) mod optional {
    pub(crate) const MAGIC: usize = 0;
    pub(crate) const MAGIC_32: u16 = 0x10B;
    pub(crate) const MAGIC_64: u16 = 0x20B;
    pub(crate) const INITIALIZED_DATA: usize = 8;
    pub(crate) const SECTION_ALIGNMENT: usize = 32;
    pub(crate) const FILE_ALIGNMENT: usize = 36;
    pub(crate) const IMAGE_LEN: usize = 56;
    pub(crate) const HEADERS_LEN: usize = 60;
    pub(crate) const CHECKSUM: usize = 64;
    pub(crate) const DLL_CHARACTERISTICS: usize = 70;
    /// The number of data directories, then they themselves: 32 and 64 bits.
    pub(crate) const DIRECTORY_COUNT: [usize; 2] = [92, 108];
    pub(crate) const DIRECTORY_LEN: usize = 8;
    /// Certificates: the only directory whose address is one in the file.
    pub(crate) const SECURITY: usize = 4;
    /// Debug data: entries that name places in the file.
    pub(crate) const DEBUG: usize = 6;
    /// The image's pages are never writable and executable at once.
    pub(crate) const NX_COMPAT: u16 = 0x0100;
}

/// Fields of a section header.
pub(crate) mod section {
    pub(crate) const NAME_LEN: usize = 8;
    pub(crate) const VIRTUAL_SIZE: usize = 8;
    pub(crate) const VIRTUAL_ADDRESS: usize = 12;
    pub(crate) const RAW_LEN: usize = 16;
    pub(crate) const RAW_OFFSET: usize = 20;
    pub(crate) const FLAGS: usize = 36;
    pub(crate) const LEN: usize = 40;
    /// Initialised data, readable.
    pub(crate) const DATA: u32 = 0x4000_0040;
    /// Code, executable, readable.
    pub(crate) const CODE: u32 = 0x6000_0020;
    /// Sections that Windows and UEFI accept at most.
    pub(crate) const COUNT_MAX: usize = 96;
}

/// Entries of the debug directory.
pub(crate) mod debug {
    pub(crate) const LEN: usize = 28;
    pub(crate) const RAW_OFFSET: usize = 24;
}

/// Entries of the certificate table.
pub(crate) mod certificate {
    /// Length, revision and kind.
    pub(crate) const HEADER_LEN: usize = 8;
    pub(crate) const ALIGNMENT: u64 = 8;
    pub(crate) const REVISION_2: u16 = 0x0200;
    pub(crate) const PKCS_SIGNED_DATA: u16 = 0x0002;
}
