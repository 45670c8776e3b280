//! What the whole program promises, on real input: the images boot, other people's readers agree
//! on them, the bytes depend on the inputs alone, and nothing is left behind or asked of the host.
//!
//! The base image is the quickstart's (`tests/base-image/make build/base-image`). A test that lacks
//! a tool or the base image says `SKIPPED` on stderr; with `CI` set it fails instead.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod arm64;
mod boot;
mod cache;
mod damage;
mod determinism;
mod disk;
mod dockerfile;
#[cfg(feature = "registry")]
mod fetch;
mod fixture;
mod library;
mod maas;
mod machine;
#[cfg(feature = "registry")]
mod mistakes;
#[cfg(feature = "registry")]
mod network;
#[cfg(feature = "openpgp")]
mod openpgp;
mod project;
#[cfg(feature = "registry")]
mod provider;
mod readers;
#[cfg(feature = "registry")]
mod registry;
mod safety;
#[cfg(feature = "registry")]
mod sample;
mod sbom;
mod signing;
mod small;
#[cfg(feature = "registry")]
mod stand_ins;
mod steps;
#[cfg(feature = "registry")]
mod targets;
mod tools;
mod tpm;
mod trusted;
mod uki;
mod unprivileged;
mod verify;
mod walk;
