//! The fuzz targets on whole images and on damaged ones.

use std::io::Cursor;

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

#[test]
fn damaged_images_do_no_harm() {
    let live = live();
    let boot = live.boot(PartitionTable::Gpt { seed: [7; 32] });
    let mut output = Cursor::new(Vec::new());
    live.write(&boot, &mut output);
    let sound = output.into_inner();
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
