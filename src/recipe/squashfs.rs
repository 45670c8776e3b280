//! A squashfs of an image's root file system.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;

use bootwright_image::Observer;
use bootwright_oci::InputSummary;
use bootwright_squashfs::{Options, Summary};

use super::installed::{Installed, Watch};
use super::pack::{Place, pack, with_cache};
use super::{RecipeError, Root, Source};
use crate::output::Staged;

/// What was made.
#[derive(Debug)]
pub struct SquashfsReport {
    /// What went in.
    pub inputs: Vec<InputSummary>,
    /// What is installed, if the source asks for that.
    pub installed: Option<Installed>,
    /// The image.
    pub squashfs: Summary,
}

/// Writes the squashfs of `source` to `output`, whose position zero is byte zero of the image.
/// The superblock's time is the source's epoch, whatever `options` say.
///
/// # Errors
/// [`RecipeError`].
pub fn write<W: Write + Seek>(
    source: &Source,
    options: &Options,
    output: W,
    observer: &dyn Observer,
) -> Result<SquashfsReport, RecipeError> {
    write_to(source, options, Place { window: output, cached: None }, observer)
}

fn write_to<W: Write + Seek>(
    source: &Source,
    options: &Options,
    place: Place<'_, W>,
    observer: &dyn Observer,
) -> Result<SquashfsReport, RecipeError> {
    let root = Root::load(source, observer)?;
    let options = Options { time: root.epoch.clamp_to_u32(), ..options.clone() };
    let watch = Watch::new(source, &root);
    let taps = watch.taps().collect();
    let (squashfs, kept) = std::thread::scope(|scope| {
        let mut packed = pack::<_, File>(scope, &root, options, place, taps, observer)?;
        packed.wait()?;
        Ok::<_, RecipeError>((packed.summary, packed.kept))
    })?;
    Ok(SquashfsReport { inputs: root.inputs, installed: watch.finish(&kept), squashfs })
}

/// Writes the squashfs to a file, which appears when it is complete.
///
/// # Errors
/// [`RecipeError`].
pub fn write_file(
    source: &Source,
    options: &Options,
    target: &Path,
    observer: &dyn Observer,
) -> Result<SquashfsReport, RecipeError> {
    let (report, staged) = with_cache(source.cache.as_deref(), observer, |cache| {
        let staged = Staged::new(target)?;
        let cached = cache.map(|cache| (cache, staged.file(), 0));
        let report = write_to(source, options, Place { window: staged.file(), cached }, observer)?;
        Ok((report, staged))
    })?;
    staged.publish()?;
    Ok(report)
}
