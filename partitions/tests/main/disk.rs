use std::io::{self, Cursor, Write};
use std::num::NonZeroUsize;

use bootwright_image::{Blob, FileTree, Metadata, Silent, Timestamp, deliver};
use bootwright_partitions::disk::{Disk, Hybrid, Partition, Plan};
use bootwright_partitions::gpt::{self, types};
use bootwright_partitions::gzip::{self, Gzip};
use bootwright_partitions::{Guid, SectorSize, Size, SparseFile, SparseWrite, ext, fat, mbr};

use crate::tools;

fn guid(name: &str) -> Guid {
    Guid::from_content(&[name.as_bytes()])
}

fn partition(name: &str, type_guid: Guid, len: u64) -> Partition {
    Partition::new(name, type_guid, guid(name), len)
}

fn disk(sector_size: SectorSize) -> Disk {
    let esp = Partition {
        attributes: gpt::ATTRIBUTE_REQUIRED,
        ..partition("efi", types::EFI_SYSTEM, 8 << 20)
    };
    let oem = partition("oem", types::LINUX_FILESYSTEM, (4 << 20) + 1);
    let recovery = partition("recovery", types::LINUX_FILESYSTEM, 16 << 20);
    Disk { sector_size, ..Disk::new(guid("disk"), vec![esp, oem, recovery]) }
}

fn tree() -> FileTree {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    let root = tree.root();
    tree.add_file(root, b"grubenv", Metadata::file(0o644), Blob::from(vec![b'#'; 1024])).unwrap();
    tree
}

/// A FAT, an ext2 and nothing.
fn emit<W: SparseWrite>(plan: &Plan, sector_size: SectorSize, output: W) -> W {
    let tree = tree();
    plan.emit(output, |index, place| {
        let size = Size::Exact(place.len());
        match index {
            0 => {
                let options = fat::Options { size, sector_size, ..fat::Options::default() };
                fat::Plan::new(&tree, &options).unwrap().emit(place).unwrap();
            }
            1 => {
                let holes = ext::Holes::new();
                let time = Timestamp(1_700_000_000);
                let options = ext::Options {
                    size,
                    sector_size,
                    time,
                    ..ext::Options::new(ext::Variant::Ext2)
                };
                let volume = ext::Plan::new(&tree, &options, &holes).unwrap();
                let mut writer = volume.writer(place, &Silent).unwrap();
                deliver(&tree, &(), volume.wanted(), &mut writer, &Silent).unwrap();
                writer.finish().unwrap();
            }
            _ => {}
        }
        io::Result::Ok(())
    })
    .unwrap()
}

#[test]
fn a_file_and_a_compressor_get_the_same_disk() {
    for sector_size in [SectorSize::B512, SectorSize::B4096] {
        let plan = disk(sector_size).plan().unwrap();
        let raw = emit(&plan, sector_size, Vec::new());
        assert_eq!(raw.len() as u64, plan.len());
        let sparse = emit(&plan, sector_size, SparseFile::new(Cursor::new(Vec::new())));
        assert!(sparse.finish().unwrap().into_inner() == raw);
        let gzip = Gzip::new(Vec::new(), gzip::Options::new(NonZeroUsize::MIN));
        let (gzip, _) = emit(&plan, sector_size, gzip).finish().unwrap();
        let mut decoded = Vec::new();
        io::copy(&mut flate2::read::GzDecoder::new(&gzip[..]), &mut decoded).unwrap();
        assert!(decoded == raw);

        let found = gpt::read(&mut Cursor::new(&raw)).unwrap();
        assert_eq!(found.findings, []);
        let slot = plan.slots()[1];
        assert_eq!(slot.len, ((4 << 20) + 1_u64).next_multiple_of(sector_size.bytes()));
        let start = usize::try_from(slot.offset).unwrap();
        crate::ext::fsck(&raw[start..][..usize::try_from(slot.len).unwrap()]);
        if sector_size == SectorSize::B512 {
            sgdisk(&raw, "No problems found");
        }
    }
}

fn sgdisk(raw: &[u8], expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.raw");
    std::fs::write(&path, raw).unwrap();
    let Some(text) = tools::text("sgdisk", &["-v", tools::name(&path)]) else { return };
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_larger_disk_has_its_backup_at_its_end() {
    let grown = Disk { size: Size::Exact(100 << 20), ..disk(SectorSize::B512) };
    let plan = grown.plan().unwrap();
    let raw = emit(&plan, SectorSize::B512, Vec::new());
    assert_eq!(raw.len(), 100 << 20);
    assert!(raw[raw.len() - 512..].starts_with(b"EFI PART"));
    sgdisk(&raw, "No problems found");
    insta::assert_snapshot!(plan, @r"
    disk of 104857600 bytes
           1048576        8388608 1 efi
           9437184        4194816 2 oem
          14680064       16777216 3 recovery
    ");
}

#[test]
fn a_hybrid_mbr_names_partitions_twice() {
    let mut hybrid = disk(SectorSize::B512);
    hybrid.hybrid = vec![Hybrid { partition: 0, kind: mbr::types::EFI_SYSTEM, active: true }];
    let raw = emit(&hybrid.plan().unwrap(), SectorSize::B512, Vec::new());
    let mbr = mbr::Mbr::read(&raw).unwrap();
    let entries: Vec<_> =
        mbr.entries.iter().flatten().map(|e| (e.kind, e.start, e.count)).collect();
    assert_eq!(entries, [(0xEE, 1, 2047), (0xEF, 2048, 16384)]);
    hybrid.hybrid[0].partition = 3;
    let error = hybrid.plan().unwrap_err().to_string();
    assert_eq!(error, "mbr entry for partition 4 names no partition");
}

#[test]
fn what_does_not_fit_is_refused() {
    let refusal = |disk: Disk| disk.plan().unwrap_err().to_string();
    let sized = |len| Disk { size: Size::Exact(len), ..disk(SectorSize::B512) };
    let needed = (14 << 20) + (16 << 20) + 33 * 512;
    assert!(sized(needed).plan().is_ok());
    assert_eq!(
        refusal(sized(needed - 512)),
        "a disk of 31473664 bytes is too small: 31474176 are needed"
    );
    assert_eq!(
        refusal(sized(needed + 1)),
        "a disk of 31474177 bytes: must be a multiple of the sectors' 512 bytes"
    );
    let mut empty = disk(SectorSize::B512);
    empty.partitions[1].len = 0;
    assert_eq!(refusal(empty), "partition 2 has no bytes");
    let mut large = disk(SectorSize::B512);
    large.partitions[1].len = u64::MAX - 4096;
    assert_eq!(refusal(large), "the partitions are too large for a disk");
    let plan = disk(SectorSize::B512).plan().unwrap();
    let error = plan
        .emit(io::sink().dense(), |_, place| place.write_all(&vec![1; (8 << 20) + 1]))
        .unwrap_err();
    assert_eq!(error.to_string(), "partition 1 got 8388609 bytes: it has 8388608");
}

/// Shorter to write in chains.
trait Densely: Write + Sized {
    fn dense(self) -> bootwright_partitions::Dense<Self> {
        bootwright_partitions::Dense(self)
    }
}

impl<W: Write> Densely for W {}
