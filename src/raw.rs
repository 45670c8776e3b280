//! Raw disks: their partitions and what is in them, for whoever checks or describes them.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bootwright_partitions::SparseFile;
use bootwright_partitions::gpt::{self, types};
use flate2::bufread::MultiGzDecoder;

use crate::output::Staged;

/// The longest disk that is unpacked to be looked at, in bytes: 4 TiB.
const LEN_MAX: u64 = 1 << 42;
/// Bytes unpacked at once.
const CHUNK: usize = 1 << 20;
/// Where a FAT has its signature.
const FAT_SIGNATURE: (u64, [u8; 2]) = (510, [0x55, 0xAA]);
/// Where an ext file system has its magic number.
const EXT_MAGIC: (u64, [u8; 2]) = (1024 + 56, [0x53, 0xEF]);

/// The file system of a partition, by its magic number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Fat,
    Ext,
    /// None that we know.
    Other,
}

/// A partition of a disk.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Counted from 1.
    pub(crate) number: usize,
    pub(crate) entry: gpt::Entry,
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// Its length in bytes.
    pub(crate) len: u64,
    pub(crate) file_system: FileSystem,
}

/// The partitions of the table that was found on a disk.
pub(crate) fn partitions(disk: &File, found: &gpt::Found) -> io::Result<Vec<Part>> {
    let sector = found.sector_size.bytes();
    let entries = found.table().map(|table| table.entries.clone()).unwrap_or_default();
    let part = |(number, entry): (usize, gpt::Entry)| {
        let offset = entry.first_lba.saturating_mul(sector);
        let sectors = entry.last_lba.saturating_sub(entry.first_lba).saturating_add(1);
        let file_system = file_system(disk, offset, entry.type_guid == types::EFI_SYSTEM)?;
        Ok(Part { number, entry, offset, len: sectors.saturating_mul(sector), file_system })
    };
    entries.into_iter().map(part).collect()
}

/// The file system that begins at byte `offset`.
pub(crate) fn file_system(mut disk: &File, offset: u64, is_efi: bool) -> io::Result<FileSystem> {
    let mut has = |(at, magic): (u64, [u8; 2])| {
        let mut found = [0; 2];
        let Some(at) = offset.checked_add(at) else { return Ok(false) };
        disk.seek(SeekFrom::Start(at))?;
        match disk.read_exact(&mut found) {
            Ok(()) => Ok(found == magic),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    };
    Ok(if has(EXT_MAGIC)? {
        FileSystem::Ext
    } else if is_efi || has(FAT_SIGNATURE)? {
        FileSystem::Fat
    } else {
        FileSystem::Other
    })
}

/// Unpacks a gzip file into a nameless, sparse one beside it.
///
/// # Errors
/// What reading and writing report; more than 4 TiB are refused.
pub(crate) fn unpack(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".unpacked");
    let staged = Staged::new(Path::new(&name)).map_err(io::Error::other)?;
    let mut input = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, File::open(path)?));
    copy_sparse(&mut input, staged.file(), LEN_MAX)?;
    staged.file().try_clone()
}

/// Copies up to `most` bytes; zeros become holes. Returns how many there were.
///
/// # Errors
/// What reading and writing report; [`io::ErrorKind::FileTooLarge`].
pub(crate) fn copy_sparse(input: &mut dyn Read, output: &File, most: u64) -> io::Result<u64> {
    let mut output = SparseFile::new(output);
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    loop {
        let read = input.read(&mut buffer)?;
        if read == 0 {
            output.finish()?;
            return Ok(done);
        }
        done += read as u64;
        if done > most {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        output.write_all(&buffer[..read])?;
    }
}
