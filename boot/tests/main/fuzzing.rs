//! The fuzz targets on whole images and on damaged ones.

use std::io::Cursor;

use bootwright_boot::iso9660::read::Image;
use bootwright_boot::{PartitionTable, fuzzing};

use crate::build::live;

/// A small generator of numbers; the same ones every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

/// A sound image.
fn sound() -> Vec<u8> {
    let live = live();
    let boot = live.boot(PartitionTable::Gpt { seed: [7; 32] });
    let mut output = Cursor::new(Vec::new());
    live.write(&boot, &mut output);
    output.into_inner()
}

/// Where `wanted` first occurs.
fn find(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(wanted.len()).position(|found| found == wanted).unwrap()
}

/// What reading the primary hierarchy of a damaged image says.
fn complaint(bytes: Vec<u8>) -> String {
    fuzzing::iso9660(&bytes);
    let mut image = Image::open(Cursor::new(bytes)).unwrap();
    assert!(image.check().is_err());
    let volume = image.info().volumes[0].clone();
    image.entries(&volume).unwrap_err().to_string()
}

#[test]
fn loops_are_noticed() {
    let sound = sound();
    let volume = Image::open(Cursor::new(&sound)).unwrap().info().volumes[0].clone();
    let block = u32::try_from(volume.root.block).unwrap();
    let start = usize::try_from(volume.root.block).unwrap() * 2048;
    let both = |number: u32| [number.to_le_bytes(), number.to_be_bytes()].concat();

    // The directory below the root is the root.
    let mut bytes = sound.clone();
    let record = start + find(&bytes[start..], b"BOOT") - 33;
    bytes[record + 2..record + 10].copy_from_slice(&both(block));
    assert_eq!(complaint(bytes), format!("a directory occurs twice, at byte {record}"));

    // A continuation area that continues in itself.
    let mut bytes = sound.clone();
    let within = find(&bytes[start..], b"CE\x1c\x01");
    let fields = [both(block), both(u32::try_from(within).unwrap()), both(28)].concat();
    bytes[start + within + 4..start + within + 28].copy_from_slice(&fields);
    assert_eq!(complaint(bytes), "more than 32 continuation areas");

    // A directory longer than the image.
    let mut bytes = sound;
    bytes[record + 10..record + 18].copy_from_slice(&both(0xFFFF_F800));
    assert!(complaint(bytes).starts_with("a directory lies beyond the image's end, at byte "));
}

#[test]
fn damaged_images_do_no_harm() {
    let sound = sound();
    fuzzing::iso9660(&sound);
    let mut numbers = Numbers(1);
    for _ in 0..1_500 {
        let mut bytes = sound.clone();
        for _ in 0..=numbers.below(4) {
            // The head, where every byte means something.
            let at = 32_768 + numbers.below(80 * 2048);
            bytes[at] = match numbers.below(4) {
                0 => 0,
                1 => 0xFF,
                2 => bytes[at] ^ 1 << numbers.below(8),
                _ => u8::try_from(numbers.below(256)).unwrap(),
            };
        }
        if numbers.below(8) == 0 {
            bytes.truncate(numbers.below(bytes.len()));
        }
        fuzzing::iso9660(&bytes);
        fuzzing::boot_catalog(&bytes[35 * 2048.min(bytes.len() / 35)..]);
    }
    for len in [0, 1, 32_768, 34_816] {
        fuzzing::iso9660(&sound[..len]);
    }
}
