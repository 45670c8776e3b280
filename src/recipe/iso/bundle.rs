//! Content bundles: large `*.zst` files that go onto the medium in parts.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use bootwright_image::Blob;

use super::RecipeError;

/// Length of a part in bytes. The consumer joins what `split --bytes=3GB --numeric-suffixes`
/// makes, and parts below 4 GiB stay single extents, which every ISO 9660 reader understands.
pub(super) const PART: u64 = 3_000_000_000;

/// One part of a bundle: the name it gets and its bytes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: Vec<u8>,
    pub(super) blob: Blob,
}

/// The parts of a bundle, or of every bundle in a folder, in order of names.
///
/// # Errors
/// The folder cannot be read, has no bundle, or has something else beside hidden files.
pub(super) fn parts(folder: &Path) -> Result<Vec<Part>, RecipeError> {
    if folder.is_file() && folder.as_os_str().as_bytes().ends_with(b".zst") {
        let mut parts = Vec::new();
        split(folder, &mut parts)?;
        return Ok(parts);
    }
    let read = |source| RecipeError::Read { path: folder.into(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().unwrap_or_default().as_bytes();
        if name.starts_with(b".") {
            continue;
        }
        if !name.ends_with(b".zst") || !path.is_file() {
            return Err(RecipeError::NotABundle { path });
        }
        files.push(path);
    }
    if files.is_empty() {
        return Err(RecipeError::NoBundle { path: folder.into() });
    }
    files.sort();
    let mut parts = Vec::new();
    for file in files {
        split(&file, &mut parts)?;
    }
    Ok(parts)
}

fn split(file: &Path, parts: &mut Vec<Part>) -> Result<(), RecipeError> {
    let read = |source| RecipeError::Read { path: file.into(), source };
    let len = fs::metadata(file).map_err(read)?.len();
    let path: Arc<Path> = file.into();
    let name = file.file_name().unwrap_or(OsStr::new("")).as_bytes();
    // An empty bundle is still one (empty) part: the consumer looks for `_part00`.
    for number in 0..len.div_ceil(PART).max(1) {
        let offset = number * PART;
        let name = [name, b"_part", suffix(number).as_bytes()].concat();
        let blob = Blob::host_file(Arc::clone(&path), offset, PART.min(len - offset));
        parts.push(Part { name, blob });
    }
    Ok(())
}

/// GNU split's numeric suffixes: 00 to 89, then 9000 to 9899, 990000 and so on, so that the parts
/// always sort by name.
fn suffix(mut number: u64) -> String {
    let (mut nines, mut width, mut count) = (String::new(), 2, 90);
    while number >= count {
        number -= count;
        nines.push('9');
        width += 1;
        count *= 10;
    }
    format!("{nines}{number:0width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_those_of_split() {
        for (number, text) in [
            (0, "00"),
            (89, "89"),
            (90, "9000"),
            (989, "9899"),
            (990, "990000"),
            (9989, "998999"),
            (9990, "99900000"),
        ] {
            assert_eq!(suffix(number), text);
        }
    }

    #[test]
    fn a_bundle_is_cut_at_three_gigabytes() {
        let dir = tempfile::tempdir().unwrap();
        for (name, len) in
            [("b.tar.zst", 2 * PART), ("a.zst", 1), ("c.zst", 2 * PART + 1), ("d.zst", 0)]
        {
            fs::File::create(dir.path().join(name)).unwrap().set_len(len).unwrap();
        }
        fs::write(dir.path().join(".gitkeep"), "").unwrap();
        let parts: Vec<_> = parts(dir.path())
            .unwrap()
            .into_iter()
            .map(|part| (String::from_utf8(part.name).unwrap(), part.blob.len()))
            .collect();
        let expected = [
            ("a.zst_part00", 1),
            ("b.tar.zst_part00", PART),
            ("b.tar.zst_part01", PART),
            ("c.zst_part00", PART),
            ("c.zst_part01", PART),
            ("c.zst_part02", 1),
            ("d.zst_part00", 0),
        ];
        assert!(parts.iter().map(|(name, len)| (name.as_str(), *len)).eq(expected));
        assert_eq!(super::parts(&dir.path().join("a.zst")).unwrap().len(), 1);
    }

    #[test]
    fn folders_without_bundles_or_with_other_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(parts(dir.path()), Err(RecipeError::NoBundle { .. })));
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        assert!(matches!(parts(dir.path()), Err(RecipeError::NotABundle { .. })));
    }
}
