//! Small sound inputs of the trusted boot formats. Nothing is really signed: no private key lies
//! here, and the signatures are zeros in the right places.

use std::io::Cursor;
use std::sync::Arc;

use bootwright_image::Timestamp;
use bootwright_uki::authenticode::{Options, sign};
use bootwright_uki::efi::{EfiTime, Guid, SignatureList, Variable, sign_variable, write_lists};
use bootwright_uki::hash::Hash;
use bootwright_uki::keys::{Validity, self_signed};
use bootwright_uki::pcr::{PHASES, PolicySignatures, predict};
use bootwright_uki::public_key::PublicKey;
use bootwright_uki::signer::{Identity, SignError, Signer};

use crate::seeds;

const TIME: Timestamp = Timestamp(1_714_979_290);
const EXPECT: &str = "seeds are sound";

/// A public key whose private half nobody knows.
#[derive(Debug)]
struct Nobody(PublicKey);

impl Nobody {
    fn new() -> Self {
        // A sequence of an odd number of 2048 bits, with the first bit set, and 65537.
        let mut der = b"\x30\x82\x01\x0A\x02\x82\x01\x01\x00".to_vec();
        der.extend([0xC5; 256]);
        der.extend(b"\x02\x03\x01\x00\x01");
        Self(PublicKey::from_pkcs1(&der).expect(EXPECT))
    }
}

impl Signer for Nobody {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign(&self, _: Hash, _: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(vec![0; self.0.signature_len()])
    }
}

fn identity() -> Identity {
    let signer = Arc::new(Nobody::new());
    let certificate =
        self_signed("Seed", Validity::days(TIME, 9), [7; 20], &*signer).expect(EXPECT);
    Identity::new(vec![certificate], signer).expect(EXPECT)
}

pub(crate) fn lists() -> Vec<Vec<u8>> {
    let owner = Guid::from_bytes([3; 16]);
    let list = SignatureList::certificate(owner, identity().certificate());
    vec![write_lists(&[list.clone(), list]).expect(EXPECT)]
}

pub(crate) fn variables() -> Vec<Vec<u8>> {
    let time = EfiTime::new(TIME).expect(EXPECT);
    let list = &lists()[0];
    let variable = sign_variable(Variable::Db, list, time, &identity()).expect(EXPECT);
    // The signed data alone, too.
    let signed = variable[40..variable.len() - list.len()].to_vec();
    vec![variable, signed]
}

pub(crate) fn signed_executables() -> Vec<Vec<u8>> {
    let sign_one = |image: Vec<u8>| {
        let len = image.len() as u64;
        let mut file = Cursor::new(image);
        sign(&mut file, len, &identity(), Options { time: Some(TIME) }).expect(EXPECT);
        file.into_inner()
    };
    seeds::executables().into_iter().map(sign_one).collect()
}

pub(crate) fn pems() -> Vec<Vec<u8>> {
    let identity = identity();
    let certificate = identity.certificate();
    let key = identity.signer().public_key().to_pem().expect(EXPECT);
    let pem = certificate.to_pem().expect(EXPECT);
    let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n\
        -----END RSA PRIVATE KEY-----\n";
    // A version and no key: nothing secret can be in there.
    let private = "-----BEGIN PRIVATE KEY-----\nMBECAQAwDAYJKoZIhvcNAQEBBAA=\n\
        -----END PRIVATE KEY-----\n";
    vec![
        format!("text\n{pem}{pem}").into_bytes(),
        key.into_bytes(),
        certificate.as_der().to_vec(),
        encrypted.into(),
        private.into(),
    ]
}

pub(crate) fn pcr_signatures() -> Vec<Vec<u8>> {
    let predictions = predict(&[], &[Hash::Sha256, Hash::Sha1], &PHASES[..2]);
    let signatures = PolicySignatures::sign(&predictions, &Nobody::new()).expect(EXPECT);
    vec![signatures.to_json().into_bytes()]
}
