//! Keys in hardware: PKCS #11 tokens (OASIS, "PKCS #11 Cryptographic Token Interface"), named by
//! URIs (RFC 7512).

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as CryptokiError, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use der::Encode;
use der::asn1::{Any, OctetString};
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::{SignError, Signer};
use crate::cms::digest_oid;
use crate::hash::Hash;
use crate::public_key::{PublicKey, PublicKeyError};

/// Where a key is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TokenUri {
    /// The token's library: `module-path`.
    pub module: PathBuf,
    /// The token's label: `token`.
    pub token: Option<String>,
    /// The token's serial number: `serial`.
    pub serial: Option<String>,
    /// The key's label: `object`.
    pub object: Option<String>,
    /// The key's identifier: `id`.
    pub id: Option<Vec<u8>>,
    /// What unlocks the token: `pin-value`, or the first line of the file `pin-source`.
    pub pin: Option<Zeroizing<String>>,
}

/// Why a key in a token cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// No PKCS #11 URI, or one that is not enough.
    #[error("the PKCS #11 URI {problem}")]
    Uri {
        /// What is wrong.
        problem: String,
    },
    /// The file with the PIN cannot be read.
    #[error("cannot read the PIN from {path:?}")]
    Pin {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// None or several of what was asked for.
    #[error("{count} {what} fit the PKCS #11 URI: exactly one is needed")]
    Ambiguous {
        /// `tokens` or `private keys`.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// The token or its library failed.
    #[error("the PKCS #11 token cannot be used")]
    Token(#[from] CryptokiError),
    /// The key is none that can be used.
    #[error("the key in the token cannot be used")]
    Key(#[from] PublicKeyError),
}

fn uri_problem(problem: impl Into<String>) -> TokenError {
    TokenError::Uri { problem: problem.into() }
}

impl TokenUri {
    /// Reads a URI. Attributes that are not known are left out, as RFC 7512 demands.
    ///
    /// # Errors
    /// [`TokenError::Uri`] and [`TokenError::Pin`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let rest = text.strip_prefix("pkcs11:").ok_or_else(|| uri_problem("has another scheme"))?;
        let mut uri = Self::default();
        for attribute in rest.split([';', '?', '&']).filter(|attribute| !attribute.is_empty()) {
            let (key, value) = attribute
                .split_once('=')
                .ok_or_else(|| uri_problem("has an attribute without value"))?;
            let bytes = percent_decode(value)
                .ok_or_else(|| uri_problem(format!("is not encoded well: {key:?}")))?;
            let text = || {
                String::from_utf8(bytes.clone())
                    .map_err(|_| uri_problem(format!("has a {key:?} that is no text")))
            };
            match key {
                "token" => uri.token = Some(text()?),
                "serial" => uri.serial = Some(text()?),
                "object" => uri.object = Some(text()?),
                "id" => uri.id = Some(bytes),
                "module-path" => uri.module = text()?.into(),
                "pin-value" => uri.pin = Some(Zeroizing::new(text()?)),
                "pin-source" => uri.pin = Some(read_pin(&text()?)?),
                _ => {}
            }
        }
        if uri.module.as_os_str().is_empty() {
            return Err(uri_problem("names no module-path"));
        }
        Ok(uri)
    }
}

impl fmt::Debug for TokenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenUri")
            .field("module", &self.module)
            .field("token", &self.token)
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

fn read_pin(source: &str) -> Result<Zeroizing<String>, TokenError> {
    let path = PathBuf::from(source.strip_prefix("file:").unwrap_or(source));
    match std::fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(text) => Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())),
        Err(source) => Err(TokenError::Pin { path, source }),
    }
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            decoded.push(u8::try_from(digit()? << 4 | digit()?).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// A private key in a token. It never leaves it.
pub struct TokenKey {
    session: Mutex<Session>,
    key: ObjectHandle,
    public: PublicKey,
}

impl TokenKey {
    /// Opens the token and finds the key, which must be the only one that fits.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn open(uri: &TokenUri) -> Result<Self, TokenError> {
        let session = open_session(uri)?;
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        template
            .extend(uri.object.iter().map(|label| Attribute::Label(label.clone().into_bytes())));
        template.extend(uri.id.iter().map(|id| Attribute::Id(id.clone())));
        let keys = session.find_objects(&template)?;
        let [key] = *keys else {
            return Err(TokenError::Ambiguous { what: "private keys", count: keys.len() });
        };
        let (mut modulus, mut exponent) = (Vec::new(), Vec::new());
        let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
        for attribute in session.get_attributes(key, &wanted)? {
            match attribute {
                Attribute::Modulus(bytes) => modulus = bytes,
                Attribute::PublicExponent(bytes) => exponent = bytes,
                _ => {}
            }
        }
        let public = PublicKey::from_numbers(&modulus, &exponent)?;
        Ok(Self { session: Mutex::new(session), key, public })
    }
}

