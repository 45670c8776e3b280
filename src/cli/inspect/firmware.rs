//! What there is to say about files for firmware: signature lists and signed variables.

use std::fs::File;
use std::io::{Read, Seek};

use serde_json::{Value, json};

use crate::recipe::checksum_hex;
use crate::uki::certificate::Certificate;
use crate::uki::efi::{
    SIGNATURE_SHA256, SIGNATURE_X509, SignatureList, SignedVariable, Variable, read_lists,
};

/// The largest file that is read, in bytes: firmware keeps less.
const LEN_MAX: u64 = 16 << 20;

/// Describes an `.esl` file.
pub(super) fn describe_lists(file: File) -> anyhow::Result<Value> {
    let bytes = read(file)?;
    Ok(json!({
        "format": "EFI signature lists",
        "bytes": bytes.len(),
        "lists": lists(&bytes)?,
    }))
}

/// Describes an `.auth` file. Its signature is over the variable's name too, which tells what it is
/// for.
pub(super) fn describe_variable(file: File) -> anyhow::Result<Value> {
    let bytes = read(file)?;
    let signed = SignedVariable::parse(&bytes)?;
    let variable = Variable::ALL.into_iter().find(|variable| signed.check(*variable).is_ok());
    let signer = signed.signed.signer();
    Ok(json!({
        "format": "signed EFI variable",
        "bytes": bytes.len(),
        "variable": variable.map_or("unknown: the signature is not good for any", Variable::name),
        "time": signed.time.to_string(),
        "signed by": signer.subject(),
        "lists": lists(&signed.content)?,
    }))
}

fn lists(bytes: &[u8]) -> anyhow::Result<Vec<Value>> {
    Ok(read_lists(bytes)?.iter().map(list).collect())
}

fn list(list: &SignatureList) -> Value {
    let entries: Vec<Value> = list
        .entries
        .iter()
        .map(|entry| match Certificate::from_der(&entry.data) {
            Ok(certificate) => json!({
                "certificate": certificate.subject(),
                "issuer": certificate.issuer(),
                "sha256": checksum_hex(&certificate.sha256()),
                "owner": entry.owner.to_string(),
            }),
            Err(_) => {
                let digits: String = entry.data.iter().map(|byte| format!("{byte:02x}")).collect();
                json!({ "data": digits, "owner": entry.owner.to_string() })
            }
        })
        .collect();
    json!({ "type": kind(list), "entries": entries })
}

fn read(mut file: File) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(LEN_MAX + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() as u64 <= LEN_MAX, "it has more than {LEN_MAX} bytes");
    Ok(bytes)
}

fn kind(list: &SignatureList) -> String {
    match list.kind {
        SIGNATURE_X509 => "X.509 certificates".into(),
        SIGNATURE_SHA256 => "SHA-256 digests".into(),
        other => other.to_string(),
    }
}
