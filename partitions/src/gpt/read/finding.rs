//! What can be wrong with a table.

use crate::Guid;

/// Something wrong with a table. `copy` is `primary` or `backup`; partitions count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// No header where there should be one.
    #[error("{copy} gpt: no header at sector {lba}")]
    Missing {
        /// Which table.
        copy: &'static str,
        /// The sector.
        lba: u64,
    },
    /// A CRC does not fit its bytes.
    #[error("{copy} gpt: crc of the {what} is {computed:#010x}, the header says {stored:#010x}")]
    Crc {
        /// Which table.
        copy: &'static str,
        /// `header` or `entries`.
        what: &'static str,
        /// What the header says.
        stored: u32,
        /// What the bytes give.
        computed: u32,
    },
    /// A field of a header has a wrong value.
    #[error("{copy} gpt: {field} is {found}, expected {expected}")]
    Field {
        /// Which table.
        copy: &'static str,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// The value it should have.
        expected: u64,
    },
    /// The array of entries is not on the disk, or too large to read.
    #[error("{copy} gpt: {len} bytes of entries at sector {lba} cannot be read")]
    Entries {
        /// Which table.
        copy: &'static str,
        /// Where they should be.
        lba: u64,
        /// How many bytes.
        len: u64,
    },
    /// The two tables differ.
    #[error("the primary and the backup gpt differ in {what}")]
    Differ {
        /// In what.
        what: &'static str,
    },
    /// A partition is empty or reaches out of the usable sectors.
    #[error("partition {number}: sectors {first} to {last} are not within {min} to {max}")]
    Bounds {
        /// The partition.
        number: usize,
        /// Its first sector.
        first: u64,
        /// Its last sector.
        last: u64,
        /// The first usable sector.
        min: u64,
        /// The last usable sector.
        max: u64,
    },
    /// Two partitions share sectors.
    #[error("partitions {first} and {second} overlap at sector {lba}")]
    Overlap {
        /// The one that begins earlier.
        first: usize,
        /// The other.
        second: usize,
        /// The first sector they share.
        lba: u64,
    },
    /// Two partitions have one GUID.
    #[error("partitions {first} and {second} have the same GUID {guid}")]
    SameGuid {
        /// One of them.
        first: usize,
        /// The other.
        second: usize,
        /// The GUID.
        guid: Guid,
    },
    /// The master boot record in front has no protective entry over the disk.
    #[error("protective mbr: {problem}")]
    ProtectiveMbr {
        /// What is wrong.
        problem: String,
    },
}
