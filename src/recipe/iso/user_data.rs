//! What the installer asks of a user-data file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bootwright_image::Observer;

use super::RecipeError;

/// The installer reads no larger file, in bytes.
const MAX_LEN: u64 = 1 << 20;
/// Lines in which the installer looks for a header.
const HEADER_LINES: usize = 10;
const HEADERS: [&[u8]; 3] = [b"#cloud-config", b"#kairos-config", b"#node-config"];

/// Says so when the installer would pass over the file, which is put on the medium as it is.
///
/// # Errors
/// [`RecipeError::Read`].
pub(in crate::recipe) fn check(path: &Path, observer: &dyn Observer) -> Result<(), RecipeError> {
    let read = |source| RecipeError::Read { path: path.into(), source };
    let mut text = Vec::new();
    let file = File::open(path).map_err(read)?;
    file.take(MAX_LEN + 1).read_to_end(&mut text).map_err(read)?;
    if let Some(problem) = problem(&text) {
        observer.warn(format_args!("{path:?} {problem}; the installer will pass over it"));
    }
    Ok(())
}

fn problem(text: &[u8]) -> Option<&'static str> {
    let has_header = text
        .split(|byte| *byte == b'\n')
        .take(HEADER_LINES)
        .any(|line| HEADERS.contains(&line.trim_ascii_end()));
    if text.len() as u64 > MAX_LEN {
        Some("is larger than 1 MiB")
    } else if !has_header {
        Some("has no line #cloud-config among its first ten")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_looked_for_in_ten_lines_of_at_most_a_mebibyte() {
        let text = |lines: usize, len: usize| {
            let mut text = [&b"# x\n".repeat(lines)[..], b"#cloud-config\r\nusers: []\n"].concat();
            text.resize(len.max(text.len()), b'#');
            text
        };
        assert_eq!(problem(&text(9, 0)), None);
        assert!(problem(&text(10, 0)).is_some());
        assert!(problem(b"").is_some());
        assert_eq!(problem(&text(0, 1 << 20)), None);
        assert_eq!(problem(&text(0, (1 << 20) + 1)), Some("is larger than 1 MiB"));
    }
}
