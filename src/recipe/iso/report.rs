//! What was made.

use bootwright_image::Timestamp;
use bootwright_oci::InputSummary;
use bootwright_squashfs::Summary;

use crate::recipe::Installed;

/// What went into an ISO and what came out.
#[derive(Debug)]
#[non_exhaustive]
pub struct IsoReport {
    /// What the root file system was made from.
    pub inputs: Vec<InputSummary>,
    /// What is installed in the root file system, if the source asks for that.
    pub installed: Option<Installed>,
    /// Files of the medium and where they come from, in order of their paths.
    pub placed: Vec<(String, String)>,
    /// The root file system.
    pub squashfs: Summary,
    /// Whether BIOS finds something to boot.
    pub bios: bool,
    /// Whether UEFI finds something to boot.
    pub efi: bool,
    /// The time of everything that was written.
    pub epoch: Timestamp,
    /// The volume label.
    pub label: String,
    /// Length of the ISO in bytes.
    pub len: u64,
    /// SHA-256 of the ISO; zero where it was not written to a file.
    pub sha256: [u8; 32],
}
