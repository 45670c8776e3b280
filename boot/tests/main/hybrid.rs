//! A medium that boots from everywhere.

use std::io::Cursor;

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::{dump, read::Image};

use crate::build::live;

const GPT: PartitionTable = PartitionTable::Gpt { seed: [7; 32] };

fn image(table: PartitionTable) -> Vec<u8> {
    let live = live();
    let boot = live.boot(table);
    let mut output = Cursor::new(Vec::new());
    let summary = live.write(&boot, &mut output);
    let bytes = output.into_inner();
    assert_eq!(summary.len, bytes.len() as u64);
    assert_eq!(summary.len % 32_768, 0);
    bytes
}

#[test]
fn every_byte_is_accounted_for() {
    let mut image = Image::open(Cursor::new(image(GPT))).unwrap();
    image.check().unwrap();
    insta::assert_snapshot!(dump(&mut image).unwrap());
}
