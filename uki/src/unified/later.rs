//! Signing an image on another machine, in one go.
//!
//! An image's signature covers the signatures of its PCR policies. So that one trip is enough, what
//! is asked for is not the signature of a digest, but of an image whose policies are signed on
//! the way: the digest up to the policies, and the few kilobytes from there.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding};
use serde_json::{Value, json};

use crate::authenticode::{self, AuthenticodeError};
use crate::hash::{Hash, hex, sha256};
use crate::midstate::Midstate;
use crate::pcr::PolicySignatures;
use crate::pe::{File, WriteError};
use crate::signer::{Detached, SignError, Signer};

const POLICIES: &str = ".pcrsig";
const SUFFIX: &str = "image.json";
/// The longest part of an image from its policies to its end, in bytes.
const TAIL_LEN_MAX: u64 = 1 << 24;

/// Why an image cannot be signed later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaterError {
    /// The image cannot be understood.
    #[error("the image cannot be signed later")]
    Image(#[from] AuthenticodeError),
    /// A request cannot be read.
    #[error("{path:?} is no request: {problem}")]
    Request {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Policies that are not ours, or whose signatures have another length.
    #[error("the policies of the image cannot be signed later: {problem}")]
    Policies {
        /// What is wrong.
        problem: String,
    },
    /// A signer or a file failed.
    #[error("cannot sign")]
    Sign(#[from] SignError),
}

impl From<WriteError> for LaterError {
    fn from(error: WriteError) -> Self {
        Self::Image(error.into())
    }
}

impl From<std::io::Error> for LaterError {
    fn from(error: std::io::Error) -> Self {
        Self::Image(error.into())
    }
}

/// An image to be signed once its policies are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRequest {
    before: Midstate,
    tail: Vec<u8>,
    /// Where in the tail policies are.
    policies: Vec<Range<usize>>,
}

impl ImageRequest {
    /// What has to be known of the unsigned image in the first `len` bytes of `file`.
    ///
    /// # Errors
    /// [`LaterError`].
    pub fn new<F: Read + Seek>(file: &mut F, len: u64) -> Result<Self, LaterError> {
        let places = policies(&mut *file, len)?;
        let first = places.first().map_or(len, |place| place.start);
        let mut before = Midstate::new();
        let mut rest = Vec::new();
        let mut tail_at = None;
        authenticode::visit_hashed(file, len, &mut |offset, bytes| {
            // Whole blocks go into the state until the policies come.
            let ahead = first.saturating_sub(offset).min(bytes.len() as u64);
            let (ahead, tail) = bytes.split_at(usize::try_from(ahead).unwrap_or(bytes.len()));
            rest.extend_from_slice(ahead);
            if tail_at.is_none() {
                let left = before.update(&rest).len();
                rest.drain(..rest.len() - left);
            }
            if !tail.is_empty() && tail_at.is_none() {
                tail_at = Some(rest.len());
            }
            rest.extend_from_slice(tail);
        })?;
        if rest.len() as u64 > TAIL_LEN_MAX {
            let problem = format!("{} bytes follow them", rest.len());
            return Err(LaterError::Policies { problem });
        }
        let shift = tail_at.unwrap_or(rest.len());
        let place = |place: &Range<u64>| {
            let start = usize::try_from(place.start - first).unwrap_or_default() + shift;
            start..start + usize::try_from(place.end - place.start).unwrap_or_default()
        };
        let policies = places.iter().map(place).collect();
        Ok(Self { before, tail: rest, policies })
    }

    /// Writes the request into `folder`. `role` says whose signature is asked for.
    ///
    /// # Errors
    /// [`SignError::File`].
    pub fn write(&self, folder: &Path, role: &str) -> Result<PathBuf, SignError> {
        let places = self.policies.iter().map(|place| json!([place.start, place.len()]));
        let text = json!({
            "role": role,
            "sha256-state": Base64::encode_string(&self.before.state()),
            "sha256-len": self.before.len(),
            "tail": Base64::encode_string(&self.tail),
            "policies": places.collect::<Value>(),
        });
        let text = format!("{text}\n");
        let id = &hex(&sha256(&[text.as_bytes()]))[..32];
        let path = folder.join(format!("{role}-{id}.{SUFFIX}"));
        match fs::write(&path, text) {
            Ok(()) => Ok(path),
            Err(source) => Err(SignError::File { path, source }),
        }
    }

    /// Reads all requests of a folder, sorted by the names of their files, each with its role.
    ///
    /// # Errors
    /// [`LaterError`].
    pub fn read_all(folder: &Path) -> Result<Vec<(String, Self)>, LaterError> {
        let failed = |path: &Path, source| SignError::File { path: path.to_owned(), source };
        let entries = fs::read_dir(folder).map_err(|error| failed(folder, error))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths: Vec<PathBuf> =
            paths.collect::<Result<_, _>>().map_err(|error| failed(folder, error))?;
        paths.sort();
        paths.retain(|path| path.to_string_lossy().ends_with(SUFFIX));
        paths
            .into_iter()
            .map(|path| {
                let text = fs::read(&path).map_err(|error| failed(&path, error))?;
                let value: Value = serde_json::from_slice(&text).unwrap_or_default();
                let problem = "a field is missing or out of range".to_owned();
                Self::parse(&value).ok_or(LaterError::Request { path, problem })
            })
            .collect()
    }

    fn parse(value: &Value) -> Option<(String, Self)> {
        let bytes = |key: &str| Base64::decode_vec(value.get(key)?.as_str()?).ok();
        let len = value.get("sha256-len")?.as_u64()?;
        let before = Midstate::from_parts(bytes("sha256-state")?.try_into().ok()?, len);
        let tail = bytes("tail")?;
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let place = |place: &Value| {
            let (start, len) = (number(place.get(0)?)?, number(place.get(1)?)?);
            tail.get(start..start.checked_add(len)?).map(|text| start..start + text.len())
        };
        let policies =
            value.get("policies")?.as_array()?.iter().map(place).collect::<Option<_>>()?;
        let role = value.get("role")?.as_str()?.to_owned();
        Some((role, Self { before, tail, policies }))
    }

    /// Signs the policies with `pcr`, then the image with `signer`, and puts all signatures into
    /// `folder` where [`Detached`] finds them.
    ///
    /// # Errors
    /// [`LaterError`].
    pub fn answer(
        &self,
        folder: &Path,
        role: &str,
        pcr: (&str, &dyn Signer),
        signer: &dyn Signer,
    ) -> Result<(), LaterError> {
        let mut tail = self.tail.clone();
        let (pcr_role, pcr_signer) = pcr;
        for place in &self.policies {
            let text = &mut tail[place.clone()];
            let signed = sign_again(text, &mut |bank, policy| {
                let signature = pcr_signer.sign(bank, policy)?;
                let public = pcr_signer.public_key().clone();
                Detached::new(pcr_role, folder, public).store(bank, policy, &signature)?;
                Ok(signature)
            })?;
            text.copy_from_slice(signed.as_bytes());
        }
        let message = authenticode::message(&self.before.finish(&tail)).map_err(SignError::from)?;
        let signature = signer.sign(Hash::Sha256, &message)?;
        let detached = Detached::new(role, folder, signer.public_key().clone());
        Ok(detached.store(Hash::Sha256, &message, &signature)?)
    }
}

/// Signs the policies of the unsigned image in the first `len` bytes of `file` again, in place:
/// signatures that came later take the place of zeros.
///
/// # Errors
/// [`LaterError`].
pub fn sign_policies<F: Read + Write + Seek>(
    file: &mut F,
    len: u64,
    signer: &dyn Signer,
) -> Result<(), LaterError> {
    for place in policies(&mut *file, len)? {
        let mut text = vec![0; usize::try_from(place.end - place.start).unwrap_or_default()];
        file.seek(SeekFrom::Start(place.start))?;
        file.read_exact(&mut text)?;
        let signed = sign_again(&text, &mut |bank, policy| signer.sign(bank, policy))?;
        file.seek(SeekFrom::Start(place.start))?;
        file.write_all(signed.as_bytes())?;
    }
    Ok(())
}

/// Where in the file policies are, in order.
fn policies<F: Read + Seek>(file: F, len: u64) -> Result<Vec<Range<u64>>, WriteError> {
    let image = File::open(file, len)?;
    let sections = image.sections().iter().filter(|section| section.name == POLICIES);
    let mut places: Vec<_> = sections
        .map(|section| section.offset..section.offset + u64::from(section.virtual_size))
        .filter(|place| place.end <= len && place.end - place.start <= TAIL_LEN_MAX)
        .collect();
    places.sort_by_key(|place| place.start);
    Ok(places)
}

/// Signs a policy of a bank.
type Sign<'a> = dyn FnMut(Hash, &[u8]) -> Result<Vec<u8>, SignError> + 'a;

/// The text with new signatures, as long as it was.
fn sign_again(text: &[u8], sign: &mut Sign<'_>) -> Result<String, LaterError> {
    let wrong = |problem: String| LaterError::Policies { problem };
    let mut policies = PolicySignatures::parse(text).map_err(|error| wrong(error.to_string()))?;
    for (bank, entries) in &mut policies.0 {
        for entry in entries {
            entry.signature = sign(*bank, &entry.policy)?;
        }
    }
    let signed = policies.to_json();
    if signed.len() == text.len() {
        Ok(signed)
    } else {
        Err(wrong(format!("{} bytes would become {}", text.len(), signed.len())))
    }
}
