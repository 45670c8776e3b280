//! A streaming reader of tar archives in all dialects that image tools write: v7, ustar, GNU and
//! PAX (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual,
//! "Basic Tar Format" and "Sparse Formats").

mod header;
mod pax;
mod reader;
mod sparse;

pub(crate) use pax::{Fate, check_xattr};
pub(crate) use reader::{Member, MemberKind, Reader};
pub(crate) use sparse::Extent;

/// Bytes of a header, and the unit to which contents are padded.
const BLOCK: usize = 512;

/// Whether a block is the header of a member.
pub(crate) fn is_header(block: &[u8; BLOCK]) -> bool {
    let header = header::Header(block);
    !header.is_zero() && header.verify().is_ok()
}
