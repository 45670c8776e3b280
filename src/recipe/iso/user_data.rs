//! What the installer asks of a user-data file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bootwright_image::Observer;

use super::RecipeError;
use crate::project::user_data;

/// Says what the installer would not understand, or pass over. The file is put on the medium as it
/// is.
///
/// # Errors
/// [`RecipeError::Read`].
pub(in crate::recipe) fn check(path: &Path, observer: &dyn Observer) -> Result<(), RecipeError> {
    let read = |source| RecipeError::Read { path: path.into(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(user_data::MAX_LEN as u64 + 1).read_to_end(&mut text).map_err(read)?;
    for problem in user_data::check(&path.display().to_string(), &text).iter() {
        observer.warn(format_args!("{problem}"));
    }
    Ok(())
}
