//! Fuzz targets as plain functions.

use super::{GrubFiles, core_image, elf, embedded_prefix};

/// The bytes are a GRUB image for EFI.
pub fn prefix(data: &[u8]) {
    if let Some(prefix) = embedded_prefix(data) {
        assert!(!prefix.contains('\0'));
    }
}

/// The bytes are a `kernel.img`.
pub fn kernel(data: &[u8]) {
    let limit = 1 << 20;
    if let Ok(loaded) = elf::load(data, 0x9000, limit) {
        assert!(loaded.image.len() as u64 <= u64::from(loaded.memory_len));
        assert!(loaded.memory_len <= limit);
    }
}

/// The bytes are a `moddep.lst`.
pub fn moddep(data: &[u8]) {
    let mut files = GrubFiles { moddep: data.to_vec(), ..GrubFiles::default() };
    files.modules.insert("normal".to_owned(), Vec::new());
    assert!(core_image(&files, "/boot/grub2", &["normal"], None).is_err());
}
