//! The end of writing: boot images, boot catalog, partition tables, directories, descriptors.

use std::io::{Seek, Write};

use bootwright_image::{InodeId, Observer, Region};

use super::directory::{Extent, Hierarchy, Records, root_record};
use super::format::{BLOCK, DESCRIPTORS};
use super::plan::{Tables, View, measure};
use super::susp::Continuation;
use super::{Summary, WriteError, Writer, descriptor, path_of, path_table};
use crate::boot_info;
use crate::el_torito::{self, BootEntry, Platform};
use crate::hybrid::{self, PartitionTable};

/// The image's length is a multiple of this many blocks (32 KiB), as xorriso makes it: drives
/// and drivers that read ahead find whole clusters.
const GRAIN: u64 = 16;
/// Largest boot image for BIOS in bytes: it is read into memory for its checksum.
const BIOS_IMAGE_MAX: u64 = 32 << 20;

/// How firmware boots from the medium. The default is not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Boot {
    /// El Torito for BIOS.
    pub bios: Option<BiosBoot>,
    /// El Torito, and the partition table if there is one, for UEFI.
    pub efi: Option<EfiBoot>,
    /// Partition tables and boot code for USB sticks.
    pub hybrid: Option<Hybrid>,
}

/// A boot image for BIOS, started without emulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BiosBoot {
    /// The boot image, a file of the tree whose content is in memory or a host file.
    pub image: InodeId,
    /// Sectors of 512 bytes that the firmware loads: 4 for GRUB and isolinux, which load the rest
    /// themselves.
    pub load_sectors: u16,
    /// Patch in the boot information table, which both need.
    pub boot_info_table: bool,
    /// Patch in the address that GRUB's CD image needs.
    pub grub2_boot_info: bool,
}

/// An EFI system partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EfiBoot {
    /// The image of its FAT file system, a file of the tree. Best placed last and aligned to
    /// 1 MiB: firmware boots it in place, and it ends the data partition before it.
    pub image: InodeId,
}

/// What the system area holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hybrid {
    /// Boot code for BIOS: GRUB's `boot_hybrid.img`, patched with the address of
    /// [`Boot::bios`]. At most 512 bytes, of which the first 440 are used.
    pub boot_code: Option<Vec<u8>>,
    /// The disk signature of the master boot record.
    pub disk_signature: u32,
    /// The kind of table.
    pub table: PartitionTable,
}

impl<W: Write + Seek> Writer<W> {
    /// Writes everything that is not a file's content, and fills the image up to a multiple of
    /// 32 KiB. With a GPT the image ends with its backup.
    ///
    /// # Errors
    /// [`WriteError`] when a file has no place, `boot` cannot be done as asked, or the output
    /// refuses bytes.
    pub fn finish(self, boot: &Boot, observer: &dyn Observer) -> Result<Summary, WriteError> {
        if observer.cancelled() {
            return Err(WriteError::Cancelled);
        }
        self.warn(observer);
        self.check_places()?;
        let images = self.boot_images(boot)?;
        let disk = self.disk(boot, &images)?;
        let blocks = disk.blocks;
        self.patch_bios_image(boot, images.bios)?;
        self.write_catalog(&images)?;
        let mut regions = self.plan.regions();
        regions.extend(self.file_regions());
        if let Some(hybrid) = &boot.hybrid {
            for part in hybrid::emit(hybrid, &disk)? {
                self.canvas.write_at(part.offset, &part.bytes)?;
                let len = part.bytes.len() as u64;
                regions.push(Region { name: part.name, offset: part.offset, len });
            }
        }
        regions.sort_by_key(|region| region.offset);
        for view in &self.plan.views {
            let end = if view.base == 0 { blocks } else { disk.data_end };
            self.write_view(view, end, images.any())?;
        }
        let len = u64::from(blocks) * BLOCK;
        // A byte makes the output as long as the image; the last block may hold a file's end.
        if self.canvas.end() < len {
            self.canvas.write_at(len - 1, &[0])?;
        }
        self.canvas.flush()?;
        Ok(Summary { len, regions })
    }

    fn warn(&self, observer: &dyn Observer) {
        for walked in self.tree.walk() {
            if !self.tree.inode(walked.id).metadata.xattrs.is_empty() {
                let path = String::from_utf8_lossy(&walked.path);
                observer.warn(format_args!("{path:?}: ISO 9660 keeps no extended attributes"));
            }
        }
    }

