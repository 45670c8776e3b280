//! Secure Boot keys: made, brought along, and laid out as the `secure-boot/` folder.
//!
//! ```text
//! secure-boot/
//!   private-keys/   PK.key KEK.key db.key tpm2-pcr-private.pem     0600
//!   public-keys/    PK.pem KEK.pem db.pem tpm2-pcr-public.pem
//!   enrollment/     PK KEK db (dbx): .esl .auth .der
//!   exported-keys/  KEK db dbx: what the firmware of a machine held, if it is to be kept
//! ```

mod certificate;
mod enrollment;
mod error;
mod folder;
mod generate;
mod microsoft;

pub use certificate::{Validity, self_signed};
pub use enrollment::{Enrollment, Exported, enrollment_files};
pub use error::KeysError;
pub use folder::{KeyFile, KeyFolder, write_files};
pub use generate::{Generated, Hierarchy, generate, random_guid};
pub use microsoft::{
    Generation, MICROSOFT, MICROSOFT_OWNER, MicrosoftCertificate, MicrosoftSet, microsoft,
};

/// The key that signs PCR policies. Disks are sealed to it: who loses it loses them.
pub const PCR_KEY_NAME: &str = "tpm2-pcr-private.pem";
/// Its public half, for a build that does not have it.
pub const PCR_PUBLIC_NAME: &str = "tpm2-pcr-public.pem";
/// The folder of private keys in the tree.
pub const PRIVATE_FOLDER: &str = "private-keys";
/// The folder of certificates in the tree.
pub const PUBLIC_FOLDER: &str = "public-keys";
/// The folder of what goes into firmware in the tree.
pub const ENROLLMENT_FOLDER: &str = "enrollment";
/// The folder of lists exported from firmware in the tree.
pub const EXPORTED_FOLDER: &str = "exported-keys";
