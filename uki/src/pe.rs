//! Reading PE32+ images (Microsoft PE/COFF specification).

use std::fmt;

use object::LittleEndian as LE;
use object::pe::{
    IMAGE_DIRECTORY_ENTRY_SECURITY, IMAGE_FILE_MACHINE_AMD64, IMAGE_FILE_MACHINE_ARM64,
    IMAGE_FILE_MACHINE_I386, IMAGE_FILE_MACHINE_RISCV64, ImageDosHeader, ImageNtHeaders64,
};
use object::read::pe::{DataDirectories, ImageNtHeaders};

/// Bytes of the fixed part of a `WIN_CERTIFICATE`.
const CERTIFICATE_HEADER: usize = 8;

/// Why a file is no usable PE image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeError {
    /// There is no PE32+ header.
    #[error("not a PE32+ image")]
    NotPe,
    /// Headers that contradict the file.
    #[error("corrupt PE image: {problem}")]
    Corrupt {
        /// What does not fit.
        problem: String,
    },
}

/// The machine an image runs on: the COFF header's `Machine`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine(pub u16);

impl Machine {
    /// x86-64.
    pub const X64: Self = Self(IMAGE_FILE_MACHINE_AMD64.0);
    /// AArch64.
    pub const AA64: Self = Self(IMAGE_FILE_MACHINE_ARM64.0);
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = [
            (IMAGE_FILE_MACHINE_AMD64.0, "amd64"),
            (IMAGE_FILE_MACHINE_ARM64.0, "arm64"),
            (IMAGE_FILE_MACHINE_I386.0, "i386"),
            (IMAGE_FILE_MACHINE_RISCV64.0, "riscv64"),
        ];
        match known.iter().find(|(machine, _)| *machine == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "machine {:#06x}", self.0),
        }
    }
}

/// A section with its data in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section<'data> {
    /// Name without the NULs that fill it up; at most eight bytes.
    pub name: &'data [u8],
    /// Address relative to the image's base.
    pub virtual_address: u32,
    /// Bytes in memory.
    pub virtual_size: u32,
    /// The section's flags.
    pub characteristics: u32,
    /// The bytes in the file, with the padding up to the file alignment.
    pub data: &'data [u8],
}

/// A PE32+ image in memory.
#[derive(Clone, Debug)]
pub struct Image<'data> {
    machine: Machine,
    subsystem: u16,
    sections: Vec<Section<'data>>,
    signatures: usize,
}

impl<'data> Image<'data> {
    /// Reads the headers, the section table and the certificate table.
    ///
    /// # Errors
    /// [`PeError`]; headers, sections and certificates have to lie inside `file`.
    pub fn parse(file: &'data [u8]) -> Result<Self, PeError> {
        let dos = ImageDosHeader::parse(file).map_err(|_| PeError::NotPe)?;
        let mut offset = dos.nt_headers_offset().into();
        let (headers, directories) =
            ImageNtHeaders64::parse(file, &mut offset).map_err(|_| PeError::NotPe)?;
        let table = headers.sections(file, offset).map_err(|error| corrupt(&error))?;
        let mut sections = Vec::new();
        for header in table.iter() {
            let data = header.pe_data(file).map_err(|error| corrupt(&error))?;
            sections.push(Section {
                name: header.raw_name(),
                virtual_address: header.virtual_address.get(LE),
                virtual_size: header.virtual_size.get(LE),
                characteristics: header.characteristics.get(LE).0,
                data,
            });
        }
        Ok(Self {
            machine: Machine(headers.file_header.machine.get(LE).0),
            subsystem: headers.optional_header.subsystem.get(LE).0,
            sections,
            signatures: count_certificates(file, &directories)?,
        })
    }

    /// The machine it runs on.
    #[must_use]
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The optional header's `Subsystem`: 10 for an EFI application.
    #[must_use]
    pub fn subsystem(&self) -> u16 {
        self.subsystem
    }

    /// The sections in the order of their headers.
    #[must_use]
    pub fn sections(&self) -> &[Section<'data>] {
        &self.sections
    }

    /// The number of entries of the certificate table: 0 when the image is not signed.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.signatures
    }

    /// The text of the `.sbat` section, by which shim refuses revoked generations.
    #[must_use]
    pub fn sbat(&self) -> Option<&'data str> {
        let section = self.sections.iter().find(|section| section.name == b".sbat")?;
        let len = usize::try_from(section.virtual_size).ok()?.min(section.data.len());
        let text = std::str::from_utf8(&section.data[..len]).ok()?;
        Some(text.trim_end_matches('\0'))
    }
}

