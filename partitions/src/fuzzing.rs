//! Fuzz targets as plain functions: whatever the bytes, nothing panics and the invariants hold.

use std::io::Cursor;

use bootwright_image::{BoxError, ContentSink, InodeId, Silent, deliver};

use crate::{ext, fat, gpt, gzip, mbr};

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

/// The bytes are an ext volume; whatever is found can be told and read. Checksums are switched off
/// as well, so that changes get past them.
pub fn ext_read(data: &[u8]) {
    const RO_COMPAT: usize = 1024 + 0x64;
    let mut unchecked = data.to_vec();
    if let Some(byte) = unchecked.get_mut(RO_COMPAT + 1) {
        *byte &= !0x04;
    }
    for data in [data, &unchecked] {
        let Ok(mut volume) = ext::Volume::open(Cursor::new(data), 0) else { continue };
        let _ = ext::dump(&mut volume);
        let findings = volume.check().unwrap_or_default();
        assert!(findings.iter().all(|finding| !finding.to_string().is_empty()));
        let Ok(volume) = ext::Volume::open(Cursor::new(data), 0) else { continue };
        let Ok((tree, contents)) = volume.into_tree(0) else { continue };
        let files: Vec<_> = tree.walk().map(|walked| walked.id).collect();
        let mut counted = Counted { left: 0 };
        // Holes are told by their length, so that counting does not take as long as they are.
        let _ = deliver(&tree, &contents, files, &mut counted, &Silent);
        assert!(contents.holes().len() <= tree.capacity());
    }
}

/// The bytes are compressed, and taken for a compressed stream.
pub fn gzip_pieces(data: &[u8]) {
    gzip::check_piece(data);
}

/// Checks that contents have the lengths that were announced.
struct Counted {
    left: u64,
}

impl ContentSink for Counted {
    fn begin(&mut self, _: InodeId, len: u64) -> Result<(), BoxError> {
        self.left = len;
        Ok(())
    }

    fn data(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.left -= bytes.len() as u64;
        Ok(())
    }

    fn hole(&mut self, len: u64) -> Result<(), BoxError> {
        self.left -= len;
        Ok(())
    }

    fn end(&mut self) -> Result<(), BoxError> {
        assert_eq!(self.left, 0);
        Ok(())
    }
}
