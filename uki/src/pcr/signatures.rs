//! The `.pcrsig` section: signed policies as JSON (systemd-measure(1)).

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding};
use serde_json::{Map, Value, json};

use super::{Prediction, REGISTER};
use crate::hash::{Hash, hex};
use crate::public_key::PublicKey;
use crate::signer::{SignError, Signer};

/// One signed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySignature {
    /// The registers it is about: 11 alone.
    pub registers: Vec<u8>,
    /// Fingerprint of the key, in hexadecimal digits.
    pub key: String,
    /// The policy's digest.
    pub policy: Vec<u8>,
    /// RSASSA-PKCS1-v1_5 over the policy's digest, with the bank's hash function.
    pub signature: Vec<u8>,
}

impl PolicySignature {
    /// Whether the signature is one by `key`.
    #[must_use]
    pub fn is_by(&self, key: &PublicKey, bank: Hash) -> bool {
        self.key == key.fingerprint() && key.verifies(bank, &self.policy, &self.signature)
    }
}

/// Signed policies by bank, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySignatures(pub BTreeMap<Hash, Vec<PolicySignature>>);

/// A text is no `.pcrsig`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no PCR signatures: {problem}")]
pub struct PcrsigError {
    /// What is wrong.
    pub problem: String,
}

impl PolicySignatures {
    /// Signs what was predicted, in that order. A policy that occurs twice in a bank is signed
    /// once.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(predictions: &[Prediction], signer: &dyn Signer) -> Result<Self, SignError> {
        let mut signatures = Self::default();
        let key = signer.public_key().fingerprint();
        for Prediction { bank, policy, .. } in predictions {
            let bank_signatures = signatures.0.entry(*bank).or_default();
            if bank_signatures.iter().all(|known| known.policy != policy) {
                bank_signatures.push(PolicySignature {
                    registers: vec![REGISTER],
                    key: key.clone(),
                    policy: policy.to_vec(),
                    signature: signer.sign(*bank, policy)?,
                });
            }
        }
        Ok(signatures)
    }

    /// The text of the section: one line, keys in the order that systemd writes, a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let banks = self.0.iter().map(|(bank, signatures)| {
            let signatures = signatures.iter().map(|signature| {
                json!({
                    "pcrs": signature.registers,
                    "pkfp": signature.key,
                    "pol": hex(&signature.policy),
                    "sig": Base64::encode_string(&signature.signature),
                })
            });
            (bank.name().to_owned(), signatures.collect::<Value>())
        });
        format!("{}\n", Value::Object(banks.collect::<Map<_, _>>()))
    }

    /// Reads the section. Banks with unknown names are left out; zeros at the end do not count.
    ///
    /// # Errors
    /// [`PcrsigError`].
    pub fn parse(text: &[u8]) -> Result<Self, PcrsigError> {
        let wrong = |problem: String| PcrsigError { problem };
        let end = text.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let value: Value =
            serde_json::from_slice(&text[..end]).map_err(|error| wrong(error.to_string()))?;
        let banks = value.as_object().ok_or_else(|| wrong("no JSON object".to_owned()))?;
        let mut signatures = Self::default();
        for (name, list) in banks {
            let Some(bank) = Hash::from_name(name) else { continue };
            let list = list.as_array().ok_or_else(|| wrong(format!("{name:?} is no array")))?;
            let parsed = list.iter().enumerate().map(|(index, entry)| {
                parse_entry(entry)
                    .ok_or_else(|| wrong(format!("entry {index} of {name:?} is incomplete")))
            });
            signatures.0.insert(bank, parsed.collect::<Result<_, _>>()?);
        }
        Ok(signatures)
    }
}

fn parse_entry(entry: &Value) -> Option<PolicySignature> {
    let text = |key| entry.get(key).and_then(Value::as_str);
    let registers = entry.get("pcrs")?.as_array()?.iter();
    let registers = registers.map(|n| n.as_u64().and_then(|n| u8::try_from(n).ok()));
    Some(PolicySignature {
        registers: registers.collect::<Option<_>>()?,
        key: text("pkfp")?.to_owned(),
        policy: unhex(text("pol")?)?,
        signature: Base64::decode_vec(text("sig")?).ok()?,
    })
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}
