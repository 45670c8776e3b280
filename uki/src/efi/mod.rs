//! Secure Boot variables: signature lists and what makes firmware accept them (UEFI 2.11,
//! chapters 8.2 and 32.4).

mod auth;
mod guid;
mod signature_list;

pub use auth::{AuthError, EfiTime, SignedVariable, VARIABLE_ATTRIBUTES, message, sign_variable};
pub use guid::Guid;
pub use signature_list::{
    Entry, EslError, SIGNATURE_SHA256, SIGNATURE_X509, SignatureList, certificates, read_lists,
    write_lists,
};

/// Vendor GUID of `PK` and `KEK`.
pub const GLOBAL_VARIABLE: Guid =
    Guid::new(0x8BE4_DF61, 0x93CA, 0x11D2, [0xAA, 0x0D, 0x00, 0xE0, 0x98, 0x03, 0x2B, 0x8C]);
/// Vendor GUID of `db` and `dbx`.
pub const IMAGE_SECURITY_DATABASE: Guid =
    Guid::new(0xD719_B2CB, 0x3D3A, 0x4596, [0xA3, 0xBC, 0xDA, 0xD0, 0x0E, 0x67, 0x65, 0x6F]);

/// A Secure Boot variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Variable {
    /// The platform key: whose owner may change `PK` and `KEK`.
    Pk,
    /// The key exchange keys: whose owners may change `db` and `dbx`.
    Kek,
    /// What may boot.
    Db,
    /// What may not boot.
    Dbx,
}

impl Variable {
    /// All of them, the most powerful first.
    pub const ALL: [Self; 4] = [Self::Pk, Self::Kek, Self::Db, Self::Dbx];

    /// The variable's name, which is that of its files too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pk => "PK",
            Self::Kek => "KEK",
            Self::Db => "db",
            Self::Dbx => "dbx",
        }
    }

    /// The vendor GUID.
    #[must_use]
    pub fn vendor(self) -> Guid {
        match self {
            Self::Pk | Self::Kek => GLOBAL_VARIABLE,
            Self::Db | Self::Dbx => IMAGE_SECURITY_DATABASE,
        }
    }

    /// Whose key signs changes of it.
    #[must_use]
    pub fn signer(self) -> Self {
        match self {
            Self::Pk | Self::Kek => Self::Pk,
            Self::Db | Self::Dbx => Self::Kek,
        }
    }
}

impl std::fmt::Display for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
