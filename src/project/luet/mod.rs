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

#[cfg(test)]
mod tests;
