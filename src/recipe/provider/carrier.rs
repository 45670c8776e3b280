//! An image that holds one file, as KubeVirt takes disks.

use std::path::Path;

use bootwright_image::{Blob, FileTree, Metadata, Observer, Timestamp};
use bootwright_oci::write::{
    Changes, HistoryEntry, ImageStore, LayerCompression, LayerOptions, NewImage, write_layer,
};

use super::ImageReport;
use crate::recipe::{Architecture, RecipeError};

/// Who reads disks: the user that KubeVirt's virtual machines run as.
const QEMU: u32 = 107;

/// A file in an image made from nothing.
#[derive(Clone, Debug)]
pub struct CarrierRecipe<'a> {
    /// The file of the build host, which becomes `/disk/NAME` under its own name.
    pub file: &'a Path,
    /// What the image is for.
    pub architecture: Architecture,
    /// The time of everything in it.
    pub time: Timestamp,
}

impl CarrierRecipe<'_> {
    /// Writes the image `name` (`REGISTRY/REPOSITORY:TAG`) into `store`. The file's bytes are not
    /// compressed again: what is large in an ISO is compressed already.
    ///
    /// # Errors
    /// [`RecipeError`]; an image that failed has no name.
    pub fn write(
        &self,
        name: &str,
        store: &mut dyn ImageStore,
        observer: &dyn Observer,
    ) -> Result<ImageReport, RecipeError> {
        let tree = self.tree()?;
        let options = LayerOptions {
            compression: LayerCompression::None,
            ..LayerOptions::new(std::num::NonZeroUsize::MIN)
        };
        let layer = write_layer(store, &Changes::whole(&tree)?, &tree, &(), options, observer)?;
        let layer_len = layer.size();
        let mut image = NewImage::scratch(self.architecture.oci_name());
        image.config.set_created(self.time);
        let created_by = "bootwright +iso-disk-image".into();
        image.push(layer, &HistoryEntry { created_by, ..HistoryEntry::default() });
        let written = image.write(store, &[name.to_owned()], observer)?;
        Ok(ImageReport {
            name: name.to_owned(),
            digest: written.manifest.digest,
            len: layer_len + written.manifest.size + written.config.size,
            layer_len,
            base_layers: 0,
            inputs: Vec::new(),
        })
    }

    fn tree(&self) -> Result<FileTree, RecipeError> {
        let read = |source| RecipeError::Read { path: self.file.into(), source };
        let len = std::fs::metadata(self.file).map_err(read)?.len();
        let blob = Blob::host_file(self.file.into(), 0, len);
        let folder = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let mut tree = FileTree::new(folder.clone());
        let file = Metadata { mtime: self.time, uid: QEMU, gid: QEMU, ..Metadata::file(0o440) };
        let place = |source| RecipeError::Place { path: "/disk".into(), source };
        let disk = tree.add_directories(b"disk", &folder).map_err(place)?;
        let name = self.file.file_name().unwrap_or_default();
        tree.add_file(disk, name.as_encoded_bytes(), file, blob).map_err(place)?;
        Ok(tree)
    }
}
