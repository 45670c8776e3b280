//! A repository that was read.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::files::{Images, Source, check_file, check_name};
use super::metadata::{Collection, Definition, Id, Metadata, Package, Spec, parse};
use super::{LuetError, PackageRequest, resolve};
use crate::image::Observer;
use crate::oci::{Options, Stack, read_small_archive};

/// What the index is called in its archive.
const METADATA: &[u8] = b"repository.meta.yaml";
/// What a repository begins with.
const SPEC: &str = "repository.yaml";

/// How a repository's images are read, and who is told.
#[derive(Clone)]
pub struct Reading<'a> {
    /// How images are read.
    pub options: Options,
    /// Who is told, and may stop it.
    pub observer: &'a dyn Observer,
}

/// The packages of a repository.
pub struct Repository<'a> {
    source: Source<'a>,
    name: String,
    /// All versions of each package, oldest first.
    pub(super) packages: BTreeMap<Id, Vec<Package>>,
}

impl<'a> Repository<'a> {
    /// Reads a repository of luet's type `docker`: `url` is `HOST/PATH`, the tags are files and
    /// packages.
    ///
    /// # Errors
    /// [`LuetError`].
    pub fn in_images(
        url: &str,
        images: &'a dyn Images,
        reading: &Reading<'_>,
    ) -> Result<Self, LuetError> {
        Self::read(Source::Images { url: url.trim_end_matches('/').to_owned(), images }, reading)
    }

    /// Reads a repository of luet's type `disk`.
    ///
    /// # Errors
    /// [`LuetError`].
    pub fn in_folder(folder: &Path, reading: &Reading<'_>) -> Result<Self, LuetError> {
        Self::read(Source::Folder(folder.to_owned()), reading)
    }

    fn read(source: Source<'a>, reading: &Reading<'_>) -> Result<Self, LuetError> {
        let place = source.name();
        let spec: Spec = parse(&source.read(SPEC, reading)?, &format!("{place}: {SPEC}"))?;
        source.need(&[&spec.repo_files.meta, &spec.repo_files.tree])?;
        let archive = |file| -> Result<BTreeMap<Vec<u8>, Vec<u8>>, LuetError> {
            let bytes = source.read_checked(file, reading)?;
            let title = format!("{place}: {}", file.filename);
            let mut limits = reading.options.limits.clone();
            limits.inflated_bytes = limits.inflated_bytes.min(1 << 28);
            Ok(read_small_archive(&bytes, &title, &limits)?)
        };
        let tree = definitions(&archive(&spec.repo_files.tree)?, &place)?;
        let file = &spec.repo_files.meta;
        let missing = || LuetError::Missing {
            place: format!("{place}: {}", file.filename),
            name: String::from_utf8_lossy(METADATA).into_owned(),
        };
        let files = archive(file)?;
        let bytes = files.get(METADATA).ok_or_else(missing)?;
        let metadata: Metadata = parse(bytes, &format!("{place}: {}", file.filename))?;
        let mut packages = BTreeMap::<Id, Vec<Package>>::new();
        for artifact in metadata.index.unwrap_or_default() {
            let package = Package::new(artifact, &tree);
            packages.entry(package.id.clone()).or_default().push(package);
        }
        for versions in packages.values_mut() {
            let spelled = |package: &Package| package.version.as_str().to_owned();
            versions.sort_by(|a, b| {
                a.version.cmp(&b.version).then_with(|| spelled(a).cmp(&spelled(b)))
            });
        }
        Ok(Self { source, name: spec.name, packages })
    }

    /// The name that the repository gives itself.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Every package in every version, sorted.
    pub fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().flatten()
    }

    /// What errors call the repository.
    pub(super) fn place(&self) -> String {
        self.source.name()
    }

    /// The package asked for and what it requires, that first; of each the newest version that
    /// will do.
    ///
    /// # Errors
    /// [`LuetError::NoPackage`], [`LuetError::NoVersion`], [`LuetError::Conflict`].
    pub fn resolve(&self, request: &PackageRequest) -> Result<Vec<&Package>, LuetError> {
        resolve::resolve(self, request)
    }

    /// The name of the image that a package comes from; `None` in a folder.
    ///
    /// # Errors
    /// [`LuetError::Name`] when its name cannot be a tag.
    pub fn image_name(&self, package: &Package) -> Result<Option<String>, LuetError> {
        let Source::Images { url, .. } = &self.source else { return Ok(None) };
        let tag = package.tag();
        check_name(&tag, url, "an image's tag")?;
        Ok(Some(format!("{url}:{tag}")))
    }

    /// Lays a package's content over what `stack` has.
    ///
    /// # Errors
    /// [`LuetError`], when the package's image or file cannot be had, or the file is not what the
    /// index promises.
    pub fn lay(&self, package: &Package, stack: &mut Stack<'_>) -> Result<(), LuetError> {
        match &self.source {
            Source::Images { url, .. } => {
                let tag = package.tag();
                check_name(&tag, url, "an image's tag")?;
                let (_, reference) = self.source.image(&tag)?;
                stack.add_image(&reference)?;
            }
            Source::Folder(folder) => {
                check_name(&package.file, &self.place(), "a package's file")?;
                let path = folder.join(&package.file);
                if let Some(expected) = &package.checksum {
                    check_file(&path, expected)?;
                }
                stack.add_archive(&path, b"/")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Repository<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("place", &self.place())
            .field("packages", &self.packages().count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading").field("options", &self.options).finish_non_exhaustive()
    }
}

/// The packages that the tree defines, by category, name and version.
fn definitions(
    files: &BTreeMap<Vec<u8>, Vec<u8>>,
    place: &str,
) -> Result<BTreeMap<(Id, String), Definition>, LuetError> {
    let mut found = BTreeMap::new();
    for (path, bytes) in files {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let title = || format!("{place}: tree: {}", String::from_utf8_lossy(path));
        let list = match name {
            b"definition.yaml" => vec![parse::<Definition>(bytes, &title())?],
            b"collection.yaml" => parse::<Collection>(bytes, &title())?.packages,
            _ => continue,
        };
        for definition in list {
            let id = (definition.category.clone(), definition.name.clone());
            found.insert((id, definition.version.clone()), definition);
        }
    }
    Ok(found)
}
