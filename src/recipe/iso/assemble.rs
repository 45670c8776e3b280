//! Writes a prepared ISO.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::thread::Scope;

use bootwright_boot::PartitionTable;
use bootwright_boot::grub::{self, GrubFiles};
use bootwright_boot::iso9660::{self, BiosBoot, Boot, EfiBoot, Hybrid};
use bootwright_boot::loaders::{CHAIN, chain_paths};
use bootwright_image::{Blob, FileTree, InodeId, Metadata, Observer, Phase, Timestamp};
use bootwright_partitions::fat;
use bootwright_squashfs as squashfs;
use sha2::{Digest, Sha256};

use super::boot_files::{BiosImage, BootFiles, Places};
use super::{IsoReport, PreparedIso};
use crate::cache::Cache;
use crate::recipe::installed::Watch;
use crate::recipe::pack::{Place, pack};
use crate::recipe::tee::Tap;
use crate::recipe::{Architecture, RecipeError, Root};

/// Where the squashfs begins: file systems share blocks of this size, so that a copy of an image
/// from the cache takes no space where they can.
const SQUASHFS_ALIGN: u64 = 4096;
/// Where the EFI system partition begins: a multiple of this, as partitioning tools expect.
const ESP_ALIGN: u64 = 1 << 20;
/// Label of the EFI system partition's file system.
const ESP_LABEL: &str = "EFI_LIVE";
/// Where GRUB, started by BIOS, finds its menu and modules.
const BIOS_PREFIX: &str = "/boot/grub2";
/// Sectors that BIOS loads of the El Torito image; it loads the rest itself.
const BIOS_LOAD_SECTORS: u16 = 4;

/// Contents by inode of the root file system.
type Kept = BTreeMap<InodeId, Vec<u8>>;

pub(super) fn write<W: Write + Seek>(
    prepared: PreparedIso<'_>,
    output: W,
    cached: Option<(&Cache, &File)>,
    observer: &dyn Observer,
) -> Result<IsoReport, RecipeError> {
    std::thread::scope(|scope| write_in(scope, prepared, output, cached, observer))
}

fn write_in<'scope, 'env, W: Write + Seek>(
    scope: &'scope Scope<'scope, 'env>,
    prepared: PreparedIso<'_>,
    output: W,
    cached: Option<(&'env Cache, &'env File)>,
    observer: &'env dyn Observer,
) -> Result<IsoReport, RecipeError> {
    let PreparedIso { recipe, root, boot, medium, places } = prepared;
    if boot.bios.is_none() && boot.architecture == Architecture::Amd64 {
        observer.warn(format_args!(
            "no GRUB for BIOS in the base image (/usr/lib/grub/i386-pc); the ISO boots on UEFI only"
        ));
    }
    let (placed, fingerprint) = (medium.placed(), medium.fingerprint()?);
    let named = volume(&recipe.label, root.epoch);
    let mut iso = iso9660::Writer::new(medium.into_tree(), named, output)?;

    let watch = Watch::new(&recipe.source, &root);
    let mut taps = boot_taps(&boot, &places, &mut iso)?;
    taps.extend(watch.taps());
    let window = iso.begin_open(places.squashfs, SQUASHFS_ALIGN)?;
    let cached = cached.map(|(cache, file)| (cache, file, window.base()));
    let options = squashfs::Options { time: root.epoch.clamp_to_u32(), ..recipe.squashfs.clone() };
    let mut packed = pack(scope, &root, options, Place { window, cached }, taps, observer)?;
    let (summary, kept) = (packed.summary, std::mem::take(&mut packed.kept));
    iso.end_open(places.squashfs, summary.padded_len)?;

    observer.begin(Phase::Write, None);
    boot.check_loaders(&kept, observer)?;
    for (file, place) in boot.efi.files.iter().zip(&places.loaders) {
        set(&mut iso, *place, kept.get(&file.inode).cloned().unwrap_or_default())?;
    }
    let boot_code = bios(&boot, &places, &kept, &mut iso)?;
    iso.write_contents(observer)?;
    let seed = seed(&root, &summary, &recipe.label, &fingerprint);
    esp(&boot, &kept, root.epoch, &seed, places.esp, &mut iso)?;
    let len = iso.finish(&firmware(&places, boot_code, seed), observer)?.len;
    packed.wait()?;
    observer.end(Phase::Write);
    Ok(IsoReport {
        inputs: root.inputs,
        installed: watch.finish(&kept),
        placed,
        squashfs: summary,
        bios: boot.bios.is_some(),
        efi: true,
        epoch: root.epoch,
        label: recipe.label.clone(),
        len,
        sha256: [0; 32],
    })
}

/// What the volume descriptors say. The first partition of a stick can be mounted too.
fn volume(label: &str, time: Timestamp) -> iso9660::Options {
    iso9660::Options {
        volume_id: label.into(),
        application: "BOOTWRIGHT".into(),
        time,
        partition_view: true,
        ..iso9660::Options::default()
    }
}