/// A session, logged in where there is a PIN.
fn open_session(uri: &TokenUri) -> Result<Session, TokenError> {
    let context = Pkcs11::new(&uri.module)?;
    let arguments = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match context.initialize(arguments) {
        Ok(()) | Err(CryptokiError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut slots = Vec::new();
    for slot in context.get_slots_with_initialized_token()? {
        let info = context.get_token_info(slot)?;
        let fits = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        if fits(&uri.token, info.label()) && fits(&uri.serial, info.serial_number()) {
            slots.push(slot);
        }
    }
    let [slot] = *slots else {
        return Err(TokenError::Ambiguous { what: "tokens", count: slots.len() });
    };
    let session = context.open_ro_session(slot)?;
    if let Some(pin) = &uri.pin {
        let pin = AuthPin::new(pin.as_str().into());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(CryptokiError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(session)
}

impl Signer for TokenKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, hash: Hash, message: &[u8]) -> Result<Vec<u8>, SignError> {
        // Tokens need not know the hash function: the digest is wrapped here.
        let algorithm =
            AlgorithmIdentifierOwned { oid: digest_oid(hash), parameters: Some(Any::null()) };
        let mut content = algorithm.to_der()?;
        OctetString::new(hash.digest(&[message]))?.encode_to_vec(&mut content)?;
        let info = Any::new(der::Tag::Sequence, content)?.to_der()?;
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = session.sign(&Mechanism::RsaPkcs, self.key, &info);
        let public = || self.public.fingerprint();
        let signature = signed
            .map_err(|error| SignError::Key { public: public(), source: Some(Box::new(error)) })?;
        if self.public.verifies(hash, message, &signature) {
            Ok(signature)
        } else {
            Err(SignError::Key { public: public(), source: None })
        }
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey")
            .field("public", &self.public.fingerprint())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_read_and_pins_not_shown() {
        let uri = "pkcs11:token=My%20Token;object=db;id=%01%ff;type=private\
            ?module-path=/lib/x.so&pin-value=1234";
        let uri = TokenUri::parse(uri).unwrap();
        assert_eq!(uri.token.as_deref(), Some("My Token"));
        assert_eq!(uri.object.as_deref(), Some("db"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 0xFF][..]));
        assert!(!format!("{uri:?}").contains("1234"));
        for (text, problem) in [
            ("file:x", "has another scheme"),
            ("pkcs11:token", "has an attribute without value"),
            ("pkcs11:token=%4", "is not encoded well"),
            ("pkcs11:token=%ff", "that is no text"),
            ("pkcs11:token=x", "names no module-path"),
        ] {
            let error = TokenUri::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        let missing = TokenUri::parse("pkcs11:?pin-source=file:/nonexistent").unwrap_err();
        assert_eq!(missing.to_string(), r#"cannot read the PIN from "/nonexistent""#);
    }
}
