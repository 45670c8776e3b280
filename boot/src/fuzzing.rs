//! Targets for fuzzing: each takes any bytes and panics when an invariant is broken.

use std::io::Cursor;

use crate::el_torito::read_catalog;
use crate::iso9660::{dump, read::Image};

/// Reads, checks and dumps `data` as an ISO image. What passes the check can be read whole.
pub fn iso9660(data: &[u8]) {
    let Ok(mut image) = Image::open(Cursor::new(data)) else { return };
    let sound = image.check().is_ok();
    let info = image.info().clone();
    for volume in info.volumes.iter().chain(&info.partition_view) {
        let Ok(entries) = image.entries(volume) else { continue };
        assert!(entries.first().is_some_and(|root| root.path.is_empty()));
        for entry in &entries[1..] {
            assert!(!entry.path.is_empty(), "an entry without name");
            let mut content = Vec::new();
            // Extents may overlap, so all of them can be more than memory.
            if entry.len() <= 1 << 20 {
                let copied = image.copy(entry, &mut content);
                assert!(copied.is_ok() || !sound, "checked, yet {copied:?}");
            }
        }
    }
    let _ = dump(&mut image);
}

/// Reads `data` as an El Torito boot catalog.
pub fn boot_catalog(data: &[u8]) {
    if let Ok(entries) = read_catalog(data) {
        assert!(entries.len() <= data.len() / 32);
    }
}
