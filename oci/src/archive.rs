//! Random access to the members of a tar: docker archives and OCI layouts in one file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use crate::compression::{Compression, Decoder, MAGIC_LEN, read_up_to};
use crate::entry::clean;
use crate::error::{Error, escape};
use crate::feed::{Feed, skip_by_reading};
use crate::limits::Limits;
use crate::source::Location;
use crate::tar::{MemberKind, Reader};

/// Links followed from name to name; `docker save` once wrote links to equal layers.
const LINKS_MAX: usize = 8;
/// Bytes read at once.
const CHUNK: usize = 1 << 18;

/// Where each member of an archive lies. A compressed archive is decompressed anew, up to the
/// member, each time a member is read: slow, but nothing is written to disk.
#[derive(Debug)]
pub(crate) struct Archive {
    path: Arc<Path>,
    wrapping: Compression,
    members: BTreeMap<Vec<u8>, Place>,
}

#[derive(Debug)]
enum Place {
    Content {
        offset: u64,
        len: u64,
    },
    /// Another name, from the archive's root.
    Link(Vec<u8>),
}

impl Archive {
    /// Reads the headers of the archive at `path`.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, Error> {
        let failed = |source| Error::Io { path: path.to_owned(), source };
        let whole = Location::file(path)?;
        let mut head = [0; MAGIC_LEN];
        let mut file = File::open(path).map_err(failed)?;
        let len = read_up_to(&mut file, &mut head).map_err(failed)?;
        let wrapping = Compression::detect(&head[..len]);
        let input: Arc<str> = path.display().to_string().into();
        let file = BufReader::with_capacity(CHUNK, File::open(path).map_err(failed)?);
        let feed = match wrapping {
            Compression::None => Outer::Plain { file, left: whole.len },
            _ => Outer::Wrapped {
                input: Box::new(BufReader::with_capacity(
                    CHUNK,
                    Decoder::new(wrapping, file).map_err(failed)?,
                )),
                compression: wrapping,
                seen: 0,
                limit: limits.inflated_bytes,
            },
        };
        let feed = Named { feed, path };
        let members = index(&mut Reader::new(feed, input, limits), limits)?;
        Ok(Self { path: path.into(), wrapping, members })
    }

    /// Where the content of member `name` lies; `None` when there is no such member.
    pub(crate) fn find(&self, name: &[u8], limits: &Limits) -> Option<Location> {
        let mut name = clean(name, limits).ok()?;
        for _ in 0..=LINKS_MAX {
            match self.members.get(&name)? {
                Place::Content { offset, len } => {
                    return Some(Location {
                        path: Arc::clone(&self.path),
                        wrapping: self.wrapping,
                        offset: *offset,
                        len: *len,
                    });
                }
                Place::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

fn index<F: Feed>(
    reader: &mut Reader<'_, F>,
    limits: &Limits,
) -> Result<BTreeMap<Vec<u8>, Place>, Error> {
    let mut members = BTreeMap::new();
    let (mut count, mut bytes) = (0, 0);
    while let Some(member) = reader.next()? {
        count += 1;
        bytes += (member.path.len() + member.link.len()) as u64;
        if count > limits.entries {
            return Err(Error::Limit { what: "members", limit: limits.entries });
        }
        if bytes > limits.metadata_bytes {
            let limit = limits.metadata_bytes;
            return Err(Error::Limit { what: "bytes of names and link targets", limit });
        }
        // A name that cannot be used cannot be asked for either.
        let Ok(name) = clean(&member.path, limits) else { continue };
        let place = match member.kind {
            MemberKind::File if member.extents.is_none() => {
                Place::Content { offset: member.offset, len: member.size }
            }
            MemberKind::Link => match clean(&member.link, limits) {
                Ok(target) => Place::Link(target),
                Err(_) => continue,
            },
            MemberKind::Symlink => Place::Link(beside(&name, &member.link)),
            _ => continue,
        };
        members.insert(name, place);
    }
    Ok(members)
}

/// What the symbolic link `name` points to, from the archive's root; names above it do not exist.
fn beside(name: &[u8], target: &[u8]) -> Vec<u8> {
    let mut path: Vec<&[u8]> = Vec::new();
    if target.first() != Some(&b'/') {
        path.extend(name.split(|byte| *byte == b'/'));
        path.pop();
    }
    for component in target.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => {
                path.pop();
            }
            component => path.push(component),
        }
    }
    path.join(&b'/')
}

/// An archive's bytes; what is not looked at is seeked over where that is possible.
enum Outer {
    Plain {
        file: BufReader<File>,
        left: u64,
    },
    Wrapped {
        input: Box<BufReader<Decoder<BufReader<File>>>>,
        compression: Compression,
        seen: u64,
        limit: u64,
    },
}

struct Named<'a> {
    feed: Outer,
    path: &'a Path,
}

impl Feed for Named<'_> {
    fn fill(&mut self) -> Result<&[u8], Error> {
        let path = self.path;
        match &mut self.feed {
            Outer::Plain { file, .. } => {
                file.fill_buf().map_err(|source| Error::Io { path: path.to_owned(), source })
            }
            Outer::Wrapped { input, compression, seen, limit } => {
                if seen > limit {
                    let what = "bytes in their uncompressed layers";
                    return Err(Error::Limit { what, limit: *limit });
                }
                input.fill_buf().map_err(|source| Error::Decompress {
                    input: path.display().to_string(),
                    compression: *compression,
                    source,
                })
            }
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.feed {
            Outer::Plain { file, left } => {
                file.consume(count);
                *left = left.saturating_sub(count as u64);
            }
            Outer::Wrapped { input, seen, .. } => {
                input.consume(count);
                *seen += count as u64;
            }
        }
    }

    fn skip(&mut self, count: u64) -> Result<u64, Error> {
        let path = self.path;
        if let Outer::Plain { file, left } = &mut self.feed {
            let count = count.min(*left);
            let by = i64::try_from(count).unwrap_or(i64::MAX);
            file.seek_relative(by).map_err(|source| Error::Io { path: path.to_owned(), source })?;
            *left -= count;
            return Ok(count);
        }
        skip_by_reading(self, count)
    }
}

/// The files that make up an image: those of a folder, or the members of an archive.
#[derive(Debug)]
pub(crate) enum Store {
    Folder(std::path::PathBuf),
    Archive(Archive),
}

impl Store {
    /// Where the file `name` lies. `image` is for errors.
    pub(crate) fn find(&self, name: &str, image: &str, limits: &Limits) -> Result<Location, Error> {
        let missing = || Error::Missing { image: image.to_owned(), name: escape(name.as_bytes()) };
        match self {
            Self::Archive(archive) => archive.find(name.as_bytes(), limits).ok_or_else(missing),
            Self::Folder(folder) => match Location::file(&folder.join(name)) {
                Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    Err(missing())
                }
                result => result,
            },
        }
    }
}

/// Reads a whole document. `name` is for errors.
pub(crate) fn read_document(
    location: &Location,
    name: &str,
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    let (size, limit) = (location.len, limits.document_bytes);
    if size > limit {
        return Err(Error::DocumentTooLarge { document: name.to_owned(), size, limit });
    }
    let mut bytes = Vec::new();
    let mut input = location.open().map_err(|error| location.error(error))?;
    input.by_ref().take(limit).read_to_end(&mut bytes).map_err(|error| location.error(error))?;
    if bytes.len() as u64 != size {
        let actual = bytes.len() as u64;
        return Err(Error::Size { blob: name.to_owned(), expected: size, actual });
    }
    Ok(bytes)
}
