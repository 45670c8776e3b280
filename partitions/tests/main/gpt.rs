use std::fs::File;
use std::io::{Cursor, Seek, SeekFrom, Write};
use std::path::Path;

use bootwright_partitions::gpt::{
    self, ATTRIBUTE_REQUIRED, Entry, Finding, PlanError, ReadError, Table, types,
};
use bootwright_partitions::{Guid, SectorSize, fuzzing};
use proptest::prelude::*;

use crate::tools;

/// The disk of a Kairos raw image, small.
fn table(sector_size: SectorSize) -> Table {
    let unit = (1 << 20) / sector_size.bytes();
    let entry = |kind, first: u64, mib: u64, name: &str| {
        let sectors = first * unit..=(first + mib) * unit - 1;
        Entry::new(kind, Guid::from_content(&[b"test", name.as_bytes()]), sectors, name)
    };
    let mut efi = entry(types::EFI_SYSTEM, 1, 4, "efi");
    efi.attributes = ATTRIBUTE_REQUIRED;
    let mut recovery = entry(types::LINUX_FILESYSTEM, 7, 8, "recovery");
    recovery.name = "Rückfall \u{1F9F0}".to_owned();
    let entries =
        vec![efi, entry(types::LINUX_FILESYSTEM, 5, 2, "oem"), Entry::default(), recovery];
    Table::new(sector_size, 16 * unit, Guid::from_content(&[b"test", b"disk"]), entries)
}

/// The whole disk: zeros but for the tables.
fn disk(table: &Table) -> Vec<u8> {
    let plan = table.plan().unwrap();
    let len = usize::try_from(table.total_sectors * table.sector_size.bytes()).unwrap();
    let mut disk = Cursor::new(vec![0; len]);
    disk.write_all(&plan.protective_mbr().to_bytes()).unwrap();
    disk.seek(SeekFrom::Start(plan.primary_offset())).unwrap();
    disk.write_all(&plan.primary()).unwrap();
    disk.seek(SeekFrom::Start(plan.backup_offset())).unwrap();
    disk.write_all(&plan.backup()).unwrap();
    let disk = disk.into_inner();
    assert_eq!(disk.len(), len, "the backup ends with the disk");
    disk
}

fn in_file(bytes: &[u8], check: impl FnOnce(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.raw");
    File::create(&path).unwrap().write_all(bytes).unwrap();
    check(&path);
}

#[test]
fn our_reader_finds_nothing_wrong_and_every_entry() {
    for size in [SectorSize::B512, SectorSize::B4096] {
        let table = table(size);
        let found = gpt::read(&mut Cursor::new(disk(&table))).unwrap();
        assert_eq!(found.findings, []);
        assert_eq!(found.sector_size, size);
        let copy = found.primary.unwrap();
        assert_eq!(copy.disk_guid, table.disk_guid);
        let numbers: Vec<_> = copy.entries.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 4]);
        for (number, entry) in copy.entries {
            assert_eq!(entry, table.entries[number - 1]);
        }
    }
}

#[test]
fn sgdisk_finds_no_problems() {
    in_file(&disk(&table(SectorSize::B512)), |path| {
        let Some(text) = tools::text("sgdisk", &["-v", tools::name(path)]) else { return };
        assert!(text.contains("No problems found"), "{text}");
        let Some(text) = tools::text("sgdisk", &["-i", "1", tools::name(path)]) else { return };
        assert!(text.contains("(EFI system partition)"), "{text}");
        assert!(text.contains("Attribute flags: 0000000000000001"), "{text}");
    });
}

#[test]
fn sfdisk_dumps_what_was_planned() {
    in_file(&disk(&table(SectorSize::B512)), |path| {
        let Some(text) = tools::text("sfdisk", &["--dump", tools::name(path)]) else { return };
        insta::assert_snapshot!(text.replace(tools::name(path), "disk.raw"));
    });
    in_file(&disk(&table(SectorSize::B4096)), |path| {
        let arguments = ["--dump", "--sector-size", "4096", tools::name(path)];
        let Some(output) = tools::run("sfdisk", &arguments) else { return };
        if !output.status.success() {
            // util-linux before 2.40 knows no other sector size for files.
            println!("SKIPPED: sfdisk --sector-size");
            return;
        }
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("first-lba: 6\n") && text.contains("last-lba: 4090\n"), "{text}");
    });
}

