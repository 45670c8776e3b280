//! Trusted certificates of a root file system: what `update-ca-certificates` and
//! `update-ca-trust` leave behind, made without running them.

mod debian;
mod extracted;
mod pem;
mod rehash;
mod subject;

use crate::editor::{EditError, Editor};

pub use subject::subject_hash;

/// The DER of every certificate in a PEM file.
#[must_use]
pub fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    pem::certificates(pem)
}

/// How a distribution keeps its trusted certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Debian and Ubuntu: sources in `/usr/share/ca-certificates` and
    /// `/usr/local/share/ca-certificates`, results in `/etc/ssl/certs`.
    Debian,
    /// SUSE: anchors in `/etc/pki/trust/anchors` and `/usr/share/pki/trust/anchors`, results in
    /// `/var/lib/ca-certificates`.
    Suse,
    /// Red Hat: anchors in `/etc/pki/ca-trust/source/anchors`, results in
    /// `/etc/pki/ca-trust/extracted`.
    RedHat,
}

impl Layout {
    /// The layout that a root file system has, by the folders that its packages bring.
    #[must_use]
    pub fn of(editor: &Editor<'_>) -> Option<Self> {
        [
            (Self::RedHat, "/etc/pki/ca-trust"),
            (Self::Suse, "/usr/share/pki/trust"),
            (Self::Suse, "/etc/pki/trust"),
            (Self::Debian, "/etc/ca-certificates.conf"),
            (Self::Debian, "/usr/share/ca-certificates"),
        ]
        .into_iter()
        .find(|(_, path)| editor.find(path).is_some())
        .map(|(layout, _)| layout)
    }

    /// The folder for a site's own certificates.
    #[must_use]
    pub fn anchors(self) -> &'static str {
        match self {
            Self::Debian => debian::LOCAL,
            Self::Suse => "/usr/share/pki/trust/anchors",
            Self::RedHat => "/etc/pki/ca-trust/source/anchors",
        }
    }
}

/// Renews bundles and links after the certificates of a site were put in their folder.
///
/// For [`Layout::Debian`] the result is that of `update-ca-certificates` with `openssl rehash`,
/// hooks excepted, which are warned about. For the others, whose bundles come from a database that
/// only `trust` of p11-kit reads, certificates are added to the bundles that are there and none is
/// taken out; stores for Java and EDK2 are warned about.
///
/// # Errors
/// [`TrustError`].
pub fn renew(editor: &mut Editor<'_>, layout: Layout) -> Result<(), TrustError> {
    match layout {
        Layout::Debian => debian::renew(editor),
        Layout::Suse => extracted::renew(editor, &extracted::SUSE),
        Layout::RedHat => extracted::renew(editor, &extracted::RED_HAT),
    }
}

/// Why the trusted certificates could not be renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file of the image.
    #[error(transparent)]
    Edit(#[from] EditError),
}
