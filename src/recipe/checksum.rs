//! The checksum of a finished file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bootwright_image::{Observer, Phase};
use sha2::{Digest, Sha256};

use super::RecipeError;

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
        hash.update(&buffer[..read]);
        observer.advance(Phase::Checksum, read as u64);
        at += read as u64;
    }
    observer.end(Phase::Checksum);
    Ok(hash.finalize().into())
}

/// The line that `sha256sum` writes for a file and checks with `-c`.
pub(crate) fn line(digest: &[u8; 32], name: &str) -> String {
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
