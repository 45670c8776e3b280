//! An ISO that shows how large a file firmware loads from an EFI system partition: a program, and
//! beside it a file of a given length that it reads.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::{self, Boot, EfiBoot, Hybrid};
use bootwright_image::{Blob, FileTree, Metadata, Observer, Phase, Timestamp};
use bootwright_partitions::{Size, fat};

use super::{Architecture, RecipeError, checksum, iso};
use crate::output::Staged;

/// What the program reads.
const FILE: &str = "ABC";
const ESP: &[u8] = b"fat.img";
const LABEL: &str = "EFI_SIZE_CHECK";
const ESP_LABEL: &str = "SIZE_CHECK";
const MIB: u64 = 1 << 20;
/// Sectors of 512 bytes in the longest partition that El Torito's readers find.
const ESP_MAX: u64 = u32::MAX as u64 * 512;

/// What goes onto the ISO.
#[derive(Clone, Debug)]
pub struct SizeCheckRecipe {
    /// The program that firmware starts.
    pub program: PathBuf,
    /// MiB of the file.
    pub file: u32,
    /// MiB of the partition.
    pub partition: u32,
    /// The time of everything on the ISO.
    pub time: Timestamp,
}

impl SizeCheckRecipe {
    /// Writes `NAME.iso` and `NAME.iso.sha256` into `folder`; returns length and checksum.
    ///
    /// # Errors
    /// [`RecipeError`], also when the file does not fit into the partition; nothing is left behind.
    pub fn write_file(
        &self,
        folder: &Path,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<(u64, [u8; 32]), RecipeError> {
        let program = fs::read(&self.program)
            .map_err(|source| RecipeError::Read { path: self.program.clone(), source })?;
        iso::check_loader(&self.program.display().to_string(), &program, Architecture::Amd64)?;
        let esp = self.tree(program)?;
        let folder_of = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let mut medium = FileTree::new(folder_of);
        let root = medium.root();
        let file = Metadata { mtime: self.time, ..Metadata::file(0o644) };
        let place = |source| RecipeError::Place { path: "/fat.img".into(), source };
        let image = medium.add_file(root, ESP, file, Blob::deferred(ESP_MAX)).map_err(place)?;
        let staged = Staged::new(&folder.join(format!("{name}.iso")))?;
        let named = iso9660::Options {
            volume_id: LABEL.into(),
            application: "BOOTWRIGHT".into(),
            time: self.time,
            ..iso9660::Options::default()
        };
        let mut writer = iso9660::Writer::new(medium, named, staged.file())?;
        let window = writer.begin_open(image, MIB)?;
        let options = fat::Options {
            label: ESP_LABEL.into(),
            time: self.time,
            size: Size::Exact(u64::from(self.partition) * MIB),
            ..fat::Options::default()
        };
        observer.begin(Phase::Write, Some(u64::from(self.file) * MIB));
        let mut partition = fat::Writer::new(&esp, &options, window)?;
        self.fill(partition.begin(FILE)?, observer)?;
        partition.end(u64::from(self.file) * MIB)?;
        let plan = partition.finish()?;
        writer.end_open(image, plan.len())?;
        writer.write_contents(observer)?;
        let hybrid = Hybrid { boot_code: None, disk_signature: 0, table: PartitionTable::Mbr };
        let boot = Boot { bios: None, efi: Some(EfiBoot { image }), hybrid: Some(hybrid) };
        let len = writer.finish(&boot, observer)?.len;
        observer.end(Phase::Write);
        Ok((len, checksum::publish(staged, len, observer)?))
    }

    fn tree(&self, program: Vec<u8>) -> Result<FileTree, RecipeError> {
        let folder = Metadata { mtime: self.time, ..Metadata::directory(0o755) };
        let file = Metadata { mtime: self.time, ..Metadata::file(0o644) };
        let mut tree = FileTree::new(folder.clone());
        let place =
            |source| RecipeError::Place { path: "in the EFI system partition".into(), source };
        let boot = tree.add_directories(b"EFI/BOOT", &folder).map_err(place)?;
        tree.add_file(boot, b"BOOTX64.EFI", file.clone(), program.into()).map_err(place)?;
        let len = Blob::deferred(u64::from(self.file) * MIB);
        tree.add_file(tree.root(), FILE.as_bytes(), file, len).map_err(place)?;
        Ok(tree)
    }

    /// Bytes without a pattern, which nothing on the way can shrink.
    fn fill(&self, mut output: impl Write, observer: &dyn Observer) -> Result<(), RecipeError> {
        let mut noise = blake3::Hasher::new().update(LABEL.as_bytes()).finalize_xof();
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..self.file {
            if observer.cancelled() {
                return Err(RecipeError::Cancelled);
            }
            noise.fill(&mut buffer);
            output.write_all(&buffer)?;
            observer.advance(Phase::Write, MIB);
        }
        Ok(())
    }
}
