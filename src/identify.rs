//! Which format a file has.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use bootwright_uki::efi::{SIGNATURE_SHA256, SIGNATURE_X509};

/// A format that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A disk with a GUID partition table.
    Disk,
    /// Something in gzip; of what we make, only disks are.
    Gzip,
    Iso,
    Pe,
    /// Lists of certificates and digests for firmware.
    SignatureLists,
    /// A signed change of a firmware variable.
    SignedVariable,
    Squashfs,
}

/// Behind a time of 16 bytes and a length: revision 2.0, `WIN_CERT_TYPE_EFI_GUID`, and
/// `EFI_CERT_TYPE_PKCS7_GUID` (UEFI 2.11, section 8.2.2).
const AUTHENTICATED: [u8; 20] = [
    0x00, 0x02, 0xf1, 0x0e, 0x9d, 0xd2, 0xaf, 0x4a, 0xdf, 0x68, 0xee, 0x49, 0x8a, 0xa9, 0x34, 0x7d,
    0x37, 0x56, 0x65, 0xa7,
];

/// Looks at the magic numbers; `None` for anything else.
pub(crate) fn identify(file: &mut File) -> std::io::Result<Option<Format>> {
    let len = file.seek(SeekFrom::End(0))?;
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
    if at(0, &SIGNATURE_X509.to_bytes())? || at(0, &SIGNATURE_SHA256.to_bytes())? {
        return Ok(Some(Format::SignatureLists));
    }
    if at(20, &AUTHENTICATED)? {
        return Ok(Some(Format::SignedVariable));
    }
    if at(0, &[0x1F, 0x8B, 8])? {
        return Ok(Some(Format::Gzip));
    }
    // The identifier of the first volume descriptor, in block 16. ISOs have partition tables too.
    if at(16 * 2048 + 1, b"CD001")? {
        return Ok(Some(Format::Iso));
    }
    // One whose primary table is lost is a disk still: by the backup, or by the record in front.
    let backups = [512, 4096].map(|sector| len.checked_sub(sector));
    let headers = [Some(512), Some(4096)].into_iter().chain(backups).flatten();
    for header in headers {
        if at(header, b"EFI PART")? {
            return Ok(Some(Format::Disk));
        }
    }
    let protected = at(510, &[0x55, 0xAA])? && at(450, &[0xEE])?;
    Ok(protected.then_some(Format::Disk))
}
