//! PCR 11: what `systemd-stub` and the boot phases measure, and policies about it
//! (systemd-stub(7), systemd-measure(1), systemd-pcrphase(8); TPM 2.0 Library, part 3,
//! `TPM2_PolicyPCR`).

mod lanes;
mod measure;
mod policy;
mod signatures;
mod stub;

pub(crate) use lanes::Lanes;
pub use measure::{Digests, Measurement, Register, SectionHasher};
pub use policy::{PHASES, Prediction, policy_digest, predict};
pub use signatures::{PcrsigError, PolicySignature, PolicySignatures};
pub use stub::Measured;

/// The register that a stub measures its sections into.
pub const REGISTER: u8 = 11;

/// Every section that some stub measures, in the order in which it does. Their order in the file
/// does not count.
pub const SECTIONS: [&str; 13] = [
    ".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat",
    ".pcrpkey", ".profile", ".dtbauto", ".hwids",
];