    fn check_places(&self) -> Result<(), WriteError> {
        if let Some(open) = self.files.open() {
            return Err(WriteError::NotPlaced { path: path_of(&self.tree, open) });
        }
        let missing = self.tree.walk().find(|walked| {
            self.tree.inode(walked.id).as_file().is_some() && self.files.extent(walked.id).is_none()
        });
        match missing {
            Some(walked) => Err(WriteError::NotPlaced { path: path_of(&self.tree, walked.id) }),
            None => Ok(()),
        }
    }

    fn boot_images(&self, boot: &Boot) -> Result<Images, WriteError> {
        let extent = |inode: InodeId| match self.files.extent(inode) {
            Some(extent) if extent.len > 0 => Ok(extent),
            Some(_) => Err(self.bad_image(inode, "is empty")),
            None => Err(self.bad_image(inode, "is not a regular file of the tree")),
        };
        let bios = match boot.bios {
            Some(bios) => Some((extent(bios.image)?, bios.load_sectors)),
            None => None,
        };
        let efi = boot.efi.map(|efi| extent(efi.image)).transpose()?;
        if boot.hybrid.as_ref().is_some_and(|hybrid| hybrid.boot_code.is_some()) && bios.is_none() {
            return Err(WriteError::Boot {
                problem: "boot code for a hybrid medium starts the BIOS boot image: there is none",
            });
        }
        Ok(Images { bios, efi })
    }

    fn bad_image(&self, inode: InodeId, problem: &'static str) -> WriteError {
        WriteError::BootImage { path: path_of(&self.tree, inode), problem }
    }

    /// The image as a disk: where the data ends, where the partition and the image end.
    fn disk(&self, boot: &Boot, images: &Images) -> Result<hybrid::Disk, WriteError> {
        let gpt = boot
            .hybrid
            .as_ref()
            .is_some_and(|hybrid| matches!(hybrid.table, PartitionTable::Gpt { .. }));
        let backup = if gpt { hybrid::BACKUP_LEN.div_ceil(BLOCK) } else { 0 };
        let end = (u64::from(self.files.next) + backup).next_multiple_of(GRAIN);
        let blocks = u32::try_from(end)
            .map_err(|_| WriteError::TooLarge { what: "the end of the image".into() })?;
        let usable = u32::try_from(end - backup).unwrap_or(blocks);
        let data_end = images.efi.map_or(usable, |esp| esp.block);
        Ok(hybrid::Disk {
            blocks,
            data_end,
            data_partition: self.options.partition_view,
            bios_block: images.bios.map(|(extent, _)| extent.block),
            esp: images.efi.map(|extent| (extent.block, extent.len)),
        })
    }

    /// Patches the BIOS boot image where it lies. GRUB's address comes first, since the checksum
    /// of the table covers it.
    fn patch_bios_image(
        &self,
        boot: &Boot,
        placed: Option<(Extent, u16)>,
    ) -> Result<(), WriteError> {
        let (Some(bios), Some((extent, _))) = (boot.bios, placed) else { return Ok(()) };
        let offset = u64::from(extent.block) * BLOCK;
        let mut patches = Vec::new();
        if bios.grub2_boot_info {
            if extent.len < boot_info::GRUB2_MIN {
                return Err(self.bad_image(bios.image, "is too short for an image of GRUB"));
            }
            let address = boot_info::grub2_address(extent.block);
            self.canvas.write_at(offset + boot_info::GRUB2_OFFSET, &address)?;
            patches.push((boot_info::GRUB2_OFFSET, address));
        }
        if !bios.boot_info_table {
            return Ok(());
        }
        if extent.len < boot_info::TABLE_MIN {
            return Err(self.bad_image(bios.image, "is too short for a boot information table"));
        }
        let len = u32::try_from(extent.len).ok().filter(|_| extent.len <= BIOS_IMAGE_MAX);
        let len = len.ok_or_else(|| self.bad_image(bios.image, "is larger than 32 MiB"))?;
        let blob = self.tree.inode(bios.image).as_file();
        let opened = blob.and_then(|blob| blob.open().ok());
        let problem = "cannot be read again: its content must be in memory or in a host file";
        let mut image = opened.ok_or_else(|| self.bad_image(bios.image, problem))?;
        let checksum = boot_info::checksum(&mut image, &patches)?;
        let table = boot_info::table(DESCRIPTORS, extent.block, len, checksum);
        self.canvas.write_at(offset + boot_info::TABLE_OFFSET, &table)?;
        Ok(())
    }

