//! Signatures of results, and of inputs. Without feature `openpgp` there are no such options.

#[cfg(feature = "openpgp")]
use std::path::PathBuf;

use clap::Args;

/// Of each option by itself: a heading for a struct would be one for all options behind it.
#[cfg(feature = "openpgp")]
const HEADING: &str = "OpenPGP";

/// Who signs the results.
#[derive(Debug, Default, Args)]
pub(crate) struct SigningArgs {
    /// Secret key (OpenPGP) that signs checksum files: NAME.sha256.asc
    #[cfg(feature = "openpgp")]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(crate) openpgp_key: Option<PathBuf>,

    /// File whose first line unlocks the key
    #[cfg(feature = "openpgp")]
    #[arg(long, value_name = "FILE", requires = "openpgp_key", help_heading = HEADING)]
    pub(crate) openpgp_passphrase: Option<PathBuf>,
}

/// Who has to have signed the inputs.
#[derive(Debug, Default, Args)]
pub(crate) struct TrustArgs {
    /// Public keys (OpenPGP), one of which has to have signed each archive that is read: FILE.asc,
    /// FILE.sig, or the same of FILE.sha256 or SHA256SUMS. Repeatable
    #[cfg(feature = "openpgp")]
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub(crate) verify_key: Vec<PathBuf>,
}