#[test]
fn the_gpt_crate_reads_both_sector_sizes() {
    for size in [SectorSize::B512, SectorSize::B4096] {
        let block = match size {
            SectorSize::B512 => ::gpt::disk::LogicalBlockSize::Lb512,
            SectorSize::B4096 => ::gpt::disk::LogicalBlockSize::Lb4096,
        };
        let table = table(size);
        let device = Cursor::new(disk(&table));
        let disk = ::gpt::GptConfig::new()
            .writable(false)
            .logical_block_size(block)
            .open_from_device(device)
            .unwrap();
        assert_eq!(
            disk.guid().to_string().to_uppercase(),
            table.disk_guid.to_string(),
            "mixed-endian"
        );
        assert_eq!(disk.backup_header().unwrap().current_lba, table.total_sectors - 1);
        let recovery = &disk.partitions()[&4];
        assert_eq!(recovery.name, table.entries[3].name);
        assert_eq!(recovery.first_lba, table.entries[3].first_lba);
        assert_eq!(recovery.last_lba, table.entries[3].last_lba);
        assert_eq!(
            recovery.part_guid.to_string().to_uppercase(),
            table.entries[3].guid.to_string()
        );
    }
}

#[test]
fn a_hybrid_isos_table_has_the_measured_numbers() {
    let entry = |first, last, name: &str, kind| {
        Entry::new(kind, Guid::from_content(&[name.as_bytes()]), first..=last, name)
    };
    let mut iso = entry(64, 63_807, "ISO9660", types::BASIC_DATA);
    iso.attributes = ATTRIBUTE_REQUIRED | gpt::ATTRIBUTE_READ_ONLY;
    let esp = entry(63_808, 71_935, "Appended2", types::EFI_SYSTEM);
    let mut table =
        Table::new(SectorSize::B512, 72_016, Guid::from_content(&[b"iso"]), vec![iso, esp]);
    table.entry_count = 248;
    let plan = table.plan().unwrap();
    assert_eq!((plan.first_usable(), plan.last_usable()), (64, 71_952));
    assert_eq!(plan.primary().len(), 63 * 512);
    assert_eq!(plan.backup_offset(), 71_953 * 512);
    in_file(&disk(&table), |path| {
        let Some(text) = tools::text("sgdisk", &["-v", tools::name(path)]) else { return };
        assert!(text.contains("No problems found"), "{text}");
    });
}

#[test]
fn the_smallest_disk_and_one_sector_less() {
    for (size, needed) in [(SectorSize::B512, 68), (SectorSize::B4096, 12)] {
        let disk = |total| Table::new(size, total, Guid::from_content(&[]), vec![]);
        let plan = disk(needed).plan().unwrap();
        assert_eq!(plan.first_usable(), plan.last_usable());
        assert_eq!(
            disk(needed - 1).plan().unwrap_err(),
            PlanError::DiskTooSmall { total: needed - 1, needed }
        );
        assert_eq!(
            disk(u64::MAX).plan().unwrap_err().to_string(),
            "a disk of 18446744073709551615 sectors is too large"
        );
    }
}

#[test]
fn impossible_tables_are_refused_with_names_and_limits() {
    let error = |change: fn(&mut Table)| {
        let mut table = table(SectorSize::B512);
        change(&mut table);
        table.plan().unwrap_err().to_string()
    };
    assert_eq!(
        error(|t| t.entry_count = 127),
        "room for 127 partition entries: at least 128, at most 1024"
    );
    assert_eq!(
        error(|t| t.entries = vec![Entry::default(); 129]),
        "129 partitions do not fit into 128 entries"
    );
    assert_eq!(
        error(|t| t.first_usable = Some(33)),
        "first usable sector 33: at least 34, at most 32734"
    );
    assert_eq!(
        error(|t| t.entries[3].last_lba = 32_735),
        "partition 4 from sector 14336 to 32735: must lie within 34 to 32734"
    );
    assert_eq!(
        error(|t| t.entries[0].first_lba = 10_240),
        "partition 1 from sector 10240 to 10239: must lie within 34 to 32734"
    );
    assert_eq!(
        error(|t| t.entries[1].first_lba -= 1),
        "partitions 1 and 2 overlap at sector 10239"
    );
    assert!(
        error(|t| t.entries[1].guid = t.entries[0].guid)
            .ends_with("of partition 2 is nil or used twice")
    );
    assert_eq!(
        error(|t| t.disk_guid = Guid::NIL),
        "the GUID 00000000-0000-0000-0000-000000000000 of the disk is nil or used twice"
    );
    assert_eq!(
        error(|t| t.entries[0].name = "\u{1F9F0}".repeat(18) + "x"),
        format!(
            "name {:?} of partition 1 has 37 UTF-16 units or a NUL: at most 36, no NUL",
            "\u{1F9F0}".repeat(18) + "x"
        )
    );
}

