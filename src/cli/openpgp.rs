//! Signatures of checksum files, and of inputs.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;
use zeroize::Zeroizing;

use super::args::{SigningArgs, TrustArgs};
use super::progress::Progress;
use super::summary::Summary;
use super::{Usage, genkey};
use crate::image::Timestamp;
use crate::oci::Reference;
use crate::openpgp::{Keyring, Signer, verify_file};
use crate::output::Staged;

/// Who signs, if somebody does. The key is read and tried before any work.
pub(super) struct Signing(Option<Signer>);

impl Signing {
    pub(super) fn new(args: &SigningArgs) -> anyhow::Result<Self> {
        let Some(path) = &args.openpgp_key else { return Ok(Self(None)) };
        let key = read(path)?;
        let passphrase = match &args.openpgp_passphrase {
            Some(path) => first_line(&read(path)?),
            None => Zeroizing::default(),
        };
        Ok(Self(Some(Signer::new(&path.display().to_string(), &key, passphrase)?)))
    }

    /// Refuses a key where there is nothing that it could sign.
    pub(super) fn refuse(&self, what: &str) -> Result<(), Usage> {
        if self.0.is_none() {
            return Ok(());
        }
        Err(Usage(format!("--openpgp-key signs checksum files, and {what} has none")))
    }

    /// Signs the checksum file of a result.
    pub(super) fn sign(
        &self,
        result: &Path,
        time: Timestamp,
        summary: &mut Summary,
    ) -> anyhow::Result<()> {
        let Some(signer) = &self.0 else { return Ok(()) };
        let sums = with_suffix(result, ".sha256");
        let text = std::fs::read(&sums).with_context(|| format!("cannot read {sums:?}"))?;
        let signature = signer.sign(&text, time)?;
        let path = with_suffix(&sums, ".asc");
        let staged = Staged::new(&path)?;
        let write = staged.file().write_all(signature.as_bytes());
        write.with_context(|| format!("cannot write {path:?}"))?;
        staged.publish()?;
        let text = format!("{}  by {}", path.display(), signer.fingerprint());
        let value = json!({ "path": path.to_string_lossy(), "key": signer.fingerprint() });
        summary.line("signature", text, value);
        Ok(())
    }
}

/// Checks the signature of an image in an archive. Others cannot be signed this way.
pub(super) fn check_image(
    reference: &Reference,
    option: &str,
    args: &TrustArgs,
    progress: &Progress,
) -> anyhow::Result<()> {
    if args.verify_key.is_empty() {
        return Ok(());
    }
    match reference {
        Reference::OciArchive { file, .. }
        | Reference::DockerArchive { file, .. }
        | Reference::Tar(file) => check(file, args, progress),
        other => Err(Usage(format!(
            "{option}: {other} is no archive, which a signature could lie beside; \
             leave --verify-key out, or name an archive"
        ))
        .into()),
    }
}

/// Checks the signature of a file.
pub(super) fn check(file: &Path, args: &TrustArgs, progress: &Progress) -> anyhow::Result<()> {
    if args.verify_key.is_empty() {
        return Ok(());
    }
    verified(file, &args.verify_key, progress).map(drop)
}

/// Who has signed a file, in words.
pub(super) fn verified(
    file: &Path,
    keys: &[PathBuf],
    progress: &Progress,
) -> anyhow::Result<String> {
    let mut ring = Keyring::default();
    for path in keys {
        ring.add(&path.display().to_string(), &read(path)?)?;
    }
    let verified = verify_file(file, &ring, genkey::now(), progress)?;
    Ok(format!("{} by {}", verified.signature.display(), verified.fingerprint))
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {path:?}"))?;
    Ok(Zeroizing::new(text))
}

fn first_line(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let end = text.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    Zeroizing::new(text[..end.unwrap_or(text.len())].to_vec())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}
