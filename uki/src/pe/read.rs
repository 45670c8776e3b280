//! PE/COFF images as UEFI starts them (Microsoft, "PE Format"; UEFI 2.11, chapter 2.1.1).

use std::fmt;

use object::LittleEndian as LE;
use object::pe::{
    IMAGE_DIRECTORY_ENTRY_SECURITY, ImageDataDirectory, ImageDosHeader, ImageNtHeaders32,
    ImageNtHeaders64, ImageSectionHeader,
};
use object::read::StringTable;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, optional_header_magic};

/// The optional header of a 64-bit image begins with this.
const PE32_PLUS: u16 = 0x20B;
/// Bytes in front of a certificate: length, revision, type.
const CERTIFICATE_HEADER_LEN: u32 = 8;
/// What certificates are aligned to.
const CERTIFICATE_ALIGNMENT: u64 = 8;

/// The machine an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// 32-bit x86.
    I386,
    /// x86-64.
    X86_64,
    /// AArch64.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
    /// Another one, by its number.
    Other(u16),
}

impl From<u16> for Machine {
    fn from(value: u16) -> Self {
        match value {
            0x014C => Self::I386,
            0x8664 => Self::X86_64,
            0xAA64 => Self::Aarch64,
            0x5064 => Self::Riscv64,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I386 => f.write_str("i386"),
            Self::X86_64 => f.write_str("x86-64"),
            Self::Aarch64 => f.write_str("aarch64"),
            Self::Riscv64 => f.write_str("riscv64"),
            Self::Other(value) => write!(f, "machine {value:#06x}"),
        }
    }
}

/// What runs an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subsystem {
    /// An application: boot loaders and unified kernel images.
    EfiApplication,
    /// A driver that ends with the boot services.
    EfiBootServiceDriver,
    /// A driver that stays.
    EfiRuntimeDriver,
    /// Another one, by its number.
    Other(u16),
}

impl From<u16> for Subsystem {
    fn from(value: u16) -> Self {
        match value {
            10 => Self::EfiApplication,
            11 => Self::EfiBootServiceDriver,
            12 => Self::EfiRuntimeDriver,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Subsystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EfiApplication => f.write_str("EFI application"),
            Self::EfiBootServiceDriver => f.write_str("EFI boot service driver"),
            Self::EfiRuntimeDriver => f.write_str("EFI runtime driver"),
            Self::Other(value) => write!(f, "subsystem {value}"),
        }
    }
}

/// A section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section<'a> {
    /// Its name. Longer ones than eight bytes are looked up in the COFF string table, as binutils
    /// writes them; where that is missing, the reference `/N` to it is the name.
    pub name: &'a [u8],
    /// Where it goes, from the image's base.
    pub virtual_address: u32,
    /// Bytes it takes in memory.
    pub virtual_size: u32,
    /// Where its content lies in the file.
    pub offset: u32,
    /// Its content in the file, padding included.
    pub raw: &'a [u8],
    /// Its content without padding: the part of `raw` that belongs to its memory.
    pub content: &'a [u8],
    /// Its characteristics.
    pub flags: u32,
}

/// An entry of the certificate table: an Authenticode signature. It is not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// Where its header lies in the file.
    pub offset: u64,
    /// Its length in bytes with the header.
    pub len: u32,
    /// 0x0200 today.
    pub revision: u16,
    /// 2: PKCS #7 signed data, which is Authenticode.
    pub kind: u16,
    /// The signature itself.
    pub data: &'a [u8],
}

/// A PE image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// The machine.
    pub machine: Machine,
    /// What runs it.
    pub subsystem: Subsystem,
    /// The sections, in the order of the section table.
    pub sections: Vec<Section<'a>>,
    /// The signatures; none: the image is not signed.
    pub certificates: Vec<Certificate<'a>>,
}

/// Why bytes are no PE image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A header is missing or cut off.
    #[error("no PE image: {problem}")]
    Header {
        /// What is wrong.
        problem: &'static str,
    },
    /// A section's content reaches behind the end of the file.
    #[error("section {name:?} ends at byte {end}, the file has {len}")]
    Section {
        /// The section's name.
        name: String,
        /// Where it would end.
        end: u64,
        /// The length of the file.
        len: u64,
    },
    /// The certificate table reaches behind the end of the file, or an entry of it out of it.
    #[error(
        "certificate table entry at byte {offset} with {entry_len} bytes: the table ends at {end}"
    )]
    Certificate {
        /// Where the entry is.
        offset: u64,
        /// The length it gives.
        entry_len: u64,
        /// Where the table, or the file if that is shorter, ends.
        end: u64,
    },
}

