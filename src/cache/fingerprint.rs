//! What an image depends on, as one digest.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use bootwright_image::{Blob, Digest, FileTree, InodeId, Kind, Observer, Origin};
use bootwright_squashfs::Options;

use crate::recipe::{RecipeError, Root};

/// Changes whenever the same tree and options give other bytes than before, within one version of
/// this program.
const GENERATION: &str = concat!("bootwright ", env!("CARGO_PKG_VERSION"), " squashfs 1");
/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// The digest of everything that the squashfs of `root` depends on. Two roots with the same one
/// have the same image.
pub(crate) fn fingerprint(root: &Root, options: &Options) -> [u8; 32] {
    let mut hash = Fingerprint(blake3::Hasher::new());
    hash.bytes(GENERATION.as_bytes());
    hash.bytes(options.compression.to_string().as_bytes());
    hash.number(options.block_size.bytes().into());
    hash.number(options.time.into());
    hash.bytes(format!("{:?} {}", options.fragments, options.export).as_bytes());
    hash.tree(root);
    *hash.0.finalize().as_bytes()
}

/// The digest of the names, metadata and contents of `root`.
pub(crate) fn tree_digest(root: &Root) -> [u8; 32] {
    let mut hash = Fingerprint(blake3::Hasher::new());
    hash.tree(root);
    *hash.0.finalize().as_bytes()
}

struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    fn tree(&mut self, root: &Root) {
        let layers: String = root
            .inputs
            .iter()
            .filter_map(|input| Some(format!("{} ", input.digest.as_ref()?)))
            .collect();
        let mut seen = BTreeMap::new();
        self.inode(&root.tree, root.tree.root(), &layers);
        for (number, walked) in (0..).zip(root.tree.walk()) {
            self.bytes(&walked.path);
            // Names of one inode are told from inodes that are alike.
            match *seen.entry(walked.id).or_insert(number) {
                first if first == number => self.inode(&root.tree, walked.id, &layers),
                first => self.number(first),
            }
        }
    }

    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn inode(&mut self, tree: &FileTree, id: InodeId, layers: &str) {
        let inode = tree.inode(id);
        let metadata = &inode.metadata;
        let (mode, uid, gid) = (metadata.mode, metadata.uid, metadata.gid);
        for number in [u64::from(mode), uid.into(), gid.into()] {
            self.number(number);
        }
        self.bytes(&metadata.mtime.0.to_le_bytes());
        self.number(metadata.xattrs.iter().count() as u64);
        for (name, value) in metadata.xattrs.iter() {
            self.bytes(name);
            self.bytes(value);
        }
        let kind = match inode.kind() {
            Kind::Directory(_) => "directory",
            Kind::File(blob) => return self.content(blob, layers),
            Kind::Symlink(target) => {
                self.bytes(target);
                "symlink"
            }
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                self.number(device.major.into());
                self.number(device.minor.into());
                if matches!(inode.kind(), Kind::CharDevice(_)) { "char" } else { "block" }
            }
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
        };
        self.bytes(kind.as_bytes());
    }

    fn content(&mut self, blob: &Blob, layers: &str) {
        self.bytes(b"file");
        self.number(blob.len());
        match (blob.digest(), blob.origin()) {
            (Some(digest), _) => self.bytes(&digest.0),
            (None, Origin::Bytes(bytes)) => self.bytes(blake3::hash(bytes).as_bytes()),
            (None, Origin::Stream(key)) => {
                // A sparse member: known by all layers together. Its own layer's number depends on
                // what else was read, for other results of the same project.
                self.bytes(layers.as_bytes());
                self.number(key.member.into());
            }
            (None, origin) => self.bytes(format!("{origin:?}").as_bytes()),
        }
    }
}

/// Reads the host files of a tree on several threads and gives their contents digests, by which
/// they are known from build to build.
///
/// # Errors
/// [`RecipeError::Read`], [`RecipeError::Cancelled`].
pub(crate) fn add_digests(
    tree: &mut FileTree,
    jobs: NonZeroUsize,
    observer: &dyn Observer,
) -> Result<(), RecipeError> {
    let unknown = |id: &InodeId| {
        let blob = tree.inode(*id).as_file();
        blob.is_some_and(|blob| {
            blob.digest().is_none() && matches!(blob.origin(), Origin::HostFile { .. })
        })
    };
    let mut files: Vec<InodeId> = tree.walk().map(|walked| walked.id).filter(unknown).collect();
    files.sort_unstable();
    files.dedup();
    let next = AtomicUsize::new(0);
    let shared = &*tree;
    let work = || {
        let mut digests = Vec::new();
        while let Some(id) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(blob) = shared.inode(*id).as_file() else { continue };
            digests.push((*id, digest(blob, observer)?));
        }
        Ok::<_, RecipeError>(digests)
    };
    let digests = std::thread::scope(|scope| {
        let others: Vec<_> = (1..jobs.get().min(files.len())).map(|_| scope.spawn(work)).collect();
        let mut digests = work()?;
        for other in others {
            digests.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok::<_, RecipeError>(digests)
    })?;
    for (id, digest) in digests {
        if let Some(blob) = tree.inode(id).as_file().cloned() {
            let set = tree.set_content(id, blob.with_digest(digest));
            set.map_err(|source| RecipeError::Place { path: "a file".into(), source })?;
        }
    }
    Ok(())
}

fn digest(blob: &Blob, observer: &dyn Observer) -> Result<Digest, RecipeError> {
    let failed = |source: io::Error| match blob.origin() {
        Origin::HostFile { path, .. } => RecipeError::Read { path: path.to_path_buf(), source },
        _ => source.into(),
    };
    let mut reader = blob.open().map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; usize::try_from(blob.len()).unwrap_or(CHUNK).clamp(1, CHUNK)];
    loop {
        if observer.cancelled() {
            return Err(RecipeError::Cancelled);
        }
        match reader.read(&mut buffer).map_err(failed)? {
            0 => return Ok(Digest(*hasher.finalize().as_bytes())),
            read => hasher.update(&buffer[..read]),
        };
    }
}
