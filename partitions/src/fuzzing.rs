//! Fuzz targets as plain functions: whatever the bytes, nothing panics and the invariants hold.

use std::io::Cursor;

use crate::{fat, gpt, mbr};

/// The bytes are a disk with a GPT.
pub fn gpt_read(data: &[u8]) {
    if let Ok(found) = gpt::read(&mut Cursor::new(data)) {
        assert!(found.table().is_some());
        assert!(found.findings.iter().all(|finding| !finding.to_string().is_empty()));
    }
}

/// The bytes are a master boot record; what is read can be written and read again.
pub fn mbr_read(data: &[u8]) {
    if let Ok(mbr) = mbr::Mbr::read(data) {
        let _ = mbr.check(data.len() as u64 / 512);
        assert_eq!(mbr::Mbr::read(&mbr.to_bytes()), Ok(mbr));
    }
}

/// The bytes are a FAT volume; whatever is found can be told.
pub fn fat_read(data: &[u8]) {
    if let Ok(mut volume) = fat::Volume::open(Cursor::new(data), 0) {
        for entry in volume.entries().to_vec() {
            let mut content = Vec::new();
            if volume.read_file(&entry, &mut content).is_ok() {
                assert_eq!(content.len() as u64, u64::from(entry.len));
            }
        }
        let _ = fat::dump(&mut volume);
    }
}
