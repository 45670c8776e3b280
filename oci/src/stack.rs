//! Images, overlays and archives on top of each other.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bootwright_image::{FileTree, Observer, Phase, Timestamp};

use crate::archive::{Archive, Store};
use crate::compression::{Compression, Decoder, read_up_to};
use crate::digest::ContentDigest;
use crate::directory::{self, Role};
use crate::entry::{Budget, Layer, clean};
use crate::error::{Error, escape};
use crate::image::{Image, ImageInfo, LayerInfo, Reader};
use crate::limits::Limits;
use crate::merge::{Merger, Placement};
use crate::record::{self, Records};
use crate::reference::Reference;
use crate::scan::{Context, Stored, bare, scan};
use crate::source::{Location, TarSource};
use crate::streams::{LayerStreams, Source};
use crate::{docker, layout, tar};

/// Layers in an archive that is compressed as a whole before the user is told what that costs.
const MANY_WRAPPED: usize = 4;

/// How images are read.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which image of several is taken, by its OCI (Go) name: `amd64`, `arm64`. An image that is
    /// alone is taken whatever it is for; see [`ImageInfo::architecture`].
    pub architecture: String,
    /// Bounds on what inputs may ask for.
    pub limits: Limits,
    /// Layers that are read at the same time.
    pub jobs: NonZeroUsize,
}

/// Inputs of a root file system, bottom first. Adding reads descriptions only;
/// [`finish`](Self::finish) reads and merges the layers.
pub struct Stack<'a> {
    options: Options,
    observer: &'a dyn Observer,
    created: Option<Timestamp>,
    inputs: Vec<Input>,
    records: Option<&'a dyn Records>,
    lower: Option<FileTree>,
}

struct Input {
    source: InputSource,
    placement: Placement,
    /// Whether `.wh.` names have their meaning.
    whiteouts: bool,
    media_type: Option<String>,
}

enum InputSource {
    Tar(TarSource),
    Folder { path: PathBuf, name: Arc<str>, role: Role },
}

/// A merged root file system.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rootfs {
    /// Names, metadata and references to contents.
    pub tree: FileTree,
    /// Delivers the contents that lie in layers and archives.
    pub streams: LayerStreams,
    /// When the lowest image that says so was made.
    pub created: Option<Timestamp>,
    /// What went in, bottom first.
    pub inputs: Vec<InputSummary>,
}

/// A merged root file system whose contents lie among others; see [`Stack::finish_into`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Merged {
    /// Names, metadata and references to contents.
    pub tree: FileTree,
    /// When the lowest image that says so was made.
    pub created: Option<Timestamp>,
    /// What went in, bottom first.
    pub inputs: Vec<InputSummary>,
}

/// One layer, archive or folder that went into a root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputSummary {
    /// Its name, as errors show it.
    pub what: String,
    /// The digest of its stored bytes; a folder has none.
    pub digest: Option<ContentDigest>,
    /// Stored size in bytes; 0 for a folder.
    pub stored_size: u64,
    /// The media type that its image gives.
    pub media_type: Option<String>,
    /// Members, whiteouts included.
    pub entries: usize,
}

/// What a scan leaves.
struct Scanned {
    layer: Layer,
    tar: Option<(ContentDigest, Vec<Stored>)>,
}

impl<'a> Stack<'a> {
    /// An empty stack.
    #[must_use]
    pub fn new(options: Options, observer: &'a dyn Observer) -> Self {
        Self { options, observer, created: None, inputs: Vec::new(), records: None, lower: None }
    }

    /// A stack on top of `lower`, whose contents the streams deliver that it is
    /// [finished into](Self::finish_into). `time` is that of directories that no input describes.
    #[must_use]
    pub fn over(
        lower: FileTree,
        time: Timestamp,
        options: Options,
        observer: &'a dyn Observer,
    ) -> Self {
        Self { lower: Some(lower), created: Some(time), ..Self::new(options, observer) }
    }

    /// Keeps what is learned from layers whose digests are promised, and believes what was kept:
    /// such a layer is then read only when its contents are delivered.
    pub fn keep_records(&mut self, records: &'a dyn Records) {
        self.records = Some(records);
    }

