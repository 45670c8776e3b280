//! The checksum of a finished file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use bootwright_image::{Observer, Phase};
use sha2::{Digest, Sha256};

use super::RecipeError;
use crate::output::{Staged, publish_pair};

/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// The SHA-256 of the first `len` bytes of a file, read back from it.
///
/// # Errors
/// [`RecipeError::Write`] when the file is shorter or cannot be read, [`RecipeError::Cancelled`].
pub(crate) fn of_file(
    file: &File,
    len: u64,
    observer: &dyn Observer,
) -> Result<[u8; 32], RecipeError> {
    observer.begin(Phase::Checksum, Some(len));
    let mut hash = Sha256::new();
    read_back(file, len, observer, |bytes| {
        hash.update(bytes);
        observer.advance(Phase::Checksum, bytes.len() as u64);
    })?;
    observer.end(Phase::Checksum);
    Ok(hash.finalize().into())
}

/// Shows the first `len` bytes of a file to `each`, piece by piece.
///
/// # Errors
/// As [`of_file`].
pub(crate) fn read_back(
    file: &File,
    len: u64,
    observer: &dyn Observer,
    mut each: impl FnMut(&[u8]),
) -> Result<(), RecipeError> {
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < len {
        if observer.cancelled() {
            return Err(RecipeError::Cancelled);
        }
        let most = usize::try_from(len - at).unwrap_or(CHUNK).min(CHUNK);
        let read = file.read_at(&mut buffer[..most], at)?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        each(&buffer[..read]);
        at += read as u64;
    }
    Ok(())
}

/// Publishes the `len` bytes of a finished image together with `NAME.sha256`, `NAME` being its own
/// name, and returns the checksum.
///
/// # Errors
/// [`RecipeError`]; nothing is left behind then.
pub(super) fn publish(
    image: Staged,
    len: u64,
    observer: &dyn Observer,
) -> Result<[u8; 32], RecipeError> {
    // Hashing and the disk work side by side.
    let sha256 = std::thread::scope(|scope| {
        let flushed = scope.spawn(|| image.flush());
        let sha256 = of_file(image.file(), len, observer)?;
        flushed.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok::<_, RecipeError>(sha256)
    })?;
    let name = image.target().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let side = Staged::new(&image.target().with_file_name(format!("{name}.sha256")))?;
    side.file().write_all(line(&sha256, &name).as_bytes())?;
    publish_pair(image, side)?;
    Ok(sha256)
}

/// The line that `sha256sum` writes for a file and checks with `-c`.
fn line(digest: &[u8; 32], name: &str) -> String {
    format!("{}  {name}\n", hex(digest))
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Silent;

    #[test]
    fn the_line_is_what_sha256sum_writes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc and more").unwrap();
        let digest = of_file(&File::open(path).unwrap(), 3, &Silent).unwrap();
        assert_eq!(
            line(&digest, "a.iso"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a.iso\n"
        );
    }
}
