//! The squashfs of a root file system: from its contents, with blocks of an earlier image, or
//! copied as a whole from the cache.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, Write};

use bootwright_image::{InodeId, Observer, Phase, deliver};
use bootwright_squashfs::reuse::{DonorError, Reuse};
use bootwright_squashfs::{Options, Summary, WriteError, Writer};

use super::tee::{Tap, Taps, Tee};
use super::{RecipeError, Root};
use crate::cache::{Cache, CachedImage, Found, fingerprint};
use crate::output::copy_range;

/// Builds that find damage in the cache before one goes without it.
const ATTEMPTS: usize = 3;

/// Where a squashfs goes and what the cache may do for it.
pub(super) struct Place<'a, W> {
    /// Its byte zero is byte zero of the image.
    pub(super) window: W,
    /// The cache, and the file behind the window with the window's place in it.
    pub(super) cached: Option<(&'a Cache, &'a File, u64)>,
}

/// Runs a build with the cache; again when damage was found in it (and removed), at last without.
pub(super) fn with_cache<T>(
    cache: Option<&Cache>,
    observer: &dyn Observer,
    mut build: impl FnMut(Option<&Cache>) -> Result<T, RecipeError>,
) -> Result<T, RecipeError> {
    let Some(cache) = cache else { return build(None) };
    for _ in 0..ATTEMPTS {
        match build(Some(cache)) {
            Err(error @ RecipeError::Cache { .. }) => {
                observer.warn(format_args!("{error}: it is made again"));
            }
            result => {
                cache.trim();
                return result;
            }
        }
    }
    build(None)
}

/// Writes the squashfs of `root` and shows the contents of some inodes to `taps` on the way.
/// Returns what they kept.
pub(super) fn pack<W: Write + Seek, T: Write + Seek>(
    root: &Root,
    options: Options,
    place: Place<'_, W>,
    taps: Vec<(InodeId, Tap<T>)>,
    observer: &dyn Observer,
) -> Result<(Summary, BTreeMap<InodeId, Vec<u8>>), RecipeError> {
    let Some((cache, file, offset)) = place.cached else {
        let (summary, _, kept) =
            write(root, options, Reuse::default(), place.window, taps, observer)?;
        return Ok((summary, kept));
    };
    let key = fingerprint(root, &options);
    let found = cache.find(&key, root, &options);
    if let Found::Whole(image) = &found {
        return copy(root, image, (file, offset), taps, observer)
            .map_err(|error| blame(cache, image, error));
    }
    let donor = found.image().map(|image| image.donor.clone());
    let reuse = Reuse { donor, record: true };
    let written = write(root, options.clone(), reuse, place.window, taps, observer);
    let (summary, index, kept) = written.map_err(|error| match found.image() {
        Some(image) => blame(cache, image, error),
        None => error,
    })?;
    if let Some(index) = index {
        let kept = cache.keep(&key, root, &options, (&summary, &index), (file, offset), observer);
        match kept {
            Err(RecipeError::Cancelled) => return Err(RecipeError::Cancelled),
            Err(error) => observer.warn(format_args!(
                "the image is not kept in the cache: {error}{}",
                std::error::Error::source(&error)
                    .map(|cause| format!(": {cause}"))
                    .unwrap_or_default()
            )),
            Ok(()) => {}
        }
    }
    Ok((summary, kept))
}

type Written = (Summary, Option<bootwright_squashfs::reuse::Index>, BTreeMap<InodeId, Vec<u8>>);

fn write<W: Write + Seek, T: Write + Seek>(
    root: &Root,
    options: Options,
    reuse: Reuse,
    window: W,
    wanted_taps: Vec<(InodeId, Tap<T>)>,
    observer: &dyn Observer,
) -> Result<Written, RecipeError> {
    let donor = reuse.donor.clone();
    let mut writer = Writer::reusing(&root.tree, options, reuse, window, observer)?;
    let mut wanted = writer.wanted().to_vec();
    // Equal files are delivered once, under one inode.
    let mut taps = Taps::new();
    for (inode, tap) in wanted_taps {
        taps.add(writer.delivered_as(inode).unwrap_or(inode), tap);
    }
    wanted.sort_unstable();
    if let Some(donor) = donor {
        let supplied = |inode: &InodeId| wanted.binary_search(inode).is_err();
        feed(root, &donor, &mut taps, supplied)?;
    }
    let wanted = writer.wanted().to_vec();
    observer.begin(Phase::Compress, Some(writer.content_bytes()));
    let mut tee = Tee::new(&mut writer, &mut taps);
    deliver(&root.tree, &root.streams, wanted, &mut tee, observer)?;
    let (summary, index) = writer.finish_recorded()?;
    observer.end(Phase::Compress);
    Ok((summary, index, taps.into_kept()))
}

/// Copies the image that the cache has of this very root.
fn copy<T: Write + Seek>(
    root: &Root,
    image: &CachedImage,
    output: (&File, u64),
    wanted_taps: Vec<(InodeId, Tap<T>)>,
    observer: &dyn Observer,
) -> Result<(Summary, BTreeMap<InodeId, Vec<u8>>), RecipeError> {
    let mut summary = image.about.summary;
    observer.begin(Phase::Compress, Some(summary.padded_len));
    let mut taps = Taps::new();
    for (inode, tap) in wanted_taps {
        taps.add(inode, tap);
    }
    std::thread::scope(|scope| {
        let copied = scope.spawn(|| {
            copy_range((&image.file, 0), output, summary.padded_len, observer).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::Interrupted => RecipeError::Cancelled,
                    io::ErrorKind::UnexpectedEof => RecipeError::Cache { key: image.key },
                    _ => error.into(),
                }
            })
        });
        feed(root, &image.donor, &mut taps, |_| true)?;
        image.check(observer)?;
        copied.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    observer.advance(Phase::Compress, summary.padded_len);
    observer.end(Phase::Compress);
    summary.reused = summary.compressed;
    Ok((summary, taps.into_kept()))
}

/// Shows the taps what is not delivered, because an earlier image supplies it.
fn feed<T: Write + Seek>(
    root: &Root,
    donor: &bootwright_squashfs::reuse::Donor,
    taps: &mut Taps<T>,
    supplied: impl Fn(&InodeId) -> bool,
) -> Result<(), RecipeError> {
    let mut reader = donor.reader();
    for inode in taps.inodes().filter(supplied).collect::<Vec<_>>() {
        let blob = root.tree.inode(inode).as_file();
        let Some((digest, len)) = blob.and_then(|blob| Some((blob.digest()?, blob.len()))) else {
            continue;
        };
        reader.read(digest, len, |bytes| taps.data(inode, bytes).map_err(Fed::Output)).map_err(
            |error| match error {
                Fed::Output(error) => RecipeError::Write(error),
                Fed::Donor(error) => WriteError::Donor(error).into(),
            },
        )?;
    }
    Ok(())
}

enum Fed {
    Output(io::Error),
    Donor(DonorError),
}

impl From<DonorError> for Fed {
    fn from(error: DonorError) -> Self {
        Self::Donor(error)
    }
}

/// Removes an image from the cache when the error says that it is damaged.
fn blame(cache: &Cache, image: &CachedImage, error: RecipeError) -> RecipeError {
    match error {
        RecipeError::Cache { .. } | RecipeError::Squashfs(WriteError::Donor(_)) => {
            cache.forget(&image.key);
            RecipeError::Cache { key: image.key }
        }
        error => error,
    }
}
