//! Trusted boot: unified kernel images, their signatures and measurements, and Secure Boot keys.
//!
//! ```text
//!   stub, kernel, texts ─▶ unified::Build ─▶ one PE image ─▶ authenticode::sign ─▶ firmware
//!                 initrd ─────▶ │ streamed        │                  ▲
//!                               ▼                 │ PCR 11           │ db
//!                        pcr: prediction ─▶ policies signed     signer::Identity
//!                                                  ▲                  ▲
//!                                 tpm2-pcr-private.pem          keys: PK ▶ KEK ▶ db ─▶ efi: .auth
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`unified`] | building, inspecting and comparing unified kernel images; names around them |
//! | [`pe`] | reading PE images; adding sections to a stub, front to back |
//! | [`authenticode`] | signing and verifying any PE image |
//! | [`pcr`] | what PCR 11 will hold, and signed policies about it |
//! | [`efi`] | signature lists and authenticated variables |
//! | [`keys`] | making keys, bringing them along, the `secure-boot/` folder |
//! | [`signer`] | private keys in files, signatures that come later |
//!
//! An image is built in memory here; a file, or a place in one, does as well. Nothing but the
//! stub, the kernel and the texts is held:
//!
//! ```
//! use std::io::{Cursor, Write};
//! use std::sync::Arc;
//!
//! use bootwright_image::Timestamp;
//! use bootwright_uki::authenticode::{self, Options};
//! use bootwright_uki::keys::{Validity, self_signed};
//! use bootwright_uki::signer::{Identity, PrivateKey, RsaBits};
//! use bootwright_uki::unified::{Build, Ingredients};
//!
//! fn build(stub: Vec<u8>, kernel: Vec<u8>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
//!     let key = Arc::new(PrivateKey::generate(RsaBits::Rsa2048)?);
//!     let validity = Validity::days(Timestamp(1_767_225_600), 365);
//!     let db = Identity::new(vec![self_signed("Edge db", validity, [1; 20], &*key)?], key)?;
//!
//!     let mut ingredients = Ingredients::new(stub, kernel, "console=ttyS0");
//!     ingredients.pcr_signer = Some(Arc::new(PrivateKey::generate(RsaBits::Rsa2048)?));
//!     let mut build = Build::begin(ingredients, Cursor::new(Vec::new()))?;
//!     build.write_all(b"the initrd, as long as it gets")?;
//!     let (mut file, built) = build.finish()?;
//!     for prediction in &built.predictions[0].predictions {
//!         println!("{} {}", prediction.bank, prediction.phase);
//!     }
//!     authenticode::sign(&mut file, built.len, &db, Options::default())?;
//!     Ok(file.into_inner())
//! }
//! assert!(build(b"no stub".to_vec(), b"no kernel".to_vec()).is_err());
//! ```
//!
//! # Determinism
//! The same ingredients and keys give the same bytes: RSASSA-PKCS1-v1_5 has no randomness, and
//! no signature says when it was made unless it is asked to. Only [`keys::generate`] and
//! [`keys::random_guid`] use the system's randomness.
//!
//! # Safety of keys
//! Private keys are wiped from memory when dropped and never part of a message. Encrypted,
//! expired, mismatched and short keys are refused with the reason.

pub mod authenticode;
pub mod certificate;
pub mod cms;
pub mod efi;
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod keys;
mod midstate;
pub mod pcr;
pub mod pe;
pub mod public_key;
pub mod signer;
pub mod unified;
