//! Fuzz targets as plain functions.

use crate::pe::Image;

/// The bytes are a PE image: whatever is said about them lies within them.
pub fn pe(data: &[u8]) {
    if let Ok(image) = Image::parse(data) {
        for section in &image.sections {
            assert!(section.content.len() <= data.len());
        }
        for certificate in &image.certificates {
            assert!(certificate.offset + u64::from(certificate.len) <= data.len() as u64);
        }
        let _ = image.sbat();
    }
}
