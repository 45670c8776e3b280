//! What is installed in the root file system of a result: its bill of materials.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::Path;

use bootwright_image::{InodeId, Observer, Timestamp};

use super::tee::Tap;
use super::{RecipeError, Root, Source};
use crate::output::{OutputError, Staged};
use crate::sbom::{Inventory, Request, Subject};

/// The packages of a root file system.
#[derive(Clone, Debug)]
pub struct Installed {
    /// The packages.
    pub inventory: Inventory,
    /// The time that the result has.
    pub time: Timestamp,
}

impl Installed {
    /// Reads the package databases of a root file system, with a pass over the layers that hold
    /// them.
    ///
    /// # Errors
    /// [`RecipeError`].
    pub fn read(root: &Root, observer: &dyn Observer) -> Result<Self, RecipeError> {
        let inventory = Inventory::read(&root.tree, &root.streams, observer)?;
        Ok(Self { inventory, time: root.epoch })
    }

    /// The same if the source asks for it.
    pub(super) fn of(
        source: &Source,
        root: &Root,
        observer: &dyn Observer,
    ) -> Result<Option<Self>, RecipeError> {
        source.inventory.then(|| Self::read(root, observer)).transpose()
    }

    /// Writes the bill of materials `NAME.cdx.json` (CycloneDX) of an artefact into `folder`; it
    /// appears when it is complete. The subject's time is that of the root file system.
    ///
    /// # Errors
    /// [`OutputError`].
    pub fn write(&self, folder: &Path, name: &str, subject: &Subject) -> Result<(), OutputError> {
        let target = folder.join(format!("{name}.cdx.json"));
        let staged = Staged::new(&target)?;
        let subject = Subject { created: Some(self.time), ..subject.clone() };
        let text = self.inventory.to_cyclonedx(&subject);
        let finish = |source| OutputError::Finish { path: target.clone(), source };
        staged.file().write_all(text.as_bytes()).map_err(finish)?;
        staged.publish()
    }
}

/// Picks the package databases up while the root file system goes past.
pub(super) struct Watch(Option<(Request, Timestamp)>);

impl Watch {
    /// Watches if the source asks for it.
    pub(super) fn new(source: &Source, root: &Root) -> Self {
        Self(source.inventory.then(|| (Request::new(&root.tree), root.epoch)))
    }

    pub(super) fn taps<W: Write + Seek>(&self) -> impl Iterator<Item = (InodeId, Tap<W>)> {
        let inodes = self.0.iter().flat_map(|(request, _)| request.inodes());
        inodes.map(|inode| (inode, Tap::Keep(inode, Vec::new())))
    }

    /// What was seen.
    pub(super) fn finish(self, kept: &BTreeMap<InodeId, Vec<u8>>) -> Option<Installed> {
        let (request, time) = self.0?;
        Some(Installed { inventory: request.parse(kept), time })
    }
}
