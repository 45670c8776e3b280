//! What stands in for signatures without feature `openpgp`: nothing is signed, nothing checked.

use std::path::Path;

use super::Usage;
use super::args::{SigningArgs, TrustArgs};
use super::progress::Progress;
use super::summary::Summary;
use crate::image::Timestamp;
use crate::oci::Reference;

pub(super) struct Signing;

#[expect(clippy::unnecessary_wraps, reason = "with the feature they can fail")]
impl Signing {
    pub(super) fn new(_: &SigningArgs) -> anyhow::Result<Self> {
        Ok(Self)
    }

    pub(super) fn refuse(&self, _: &str) -> Result<(), Usage> {
        Ok(())
    }

    pub(super) fn sign(&self, _: &Path, _: Timestamp, _: &mut Summary) -> anyhow::Result<()> {
        Ok(())
    }
}

#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(super) fn check_image(
    _: &Reference,
    _: &str,
    _: &TrustArgs,
    _: &Progress,
) -> anyhow::Result<()> {
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(super) fn check(_: &Path, _: &TrustArgs, _: &Progress) -> anyhow::Result<()> {
    Ok(())
}