#[test]
fn damage_is_found_and_the_other_table_still_read() {
    let sound = disk(&table(SectorSize::B512));
    let damaged = |at: usize| {
        let mut disk = sound.clone();
        disk[at] ^= 1;
        gpt::read(&mut Cursor::new(disk)).unwrap()
    };
    let texts = |found: &gpt::Found| -> Vec<String> {
        found.findings.iter().map(ToString::to_string).collect()
    };
    let found = damaged(512);
    assert!(found.primary.is_none() && found.table().is_some());
    assert_eq!(texts(&found), ["primary gpt: no header at sector 1"]);

    let found = damaged(1024 + 32);
    let texts = texts(&found);
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].starts_with("primary gpt: crc of the entries is 0x"));
    assert_eq!(texts[1], "the primary and the backup gpt differ in the entries");

    assert!(matches!(damaged(450).findings[0], Finding::ProtectiveMbr { .. }));

    // An image that was padded after it was made: the backup is not in the last sector.
    let mut padded = sound.clone();
    padded.resize(sound.len() + 4096, 0);
    let found = gpt::read(&mut Cursor::new(padded)).unwrap();
    assert!(found.backup.is_none());
    assert!(found.findings.iter().any(|finding| matches!(
        finding,
        Finding::Field { field: "alternate lba", expected: 32775, .. }
    )));

    let nothing = gpt::read(&mut Cursor::new(vec![0; 1 << 16])).unwrap_err();
    assert!(matches!(nothing, ReadError::NoTable));
}

#[test]
fn bent_tables_never_panic() {
    let disk = disk(&table(SectorSize::B512));
    fuzzing::gpt_read(&[]);
    fuzzing::mbr_read(&disk[..512]);
    for at in (440..1024 + 3 * 128).chain(disk.len() - 512..disk.len() - 400) {
        for bits in [0xFF, 0x80, 1] {
            let mut bent = disk.clone();
            bent[at] ^= bits;
            fuzzing::gpt_read(&bent);
            fuzzing::mbr_read(&bent[..512]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_behind_a_signature_are_read_without_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..8192),
    ) {
        fuzzing::gpt_read(&bytes);
        if bytes.len() > 520 {
            bytes[512..520].copy_from_slice(b"EFI PART");
        }
        fuzzing::gpt_read(&bytes);
    }

    #[test]
    fn whatever_is_planned_is_read_back(
        gaps in proptest::collection::vec((0_u64..50, 1_u64..500), 0..20),
        large in any::<bool>(),
        count in 128_u32..260,
    ) {
        let size = if large { SectorSize::B4096 } else { SectorSize::B512 };
        let mut at = 2 + (u64::from(count) * 128).div_ceil(size.bytes());
        let mut entries = Vec::new();
        for (number, (gap, len)) in (0_u32..).zip(gaps) {
            let guid = Guid::from_content(&[&number.to_le_bytes()]);
            entries.push(Entry::new(types::BASIC_DATA, guid, at + gap..=at + gap + len - 1, "p"));
            at += gap + len;
        }
        let total = at + 100;
        let mut table = Table::new(size, total, Guid::from_content(&[]), entries.clone());
        table.entry_count = count;
        let found = gpt::read(&mut Cursor::new(disk(&table))).unwrap();
        prop_assert_eq!(&found.findings, &[]);
        let read: Vec<_> = found.backup.unwrap().entries.into_iter().map(|(_, e)| e).collect();
        prop_assert_eq!(read, entries);
    }
}
