//! What a sample of the profile was taken in, by the symbol's name.

/// Where processor time can go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Compressor,
    Inflate,
    Sha256,
    Crc32,
    Blake3,
    Memory,
    Kernel,
    Ours,
    Other,
}

impl Kind {
    /// In the order of the table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Compressor,
        Self::Inflate,
        Self::Sha256,
        Self::Crc32,
        Self::Blake3,
        Self::Memory,
        Self::Kernel,
        Self::Ours,
        Self::Other,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compressor => "compressor",
            Self::Inflate => "inflate",
            Self::Sha256 => "sha256",
            Self::Crc32 => "crc32",
            Self::Blake3 => "blake3",
            Self::Memory => "memcpy",
            Self::Kernel => "kernel",
            Self::Ours => "bootwright",
            Self::Other => "other",
        }
    }

    /// The kind of a symbol of a mapped object, both as perf names them.
    pub(crate) fn of(object: &str, symbol: &str) -> Self {
        if object.starts_with("[kernel") || object.ends_with(".ko") {
            return Self::Kernel;
        }
        let holds = |parts: &[&str]| parts.iter().any(|part| symbol.contains(part));
        let starts = |parts: &[&str]| parts.iter().any(|part| symbol.starts_with(part));
        // What inflates comes first: it shares prefixes with what compresses.
        if holds(&INFLATE) {
            Self::Inflate
        } else if holds(&["zlib_rs::crc32", "crc32fast"]) {
            Self::Crc32
        } else if holds(&["blake3"]) {
            Self::Blake3
        } else if holds(&["sha2::", "sha256_"]) {
            Self::Sha256
        } else if starts(&COMPRESSOR) || COMPRESSOR_STATIC.contains(&symbol) {
            Self::Compressor
        } else if starts(&["__mem", "mem"]) {
            Self::Memory
        } else if holds(&["bootwright"]) {
            Self::Ours
        } else {
            Self::Other
        }
    }
}

const INFLATE: [&str; 8] = [
    "zlib_rs::inflate",
    "zlib_rs::adler32",
    "ZSTD_decompress",
    "ZSTD_execSequence",
    "HUF_decompress",
    "HUF_readDTable",
    "lzma_decode",
    "lz_decode",
];

/// libdeflate, zstd, liblzma and lz4, in this order.
const COMPRESSOR: [&str; 22] = [
    "libdeflate",
    "deflate_",
    "adler32_", // libdeflate
    "ZSTD_",
    "HUF_",
    "FSE_",
    "HIST_",
    "BIT_",
    "XXH", // zstd
    "lzma_",
    "lzma2_",
    "lz_encode",
    "rc_",
    "bt_",
    "hc_",
    "block_",
    "simple_",
    "stream_encode",
    "x86_",
    "arm64_",
    "fill_window", // liblzma
    "LZ4",         // lz4
];

/// Local functions without a prefix.
const COMPRESSOR_STATIC: [&str; 10] = [
    "build_tree",
    "calculate_min_match_len",
    "compute_length_counts",
    "do_end_block_check",
    "heap_sort",
    "sort_symbols", // libdeflate
    "get_literal_price",
    "length_update_prices",
    "move_pos",
    "transform", // liblzma
];