fn count_certificates(file: &[u8], directories: &DataDirectories<'_>) -> Result<usize, PeError> {
    let Some(directory) = directories.get(IMAGE_DIRECTORY_ENTRY_SECURITY) else { return Ok(0) };
    // The only directory that counts from the start of the file.
    let start = usize::try_from(directory.virtual_address.get(LE));
    let len = usize::try_from(directory.size.get(LE));
    let (Ok(start), Ok(len)) = (start, len) else { return Ok(0) };
    if len == 0 {
        return Ok(0);
    }
    let outside = || PeError::Corrupt {
        problem: format!("certificate table of {len} bytes at {start} in {} bytes", file.len()),
    };
    let end = start.checked_add(len).ok_or_else(outside)?;
    let mut table = file.get(start..end).ok_or_else(outside)?;
    let mut count = 0;
    while table.len() >= CERTIFICATE_HEADER {
        let len = u32::from_le_bytes([table[0], table[1], table[2], table[3]]);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len < CERTIFICATE_HEADER || len > table.len() {
            return Err(PeError::Corrupt { problem: format!("certificate of {len} bytes") });
        }
        count += 1;
        table = &table[len.next_multiple_of(8).min(table.len())..];
    }
    Ok(count)
}

fn corrupt(error: &object::Error) -> PeError {
    PeError::Corrupt { problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing;
    use proptest::prelude::*;

    /// A PE32+ image with a `.sbat` section and `signatures` certificates of 12 bytes.
    fn sample(machine: u16, signatures: u32) -> Vec<u8> {
        let mut file = vec![0; 0x400];
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"MZ");
        put(0x3c, &0x40_u32.to_le_bytes());
        put(0x40, b"PE\0\0");
        put(0x44, &machine.to_le_bytes());
        put(0x46, &1_u16.to_le_bytes());
        put(0x54, &240_u16.to_le_bytes());
        put(0x58, &0x20b_u16.to_le_bytes());
        put(0x58 + 68, &10_u16.to_le_bytes());
        put(0x58 + 108, &16_u32.to_le_bytes());
        put(0x58 + 144, &0x400_u32.to_le_bytes());
        put(0x58 + 148, &(16 * signatures).to_le_bytes());
        let section = 0x58 + 240;
        put(section, b".sbat\0\0\0");
        put(section + 8, &7_u32.to_le_bytes());
        put(section + 12, &0x1000_u32.to_le_bytes());
        put(section + 16, &0x200_u32.to_le_bytes());
        put(section + 20, &0x200_u32.to_le_bytes());
        put(0x200, b"sbat,1\n");
        for _ in 0..signatures {
            file.extend_from_slice(&12_u32.to_le_bytes());
            file.extend_from_slice(&[0, 2, 2, 0, 1, 2, 3, 4, 0, 0, 0, 0]);
        }
        file
    }

    #[test]
    fn machine_sections_sbat_and_signatures_are_read() {
        let file = sample(0x8664, 2);
        let image = Image::parse(&file).unwrap();
        assert_eq!(image.machine(), Machine::X64);
        assert_eq!(image.subsystem(), 10);
        assert_eq!(image.signatures(), 2);
        assert_eq!(image.sbat(), Some("sbat,1\n"));
        assert_eq!(
            (image.sections()[0].name, image.sections()[0].virtual_size),
            (&b".sbat"[..], 7)
        );
        for (machine, name) in [
            (0x8664, "amd64"),
            (0xaa64, "arm64"),
            (0x14c, "i386"),
            (0x5064, "riscv64"),
            (0xebc, "machine 0x0ebc"),
        ] {
            assert_eq!(Image::parse(&sample(machine, 0)).unwrap().machine().to_string(), name);
        }
    }

    #[test]
    fn truncated_images_are_errors() {
        let file = sample(0x8664, 1);
        assert_eq!(Image::parse(b"MZ").unwrap_err(), PeError::NotPe);
        assert_eq!(Image::parse(&file[..0x60]).unwrap_err(), PeError::NotPe);
        let error = Image::parse(&file[..0x408]).unwrap_err().to_string();
        assert_eq!(error, "corrupt PE image: certificate table of 16 bytes at 1024 in 1032 bytes");
        assert!(matches!(Image::parse(&file[..0x300]), Err(PeError::Corrupt { .. })));
    }

    proptest! {
        #[test]
        fn damaged_images_never_panic(at in 0_usize..0x420, value: u8, cut in 0_usize..0x430) {
            let mut file = sample(0x8664, 2);
            file[at] = value;
            fuzzing::pe(&file);
            file.truncate(cut);
            fuzzing::pe(&file);
        }
    }
}
