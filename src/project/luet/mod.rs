//! Packages from luet's repositories: those that lie in container images, and those in a folder.
//!
//! ```text
//!   URL:repository.yaml ──▶ which files, with checksums ──▶ URL:repository.meta.yaml.tar[.zst]  index
//!                                                      └──▶ URL:tree.tar[.gz]                   definitions
//!   category/name@version ──▶ the newest that fits, and what it requires ──▶ URL:name-category-version
//!                                                                                   │
//!                                                                            oci::Stack, laid over a root
//! ```
//!
//! In a folder the same files lie beside each other, and packages are tars.
//!
//! Images come from whoever implements [`Images`]: a registry, a store or a folder. A repository's
//! documents are small and read whole; packages are read as layers of a [`Stack`](crate::oci::Stack).

mod auth;
mod error;
mod files;
mod metadata;
mod repository;
mod request;
mod resolve;
mod version;

pub use auth::Auth;
pub use error::LuetError;
pub use files::Images;
pub use metadata::Package;
pub use repository::{Reading, Repository};
pub use request::{PackageRequest, RequestError, Selector};
pub use version::Version;

/// For fuzzing: whatever the bytes of a repository's documents, they are read or refused.
#[doc(hidden)]
pub fn parse_anything(bytes: &[u8]) {
    use metadata::{Collection, Definition, Metadata, Package, Spec, parse};
    let _ = parse::<Spec>(bytes, "fuzz");
    let _ = parse::<Definition>(bytes, "fuzz");
    let _ = parse::<Collection>(bytes, "fuzz");
    if let Ok(Metadata { index: Some(index) }) = parse(bytes, "fuzz") {
        let mut versions: Vec<_> = index
            .into_iter()
            .map(|artifact| Package::new(artifact, &std::collections::BTreeMap::new()).version)
            .collect();
        versions.sort();
        assert!(versions.is_sorted(), "the order of versions is none");
    }
    let _ = Auth::parse(bytes, "fuzz");
}

#[cfg(test)]
mod tests;
