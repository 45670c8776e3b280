//! RSASSA-PKCS1-v1_5 with SHA-1, which only the sha1 entries of a `.pcrsig` have.
//!
//! The library that makes all other signatures refuses SHA-1, rightly. These entries protect
//! nothing that the sha256 ones beside them do not, and peers write them.

use crypto_bigint::BoxedUint;
use crypto_bigint::Odd;
use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use zeroize::Zeroize;

use super::key::Numbers;
use crate::hash::Hash;

/// `DigestInfo` of SHA-1 up to the digest (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];

/// Signs with the `RSAPrivateKey` given as DER; `None` when it is damaged. Runs in a time that
/// depends on the lengths of the numbers alone.
pub(super) fn sign(pkcs1: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let numbers = Numbers::parse(pkcs1).ok()?;
    let len = numbers.modulus.as_bytes().len();
    let precision = u32::try_from(len.checked_mul(8)?).ok()?.next_multiple_of(64);
    let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, precision).ok();
    let modulus = Odd::new(number(numbers.modulus.as_bytes())?).into_option()?;
    let mut exponent = number(numbers.private_exponent.as_bytes())?;
    let params = BoxedMontyParams::new(modulus);
    let encoded = BoxedMontyForm::new(number(&encode(len, message)?)?, &params);
    let signature = encoded.pow(&exponent).retrieve().to_be_bytes();
    exponent.zeroize();
    Some(signature[signature.len().checked_sub(len)?..].to_vec())
}

/// EMSA-PKCS1-v1_5 in `len` bytes.
fn encode(len: usize, message: &[u8]) -> Option<Vec<u8>> {
    let digest = Hash::Sha1.digest(&[message]);
    let padding = len.checked_sub(3 + DIGEST_INFO.len() + digest.len())?;
    Some([&[0, 1][..], &vec![0xFF; padding], &[0], &DIGEST_INFO, &digest].concat())
}