/// How firmware boots from the medium: disc and stick, BIOS where there is an image for it.
fn firmware(places: &Places, boot_code: Option<Vec<u8>>, seed: [u8; 32]) -> Boot {
    let bios = places.bios.map(|image| BiosBoot {
        image,
        load_sectors: BIOS_LOAD_SECTORS,
        boot_info_table: true,
        grub2_boot_info: true,
    });
    let hybrid = Hybrid { boot_code, disk_signature: 0, table: PartitionTable::Gpt { seed } };
    Boot { bios, efi: Some(EfiBoot { image: places.esp }), hybrid: Some(hybrid) }
}

/// Places kernel and initrd, and says what else to pick up while the root file system goes past.
fn boot_taps<W: Write + Seek>(
    boot: &BootFiles,
    places: &Places,
    iso: &mut iso9660::Writer<W>,
) -> Result<Vec<(InodeId, Tap<W>)>, RecipeError> {
    let kernel = iso.place(places.kernel, boot.kernel_len)?;
    let initrd = iso.place(places.initrd, boot.initrd_len)?;
    let mut taps =
        vec![(boot.kernel.kernel, Tap::Place(kernel)), (boot.kernel.initrd, Tap::Place(initrd))];
    taps.extend(boot.small().into_iter().map(|(inode, _)| (inode, Tap::Keep(inode, Vec::new()))));
    Ok(taps)
}

/// Gives the BIOS boot image its content; returns the boot code for a hybrid medium.
fn bios<W: Write + Seek>(
    boot: &BootFiles,
    places: &Places,
    kept: &Kept,
    iso: &mut iso9660::Writer<W>,
) -> Result<Option<Vec<u8>>, RecipeError> {
    let (Some(bios), Some(place)) = (&boot.bios, places.bios) else { return Ok(None) };
    let content = |inode: InodeId| kept.get(&inode).cloned().unwrap_or_default();
    let image = match &bios.image {
        BiosImage::Given(image) => image.clone(),
        BiosImage::Ready(inode, _) => content(*inode),
        BiosImage::Parts(parts) => {
            let folder = parts.iter().map(|(name, inode, _)| (name.clone(), content(*inode)));
            let files = GrubFiles::from_folder(folder.collect())?;
            grub::core_image(&files, BIOS_PREFIX, &grub::default_modules(&files)?, None)?
        }
    };
    set(iso, place, image)?;
    let boot_code = bios.hybrid.as_ref().map(|(inode, _)| content(*inode));
    if let (Some(place), Some(code)) = (places.hybrid, &boot_code) {
        set(iso, place, code.clone())?;
    }
    Ok(boot_code)
}

/// Makes the EFI system partition and puts it at the end.
fn esp<W: Write + Seek>(
    boot: &BootFiles,
    kept: &Kept,
    time: Timestamp,
    seed: &[u8; 32],
    place: InodeId,
    iso: &mut iso9660::Writer<W>,
) -> Result<(), RecipeError> {
    let tree = esp_tree(boot, kept, time)?;
    let volume_id = u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]);
    let options = fat::Options {
        label: ESP_LABEL.into(),
        volume_id: Some(volume_id),
        time,
        ..fat::Options::default()
    };
    let plan = fat::Plan::new(&tree, &options)?;
    let mut window = iso.place_aligned(place, plan.len(), ESP_ALIGN)?;
    plan.emit(&mut window)?;
    Ok(())
}

fn esp_tree(boot: &BootFiles, kept: &Kept, time: Timestamp) -> Result<FileTree, RecipeError> {
    let folder = Metadata { mtime: time, ..Metadata::directory(0o755) };
    let file = Metadata { mtime: time, ..Metadata::file(0o644) };
    let mut tree = FileTree::new(folder.clone());
    let mut put = |path: &str, blob: Blob| {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = tree.add_directories(parent.as_bytes(), &folder)?;
        tree.add_file(parent, name.as_bytes(), file.clone(), blob).map(|_| ())
    };
    let mut all = || {
        for loader in &boot.efi.files {
            let bytes = kept.get(&loader.inode).map(Vec::as_slice).unwrap_or_default();
            put(&format!("EFI/BOOT/{}", loader.name), bytes.into())?;
        }
        for path in chain_paths(&boot.efi.vendors) {
            put(&path, CHAIN.into())?;
        }
        Ok(())
    };
    let place = |source| RecipeError::Place { path: "in the EFI system partition".into(), source };
    all().map_err(place)?;
    Ok(tree)
}

fn set<W: Write + Seek>(
    iso: &mut iso9660::Writer<W>,
    place: InodeId,
    bytes: Vec<u8>,
) -> Result<(), RecipeError> {
    Ok(iso.set_content(place, bytes.into())?)
}

/// What GUIDs and serial numbers are derived from: equal inputs give equal ones, others differ.
fn seed(
    root: &Root,
    squashfs: &squashfs::Summary,
    label: &str,
    fingerprint: &[u8; 32],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"bootwright iso 1\0");
    hash.update(fingerprint);
    hash.update(label);
    hash.update([0]);
    for input in &root.inputs {
        hash.update(input.digest.as_ref().map(ToString::to_string).unwrap_or_default());
        hash.update([0]);
    }
    for number in [squashfs.bytes_used, squashfs.uncompressed, squashfs.inodes.into()] {
        hash.update(number.to_le_bytes());
    }
    hash.update(root.epoch.0.to_le_bytes());
    hash.finalize().into()
}
