//! Digests as OCI descriptors write them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// A digest of stored bytes: `sha256:` or `sha512:` and lower-case hex (OCI image specification,
/// descriptors, section "Digests").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ContentDigest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-512.
    Sha512([u8; 64]),
}

/// The text is not the canonical form of a digest of a known algorithm.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no sha256 or sha512 digest")]
pub struct InvalidDigest(pub String);

impl ContentDigest {
    /// The SHA-256 digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::like(None);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The digest of `bytes` by the same algorithm.
    pub(crate) fn of_same_kind(&self, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::like(Some(self));
        hasher.update(bytes);
        hasher.finish()
    }

    /// The path of the blob in an OCI layout.
    pub(crate) fn blob_path(&self) -> String {
        let text = self.to_string();
        format!("blobs/{}", text.replacen(':', "/", 1))
    }
}

impl FromStr for ContentDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let parsed = match text.split_once(':') {
            Some(("sha256", hex)) => from_hex(hex).map(Self::Sha256),
            Some(("sha512", hex)) => from_hex(hex).map(Self::Sha512),
            _ => None,
        };
        parsed.ok_or_else(|| InvalidDigest(text.chars().take(160).collect()))
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Sha256(bytes) => ("sha256", &bytes[..]),
            Self::Sha512(bytes) => ("sha512", &bytes[..]),
        };
        write!(f, "{name}:")?;
        bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn from_hex<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let nibble = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    if hex.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

/// Computes a [`ContentDigest`].
#[derive(Clone, Debug)]
pub(crate) enum Hasher {
    Sha256(Sha256),
    Sha512(Box<Sha512>),
}

impl Hasher {
    /// By the algorithm of `digest`, SHA-256 without one.
    pub(crate) fn like(digest: Option<&ContentDigest>) -> Self {
        match digest {
            Some(ContentDigest::Sha512(_)) => Self::Sha512(Box::default()),
            _ => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> ContentDigest {
        match self {
            Self::Sha256(hasher) => ContentDigest::Sha256(hasher.finalize().into()),
            Self::Sha512(hasher) => ContentDigest::Sha512(hasher.finalize().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_accepted() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let digest: ContentDigest = empty.parse().unwrap();
        assert_eq!(digest, Hasher::like(None).finish());
        assert_eq!(digest.to_string(), empty);
        assert_eq!(digest.blob_path(), empty.replace("sha256:", "blobs/sha256/"));
        let long = digest.of_same_kind(b"");
        assert_eq!(long, digest);
        let sha512 = ContentDigest::Sha512([0xab; 64]);
        assert_eq!(sha512.to_string().parse(), Ok(sha512));
        for wrong in [
            "",
            "sha256",
            "sha256:",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
            &empty.to_uppercase(),
            &empty[..70],
            &format!("{empty}0"),
            "sha256:../../../../../../../../../../../../../../../../../../etc/passwd00",
        ] {
            assert_eq!(wrong.parse::<ContentDigest>(), Err(InvalidDigest(wrong.into())));
        }
    }
}
