//! Trusted certificates of a root file system.

/// Why the trusted certificates could not be renewed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// A file that holds no certificate.
    #[error("{path} holds no certificate")]
    NoCertificate {
        /// Its path.
        path: String,
    },
}