impl<'a> Image<'a> {
    /// Reads the headers of the image `file`, which is all of the file.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(file: &'a [u8]) -> Result<Self, ParseError> {
        let magic = optional_header_magic(file)
            .map_err(|_| header("no DOS header, or no PE header where it points to"))?;
        if magic == PE32_PLUS {
            parse::<ImageNtHeaders64>(file)
        } else {
            parse::<ImageNtHeaders32>(file)
        }
    }

    /// The first section of that name.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name.as_bytes())
    }

    /// Whether there is an Authenticode signature. Whose, and whether it is good, is not said.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        !self.certificates.is_empty()
    }

    /// The lines of the `.sbat` section: component, generation and who made it, separated by
    /// commas. Shim refuses an image whose generations are revoked, or that has none.
    #[must_use]
    pub fn sbat(&self) -> Vec<String> {
        let content = self.section(".sbat").map_or(&[][..], |section| section.content);
        let text = content.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text)
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

fn header(problem: &'static str) -> ParseError {
    ParseError::Header { problem }
}

fn parse<Headers: ImageNtHeaders>(file: &[u8]) -> Result<Image<'_>, ParseError> {
    let dos = ImageDosHeader::parse(file).map_err(|_| header("no DOS header"))?;
    let mut offset = dos.nt_headers_offset().into();
    let (headers, directories) = Headers::parse(file, &mut offset)
        .map_err(|_| header("an optional header of unknown kind, or cut off"))?;
    let table =
        headers.sections(file, offset).map_err(|_| header("a section table that is cut off"))?;
    let strings = headers.symbols(file).map(|symbols| symbols.strings()).unwrap_or_default();
    let sections = table.iter().map(|section| read_section(file, section, strings));
    Ok(Image {
        machine: headers.file_header().machine.get(LE).0.into(),
        subsystem: headers.optional_header().subsystem().0.into(),
        sections: sections.collect::<Result<_, _>>()?,
        certificates: match directories.get(IMAGE_DIRECTORY_ENTRY_SECURITY) {
            Some(directory) => certificates(file, directory)?,
            None => Vec::new(),
        },
    })
}

fn read_section<'a>(
    file: &'a [u8],
    section: &'a ImageSectionHeader,
    strings: StringTable<'a>,
) -> Result<Section<'a>, ParseError> {
    let name = section.name(strings).unwrap_or(section.raw_name());
    let (offset, len) =
        (section.pointer_to_raw_data.get(LE), section.size_of_raw_data.get(LE) as usize);
    let virtual_size = section.virtual_size.get(LE);
    let raw = if offset == 0 || len == 0 {
        &[]
    } else {
        let rest = file.get(offset as usize..);
        rest.and_then(|rest| rest.get(..len)).ok_or_else(|| ParseError::Section {
            name: String::from_utf8_lossy(name).into_owned(),
            end: u64::from(offset) + len as u64,
            len: file.len() as u64,
        })?
    };
    let content = &raw[..raw.len().min(virtual_size as usize)];
    Ok(Section {
        name,
        virtual_address: section.virtual_address.get(LE),
        virtual_size,
        offset,
        raw,
        content,
        flags: section.characteristics.get(LE).0,
    })
}

/// The entries of the certificate table. Its address is one in the file, unlike all others.
fn certificates<'a>(
    file: &'a [u8],
    directory: &ImageDataDirectory,
) -> Result<Vec<Certificate<'a>>, ParseError> {
    let mut offset = u64::from(directory.virtual_address.get(LE));
    let table_end = offset + u64::from(directory.size.get(LE));
    let end = table_end.min(file.len() as u64);
    let wrong = |offset, entry_len| ParseError::Certificate { offset, entry_len, end };
    if table_end > end {
        return Err(wrong(offset, table_end - offset));
    }
    let mut certificates = Vec::new();
    while offset < end {
        let at = usize::try_from(offset).map_err(|_| wrong(offset, 0))?;
        let entry = &file[at..usize::try_from(end).map_err(|_| wrong(offset, 0))?];
        let (Some(len), Some(revision), Some(kind)) =
            (entry.first_chunk(), half(entry, 4), half(entry, 6))
        else {
            return Err(wrong(offset, CERTIFICATE_HEADER_LEN.into()));
        };
        let len = u32::from_le_bytes(*len);
        let data = entry.get(CERTIFICATE_HEADER_LEN as usize..len as usize);
        let data = data.ok_or_else(|| wrong(offset, len.into()))?;
        certificates.push(Certificate { offset, len, revision, kind, data });
        offset += u64::from(len).next_multiple_of(CERTIFICATE_ALIGNMENT);
    }
    Ok(certificates)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}