    /// Adds all layers of an image on top.
    ///
    /// # Errors
    /// [`Error`], when the image's description cannot be read, is damaged or does not name one
    /// image.
    pub fn add_image(&mut self, reference: &Reference) -> Result<ImageInfo, Error> {
        let image = match reference {
            Reference::Layout { dir, tag } => {
                layout::read(&self.reader(Store::Folder(dir.clone()), reference), tag.as_deref())?
            }
            Reference::OciArchive { file, tag } => {
                let store = Store::Archive(Archive::open(file, &self.options.limits)?);
                layout::read(&self.reader(store, reference), tag.as_deref())?
            }
            Reference::DockerArchive { file, name } => {
                let store = Store::Archive(Archive::open(file, &self.options.limits)?);
                docker::read(&self.reader(store, reference), name.as_deref())?
            }
            Reference::Directory(dir) => return self.add_directory(dir, reference),
            Reference::Tar(file) => return self.add_tar(file, reference),
            Reference::Registry(name) => {
                return Err(Error::NotLocal { name: Box::new(name.clone()) });
            }
        };
        Ok(self.push_image(image))
    }

    /// Lays a folder of the build host over what is there. Its files belong to 0:0 and keep mode
    /// and time; of their extended attributes only `security.capability` is kept. Directories that
    /// exist already, also behind symbolic links, stay as they are. Names that begin with `.wh.`
    /// are names like others. Devices, pipes and sockets are refused.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such folder. What lies in it is looked at by
    /// [`finish`](Self::finish).
    pub fn add_overlay(&mut self, dir: &Path) -> Result<(), Error> {
        let name = format!("overlay {}", dir.display()).into();
        let source = InputSource::Folder { path: dir.to_owned(), name, role: Role::Overlay };
        let placement = Placement { keep_directories: true, ..Placement::default() };
        self.push_folder(dir, Input { source, placement, whiteouts: false, media_type: None })
    }

    /// Unpacks a tar, plain or compressed with gzip, zstd or xz, under the directory `at`, which is
    /// made when it is missing. Names that begin with `.wh.` are names like others.
    ///
    /// # Errors
    /// [`Error`], when there is no such file or `at` cannot be a path.
    pub fn add_archive(&mut self, tar: &Path, at: &[u8]) -> Result<(), Error> {
        self.unpack(tar, at, None)
    }

    /// As [`add_archive`](Self::add_archive); everything belongs to `owner`, a user and a group,
    /// when one is given.
    ///
    /// # Errors
    /// As for [`add_archive`](Self::add_archive).
    pub fn unpack(
        &mut self,
        tar: &Path,
        at: &[u8],
        owner: Option<(u32, u32)>,
    ) -> Result<(), Error> {
        let name: Arc<str> = format!("archive {}", tar.display()).into();
        let at = clean(if at.is_empty() { b"/" } else { at }, &self.options.limits).map_err(
            |problem| Error::Member { input: Arc::clone(&name), member: escape(at), problem },
        )?;
        let source = InputSource::Tar(bare(tar, name)?);
        let placement = Placement { at, keep_directories: false, owner };
        self.inputs.push(Input { source, placement, whiteouts: false, media_type: None });
        Ok(())
    }

    /// Whether the file begins with a tar's member, plain or compressed with gzip, zstd or xz.
    ///
    /// # Errors
    /// [`Error::Io`] when there is no such file.
    pub fn is_archive(file: &Path) -> Result<bool, Error> {
        let location = Location::file(file)?;
        let failed = |source| Error::Io { path: file.to_owned(), source };
        let mut input = BufReader::new(location.open().map_err(failed)?);
        let head = input.fill_buf().map_err(failed)?;
        let compression = Compression::detect(head);
        let mut block = [0; 512];
        let read = Decoder::new(compression, input)
            .and_then(|mut decoder| read_up_to(&mut decoder, &mut block));
        Ok(read.is_ok_and(|read| read == block.len()) && tar::is_header(&block))
    }

    /// Reads every layer, archive and folder and merges them. Directories that no input describes
    /// have mode 0755, owner 0:0 and the time at which the lowest image was made, else 1970.
    ///
    /// # Errors
    /// [`Error`]; of several the one of the lowest input.
    pub fn finish(self) -> Result<Rootfs, Error> {
        let mut streams = LayerStreams::new(self.options.jobs);
        let Merged { tree, created, inputs } = self.finish_into(&mut streams)?;
        Ok(Rootfs { tree, streams, created, inputs })
    }

