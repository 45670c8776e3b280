//! Finished images of root file systems, whole and as donors of blocks.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use bootwright_image::Observer;
use bootwright_squashfs::reuse::{Donor, Index, codec};
use bootwright_squashfs::{Options, Summary};
use serde::{Deserialize, Serialize};

use super::{Cache, Kind, touch};
use crate::output::{Staged, copy_range};
use crate::recipe::checksum::read_back;
use crate::recipe::{RecipeError, Root};

/// What an image was made from, and how to know it again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    /// The compressor and the block size.
    codec: String,
    /// What went in, by digest or name, to tell how much two images may have in common.
    inputs: Vec<String>,
    /// The BLAKE3 digest of the padded image.
    digest: [u8; 32],
    pub(crate) summary: Summary,
}

/// An image in the cache.
#[derive(Debug)]
pub(crate) struct CachedImage {
    pub(crate) key: [u8; 32],
    pub(crate) about: About,
    pub(crate) file: File,
    pub(crate) donor: Arc<Donor>,
}

/// What the cache has for a root.
#[derive(Debug)]
pub(crate) enum Found {
    /// The very image.
    Whole(CachedImage),
    /// One with the same compressor that may share contents.
    Similar(CachedImage),
    Nothing,
}

impl CachedImage {
    /// Compares the image with its digest.
    ///
    /// # Errors
    /// [`RecipeError::Cache`] when it is damaged, [`RecipeError::Cancelled`].
    pub(crate) fn check(&self, observer: &dyn Observer) -> Result<(), RecipeError> {
        match digest_of(&self.file, self.about.summary.padded_len, observer) {
            Ok(digest) if digest == self.about.digest => Ok(()),
            Err(RecipeError::Cancelled) => Err(RecipeError::Cancelled),
            _ => Err(RecipeError::Cache { key: self.key }),
        }
    }
}

impl Cache {
    /// The image with this key, else the one that shares most inputs with `root`.
    pub(crate) fn find(&self, key: &[u8; 32], root: &Root, options: &Options) -> Found {
        if let Some(image) = self.open_image(*key, options) {
            return Found::Whole(image);
        }
        let (wanted, inputs) = (codec(options), inputs(root));
        let mut candidates: Vec<_> = self
            .images()
            .filter_map(|(used, key)| {
                let about: About = postcard::from_bytes(&self.read(&key, Kind::About)?).ok()?;
                let shared = about.inputs.iter().filter(|input| inputs.contains(input)).count();
                (about.codec == wanted).then_some((shared, used, key))
            })
            .collect();
        candidates.sort_unstable();
        candidates
            .into_iter()
            .rev()
            .find_map(|(_, _, key)| self.open_image(key, options))
            .map_or(Found::Nothing, Found::Similar)
    }

    /// Keeps the image that lies in `output` from byte `offset` on.
    ///
    /// # Errors
    /// [`RecipeError`]; the image is not in the cache then.
    pub(crate) fn keep(
        &self,
        key: &[u8; 32],
        root: &Root,
        options: &Options,
        made: (&Summary, &Index),
        output: (&File, u64),
        observer: &dyn Observer,
    ) -> Result<(), RecipeError> {
        let ((summary, index), (file, offset)) = (made, output);
        if summary.padded_len > self.limit {
            return Ok(());
        }
        let staged = Staged::new(&self.path(key, Kind::Squashfs))?;
        copy_range((file, offset), (staged.file(), 0), summary.padded_len, observer)?;
        let digest = digest_of(staged.file(), summary.padded_len, observer)?;
        let mut kept = *summary;
        kept.reused = 0;
        let about = About { codec: codec(options), inputs: inputs(root), digest, summary: kept };
        let about = postcard::to_stdvec(&about).expect("BUG: plain data in memory can be written");
        staged.publish_unflushed()?;
        self.write(key, Kind::Index, &index.to_bytes())?;
        self.write(key, Kind::About, &about)?;
        Ok(())
    }

    fn open_image(&self, key: [u8; 32], options: &Options) -> Option<CachedImage> {
        let about: About = postcard::from_bytes(&self.read(&key, Kind::About)?).ok()?;
        let index = Index::from_bytes(&self.read(&key, Kind::Index)?).ok()?;
        let path = self.path(&key, Kind::Squashfs);
        let file = File::open(&path).ok()?;
        let len = file.metadata().ok()?.len();
        if len != about.summary.padded_len {
            self.forget(&key);
            return None;
        }
        touch(&path);
        let donor = Donor::new(index, file.try_clone().ok()?, 0, options)?;
        Some(CachedImage { key, about, file, donor: Arc::new(donor) })
    }

    /// The images' keys, each with the time of its last use.
    fn images(&self) -> impl Iterator<Item = ((i64, i64), [u8; 32])> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let key = key_from(name.strip_suffix(Kind::About.suffix())?.strip_suffix('.')?)?;
            let metadata = entry.metadata().ok()?;
            Some(((metadata.mtime(), metadata.mtime_nsec()), key))
        })
    }
}

fn inputs(root: &Root) -> Vec<String> {
    let name = |input: &bootwright_oci::InputSummary| {
        input.digest.map_or_else(|| input.what.clone(), |digest| digest.to_string())
    };
    root.inputs.iter().map(name).collect()
}

fn key_from(hex: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    let pairs = hex.as_bytes().as_chunks::<2>().0;
    if hex.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(key)
}

fn digest_of(file: &File, len: u64, observer: &dyn Observer) -> Result<[u8; 32], RecipeError> {
    let mut hasher = blake3::Hasher::new();
    read_back(file, len, observer, |bytes| {
        hasher.update(bytes);
    })?;
    Ok(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_names() {
        let key = std::array::from_fn(|at| u8::try_from(at * 7).unwrap());
        assert_eq!(key_from(&crate::recipe::checksum_hex(&key)), Some(key));
        for bad in ["", "00", &"0g".repeat(32), &"00".repeat(33)] {
            assert_eq!(key_from(bad), None, "{bad}");
        }
    }
}
