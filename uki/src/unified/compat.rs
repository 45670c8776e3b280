//! Whether a disk that was sealed under one image opens under another.

use super::Inspection;
use crate::hash::Hash;
use crate::pcr::Prediction;
use crate::public_key::PublicKey;

/// Whether a new image has a good policy for a profile, bank and phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The new image's profile.
    pub profile: String,
    /// The bank.
    pub bank: Hash,
    /// The phase path.
    pub phase: String,
    /// Whether the old image has it.
    pub before: bool,
    /// Whether the new image has it, signed by the key that disks are sealed to.
    pub now: bool,
}

/// What became of the policies between two images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compat {
    /// Fingerprint of the old image's key, to which disks are sealed.
    pub old_key: Option<String>,
    /// Fingerprint of the new image's key.
    pub new_key: Option<String>,
    /// Whether the new stub is one whose measurements were compared with real ones.
    pub is_compared: bool,
    /// Every combination that one of the images has.
    pub coverage: Vec<Coverage>,
}

impl Compat {
    /// Whether a disk sealed under the old image opens under the new one: every policy for the
    /// sha256 bank, which is the one that systemd uses, is there again for each profile.
    #[must_use]
    pub fn opens(&self) -> bool {
        let mut used = self.coverage.iter().filter(|c| c.bank == Hash::Sha256 && c.before);
        self.old_key.is_some() && used.clone().next().is_some() && used.all(|c| c.now)
    }
}

/// Compares what two images predict and sign. The images are read anew, so policies that are
/// signed but would not hold do not count.
#[must_use]
pub fn compat(old: &Inspection, new: &Inspection) -> Compat {
    let key = old.pcr_key.as_ref();
    let old_key = key.map(PublicKey::fingerprint);
    let new_key = new.pcr_key.as_ref().map(PublicKey::fingerprint);
    let is_compared = new.measured.is_compared();
    let mut coverage = Vec::new();
    for (index, profile) in new.predictions.iter().enumerate() {
        for prediction in &profile.predictions {
            let Prediction { bank, phase, .. } = prediction;
            // Several device trees give several predictions of a phase: all must be covered.
            let now = key.is_some_and(|key| is_signed(new, index, prediction, key));
            let before = key.is_some_and(|key| {
                let base = old.predictions.first().map_or(&[][..], |first| &first.predictions);
                let same = base.iter().filter(|p| p.bank == *bank && p.phase == *phase);
                same.clone().any(|prediction| is_signed(old, 0, prediction, key))
            });
            if now || before {
                let (profile, bank, phase) = (profile.profile.clone(), *bank, phase.clone());
                coverage.push(Coverage { profile, bank, phase, before, now });
            }
        }
    }
    Compat { old_key, new_key, is_compared, coverage }
}

fn is_signed(image: &Inspection, profile: usize, wanted: &Prediction, key: &PublicKey) -> bool {
    let policies = image.policies.get(profile).and_then(|all| all.0.get(&wanted.bank));
    policies.is_some_and(|all| {
        all.iter().any(|entry| entry.policy == wanted.policy && entry.is_by(key, wanted.bank))
    })
}
