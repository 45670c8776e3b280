//! A medium that boots from everywhere.

use std::io::Cursor;

use bootwright_boot::PartitionTable;
use bootwright_boot::el_torito::{BootEntry, Platform};
use bootwright_boot::iso9660::{Boot, Hybrid, dump, read::Image};

use crate::build::live;
use crate::tools;

const GPT: PartitionTable = PartitionTable::Gpt { seed: [7; 32] };

fn image(table: PartitionTable) -> Vec<u8> {
    let live = live();
    let boot = live.boot(table);
    written(live, &boot)
}

fn written(live: crate::build::Live, boot: &Boot) -> Vec<u8> {
    let mut output = Cursor::new(Vec::new());
    let summary = live.write(boot, &mut output);
    let bytes = output.into_inner();
    assert_eq!(summary.len, bytes.len() as u64);
    assert_eq!(summary.len % 32_768, 0);
    for pair in summary.regions.windows(2) {
        assert!(pair[0].offset + pair[0].len <= pair[1].offset, "{pair:?}");
    }
    bytes
}

/// The image in a file, for programs that take no other.
fn in_file(bytes: &[u8]) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("live.iso");
    std::fs::write(&path, bytes).unwrap();
    let name = tools::name(&path).to_owned();
    (dir, name)
}

/// The lines that begin with one of `heads`; others differ between versions.
fn only(text: &str, heads: &[&str]) -> String {
    let kept = text.lines().filter(|line| heads.iter().any(|head| line.starts_with(head)));
    kept.fold(String::new(), |text, line| text + line + "\n")
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn every_byte_is_accounted_for() {
    let mut image = Image::open(Cursor::new(image(GPT))).unwrap();
    image.check().unwrap();
    insta::assert_snapshot!(dump(&mut image).unwrap());
}

#[test]
fn all_ways_to_boot_lead_to_the_same_files() {
    let bytes = image(GPT);
    let mut image = Image::open(Cursor::new(&bytes)).unwrap();
    let volume = image.info().volumes[0].clone();
    let entries = image.entries(&volume).unwrap();
    let block =
        |path: &[u8]| entries.iter().find(|entry| entry.path == path).unwrap().extents[0].block;
    let (eltorito, esp) = (block(b"boot/eltorito.img"), block(b"boot/uefi.img"));
    let lba = |block| u32::try_from(block).unwrap();
    assert_eq!(
        image.info().boot_entries,
        [
            BootEntry { platform: Platform::BIOS, sectors: 4, block: lba(eltorito) },
            BootEntry { platform: Platform::EFI, sectors: 100, block: lba(esp) },
        ]
    );
    assert_eq!(esp * 2048 % (1 << 18), 0);
    let partitions = &image.info().gpt.as_ref().unwrap().primary.as_ref().unwrap().entries;
    let sectors: Vec<_> =
        partitions.iter().map(|(_, entry)| (entry.first_lba, entry.last_lba)).collect();
    assert_eq!(sectors, [(64, esp * 4 - 1), (esp * 4, esp * 4 + 99)]);
    // GRUB's boot_hybrid.img and cdboot.img find the core.
    assert_eq!(number(&bytes, 0x1B0), eltorito * 4 + 4);
    let start = usize::try_from(eltorito * 2048).unwrap();
    assert_eq!(number(&bytes, start + 2548), eltorito * 4 + 5);
    let summed = bytes[start + 64..start + 6000].as_chunks::<4>().0.iter();
    let sum = summed.map(|word| u32::from_le_bytes(*word)).fold(0, u32::wrapping_add);
    assert_eq!(bytes[start + 20..start + 24], sum.to_le_bytes());
}

#[test]
fn the_partition_view_shows_what_lies_in_the_partition() {
    let bytes = image(GPT);
    let mut image = Image::open(Cursor::new(&bytes)).unwrap();
    let whole = image.info().volumes.clone();
    // The partition alone is an image of its own, whose addresses start at its beginning.
    let partition = image.info().gpt.as_ref().unwrap().table().unwrap().entries[0].1.clone();
    let range = partition.first_lba..partition.last_lba + 1;
    let [from, to] = [range.start, range.end].map(|sector| usize::try_from(sector * 512).unwrap());
    let mut inside = Image::open(Cursor::new(&bytes[from..to])).unwrap();
    inside.check().unwrap();
    for (whole, view) in whole.iter().zip(inside.info().volumes.clone()) {
        let mut expected = image.entries(whole).unwrap();
        expected.retain(|entry| !entry.path.ends_with(b"uefi.img"));
        let found = inside.entries(&view).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((&found.path, found.posix), (&expected.path, expected.posix));
            let mut contents = [Vec::new(), Vec::new()];
            inside.copy(found, &mut contents[0]).unwrap();
            image.copy(expected, &mut contents[1]).unwrap();
            assert_eq!(contents[0], contents[1]);
        }
    }
}

