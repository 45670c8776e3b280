//! OCI image layouts of one layer that is written as a stream.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::members::Members;

/// Writes a layout with one image for amd64, whose only layer has the members that `fill` adds, in
/// gzip of the fastest level.
///
/// # Errors
/// What `fill` and the file system report.
pub fn write(
    folder: &Path,
    fill: impl FnOnce(&mut Members<&mut dyn Write>) -> io::Result<()>,
) -> io::Result<()> {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let unfinished = blobs.join("layer");
    let mut stored = Hashing::new(BufWriter::with_capacity(1 << 20, File::create(&unfinished)?));
    let encoder = GzEncoder::new(&mut stored, Compression::fast());
    let (encoder, diff_id) = fill_layer(encoder, fill)?;
    encoder.finish()?;
    let (file, digest) = stored.finish();
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    let len = file.metadata()?.len();
    fs::rename(unfinished, blobs.join(&digest))?;
    let layer = descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &digest, len);
    describe(folder, &blobs, &diff_id, &layer)
}

/// The output again, and the digest of what went into it.
fn fill_layer<W: Write>(
    output: W,
    fill: impl FnOnce(&mut Members<&mut dyn Write>) -> io::Result<()>,
) -> io::Result<(W, String)> {
    let mut plain = BufWriter::with_capacity(1 << 18, Hashing::new(output));
    let mut members = Members::new(&mut plain as &mut dyn Write);
    fill(&mut members)?;
    members.finish()?;
    let plain = plain.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(plain.finish())
}

/// Configuration, manifest, index (OCI image specification 1.1).
fn describe(
    folder: &Path,
    blobs: &Path,
    diff_id: &str,
    layer: &serde_json::Value,
) -> io::Result<()> {
    let blob = |media_type: &str, value: &serde_json::Value| {
        let text = value.to_string();
        let digest = hex(&Sha256::digest(text.as_bytes()));
        fs::write(blobs.join(&digest), &text)?;
        io::Result::Ok(descriptor(media_type, &digest, text.len() as u64))
    };
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": "2023-11-14T22:13:20Z",
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
    });
    let config = blob("application/vnd.oci.image.config.v1+json", &config)?;
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let manifest = blob("application/vnd.oci.image.manifest.v1+json", &manifest)?;
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(folder.join("index.json"), index.to_string())?;
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
}

fn descriptor(media_type: &str, digest: &str, len: u64) -> serde_json::Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": len })
}

/// Passes bytes on and hashes them.
struct Hashing<W> {
    output: W,
    hasher: Sha256,
}

impl<W: Write> Hashing<W> {
    fn new(output: W) -> Self {
        Self { output, hasher: Sha256::new() }
    }

    fn finish(self) -> (W, String) {
        (self.output, hex(&self.hasher.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prose::Prose;
    use bootwright_image::Silent;
    use bootwright_oci::{Limits, Options, Reference, Stack};

    #[test]
    fn layouts_are_read_back() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), |members| {
            members.directory("etc/")?;
            members.file("etc/text", 100_000, &mut Prose::new(1))
        })
        .unwrap();
        let options = Options {
            architecture: String::new(),
            limits: Limits::default(),
            jobs: std::num::NonZeroUsize::MIN,
        };
        let mut stack = Stack::new(options, &Silent);
        let dir = folder.path().to_owned();
        stack.add_image(&Reference::Layout { dir, tag: None }).unwrap();
        let tree = stack.finish().unwrap().tree;
        let id = tree.lookup(b"/etc/text").unwrap();
        assert_eq!(tree.inode(id).as_file().unwrap().len(), 100_000);
    }
}
