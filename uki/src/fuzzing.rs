//! Entry points for fuzzing: plain functions with the invariants asserted inside.

use crate::pe::Image;

/// Reading never panics, and what it reports lies inside the file.
#[doc(hidden)]
pub fn pe(data: &[u8]) {
    let Ok(image) = Image::parse(data) else { return };
    for section in image.sections() {
        assert!(section.data.len() <= data.len());
    }
    let _ = (image.sbat(), image.signatures(), image.machine().to_string());
}
