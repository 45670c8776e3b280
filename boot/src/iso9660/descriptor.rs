//! Volume descriptors (ECMA-119 8) and the texts in them.

use super::format::{BLOCK_LEN, JOLIET_ESCAPE, NO_DATE, STANDARD_ID, both16, both32, volume_date};
use super::{Options, WriteError, joliet};

/// The data preparer of every image we make; it names no version, so that releases do not change
/// bytes.
const PREPARER: &str = "BOOTWRIGHT";

/// What a volume descriptor says of one hierarchy.
#[derive(Debug)]
pub(super) struct Volume {
    /// Blocks of the volume.
    pub(super) blocks: u32,
    pub(super) path_table_len: u32,
    /// First block of the type L path table.
    pub(super) path_table_l: u32,
    /// First block of the type M path table.
    pub(super) path_table_m: u32,
    /// The root's directory record.
    pub(super) root: Vec<u8>,
}

/// Checks the texts of a primary volume descriptor. Printable ASCII is let through: lower case is
/// beyond the letter of ECMA-119, yet every reader takes it and many labels have it.
pub(super) fn check(options: &Options) -> Result<(), WriteError> {
    let fields = [
        ("volume identifier", &options.volume_id, 32),
        ("system identifier", &options.system_id, 32),
        ("volume set identifier", &options.volume_set_id, 128),
        ("publisher identifier", &options.publisher, 128),
        ("application identifier", &options.application, 128),
    ];
    for (field, value, most) in fields {
        let problem = if value.len() > most {
            if most == 32 {
                "is longer than 32 characters"
            } else {
                "is longer than 128 characters"
            }
        } else if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            "has characters other than printable ASCII"
        } else if value.starts_with(' ') || value.ends_with(' ') {
            "begins or ends with a space, which is what fields are padded with"
        } else {
            continue;
        };
        return Err(WriteError::Text { field, value: value.clone(), problem });
    }
    Ok(())
}

/// The primary volume descriptor (ECMA-119 8.4).
pub(super) fn primary(options: &Options, volume: &Volume) -> Vec<u8> {
    common(1, options, volume, |text, len| {
        let mut field = text.as_bytes().to_vec();
        field.resize(len, b' ');
        field
    })
}

/// The supplementary volume descriptor of Joliet (ECMA-119 8.5).
pub(super) fn supplementary(options: &Options, volume: &Volume) -> Vec<u8> {
    let mut block = common(2, options, volume, joliet::text);
    block[88..91].copy_from_slice(JOLIET_ESCAPE);
    block
}

/// The boot record that leads to the boot catalog (El Torito 2.0).
pub(super) fn boot_record(catalog: u32) -> Vec<u8> {
    let mut block = head(0);
    put(&mut block, 7, b"EL TORITO SPECIFICATION");
    put(&mut block, 71, &catalog.to_le_bytes());
    block
}

/// The volume descriptor set terminator.
pub(super) fn terminator() -> Vec<u8> {
    head(255)
}

fn head(kind: u8) -> Vec<u8> {
    let mut block = vec![0; BLOCK_LEN];
    block[0] = kind;
    put(&mut block, 1, STANDARD_ID);
    block[6] = 1;
    block
}

fn common(
    kind: u8,
    options: &Options,
    volume: &Volume,
    text: impl Fn(&str, usize) -> Vec<u8>,
) -> Vec<u8> {
    let mut block = head(kind);
    let made = volume_date(options.time);
    let fields: [(usize, &[u8]); 23] = [
        (8, &text(&options.system_id, 32)),
        (40, &text(&options.volume_id, 32)),
        (80, &both32(volume.blocks)),
        (120, &both16(1)),
        (124, &both16(1)),
        (128, &both16(2048)),
        (132, &both32(volume.path_table_len)),
        (140, &volume.path_table_l.to_le_bytes()),
        (148, &volume.path_table_m.to_be_bytes()),
        (156, &volume.root),
        (190, &text(&options.volume_set_id, 128)),
        (318, &text(&options.publisher, 128)),
        (446, &text(PREPARER, 128)),
        (574, &text(&options.application, 128)),
        (702, &text("", 37)),
        (739, &text("", 37)),
        (776, &text("", 37)),
        (813, &made),
        (830, &made),
        (847, &NO_DATE),
        (864, &NO_DATE),
        // File structure version.
        (881, &[1]),
        (882, &[0]),
    ];
    fields.iter().for_each(|(offset, bytes)| put(&mut block, *offset, bytes));
    block
}

fn put(block: &mut [u8], offset: usize, bytes: &[u8]) {
    block[offset..offset + bytes.len()].copy_from_slice(bytes);
}
