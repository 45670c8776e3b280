//! What an image runs on.

use std::fmt;
use std::str::FromStr;

use crate::recipe::Architecture;

/// A platform by its OCI (Go) names: `linux/amd64`, `linux/arm64/v8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// The architecture.
    pub architecture: String,
    /// Its variant; empty for none.
    pub variant: String,
}

impl Platform {
    /// Linux on `architecture`.
    #[must_use]
    pub fn new(architecture: Architecture) -> Self {
        Self { architecture: architecture.oci_name().to_owned(), variant: String::new() }
    }

    /// Platform, system, architecture and variant.
    pub(crate) fn values(&self) -> [String; 4] {
        let (architecture, variant) = (self.architecture.clone(), self.variant.clone());
        [self.to_string(), "linux".to_owned(), architecture, variant]
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "linux/{}", self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl FromStr for Platform {
    type Err = ();

    /// `[linux/]ARCHITECTURE[/VARIANT]`, also by the kernel's names.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix("linux/").unwrap_or(text);
        let (architecture, variant) = text.split_once('/').unwrap_or((text, ""));
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric());
        if architecture.is_empty() || !word(architecture) || !word(variant) {
            return Err(());
        }
        // The only variant of arm64 is its default.
        let variant = if (architecture, variant) == ("arm64", "v8") { "" } else { variant };
        Ok(Self { architecture: architecture.to_owned(), variant: variant.to_owned() })
    }
}
