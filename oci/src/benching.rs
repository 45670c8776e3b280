//! Entry points for benchmarks, to parts that the public interface reaches only by way of files
//! and threads.

use std::sync::Arc;

use bootwright_image::{FileTree, Silent, Timestamp};

use crate::entry::{Budget, Layer};
use crate::error::Error;
use crate::limits::Limits;
use crate::merge::{Merger, Placement};
use crate::scan::{Context, read_members};
use crate::tar::Reader;

/// Reads all headers of a tar and skips the contents; returns the number of members.
///
/// # Errors
/// As any reading of a tar.
pub fn read_tar(tar: &[u8]) -> Result<usize, Error> {
    let limits = Limits::default();
    let mut reader = Reader::new(tar, "tar".into(), &limits);
    let mut members = 0;
    while reader.next()?.is_some() {
        members += 1;
    }
    Ok(members)
}

/// Scans the tars of layers, bottom first, and returns what merges them into a tree.
///
/// # Errors
/// As any reading of layers.
pub fn merger(tars: &[Vec<u8>]) -> Result<impl Fn() -> Result<FileTree, Error> + use<>, Error> {
    let limits = Limits::default();
    let budget = Budget::new(&limits);
    let context =
        Context { limits: &limits, budget: &budget, observer: &Silent, stopped: &|| false };
    let scan = |(mut tar, number): (&[u8], u32)| {
        let name: Arc<str> = format!("layer {number}").into();
        read_members(&mut tar, &name, number, true, &context).map(|scanned| scanned.layer)
    };
    let layers: Vec<Layer> =
        tars.iter().map(Vec::as_slice).zip(0..).map(scan).collect::<Result<_, _>>()?;
    Ok(move || {
        let mut merger = Merger::new(None, Timestamp(0), Limits::default().depth);
        for layer in &layers {
            merger.apply(layer, &Placement::default())?;
        }
        Ok(merger.finish(&Silent))
    })
}
