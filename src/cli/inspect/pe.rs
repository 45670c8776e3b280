//! What there is to say about a PE image: sections, signatures, and what it makes PCR 11 hold.

use std::fs::File;

use serde_json::{Value, json};

use crate::recipe::checksum_hex;
use crate::uki::authenticode;
use crate::uki::pcr::Prediction;
use crate::uki::pe::SectionInfo;
use crate::uki::public_key::PublicKey;
use crate::uki::unified::{Inspection, inspect};

/// Describes the image that a file is.
pub(super) fn describe(mut file: File) -> anyhow::Result<Value> {
    let len = file.metadata()?.len();
    let image = inspect(&mut file, len)?;
    let signatures: Vec<Value> = authenticode::signatures(&mut file, len)?
        .iter()
        .map(|signature| {
            let signer = signature.signed.signer();
            json!({
                "by": signer.subject(),
                "issuer": signer.issuer(),
                "certificate sha256": checksum_hex(&signer.sha256()),
                "image digest": format!("{} {}", signature.hash.name(), checksum_hex(&signature.digest)),
            })
        })
        .collect();
    let mut description = json!({
        "format": "PE image",
        "machine": image.machine.to_string(),
        "bytes": len,
        "sections": image.sections.iter().map(section).collect::<Vec<_>>(),
        "signatures": signatures,
    });
    let is_unified = image.sections.iter().any(|section| section.name == ".linux");
    if let Some(map) = description.as_object_mut().filter(|_| is_unified) {
        map.insert("unified kernel image".into(), unified(&image));
    }
    Ok(description)
}

fn section(section: &SectionInfo) -> Value {
    json!({
        "name": section.name,
        "offset": section.offset,
        "bytes": section.virtual_size,
        "bytes in file": section.raw_len,
        "address": format!("{:#x}", section.virtual_address),
        "flags": format!("{:#010x}", section.flags),
    })
}

fn unified(image: &Inspection) -> Value {
    let profiles: Vec<Value> = image
        .predictions
        .iter()
        .zip(&image.policies)
        .map(|(profile, policies)| {
            let key = image.pcr_key.as_ref();
            let signed = |prediction: &Prediction| {
                let policies = policies.0.get(&prediction.bank).into_iter().flatten();
                let mut good = policies.filter(|policy| policy.policy == prediction.policy);
                key.is_some_and(|key| good.any(|policy| policy.is_by(key, prediction.bank)))
            };
            let registers: Vec<Value> = profile
                .predictions
                .iter()
                .map(|prediction| {
                    json!({
                        "bank": prediction.bank.name(),
                        "phase": prediction.phase,
                        "value": checksum_hex(&prediction.value),
                        "policy": checksum_hex(&prediction.policy),
                        "signed": signed(prediction),
                    })
                })
                .collect();
            json!({ "profile": profile.profile, "PCR 11": registers })
        })
        .collect();
    json!({
        "command line": image.cmdline,
        "kernel": image.uname,
        "stub": image.measured.version,
        "measurements are known": image.measured.is_compared(),
        "policy key": image.pcr_key.as_ref().map(PublicKey::fingerprint),
        "profiles": profiles,
    })
}
