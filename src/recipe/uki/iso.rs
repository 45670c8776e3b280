//! An ISO that boots unified kernel images, from disc and USB stick.
//!
//! The names are fixed: Kairos finds the medium by its label and loop-mounts `/efiboot.img` of it.
//! A stick has a master boot record and no GPT. Of a partition in a GPT the boot loader tells the
//! system (`LoaderDevicePartUUID`), and Kairos takes a system that was told so for an installed one.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::{self, Boot, EfiBoot, Hybrid};
use bootwright_image::{Blob, FileTree, Observer, Phase, Timestamp, Window};
use bootwright_partitions::fat;

use super::build::{Images, Places};
use super::medium::OnMedium;
use super::span::Span;
use crate::output::Staged;
use crate::recipe::RecipeError;

/// The label that Kairos looks for.
const LABEL: &str = "UKI_ISO_INSTALL";
const ESP: &[u8] = b"efiboot.img";
const ESP_LABEL: &str = "UKI_BOOT";
const ESP_ALIGN: u64 = 1 << 20;
/// Bytes of a sector of the partition, which has fewer than 2^32.
const SECTOR: u64 = 512;

/// An ISO in a file that has no name yet.
pub(super) struct Written {
    pub(super) file: Staged,
    pub(super) len: u64,
    esp: fat::Plan,
    esp_offset: u64,
}

impl Written {
    /// Where the content of a file of the EFI system partition begins in the ISO, in bytes.
    pub(super) fn offset(&self, path: &str) -> Option<u64> {
        Some(self.esp_offset + self.esp.file(path)?.offset)
    }
}

/// Images in the EFI system partition of an ISO.
struct InPartition<'a> {
    file: Arc<File>,
    /// Where the partition begins in the file.
    offset: u64,
    esp: fat::Writer<Window<&'a File>>,
}

impl Places for InPartition<'_> {
    fn begin(&mut self, path: &str) -> Result<Span, RecipeError> {
        let window = self.esp.begin(path)?;
        Ok(Span::new(Arc::clone(&self.file), self.offset + window.base(), u64::MAX))
    }

    fn end(&mut self, len: u64) -> Result<(), RecipeError> {
        Ok(self.esp.end(len)?)
    }
}

/// Writes the ISO that is to become `output`. `build` builds the images.
pub(super) fn write(
    esp: &FileTree,
    mut on_medium: OnMedium<'_>,
    time: Timestamp,
    output: &Path,
    build: impl FnOnce(&mut dyn Places) -> Result<Images, RecipeError>,
    observer: &dyn Observer,
) -> Result<(Written, Images), RecipeError> {
    let what = "the EFI system partition";
    let place =
        on_medium.medium.add(ESP, 0o644, Blob::deferred(u64::from(u32::MAX) * SECTOR), what)?;
    let staged = Staged::new(output)?;
    let named = iso9660::Options {
        volume_id: LABEL.into(),
        application: "BOOTWRIGHT".into(),
        time,
        ..iso9660::Options::default()
    };
    let (tree, streamed) = on_medium.split();
    let mut iso = iso9660::Writer::new(tree, named, staged.file())?;
    streamed.write(&mut iso, observer)?;
    let window = iso.begin_open(place, ESP_ALIGN)?;
    let esp_offset = window.base();
    let options = fat::Options { label: ESP_LABEL.into(), time, ..fat::Options::default() };
    let mut partition = InPartition {
        file: Arc::new(staged.file().try_clone()?),
        offset: esp_offset,
        esp: fat::Writer::new(esp, &options, window)?,
    };
    let images = build(&mut partition)?;
    partition.esp.set_volume_id(images.serial());
    observer.begin(Phase::Write, None);
    let esp = partition.esp.finish()?;
    iso.end_open(place, esp.len())?;
    iso.write_contents(observer)?;
    let hybrid = Hybrid { boot_code: None, disk_signature: 0, table: PartitionTable::Mbr };
    let boot = Boot { bios: None, efi: Some(EfiBoot { image: place }), hybrid: Some(hybrid) };
    let len = iso.finish(&boot, observer)?.len;
    observer.end(Phase::Write);
    Ok((Written { file: staged, len, esp, esp_offset }, images))
}
