//! The header of a package as databases keep it (RPM package format, version 4, "Header
//! structure", without its magic): two counts, the index, the data.

use super::{Problem, be32};
use crate::sbom::component::{Component, Ecosystem};

/// Bytes of an index entry: tag, type, offset, count.
const ENTRY: usize = 16;
/// The kinds of data that are read here.
const INT32: u32 = 4;
const STRING: u32 = 6;
const I18N_STRING: u32 = 9;
/// The tags that are read here.
mod tag {
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const EPOCH: u32 = 1003;
    pub(super) const VENDOR: u32 = 1011;
    pub(super) const LICENSE: u32 = 1014;
    pub(super) const URL: u32 = 1020;
    pub(super) const ARCH: u32 = 1022;
    pub(super) const SOURCE_RPM: u32 = 1044;
}
/// Public keys are kept as packages of this name.
const KEY: &str = "gpg-pubkey";

pub(super) fn component(bytes: &[u8]) -> Result<Option<Component>, Problem> {
    const SHORT: Problem = "a package's header ends early";
    let entries = be32(bytes, 0).ok_or(SHORT)? as usize;
    let len = be32(bytes, 4).ok_or(SHORT)? as usize;
    let index_end = entries.checked_mul(ENTRY).and_then(|size| size.checked_add(8)).ok_or(SHORT)?;
    let index = bytes.get(8..index_end).ok_or(SHORT)?;
    let data = bytes.get(index_end..).and_then(|data| data.get(..len)).ok_or(SHORT)?;
    let mut package = Component::new(Ecosystem::Rpm);
    let mut release = String::new();
    for entry in index.chunks_exact(ENTRY) {
        let field = |at| be32(entry, at).unwrap_or_default();
        let (tag, kind) = (field(0), field(4));
        let Some(value) = data.get(field(8) as usize..) else { continue };
        if tag == tag::EPOCH && kind == INT32 {
            package.epoch = be32(value, 0);
        }
        if !matches!(kind, STRING | I18N_STRING) {
            continue;
        }
        let place = match tag {
            tag::NAME => &mut package.name,
            tag::VERSION => &mut package.version,
            tag::RELEASE => &mut release,
            tag::ARCH => &mut package.architecture,
            tag::SOURCE_RPM => &mut package.source,
            tag::LICENSE => &mut package.licence,
            tag::VENDOR => &mut package.supplier,
            tag::URL => &mut package.homepage,
            _ => continue,
        };
        let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
        *place = String::from_utf8_lossy(text).into_owned();
    }
    if package.name.is_empty() || package.version.is_empty() {
        return Err("a package has no name or no version");
    }
    if package.name == KEY {
        return Ok(None);
    }
    package.version = format!("{}-{release}", package.version);
    Ok(Some(package))
}
