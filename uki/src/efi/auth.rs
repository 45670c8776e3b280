//! `EFI_VARIABLE_AUTHENTICATION_2`: a signed change of a variable, the content of `.auth` files.

use bootwright_image::Timestamp;
use der::{DateTime, Encode};

use super::{Guid, Variable};
use crate::certificate::Certificate;
use crate::cms::{CmsError, Content, ID_DATA, Plan, Signed};
use crate::signer::{Identity, SignError};

/// Non-volatile, readable at boot and at run time, authenticated by time: the attributes of every
/// Secure Boot variable.
pub const VARIABLE_ATTRIBUTES: u32 = 0x27;

const TIME_LEN: usize = 16;
/// Length, revision, kind, and the GUID of the signature's kind.
const CERTIFICATE_HEADER_LEN: usize = 24;
const REVISION: u16 = 0x0200;
const KIND_GUID: u16 = 0x0EF1;
/// `EFI_CERT_TYPE_PKCS7_GUID`.
const PKCS7: Guid =
    Guid::new(0x4AAF_D29D, 0x68DF, 0x49EE, [0x8A, 0xA9, 0x34, 0x7D, 0x37, 0x56, 0x65, 0xA7]);
/// 1999-01-01: firmware refuses a change that is older than the variable, and what is stored
/// with a time before real ones cannot be told from one that was never set.
const TIME_MIN: Timestamp = Timestamp(915_148_800);
/// 9999-12-31 23:59:59.
const TIME_MAX: Timestamp = Timestamp(253_402_300_799);

/// Why a signed variable cannot be made, or is not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// A time that makes a variable nobody can replace.
    #[error("time {seconds} is outside 1999 to 9999: such a variable could not be replaced")]
    Time {
        /// Seconds since 1970.
        seconds: i64,
    },
    /// Not the structure it should be.
    #[error("no authenticated variable: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// The signature cannot be read or is not good.
    #[error("the signature of the variable is not good")]
    Signature(#[from] CmsError),
    /// Firmware in User Mode would refuse it.
    #[error("{variable} is signed by {signer:?}, which {owner} does not trust")]
    Untrusted {
        /// The variable.
        variable: Variable,
        /// The subject of who signed.
        signer: String,
        /// The variable that says who may.
        owner: Variable,
    },
    /// The signer failed.
    #[error("cannot sign the variable")]
    Sign(#[from] SignError),
}

/// `EFI_TIME` in whole seconds of UTC. Nanoseconds, zone and daylight saving are zero, as
/// firmware demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EfiTime([u8; TIME_LEN]);

impl EfiTime {
    /// A time from 1999 on.
    ///
    /// # Errors
    /// [`AuthError::Time`].
    pub fn new(at: Timestamp) -> Result<Self, AuthError> {
        let outside = AuthError::Time { seconds: at.0 };
        if !(TIME_MIN..=TIME_MAX).contains(&at) {
            return Err(outside);
        }
        let seconds = std::time::Duration::from_secs(at.0.unsigned_abs());
        let Ok(date) = DateTime::from_unix_duration(seconds) else { return Err(outside) };
        let mut bytes = [0; TIME_LEN];
        bytes[..2].copy_from_slice(&date.year().to_le_bytes());
        let rest = [date.month(), date.day(), date.hour(), date.minutes(), date.seconds()];
        bytes[2..7].copy_from_slice(&rest);
        Ok(Self(bytes))
    }

    /// Bytes as firmware stores them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; TIME_LEN] {
        self.0
    }
}

impl std::fmt::Display for EfiTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [y0, y1, month, day, hour, minute, second, ..] = self.0;
        let year = u16::from_le_bytes([y0, y1]);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// What is signed: name, vendor, attributes, time and the new content.
#[must_use]
pub fn message(variable: Variable, time: EfiTime, content: &[u8]) -> Vec<u8> {
    let mut message: Vec<u8> = variable.name().encode_utf16().flat_map(u16::to_le_bytes).collect();
    message.extend(variable.vendor().to_bytes());
    message.extend(VARIABLE_ATTRIBUTES.to_le_bytes());
    message.extend(time.to_bytes());
    message.extend(content);
    message
}

