//! What is looked for in a kernel.

use super::BuildError;
use crate::pe::headers::{Headers, u16_at};
use crate::pe::{Image, Machine};

/// Where an x86 kernel has its boot protocol header's magic (Linux, "The Linux/x86 Boot
/// Protocol").
const MAGIC_AT: usize = 0x202;
const MAGIC: &[u8; 4] = b"HdrS";
/// The field with the place of the version, less the length of the first sector.
const VERSION_AT: usize = 0x20E;
const SECTOR: usize = 0x200;

/// The release of an x86 kernel, such as `6.1.0-40-amd64`; `None` where it does not say.
#[must_use]
pub fn uname(kernel: &[u8]) -> Option<String> {
    if kernel.get(MAGIC_AT..)?.first_chunk() != Some(MAGIC) {
        return None;
    }
    let at = usize::from(u16_at(kernel, VERSION_AT)?) + SECTOR;
    let text = kernel.get(at..)?.split(|byte| matches!(byte, 0 | b' ')).next()?;
    let text = std::str::from_utf8(text).ok()?;
    (!text.is_empty() && text.len() <= 256).then(|| text.to_owned())
}

/// What the image takes over from its kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) machine: Machine,
    pub(super) is_nx_compat: bool,
    /// The content of its `.sbat` section, if it has one.
    pub(super) sbat: Option<Vec<u8>>,
}

impl Kernel {
    pub(super) fn parse(file: &[u8]) -> Result<Self, BuildError> {
        let problem = |problem: String| BuildError::Kernel { problem };
        if file.starts_with(&[0x1F, 0x8B]) {
            let text = "is compressed with gzip: firmware starts it only when it is unpacked";
            return Err(problem(text.to_owned()));
        }
        let headers = Headers::parse(file)
            .map_err(|error| problem(format!("cannot be started by UEFI: {error}")))?;
        let image = Image::parse(file).ok();
        let sbat = image.as_ref().and_then(|image| image.section(".sbat"));
        Ok(Self {
            machine: headers.machine().into(),
            is_nx_compat: headers.is_nx_compat(),
            sbat: sbat.map(|section| section.content.to_vec()),
        })
    }
}
