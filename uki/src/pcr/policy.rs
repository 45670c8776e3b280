//! Values of the register at each boot phase, and the policies that demand them.

use super::{Measurement, REGISTER, Register, SECTIONS};
use crate::hash::{Hash, sha256};

/// The phase paths that systemd passes: a disk is unlocked in the first.
pub const PHASES: [&str; 4] = [
    "enter-initrd",
    "enter-initrd:leave-initrd",
    "enter-initrd:leave-initrd:sysinit",
    "enter-initrd:leave-initrd:sysinit:ready",
];

/// `TPM_CC_PolicyPCR`.
const POLICY_PCR: u32 = 0x017F;
/// Bytes of a register selection: 24 registers.
const SELECT_LEN: u8 = 3;

/// What the register will hold at a phase, in one bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The bank.
    pub bank: Hash,
    /// Words of the phases up to this one, with colons between them.
    pub phase: String,
    /// The register's value.
    pub value: Vec<u8>,
    /// The digest of the policy that demands this value.
    pub policy: [u8; 32],
}

/// Predicts the register for every bank and phase path, banks first. `sections` are those that
/// the stub measures, in any order; of sections of one name only the first counts, since a stub
/// uses one of them: predict once for each choice.
#[must_use]
pub fn predict(sections: &[Measurement], banks: &[Hash], phases: &[&str]) -> Vec<Prediction> {
    let mut predictions = Vec::new();
    for bank in banks {
        let mut start = Register::new(*bank);
        for name in SECTIONS {
            if let Some(section) = sections.iter().find(|section| section.name == name) {
                start.extend_section(section);
            }
        }
        predictions.extend(phases.iter().map(|phase| {
            let mut register = start.clone();
            phase.split(':').filter(|word| !word.is_empty()).for_each(|w| register.extend_phase(w));
            let value = register.value().to_vec();
            let policy = policy_digest(*bank, &value);
            Prediction { bank: *bank, phase: (*phase).to_owned(), value, policy }
        }));
    }
    predictions
}

/// The digest of a session that was asked for the register to have `value` in `bank`
/// (`TPM2_PolicyPCR`). The session's own hash is SHA-256 whatever the bank.
#[must_use]
pub fn policy_digest(bank: Hash, value: &[u8]) -> [u8; 32] {
    let algorithm: u16 = match bank {
        Hash::Sha1 => 0x0004,
        Hash::Sha256 => 0x000B,
        Hash::Sha384 => 0x000C,
        Hash::Sha512 => 0x000D,
    };
    let mut select = [0; SELECT_LEN as usize];
    select[usize::from(REGISTER / 8)] = 1 << (REGISTER % 8);
    sha256(&[
        &[0; 32],
        &POLICY_PCR.to_be_bytes(),
        &1_u32.to_be_bytes(),
        &algorithm.to_be_bytes(),
        &[SELECT_LEN],
        &select,
        &sha256(&[value]),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hex;

    #[test]
    fn no_sections_give_the_known_values() {
        let predictions = predict(&[], &[Hash::Sha256], &PHASES);
        let known = [
            (
                "d15b0e8e244e65c40f024e95773f2347ce4ef3ffe6b597c9a14b50bbab6df319",
                "7c8486f61cc1d88a28d6ab87850bee07c467ce6311340219e43a7a6e6521e543",
            ),
            (
                "75df9c8b17d8a6465f2862028b892ea13a3d7c37685a945e5ff34fb44956c207",
                "7474e6080ddc5355c6087db4272c7d8a6871a7c83a54694369561253f08fd3f1",
            ),
            (
                "4a73d241786e2f9180042d04408fb12589af0477533df6c1d832d8b7f4724504",
                "8fac790c125cc6c82b372714c8ecf83784523c05c5b78b37b1aae05521b7ec3e",
            ),
            (
                "38d2047d0545f701a253005037bd1d1662e5f59388885f9e9443f38e2f23531e",
                "53f5e6ee03093e2fb1ea9d1351952a33ce381ae93bef210abb764941be8d8ec6",
            ),
        ];
        let got: Vec<_> = predictions.iter().map(|p| (hex(&p.value), hex(&p.policy))).collect();
        assert!(got.iter().map(|(value, policy)| (&**value, &**policy)).eq(known), "{got:#?}");
    }

    #[test]
    fn the_order_of_sections_does_not_count_but_their_names_do() {
        let [a, b] = [(".osrel", b"x"), (".linux", b"y")].map(|(n, c)| Measurement::of(n, c));
        let value = |all: &[&Measurement]| {
            let all: Vec<_> = all.iter().copied().cloned().collect();
            predict(&all, &Hash::ALL, &PHASES[..1])
        };
        assert_eq!(value(&[&a, &b]), value(&[&b, &a]));
        let none = value(&[]);
        assert_eq!(value(&[&Measurement::of(".pcrsig", b"z")]), none);
        assert_ne!(value(&[&Measurement::of(".uname", b"z")]), none);
        assert_eq!(none.iter().map(|p| p.value.len()).collect::<Vec<_>>(), [20, 32, 48, 64]);
    }
}
