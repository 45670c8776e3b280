//! Whole trees over a root file system.

use bootwright_image::FileTree;
use bootwright_oci::{Graft, Overwrite};

use super::StepError;
use crate::editor::Editor;

/// Lays the contents of an image over everything, as a Dockerfile's `COPY --from=IMAGE / /` does:
/// directories get the image's metadata, files are replaced. `what` is for errors.
///
/// # Errors
/// [`StepError::Graft`], when a directory and a file want one name.
pub fn lay_over(
    editor: &mut Editor<'_>,
    image: &FileTree,
    what: &'static str,
) -> Result<(), StepError> {
    let root = editor.tree.root();
    Graft::new(image, Overwrite::Merge, &())
        .entries(image.root(), editor.tree, root)
        .map_err(|source| StepError::Graft { what, source })
}

/// Lays a folder of the project under the directory `at`; directories that are there stay as they
/// are, so that a checkout's modes do not reach the system's.
///
/// # Errors
/// [`StepError`].
pub fn overlay(editor: &mut Editor<'_>, folder: &FileTree, at: &str) -> Result<(), StepError> {
    let to = editor.make_directory(at)?;
    Graft::new(folder, Overwrite::Overlay, &())
        .entries(folder.root(), editor.tree, to)
        .map_err(|source| StepError::Graft { what: "the overlay", source })
}

/// Makes `/etc/logrotate.d/stylus.conf` 0644 where it is: logrotate ignores files that others may
/// write.
pub fn fix_logrotate(editor: &mut Editor<'_>) {
    const PATH: &str = "/etc/logrotate.d/stylus.conf";
    if let Some(id) = editor.find(PATH).filter(|_| editor.is_file(PATH)) {
        editor.tree.metadata_mut(id).mode = 0o644;
    }
}
