//! GRUB's module info: what is embedded behind a kernel, for PC and for EFI.

use super::GrubError;

/// `mimg`, little-endian.
const MAGIC: u32 = 0x676D_696D;
/// Bytes of the info on 32-bit platforms: magic, offset of the first record, length of all.
const INFO_LEN: u32 = 12;
/// Bytes in front of each record: type, length with these bytes.
const HEADER_LEN: u32 = 8;

const ELF: u32 = 0;
const CONFIG: u32 = 2;
const PREFIX: u32 = 3;

/// Records in front of the prefix in an image; more than any build has modules.
const RECORDS_MAX: usize = 10_000;

/// The module info of a 32-bit platform.
pub(super) fn encode(
    modules: &[(&str, &[u8])],
    config: Option<&str>,
    prefix: &str,
) -> Result<Vec<u8>, GrubError> {
    let mut records = Vec::new();
    for (_, content) in modules {
        record(&mut records, ELF, content.to_vec(), "module")?;
    }
    if let Some(config) = config {
        record(&mut records, CONFIG, terminated(config, "configuration")?, "configuration")?;
    }
    record(&mut records, PREFIX, terminated(prefix, "prefix")?, "prefix")?;

    let len = u32::try_from(records.len())
        .ok()
        .and_then(|len| len.checked_add(INFO_LEN))
        .ok_or(GrubError::Text { what: "modules" })?;
    let mut info = [MAGIC, INFO_LEN, len].map(u32::to_le_bytes).concat();
    info.append(&mut records);
    Ok(info)
}

fn terminated(text: &str, what: &'static str) -> Result<Vec<u8>, GrubError> {
    if text.contains('\0') {
        return Err(GrubError::Text { what });
    }
    Ok([text.as_bytes(), &[0]].concat())
}

fn record(
    records: &mut Vec<u8>,
    kind: u32,
    mut content: Vec<u8>,
    what: &'static str,
) -> Result<(), GrubError> {
    content.resize(content.len().next_multiple_of(4), 0);
    let len = u32::try_from(content.len())
        .ok()
        .and_then(|len| len.checked_add(HEADER_LEN))
        .ok_or(GrubError::Text { what })?;
    records.extend([kind, len].map(u32::to_le_bytes).concat());
    records.extend(content);
    Ok(())
}

/// The prefix that is compiled into a GRUB image for EFI (64-bit), such as `/EFI/debian` or
/// `(memdisk)/boot/grub`: where it looks for `grub.cfg`. `None` when there is no such image.
#[must_use]
pub fn embedded_prefix(image: &[u8]) -> Option<String> {
    let word = |at: usize| -> Option<u32> {
        image.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
    };
    let long = |at: usize| -> Option<usize> {
        let value = image.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)?;
        usize::try_from(value).ok()
    };
    // Magic, padding, offset and length of 64 bits. The code that looks for the magic holds it
    // too, with other things around it.
    let infos = (0..image.len()).step_by(4).filter(|at| word(*at) == Some(MAGIC));
    for info in infos {
        let (Some(offset), Some(len)) = (long(info + 8), long(info + 16)) else { continue };
        let Some(end) = info.checked_add(len).filter(|end| *end <= image.len()) else { continue };
        let Some(mut at) = info.checked_add(offset) else { continue };
        for _ in 0..RECORDS_MAX {
            let (Some(kind), Some(len)) = (word(at), word(at.saturating_add(4))) else { break };
            let next = at.saturating_add(len as usize);
            if len < HEADER_LEN || next > end {
                break;
            }
            if kind == PREFIX {
                let text = image[at..next].get(HEADER_LEN as usize..)?;
                let text = text.split(|byte| *byte == 0).next()?;
                return String::from_utf8(text.to_vec()).ok();
            }
            at = next;
        }
    }
    None
}
