//! Which format a file has.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// A format that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Iso,
    Pe,
    Squashfs,
}

/// Looks at the magic numbers; `None` for anything else.
pub(crate) fn identify(file: &mut File) -> std::io::Result<Option<Format>> {
    let mut at = |offset: u64, magic: &[u8]| {
        let mut found = vec![0; magic.len()];
        file.seek(SeekFrom::Start(offset))?;
        match file.read_exact(&mut found) {
            Ok(()) => Ok(found == magic),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    };
    if at(0, b"hsqs")? {
        return Ok(Some(Format::Squashfs));
    }
    if at(0, b"MZ")? {
        return Ok(Some(Format::Pe));
    }
    // The identifier of the first volume descriptor, in block 16.
    Ok(at(16 * 2048 + 1, b"CD001")?.then_some(Format::Iso))
}
