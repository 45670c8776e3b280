//! Whatever goes in comes out again.

use std::io::{self, Cursor, Seek, SeekFrom, Write};

use bootwright_uki::efi::{Entry, Guid, SignatureList, read_lists, write_lists};
use bootwright_uki::pe::{Declared, IMAGE_LEN_MAX, Image, Stub, Writer};
use proptest::prelude::*;

use crate::support::stub;

fn lists() -> impl Strategy<Value = Vec<SignatureList>> {
    let list = (any::<[u8; 16]>(), 1..60_usize, 1..5_usize, any::<u8>());
    let list = list.prop_map(|(kind, len, count, byte)| {
        let entry = |n: usize| Entry {
            owner: Guid::from_bytes([byte; 16]),
            data: vec![byte.wrapping_add(u8::try_from(n).unwrap()); len],
        };
        let (kind, header) = (Guid::from_bytes(kind), Vec::new());
        SignatureList { kind, header, entries: (0..count).map(entry).collect() }
    });
    proptest::collection::vec(list, 0..5)
}

fn sections() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let lengths = prop_oneof![1..2000_usize, Just(0x200), Just(0x1000), Just(0x1001)];
    let content = (lengths, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    proptest::collection::vec(("[.a-z][a-z0-9]{0,7}", content), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn signature_lists_are_read_as_written(lists in lists()) {
        let bytes = write_lists(&lists).unwrap();
        prop_assert_eq!(read_lists(&bytes).unwrap(), lists);
    }

    #[test]
    fn sections_are_where_another_reader_finds_them(sections in sections()) {
        let declared = sections
            .iter()
            .map(|(name, _)| Declared { name: name.clone(), code: name == ".linux" })
            .collect();
        let stub = Stub::parse(&stub()).unwrap();
        let mut writer = Writer::new(stub, declared, Cursor::new(Vec::new())).unwrap();
        for (name, content) in &sections {
            writer.section(name, content).unwrap();
        }
        let (file, written) = writer.finish().unwrap();
        let file = file.into_inner();
        prop_assert_eq!(file.len() as u64, written.len);
        let image = Image::parse(&file).unwrap();
        let found = &image.sections[3..];
        prop_assert_eq!(found.len(), sections.len());
        let mut end = 0;
        for ((name, content), section) in sections.iter().zip(found) {
            prop_assert_eq!((section.name, section.content), (name.as_bytes(), &**content));
            prop_assert!(section.virtual_address.is_multiple_of(0x1000));
            prop_assert!(section.virtual_address >= end);
            end = section.virtual_address + section.virtual_size;
        }
    }
}

/// Counts what is written and keeps nothing.
#[derive(Debug, Default)]
struct Nowhere(u64);

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::Start(position) => self.0 = position,
            SeekFrom::Current(0) => {}
            other => panic!("{other:?}"),
        }
        Ok(self.0)
    }
}

/// Writes an image whose one new section has `len` bytes.
fn write(len: u64) -> Result<u64, String> {
    let declared = vec![Declared { name: ".initrd".to_owned(), code: false }];
    let stub = Stub::parse(&stub()).unwrap();
    let mut writer = Writer::new(stub, declared, Nowhere::default()).unwrap();
    writer.begin(".initrd").unwrap();
    let copied = io::copy(&mut io::Read::take(io::repeat(0), len), &mut writer);
    copied.map_err(|error| error.to_string())?;
    writer.end().map_err(|error| error.to_string())?;
    Ok(writer.finish().unwrap().1.len)
}

#[test]
fn images_end_below_two_gibibytes() {
    // In the file 0xA00 bytes come before, in memory 0x4000.
    let most = IMAGE_LEN_MAX - 0x1000 - 0x4000;
    assert_eq!(write(most), Ok(most + 0xA00));
    let memory = "the image reaches 2147483648 bytes with section \".initrd\": firmware loads less than 2147483648";
    assert_eq!(write(most + 1).unwrap_err(), memory);
    let file = write(IMAGE_LEN_MAX).unwrap_err();
    assert!(file.contains("with section \".initrd\": firmware loads less"), "{file}");
}
