//! Public keys, and what they have signed.

use std::io::Read;

use bootwright_image::Timestamp;
use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{Duration, Fingerprint, KeyDetails, KeyId, Tag, VerifyingKey};

use super::OpenPgpError;

/// Keys that are trusted, because the caller says so.
#[derive(Debug, Default)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// A key, or a part of one, that may sign.
struct Candidate<'a> {
    key: Key<'a>,
    /// What its owner says about it.
    bindings: Vec<&'a Signature>,
    revoked: bool,
}

enum Key<'a> {
    Primary(&'a pgp::packet::PublicKey),
    Sub(&'a pgp::packet::PublicSubkey),
}

impl Keyring {
    /// Adds the public keys of a file, armored or not. `name` is for errors.
    ///
    /// # Errors
    /// [`OpenPgpError::Key`].
    pub fn add(&mut self, name: &str, text: &[u8]) -> Result<(), OpenPgpError> {
        let none = || OpenPgpError::Key {
            name: name.to_owned(),
            what: "public key",
            problem: "it is no public key of OpenPGP".to_owned(),
        };
        let (keys, _) = SignedPublicKey::from_reader_many_buf(text).map_err(|_| none())?;
        let before = self.keys.len();
        for key in keys {
            self.keys.push(key.map_err(|_| none())?);
        }
        if self.keys.len() == before { Err(none()) } else { Ok(()) }
    }

    /// Checks a detached signature, armored or not, of what `open` gives. Of several signatures
    /// one by a key of the ring has to be good. Gives back the fingerprint of the key.
    ///
    /// # Errors
    /// Why none is, in words.
    pub fn verify<R: Read>(
        &self,
        signature: &[u8],
        mut open: impl FnMut() -> std::io::Result<R>,
        now: Timestamp,
    ) -> Result<String, String> {
        let unreadable = || "it is no signature of OpenPGP".to_owned();
        let (signatures, _) =
            DetachedSignature::from_reader_many_buf(signature).map_err(|_| unreadable())?;
        let mut problem = unreadable();
        for signature in signatures {
            let Ok(DetachedSignature { signature }) = signature else { continue };
            match self.verify_one(&signature, &mut open, now) {
                Ok(fingerprint) => return Ok(fingerprint),
                Err(found) => problem = found,
            }
        }
        Err(problem)
    }

    fn verify_one<R: Read>(
        &self,
        signature: &Signature,
        open: &mut impl FnMut() -> std::io::Result<R>,
        now: Timestamp,
    ) -> Result<String, String> {
        if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
            return Err("it is not a signature of a file".to_owned());
        }
        if !signature.hash_alg().is_some_and(is_strong) {
            return Err("it uses a hash that can be forged".to_owned());
        }
        let made = signature.created().ok_or("it does not say when it was made")?.as_secs();
        if u64::from(made) > u64::from(now.clamp_to_u32()) + DAY {
            return Err("it was made in the future".to_owned());
        }
        if is_over(made, signature.signature_expiration_time(), now.clamp_to_u32()) {
            return Err("it has expired".to_owned());
        }
        let candidates = self.keys.iter().flat_map(candidates);
        let mut problem = format!("none of the given keys made it ({})", issuer(signature));
        for candidate in candidates.filter(|candidate| candidate.is_issuer(signature)) {
            let data = open().map_err(|error| error.to_string())?;
            match candidate.verify(signature, data, made) {
                Ok(()) => return Ok(candidate.fingerprint().to_string()),
                Err(found) => problem = found,
            }
        }
        Err(problem)
    }
}

/// Seconds that clocks may differ by.
const DAY: u64 = 86400;

fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(hash, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

fn is_over(since: u32, lifetime: Option<Duration>, time: u32) -> bool {
    let lifetime = lifetime.map_or(0, Duration::as_secs);
    lifetime > 0 && u64::from(since) + u64::from(lifetime) < u64::from(time)
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(ToString::to_string);
    let id = || signature.issuer_key_id().first().map(ToString::to_string);
    fingerprint.or_else(id).unwrap_or_else(|| "it does not say whose it is".to_owned())
}

/// The parts of a key that may sign. What others say about it does not count, and what it says
/// itself only with a good signature; a revocation counts in any case.
fn candidates(key: &SignedPublicKey) -> Vec<Candidate<'_>> {
    let revoked = !key.details.revocation_signatures.is_empty();
    let primary = &key.primary_key;
    let users = key.details.users.iter().flat_map(|user| {
        let is_own = |signature: &&Signature| {
            signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        user.signatures.iter().filter(is_own)
    });
    let direct = key.details.direct_signatures.iter();
    let direct = direct.filter(|signature| signature.verify_key(primary).is_ok());
    let bindings = users.chain(direct).collect();
    let first = Candidate { key: Key::Primary(primary), bindings, revoked };
    let subkeys = key.public_subkeys.iter().map(|subkey| {
        let signatures = subkey.signatures.iter();
        let binds = |signature: &&Signature| {
            // A subkey that signs says itself whose it is.
            let returned = signature.embedded_signature();
            signature.typ() == Some(SignatureType::SubkeyBinding)
                && signature.verify_subkey_binding(primary, &subkey.key).is_ok()
                && returned.is_some_and(|returned| {
                    returned.verify_primary_key_binding(&subkey.key, primary).is_ok()
                })
        };
        let revoked = revoked
            || signatures
                .clone()
                .any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
        Candidate {
            key: Key::Sub(&subkey.key),
            bindings: signatures.filter(binds).collect(),
            revoked,
        }
    });
    std::iter::once(first).chain(subkeys).collect()
}

fn is_by(signature: &Signature, id: &KeyId, fingerprint: &Fingerprint) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().contains(&id);
    }
    fingerprints.contains(&fingerprint)
}

impl Candidate<'_> {
    fn fingerprint(&self) -> Fingerprint {
        match self.key {
            Key::Primary(key) => key.fingerprint(),
            Key::Sub(key) => key.fingerprint(),
        }
    }

    fn is_issuer(&self, signature: &Signature) -> bool {
        let id = match self.key {
            Key::Primary(key) => key.legacy_key_id(),
            Key::Sub(key) => key.legacy_key_id(),
        };
        is_by(signature, &id, &self.fingerprint())
    }

    /// Checks a signature made at `made`.
    fn verify(&self, signature: &Signature, data: impl Read, made: u32) -> Result<(), String> {
        match self.key {
            Key::Primary(key) => self.check(key, signature, data, made),
            Key::Sub(key) => self.check(key, signature, data, made),
        }
    }

    fn check(
        &self,
        key: &impl VerifyingKey,
        signature: &Signature,
        data: impl Read,
        made: u32,
    ) -> Result<(), String> {
        let shown = self.fingerprint();
        if self.revoked {
            return Err(format!("the key {shown} is revoked"));
        }
        let newest = self.bindings.iter().max_by_key(|binding| binding.created());
        let Some(binding) = newest else {
            return Err(format!("the key {shown} does not say what it is for"));
        };
        // A primary key without flags is for everything.
        let flags = binding.key_flags();
        let is_plain = matches!(self.key, Key::Primary(_)) && flags == Default::default();
        if !flags.sign() && !is_plain {
            return Err(format!("the key {shown} is not for signing"));
        }
        let born = key.created_at().as_secs();
        if made < born || is_over(born, binding.key_expiration_time(), made) {
            return Err(format!("the key {shown} was not valid when it was made"));
        }
        signature.verify(key, data).map_err(|_| "it is not of these bytes".to_owned())
    }
}
