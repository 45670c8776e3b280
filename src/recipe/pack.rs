//! The squashfs of a root file system: from its contents, with blocks of an earlier image, or
//! copied as a whole from the cache.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

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

/// A squashfs in its place, or on its way there.
pub(super) struct Packed<'scope> {
    pub(super) summary: Summary,
    /// What the taps kept in memory.
    pub(super) kept: BTreeMap<InodeId, Vec<u8>>,
    /// The thread that copies the image, when the cache had it.
    copying: Option<ScopedJoinHandle<'scope, Result<(), RecipeError>>>,
}

impl Packed<'_> {
    /// Waits until the squashfs is in its place and known to be whole.
    pub(super) fn wait(&mut self) -> Result<(), RecipeError> {
        self.copying.take().map_or(Ok(()), |thread| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Writes the squashfs of `root` and shows the contents of some inodes to `taps` on the way. An
/// image that the cache has is copied by a thread of `scope`; [`Packed::wait`] for it.
pub(super) fn pack<'scope, 'env, W: Write + Seek, T: Write + Seek>(
    scope: &'scope Scope<'scope, 'env>,
    root: &Root,
    options: Options,
    place: Place<'env, W>,
    taps: Vec<(InodeId, Tap<T>)>,
    observer: &'env dyn Observer,
) -> Result<Packed<'scope>, RecipeError> {
    let Some((cache, file, offset)) = place.cached else {
        let (summary, _, kept) =
            write(root, options, Reuse::default(), place.window, taps, observer)?;
        return Ok(Packed { summary, kept, copying: None });
    };
    let key = fingerprint(root, &options);
    let found = match cache.find(&key, root, &options) {
        Found::Whole(image) => {
            return copy(scope, root, (cache, image), (file, offset), taps, observer);
        }
        Found::Similar(image) => Some(image),
        Found::Nothing => None,
    };
    let donor = found.as_ref().map(|image| image.donor.clone());
    let reuse = Reuse { donor, record: true };
    let written = write(root, options.clone(), reuse, place.window, taps, observer);
    let (summary, index, kept) = written.map_err(|error| match &found {
        Some(image) => blame(cache, image, error),
        None => error,
    })?;
    if let Some(index) = index {
        let made = (&summary, &index);
        match cache.keep(&key, root, &options, made, (file, offset), observer) {
            Err(RecipeError::Cancelled) => return Err(RecipeError::Cancelled),
            Err(error) => not_kept(&error, observer),
            Ok(()) => {}
        }
    }
    Ok(Packed { summary, kept, copying: None })
}

fn not_kept(error: &RecipeError, observer: &dyn Observer) {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    observer.warn(format_args!("the image is not kept in the cache: {error}{cause}"));
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
    let wanted = writer.wanted().to_vec();
    // Equal files are delivered once, under one inode.
    let mut taps = Taps::new();
    for (inode, tap) in wanted_taps {
        taps.add(writer.delivered_as(inode).unwrap_or(inode), tap);
    }
    if let Some(donor) = donor {
        let delivered: BTreeSet<InodeId> = wanted.iter().copied().collect();
        feed(root, &donor, &mut taps, |inode| !delivered.contains(inode))?;
    }
    observer.begin(Phase::Compress, Some(writer.content_bytes()));
    let mut tee = Tee::new(&mut writer, &mut taps);
    deliver(&root.tree, &root.streams, wanted, &mut tee, observer)?;
    let (summary, index) = writer.finish_recorded()?;
    observer.end(Phase::Compress);
    Ok((summary, index, taps.into_kept()))
}

/// Copies the image that the cache has of this very root, and compares it with its digest.
fn copy<'scope, 'env, T: Write + Seek>(
    scope: &'scope Scope<'scope, 'env>,
    root: &Root,
    (cache, image): (&'env Cache, CachedImage),
    output: (&'env File, u64),
    wanted_taps: Vec<(InodeId, Tap<T>)>,
    observer: &'env dyn Observer,
) -> Result<Packed<'scope>, RecipeError> {
    let image = Arc::new(image);
    let mut summary = image.about.summary;
    summary.reused = summary.compressed;
    let len = summary.padded_len;
    observer.begin(Phase::Compress, Some(len));
    let copied = Arc::clone(&image);
    let copying = scope.spawn(move || {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::Interrupted => RecipeError::Cancelled,
            io::ErrorKind::UnexpectedEof => RecipeError::Cache { key: copied.key },
            _ => error.into(),
        };
        copy_range((&copied.file, 0), output, len, observer)
            .map_err(failed)
            .and_then(|()| copied.check(observer))
            .map_err(|error| blame(cache, &copied, error))
    });
    let mut taps = Taps::new();
    for (inode, tap) in wanted_taps {
        taps.add(inode, tap);
    }
    feed(root, &image.donor, &mut taps, |_| true).map_err(|error| blame(cache, &image, error))?;
    observer.advance(Phase::Compress, len);
    observer.end(Phase::Compress);
    Ok(Packed { summary, kept: taps.into_kept(), copying: Some(copying) })
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
