//! Files in a docker archive: an image that carries them and is never run.

use std::io::{Seek, Write};

use bootwright_image::{FileTree, Observer, Streams, Timestamp};

use super::{
    ArchiveFormat, Changes, HistoryEntry, ImageArchive, LayerOptions, NewImage, WriteError,
    WrittenImage, write_layer,
};

/// What an image of nothing but files says about itself.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name and tag, such as `kairos_uki:v3.2.1`.
    pub name: String,
    /// The architecture by its OCI name.
    pub architecture: String,
    /// When it was made.
    pub created: Timestamp,
    /// What made it, for its history.
    pub created_by: String,
}

/// Writes the files of a tree as a docker archive with one layer. The layer has regular files
/// only: no directories, and names without `./`, which is what unpackers of such images count on.
/// Gives the output back, not flushed to the disk.
///
/// # Errors
/// [`WriteError`]; [`WriteError::NotAFile`] when the tree has links or nodes.
pub fn write_container<W: Write + Seek>(
    tree: &FileTree,
    streams: &dyn Streams,
    container: &Container,
    options: LayerOptions,
    output: W,
    observer: &dyn Observer,
) -> Result<(W, WrittenImage), WriteError> {
    let changes = Changes::files_only(tree)?;
    let mut archive = ImageArchive::new(output, ArchiveFormat::Docker);
    let layer = write_layer(&mut archive, &changes, tree, streams, options, observer)?;
    let mut image = NewImage::scratch(&container.architecture);
    image.config.set_created(container.created);
    let history = HistoryEntry { created_by: container.created_by.clone(), ..Default::default() };
    image.push(layer, &history);
    let names = std::slice::from_ref(&container.name);
    let written = image.write(&mut archive, names, observer)?;
    Ok((archive.finish()?, written))
}
