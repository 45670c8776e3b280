//! Microsoft's certificates: which there are, and which are wanted.
//!
//! Without the one for option ROMs some machines cannot start their graphics or storage cards,
//! and then nothing at all.

use super::KeysError;
use crate::certificate::Certificate;
use crate::efi::{Guid, Variable};
use crate::hash::hex;

/// Owner of Microsoft's entries.
pub const MICROSOFT_OWNER: Guid =
    Guid::new(0x77FA_9ABD, 0x0359, 0x4D32, [0xBD, 0x60, 0x28, 0xF4, 0xE7, 0x8F, 0x78, 0x4B]);

/// When a certificate was issued. Those of 2011 end in 2026, which firmware ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// 2011.
    Y2011,
    /// 2023.
    Y2023,
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    KeyExchange,
    Windows,
    ThirdParty,
    OptionRom,
}

/// A certificate of Microsoft's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MicrosoftCertificate {
    /// Its common name.
    pub name: &'static str,
    /// The variable it belongs into.
    pub variable: Variable,
    /// When it was issued.
    pub generation: Generation,
    /// SHA-256 of its DER in hexadecimal digits.
    pub sha256: &'static str,
    purpose: Purpose,
}

const fn known(
    name: &'static str,
    generation: Generation,
    purpose: Purpose,
    sha256: &'static str,
) -> MicrosoftCertificate {
    let variable = match purpose {
        Purpose::KeyExchange => Variable::Kek,
        _ => Variable::Db,
    };
    MicrosoftCertificate { name, variable, generation, sha256, purpose }
}

/// All of them.
pub const MICROSOFT: [MicrosoftCertificate; 7] = [
    known(
        "Microsoft Corporation KEK CA 2011",
        Generation::Y2011,
        Purpose::KeyExchange,
        "a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503",
    ),
    known(
        "Microsoft Corporation KEK 2K CA 2023",
        Generation::Y2023,
        Purpose::KeyExchange,
        "3cd3f0309edae228767a976dd40d9f4affc4fbd5218f2e8cc3c9dd97e8ac6f9d",
    ),
    known(
        "Microsoft Corporation UEFI CA 2011",
        Generation::Y2011,
        Purpose::ThirdParty,
        "48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507",
    ),
    known(
        "Microsoft Windows Production PCA 2011",
        Generation::Y2011,
        Purpose::Windows,
        "e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961",
    ),
    known(
        "Microsoft UEFI CA 2023",
        Generation::Y2023,
        Purpose::ThirdParty,
        "f6124e34125bee3fe6d79a574eaa7b91c0e7bd9d929c1a321178efd611dad901",
    ),
    known(
        "Microsoft Option ROM UEFI CA 2023",
        Generation::Y2023,
        Purpose::OptionRom,
        "e5be3e64c6e66a281457ecdece0d6d0787577aad2a3a0144262c10c14ba8d8f1",
    ),
    known(
        "Windows UEFI CA 2023",
        Generation::Y2023,
        Purpose::Windows,
        "076f1fea90ac29155ebf77c17682f75f1fdd1be196da302dc8461e350a9ae330",
    ),
];

/// Which of them to trust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MicrosoftSet {
    /// None: option ROMs do not run, Windows does not boot.
    #[default]
    None,
    /// Option ROMs signed since 2023.
    OptionRom,
    /// Option ROMs and boot loaders of others, both generations; not Windows.
    ThirdParty,
    /// Everything of 2011.
    Y2011,
    /// Everything of 2023.
    Y2023,
    /// Everything.
    All,
}

impl MicrosoftSet {
    /// The set of that name: `none`, `option-rom`, `third-party`, `2011`, `2023` or `all`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" => Self::None,
            "option-rom" => Self::OptionRom,
            "third-party" => Self::ThirdParty,
            "2011" => Self::Y2011,
            "2023" => Self::Y2023,
            "all" => Self::All,
            _ => return None,
        })
    }

    /// Whether it holds that certificate.
    #[must_use]
    pub fn contains(self, certificate: &MicrosoftCertificate) -> bool {
        match self {
            Self::None => false,
            Self::OptionRom => certificate.purpose == Purpose::OptionRom,
            Self::ThirdParty => {
                matches!(certificate.purpose, Purpose::ThirdParty | Purpose::OptionRom)
            }
            Self::Y2011 => certificate.generation == Generation::Y2011,
            Self::Y2023 => certificate.generation == Generation::Y2023,
            Self::All => true,
        }
    }
}

/// Finds the certificates of a set among those given, by their digests, in the order of
/// [`MICROSOFT`].
///
/// # Errors
/// [`KeysError::Microsoft`] for one that is wanted and not there.
pub fn microsoft(
    set: MicrosoftSet,
    given: &[Certificate],
) -> Result<Vec<(Variable, Certificate)>, KeysError> {
    let wanted = MICROSOFT.iter().filter(|certificate| set.contains(certificate));
    wanted
        .map(|&MicrosoftCertificate { name, variable, sha256, .. }| {
            let found = given.iter().find(|certificate| hex(&certificate.sha256()) == sha256);
            let found = found.ok_or(KeysError::Microsoft { name, sha256 })?;
            Ok((variable, found.clone()))
        })
        .collect()
}
