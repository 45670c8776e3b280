//! How much an input may ask for.

/// Bounds that keep a hostile input from exhausting memory or time. Contents are never held in
/// memory, so a decompression bomb costs time only: [`inflated_bytes`](Self::inflated_bytes)
/// bounds it, and no ratio is enforced, because honest layers of zeros compress without bound.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Members of all layers, archives and folders together. Each costs about 300 bytes of memory.
    pub entries: u64,
    /// Bytes of names, link targets, extended attributes and maps of sparse files of all members
    /// together.
    pub metadata_bytes: u64,
    /// Bytes of all uncompressed layers and archives together.
    pub inflated_bytes: u64,
    /// Apparent size of one file in bytes; holes of sparse files count.
    pub file_bytes: u64,
    /// Bytes of one member's name.
    pub path_bytes: usize,
    /// Components of one member's name.
    pub depth: usize,
    /// Bytes of one member's extended header.
    pub header_bytes: u64,
    /// Extents of one sparse file.
    pub sparse_extents: usize,
    /// Bytes of one extended attribute's value.
    pub xattr_bytes: usize,
    /// Bytes of one JSON document.
    pub document_bytes: u64,
    /// Layers of one image.
    pub layers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 4 << 20,
            metadata_bytes: 1 << 30,
            inflated_bytes: 1 << 40,
            file_bytes: 1 << 40,
            path_bytes: 4095,
            depth: 1024,
            header_bytes: 1 << 20,
            sparse_extents: 1 << 18,
            xattr_bytes: 65536,
            document_bytes: 4 << 20,
            layers: 1024,
        }
    }
}