/// The change of `variable` to `content`, signature lists, signed by `identity`: an `.auth` file.
///
/// # Errors
/// [`AuthError::Sign`].
pub fn sign_variable(
    variable: Variable,
    content: &[u8],
    time: EfiTime,
    identity: &Identity,
) -> Result<Vec<u8>, AuthError> {
    let message = message(variable, time, content);
    let plan = Plan::new(Content::Detached(&message)).map_err(SignError::from)?;
    // Bare signed data: some firmware takes no envelope around it.
    let signature = plan.sign(identity)?.to_der().map_err(SignError::from)?;
    let len = u32::try_from(CERTIFICATE_HEADER_LEN + signature.len());
    let len = len.map_err(|_| AuthError::Malformed { problem: "a signature beyond 4 GiB" })?;
    let mut bytes = time.to_bytes().to_vec();
    bytes.extend(len.to_le_bytes());
    bytes.extend(REVISION.to_le_bytes());
    bytes.extend(KIND_GUID.to_le_bytes());
    bytes.extend(PKCS7.to_bytes());
    bytes.extend(signature);
    bytes.extend(content);
    Ok(bytes)
}

/// A signed change of a variable, as read.
#[derive(Clone, Debug)]
pub struct SignedVariable {
    /// The time it carries.
    pub time: EfiTime,
    /// The signature.
    pub signed: Signed,
    /// The new content: signature lists.
    pub content: Vec<u8>,
}

impl SignedVariable {
    /// Reads an `.auth` file. The signature is not checked.
    ///
    /// # Errors
    /// [`AuthError::Malformed`] and [`AuthError::Signature`].
    pub fn parse(bytes: &[u8]) -> Result<Self, AuthError> {
        let malformed = |problem| AuthError::Malformed { problem };
        let (time, rest) =
            bytes.split_first_chunk().ok_or_else(|| malformed("its time is cut off"))?;
        if time[7..].iter().any(|byte| *byte != 0) {
            return Err(malformed("nanoseconds, zone and padding of its time are not zero"));
        }
        let (head, _) = rest
            .split_first_chunk::<CERTIFICATE_HEADER_LEN>()
            .ok_or_else(|| malformed("its certificate header is cut off"))?;
        let len = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = [REVISION.to_le_bytes(), KIND_GUID.to_le_bytes()].concat();
        if head[4..8] != kind || head[8..] != PKCS7.to_bytes() {
            return Err(malformed("its signature is not PKCS #7"));
        }
        let signature = rest.get(CERTIFICATE_HEADER_LEN..len);
        let signature = signature.ok_or_else(|| malformed("its signature is cut off"))?;
        let signed = Signed::parse(signature)?;
        if signed.content_type() != ID_DATA || signed.has_content() {
            return Err(malformed("its signature is not detached"));
        }
        Ok(Self { time: EfiTime(*time), signed, content: rest[len..].to_vec() })
    }

    /// Whether the signature is one of this change of `variable`, by the certificate it holds.
    /// Firmware then asks whether that is, or was issued by, one of the variable that may change
    /// this one ([`Variable::signer`]); in Setup Mode it does not ask.
    ///
    /// # Errors
    /// [`AuthError::Signature`].
    pub fn check(&self, variable: Variable) -> Result<(), AuthError> {
        Ok(self.signed.check(&message(variable, self.time, &self.content))?)
    }

    /// Whether firmware in User Mode would take this change of `variable`: the signature is good,
    /// and by one of `owners`, the certificates in the variable that says who may change it
    /// ([`Variable::signer`]), or by a certificate that one of them issued. That firmware also
    /// wants a later time than the variable has is not looked at.
    ///
    /// # Errors
    /// [`AuthError::Signature`] and [`AuthError::Untrusted`].
    pub fn verify(&self, variable: Variable, owners: &[Certificate]) -> Result<(), AuthError> {
        self.check(variable)?;
        let signer = self.signed.signer();
        match signer.trusted_by(self.signed.certificates(), owners) {
            Some(_) => Ok(()),
            None => Err(AuthError::Untrusted {
                variable,
                signer: signer.subject(),
                owner: variable.signer(),
            }),
        }
    }
}