    /// As [`finish`](Self::finish), with contents that `streams` delivers beside those of all
    /// other stacks finished into it: files may then be taken from one tree into another, see
    /// [`Graft`](crate::Graft). A layer with a promised digest that `streams` has already is read
    /// once for both when contents are delivered.
    ///
    /// # Errors
    /// As for [`finish`](Self::finish); `streams` is unchanged then.
    pub fn finish_into(self, streams: &mut LayerStreams) -> Result<Merged, Error> {
        let Self { options, observer, created, inputs, records, lower } = self;
        let stored = |input: &Input| match &input.source {
            InputSource::Tar(tar) => tar.location.len,
            InputSource::Folder { .. } => 0,
        };
        observer.begin(Phase::Scan, Some(inputs.iter().map(stored).sum()));
        let numbers = stream_numbers(&inputs, &streams.sources)?;
        let scanned = scan_all(&inputs, &numbers, &options, records, observer)?;
        observer.end(Phase::Scan);
        let mut merger = Merger::new(lower, created.unwrap_or_default(), options.limits.depth);
        let mut summaries = Vec::new();
        let mut sources = Vec::new();
        let known = streams.sources.len();
        for ((input, Scanned { layer, tar }), number) in
            inputs.into_iter().zip(scanned).zip(numbers)
        {
            if observer.cancelled() {
                return Err(Error::Cancelled);
            }
            merger.apply(&layer, &input.placement)?;
            summaries.push(InputSummary {
                what: layer.name.to_string(),
                digest: tar.as_ref().map(|(digest, _)| *digest),
                stored_size: stored(&input),
                media_type: input.media_type,
                entries: layer.entries.len(),
            });
            if let (InputSource::Tar(source), Some((digest, stored))) = (input.source, tar)
                && number as usize == known + sources.len()
            {
                sources.push(Source::new(source, digest, stored, input.whiteouts));
            }
        }
        streams.sources.append(&mut sources);
        Ok(Merged { tree: merger.finish(observer), created, inputs: summaries })
    }

    fn reader(&self, store: Store, reference: &Reference) -> Reader<'_> {
        Reader {
            store,
            name: reference.to_string(),
            architecture: &self.options.architecture,
            limits: &self.options.limits,
        }
    }

    fn push_image(&mut self, image: Image) -> ImageInfo {
        let Image { info, layers, warnings } = image;
        for warning in warnings {
            self.observer.warn(format_args!("{warning}"));
        }
        let wrapped = |layer: &&TarSource| layer.location.wrapping != Compression::None;
        if layers.iter().filter(wrapped).count() > MANY_WRAPPED {
            let path = layers.first().map(|layer| layer.location.path.display());
            self.observer.warn(format_args!(
                "{}: the archive is compressed as a whole and so has to be decompressed anew for \
                 each of its {} layers: it reads faster when it is decompressed first",
                path.map(|path| path.to_string()).unwrap_or_default(),
                layers.len()
            ));
        }
        self.created = self.created.or(info.created);
        for (tar, layer) in layers.into_iter().zip(&info.layers) {
            self.inputs.push(Input {
                source: InputSource::Tar(tar),
                placement: Placement::default(),
                whiteouts: true,
                media_type: layer.media_type.clone(),
            });
        }
        info
    }

    fn add_directory(&mut self, dir: &Path, reference: &Reference) -> Result<ImageInfo, Error> {
        let name = reference.to_string().into();
        let source = InputSource::Folder { path: dir.to_owned(), name, role: Role::Root };
        let placement = Placement::default();
        self.push_folder(dir, Input { source, placement, whiteouts: false, media_type: None })?;
        Ok(bare_info(Vec::new()))
    }

    fn push_folder(&mut self, dir: &Path, input: Input) -> Result<(), Error> {
        let failed = |source| Error::Io { path: dir.to_owned(), source };
        if !std::fs::metadata(dir).map_err(failed)?.is_dir() {
            return Err(failed(std::io::ErrorKind::NotADirectory.into()));
        }
        self.inputs.push(input);
        Ok(())
    }

    fn add_tar(&mut self, file: &Path, reference: &Reference) -> Result<ImageInfo, Error> {
        let tar = bare(file, reference.to_string().into())?;
        let size = tar.location.len;
        self.inputs.push(Input {
            source: InputSource::Tar(tar),
            placement: Placement::default(),
            whiteouts: false,
            media_type: None,
        });
        Ok(bare_info(vec![LayerInfo { digest: None, diff_id: None, size, media_type: None }]))
    }
}

