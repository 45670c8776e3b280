//! Puts the parts together.

use std::io::Write;

use liblzma::stream::{Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;

use super::{GrubError, GrubFiles, elf, modules, records};

/// Bytes of `cdboot.img`: one sector of a CD.
const CDBOOT_LEN: usize = 2048;
/// Bytes of a sector of a hard disk.
const SECTOR_LEN: usize = 512;
/// Where the decompressor lies in memory.
const DECOMPRESSOR_ADDRESS: u64 = 0x8200;
/// Where the kernel is linked to.
const KERNEL_ADDRESS: u32 = 0x9000;
/// The end of the memory for the compressed image, which is read in from the kernel's address on.
const COMPRESSED_END: u64 = 0x78000;
/// The end of the memory for the kernel and its zeros.
const KERNEL_END: u32 = 0x68000;
/// The dictionary of grub-mkimage; the decoder keeps everything in memory anyway.
const DICTIONARY_LEN: u32 = 1 << 16;

/// Offsets in `lzma_decompress.img`.
const COMPRESSED_LEN: usize = 8;
const UNCOMPRESSED_LEN: usize = 12;
/// Offsets in `diskboot.img`: the sectors of the only entry of its block list, and where they go,
/// in units of 16 bytes.
const BLOCK_COUNT: usize = 508;
const BLOCK_SEGMENT: usize = 510;

/// Makes the El Torito image of GRUB for PC BIOS: what `grub-mkimage -O i386-pc-eltorito
/// -p PREFIX [-c EARLY_CONFIG] MODULES` makes. `prefix` is a directory of the boot device, such as
/// `/boot/grub2`, in which GRUB looks for `grub.cfg`; `early_config` is run before that.
///
/// Whoever places the image in an ISO patches the boot-info table at byte 8 and the sector number
/// at byte 2548.
///
/// # Errors
/// [`GrubError`].
pub fn core_image(
    files: &GrubFiles,
    prefix: &str,
    modules: &[&str],
    early_config: Option<&str>,
) -> Result<Vec<u8>, GrubError> {
    check_files(files)?;
    let payload = payload(files, prefix, modules, early_config)?;
    let compressed = compress(&payload)?;

    let mut decompressor = files.lzma_decompress.clone();
    for (at, len) in [(COMPRESSED_LEN, compressed.len()), (UNCOMPRESSED_LEN, payload.len())] {
        let len = u32::try_from(len).map_err(|_| GrubError::Text { what: "modules" })?;
        decompressor[at..at + 4].copy_from_slice(&len.to_le_bytes());
    }
    let core_len = decompressor.len() + compressed.len();
    let end = u64::from(KERNEL_ADDRESS) + core_len as u64;
    if end > COMPRESSED_END {
        return Err(GrubError::TooLarge { what: "compressed modules", end, max: COMPRESSED_END });
    }
    let sectors = u16::try_from(core_len.div_ceil(SECTOR_LEN)).expect("BUG: below 512 KiB");
    let mut diskboot = files.diskboot.clone();
    diskboot[BLOCK_COUNT..BLOCK_COUNT + 2].copy_from_slice(&sectors.to_le_bytes());
    Ok([files.cdboot.as_slice(), &diskboot, &decompressor, &compressed].concat())
}

fn check_files(files: &GrubFiles) -> Result<(), GrubError> {
    let wrong = |file, problem| Err(GrubError::File { file, problem });
    if files.cdboot.len() != CDBOOT_LEN {
        return wrong("cdboot.img", "has not 2048 bytes");
    }
    let segment = (DECOMPRESSOR_ADDRESS >> 4).to_le_bytes();
    if files.diskboot.len() != SECTOR_LEN || files.diskboot[BLOCK_SEGMENT..] != segment[..2] {
        return wrong("diskboot.img", "has not 512 bytes with a block list for 0x8200");
    }
    let room = u64::from(KERNEL_ADDRESS) - DECOMPRESSOR_ADDRESS;
    match files.lzma_decompress.len() as u64 {
        len if len <= UNCOMPRESSED_LEN as u64 + 4 => wrong("lzma_decompress.img", "is cut off"),
        len if len > room => wrong("lzma_decompress.img", "has more than 3584 bytes"),
        _ => Ok(()),
    }
}

/// What the decompressor leaves in memory: the kernel and the module info.
fn payload(
    files: &GrubFiles,
    prefix: &str,
    wanted: &[&str],
    early_config: Option<&str>,
) -> Result<Vec<u8>, GrubError> {
    let kernel = elf::load(&files.kernel, KERNEL_ADDRESS, u32::MAX >> 8)?;
    let end = u64::from(KERNEL_ADDRESS) + u64::from(kernel.memory_len);
    if end > KERNEL_END.into() {
        return Err(GrubError::TooLarge { what: "kernel in memory", end, max: KERNEL_END.into() });
    }
    let modules = modules::closure(files, wanted)?;
    let mut payload = kernel.image;
    payload.extend(records::encode(&modules, early_config, prefix)?);
    Ok(payload)
}

/// A bare LZMA1 stream with the parameters that GRUB's decoder has built in.
pub(super) fn filters() -> Result<Filters, GrubError> {
    let mut options = LzmaOptions::new_preset(9).map_err(GrubError::Lzma)?;
    options
        .dict_size(DICTIONARY_LEN)
        .literal_context_bits(3)
        .literal_position_bits(0)
        .position_bits(2);
    let mut filters = Filters::new();
    filters.lzma1(&options);
    Ok(filters)
}

fn compress(payload: &[u8]) -> Result<Vec<u8>, GrubError> {
    let stream = Stream::new_raw_encoder(&filters()?).map_err(GrubError::Lzma)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    let failed = |_| GrubError::Lzma(liblzma::stream::Error::Program);
    encoder.write_all(payload).map_err(failed)?;
    encoder.finish().map_err(failed)
}