#[test]
fn partition_tools_find_nothing_wrong() {
    let (_dir, file) = in_file(&image(GPT));
    if let Some(text) = tools::text("sgdisk", &["-v", &file]) {
        assert!(text.contains("No problems found"), "{text}");
    }
    if let Some(text) = tools::text("sfdisk", &["--dump", &file]) {
        insta::assert_snapshot!(only(&text.replace(&file, "live.iso"), &["live.iso", "last-lba"]));
    }
}

#[test]
fn blkid_finds_label_and_table() {
    let (_dir, file) = in_file(&image(GPT));
    let Some(text) = tools::text("blkid", &["-p", "-o", "export", &file]) else { return };
    for line in
        ["TYPE=iso9660", "LABEL=LIVE", "PTTYPE=gpt", "BOOT_SYSTEM_ID=EL\\ TORITO\\ SPECIFICATION"]
    {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
    let arguments = ["-p", "-o", "export", "-O", "32768", &file];
    let text = tools::text("blkid", &arguments).unwrap_or_default();
    for line in ["TYPE=iso9660", "LABEL=LIVE"] {
        assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
    }
}

#[test]
fn xorriso_sees_what_we_meant() {
    let (_dir, file) = in_file(&image(GPT));
    let arguments = [
        "-abort_on",
        "WARNING",
        "-indev",
        &file,
        "-report_system_area",
        "plain",
        "-report_el_torito",
        "plain",
    ];
    if let Some(text) = tools::text("xorriso", &arguments) {
        let kept = ["System area summary", "Partition offset", "MBR partition", "GPT", "El Torito"];
        insta::assert_snapshot!(only(&text, &kept));
    }
}

#[test]
fn without_gpt_the_system_partition_is_in_the_master_boot_record() {
    let bytes = image(PartitionTable::Mbr);
    let mut image = Image::open(Cursor::new(&bytes)).unwrap();
    image.check().unwrap();
    assert!(image.info().gpt.is_none());
    let (_dir, file) = in_file(&bytes);
    if let Some(text) = tools::text("sfdisk", &["--dump", &file]) {
        assert!(text.contains("type=ef") && text.contains("size=         100"), "{text}");
    }
}

#[test]
fn an_image_for_efi_alone_has_one_entry() {
    let live = live();
    let mut boot = live.boot(GPT);
    boot.bios = None;
    boot.hybrid = None;
    let bytes = written(live, &boot);
    let mut image = Image::open(Cursor::new(&bytes)).unwrap();
    image.check().unwrap();
    assert_eq!(image.info().boot_entries.len(), 1);
    assert_eq!(image.info().boot_entries[0].platform, Platform::EFI);
    assert!(image.info().mbr.is_none());
    let catalog = usize::try_from(image.info().boot_catalog.unwrap()).unwrap() * 2048;
    assert_eq!(bytes[catalog..catalog + 2], [1, 0xEF]);
}

#[test]
fn the_seed_alone_decides_the_guids() {
    let other = |seed: u8| {
        let live = live();
        let mut boot = live.boot(GPT);
        boot.hybrid = boot
            .hybrid
            .map(|hybrid| Hybrid { table: PartitionTable::Gpt { seed: [seed; 32] }, ..hybrid });
        written(live, &boot)
    };
    assert_eq!(other(7), image(GPT));
    assert_ne!(other(8), image(GPT));
}