    fn write_catalog(&self, images: &Images) -> Result<(), WriteError> {
        let bios = images.bios.map(|(extent, sectors)| BootEntry {
            platform: Platform::BIOS,
            sectors,
            block: extent.block,
        });
        let efi = images.efi.map(|extent| BootEntry::efi(extent.block, extent.len));
        let catalog = match (bios, efi) {
            (Some(bios), efi) => el_torito::catalog(&bios, efi.as_slice()),
            (None, Some(efi)) => el_torito::catalog(&efi, &[]),
            (None, None) => return Ok(()),
        };
        self.canvas.write_at(u64::from(self.plan.catalog) * BLOCK, &catalog)?;
        Ok(())
    }

    /// Writes the tables and descriptors of a view that ends before block `end`.
    fn write_view(&self, view: &View, end: u32, boot: bool) -> Result<(), WriteError> {
        let mut descriptors = Vec::new();
        for (hierarchy, tables) in self.hierarchies.iter().zip(&view.tables) {
            let root = self.write_tables(hierarchy, view, tables, end)?;
            let mtime = self.tree.inode(self.tree.root()).metadata.mtime;
            let volume = descriptor::Volume {
                blocks: end - view.base,
                path_table_len: tables.path_table_len,
                path_table_l: tables.path_table_l - view.base,
                path_table_m: tables.path_table_m - view.base,
                root: root_record(root.0, root.1, mtime),
            };
            if descriptors.is_empty() {
                descriptors.push(descriptor::primary(&self.options, &volume));
                // El Torito wants its record at block 17. A partition is not booted through one.
                if boot && view.base == 0 {
                    descriptors.push(descriptor::boot_record(self.plan.catalog));
                }
            } else {
                descriptors.push(descriptor::supplementary(&self.options, &volume));
            }
        }
        descriptors.push(descriptor::terminator());
        self.canvas.write_at(u64::from(view.descriptors) * BLOCK, &descriptors.concat())?;
        Ok(())
    }

    /// Writes one hierarchy's tables and returns the root directory's place in the view.
    fn write_tables(
        &self,
        hierarchy: &Hierarchy,
        view: &View,
        tables: &Tables,
        end: u32,
    ) -> Result<(u32, u32), WriteError> {
        let base = view.base;
        let files = |inode: InodeId| {
            let extent = self.files.extent(inode)?;
            if extent.len == 0 {
                return Some(Extent { block: self.plan.empty - base, len: 0 });
            }
            let after = u64::from(extent.block) + extent.len.div_ceil(BLOCK);
            let inside = extent.block >= base && after <= u64::from(end);
            inside.then(|| Extent { block: extent.block - base, ..extent })
        };
        let lens = measure(&self.tree, hierarchy, &self.serials, &files)?;
        let place = |index: usize| (tables.directories[index].block - base, lens[index].extent);
        let records = Records {
            tree: &self.tree,
            hierarchy,
            serials: &self.serials,
            directories: &place,
            files: &files,
        };
        let mut buffer = Vec::new();
        for (index, planned) in tables.directories.iter().enumerate() {
            let mut areas = Continuation::new(planned.areas - base);
            records.directory(index, &mut areas, &mut buffer);
            self.write_planned("directory", planned.block, planned.areas, &buffer)?;
            self.write_planned("continuation areas", planned.areas, planned.end, areas.bytes())?;
        }
        let (little, big) = path_table::emit(hierarchy, |index| place(index).0);
        let root = tables.root().block;
        self.write_planned("path table L", tables.path_table_l, tables.path_table_m, &little)?;
        self.write_planned("path table M", tables.path_table_m, root, &big)?;
        Ok(place(0))
    }

    fn write_planned(
        &self,
        table: &'static str,
        from: u32,
        to: u32,
        bytes: &[u8],
    ) -> Result<(), WriteError> {
        let (planned, written) = (u64::from(to - from) * BLOCK, bytes.len() as u64);
        if written > planned {
            return Err(WriteError::PlanMismatch { table, planned, written });
        }
        self.canvas.write_at(u64::from(from) * BLOCK, bytes)?;
        Ok(())
    }

    fn file_regions(&self) -> Vec<Region> {
        let mut extents: Vec<_> =
            self.tree.walk().filter_map(|walked| self.files.extent(walked.id)).collect();
        extents.retain(|extent| extent.len > 0);
        extents.sort_unstable_by_key(|extent| extent.block);
        extents.dedup();
        let region = |extent: Extent| Region {
            name: "file",
            offset: u64::from(extent.block) * BLOCK,
            len: extent.len,
        };
        extents.into_iter().map(region).collect()
    }
}

/// Where the boot images lie.
#[derive(Clone, Copy)]
struct Images {
    bios: Option<(Extent, u16)>,
    efi: Option<Extent>,
}

impl Images {
    fn any(&self) -> bool {
        self.bios.is_some() || self.efi.is_some()
    }
}