impl std::fmt::Debug for Stack<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stack")
            .field("options", &self.options)
            .field("inputs", &self.inputs.len())
            .finish_non_exhaustive()
    }
}

/// What a folder or a tar says about itself: nothing.
fn bare_info(layers: Vec<LayerInfo>) -> ImageInfo {
    ImageInfo {
        manifest: None,
        config: None,
        architecture: String::new(),
        os: String::new(),
        created: None,
        config_document: Vec::new(),
        layers,
    }
}

/// Scans all inputs on several threads. After an error, inputs above the faulty one are given up,
/// those below it are finished, since their error would count.
fn scan_all(
    inputs: &[Input],
    numbers: &[u32],
    options: &Options,
    records: Option<&dyn Records>,
    observer: &dyn Observer,
) -> Result<Vec<Scanned>, Error> {
    let budget = Budget::new(&options.limits);
    let next = AtomicUsize::new(0);
    let faulty = AtomicUsize::new(usize::MAX);
    let results: Mutex<Vec<Option<Result<Scanned, Error>>>> =
        Mutex::new(inputs.iter().map(|_| None).collect());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(input) = inputs.get(index) else { break };
            let stopped = || faulty.load(Ordering::Relaxed) < index;
            let context =
                Context { limits: &options.limits, budget: &budget, observer, stopped: &stopped };
            let result = if stopped() {
                Err(Error::Cancelled)
            } else {
                scan_one(input, numbers[index], records, &context)
            };
            if result.is_err() {
                faulty.fetch_min(index, Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..options.jobs.get().min(inputs.len()) {
            scope.spawn(work);
        }
        work();
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.into_iter().map(|result| result.expect("BUG: an input was not scanned")).collect()
}

/// The number of each input in [`StreamKey`](bootwright_image::StreamKey)s, behind those of
/// `known` sources. Inputs that promise the bytes of a known source, or of an input below, share
/// its number; folders have none of their own.
fn stream_numbers(inputs: &[Input], known: &[Source]) -> Result<Vec<u32>, Error> {
    let limit = u64::from(u32::MAX);
    let number = |at: usize| u32::try_from(at).map_err(|_| Error::Limit { what: "layers", limit });
    let mut next = known.len();
    let mut numbers = Vec::with_capacity(inputs.len());
    let mut promised = BTreeMap::new();
    for input in inputs {
        let InputSource::Tar(tar) = &input.source else {
            numbers.push(number(next)?);
            continue;
        };
        let shared = tar.digest.and_then(|digest| {
            let key = (digest, input.whiteouts);
            let known = known.iter().position(|source| source.is(&digest, input.whiteouts));
            known.or_else(|| promised.get(&key).copied()).or_else(|| {
                promised.insert(key, next);
                None
            })
        });
        numbers.push(number(shared.unwrap_or(next))?);
        if shared.is_none() {
            next += 1;
        }
    }
    Ok(numbers)
}

fn scan_one(
    input: &Input,
    number: u32,
    records: Option<&dyn Records>,
    context: &Context<'_>,
) -> Result<Scanned, Error> {
    let tar = match &input.source {
        InputSource::Folder { path, name, role } => {
            let layer = directory::scan(path, Arc::clone(name), *role, context)?;
            return Ok(Scanned { layer, tar: None });
        }
        InputSource::Tar(tar) => tar,
    };
    let key = record::key(tar, input.whiteouts, context.limits);
    if let Some((records, key)) = records.zip(key)
        && let Some(kept) = records.load(&key)
        && let Some((found, digest)) = record::read(&kept, &tar.name, number, context.budget)?
    {
        context.observer.advance(Phase::Scan, tar.location.len);
        return Ok(Scanned { layer: found.layer, tar: Some((digest, found.stored)) });
    }
    let (found, digest) = scan(tar, number, input.whiteouts, context)?;
    if let Some((records, key)) = records.zip(key) {
        records.save(&key, &record::write(&found, digest));
    }
    Ok(Scanned { layer: found.layer, tar: Some((digest, found.stored)) })
}
