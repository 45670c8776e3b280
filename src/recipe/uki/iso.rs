//! An ISO that boots unified kernel images, from disc and USB stick.
//!
//! The names are fixed: Kairos finds the medium by its label and loop-mounts `/efiboot.img` of it.
//! A stick has a master boot record and no GPT. Of a partition in a GPT the boot loader tells the
//! system (`LoaderDevicePartUUID`), and Kairos takes a system that was told so for an installed one.

use std::path::Path;

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::{self, Boot, EfiBoot, Hybrid};
use bootwright_image::{Blob, FileTree, Observer, Phase, Timestamp};
use bootwright_partitions::fat;

use super::UkiRecipe;
use crate::output::Staged;
use crate::recipe::RecipeError;
use crate::recipe::checksum;
use crate::recipe::iso::{Medium, check_user_data};

/// The label that Kairos looks for.
const LABEL: &str = "UKI_ISO_INSTALL";
const ESP: &[u8] = b"efiboot.img";
const ESP_LABEL: &str = "UKI_BOOT";
const ESP_ALIGN: u64 = 1 << 20;

/// The medium's own tree, but for the EFI system partition.
pub(super) fn medium(
    recipe: &UkiRecipe,
    time: Timestamp,
    observer: &dyn Observer,
) -> Result<Medium, RecipeError> {
    let mut medium = Medium::new(time);
    medium.add_overlays(&recipe.overlay_iso, recipe.source.jobs, observer)?;
    if let Some(path) = &recipe.user_data {
        check_user_data(path, observer)?;
        medium.add_host_file(b"config.yaml", 0o600, path, "--user-data")?;
    }
    Ok(medium)
}

/// Writes the ISO and its checksum; returns length and checksum.
pub(super) fn write(
    esp: &FileTree,
    mut medium: Medium,
    time: Timestamp,
    (folder, name): (&Path, &str),
    observer: &dyn Observer,
) -> Result<(u64, [u8; 32]), RecipeError> {
    let options = fat::Options { label: ESP_LABEL.into(), time, ..fat::Options::default() };
    let plan = fat::Plan::new(esp, &options)?;
    let place = medium.add(ESP, 0o644, Blob::deferred(plan.len()), "the EFI system partition")?;
    let staged = Staged::new(&folder.join(format!("{name}.iso")))?;
    let named = iso9660::Options {
        volume_id: LABEL.into(),
        application: "BOOTWRIGHT".into(),
        time,
        ..iso9660::Options::default()
    };
    observer.begin(Phase::Write, None);
    let mut iso = iso9660::Writer::new(medium.into_tree(), named, staged.file())?;
    plan.emit(&mut iso.place_aligned(place, plan.len(), ESP_ALIGN)?)?;
    iso.write_contents(observer)?;
    let hybrid = Hybrid { boot_code: None, disk_signature: 0, table: PartitionTable::Mbr };
    let boot = Boot { bios: None, efi: Some(EfiBoot { image: place }), hybrid: Some(hybrid) };
    let len = iso.finish(&boot, observer)?.len;
    observer.end(Phase::Write);
    let sha256 = checksum::publish(staged, len, observer)?;
    Ok((len, sha256))
}
