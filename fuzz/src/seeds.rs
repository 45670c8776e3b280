//! Small sound inputs, made by our own writers where we have one.

use std::io::Cursor;
use std::num::NonZeroUsize;

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::{self, BiosBoot, Boot, EfiBoot, Hybrid};
use bootwright_image::{
    Blob, Device, FileTree, InodeId, Kind, Metadata, Silent, Timestamp, deliver,
};
use bootwright_oci::fuzzing::LAYER_END;
use bootwright_partitions::{Guid, SectorSize, ext, fat, gpt};
use bootwright_squashfs::{Compression, Options};
use tar::{EntryType, Header};

const TIME: Timestamp = Timestamp(1_714_979_290);
const EXPECT: &str = "seeds are sound";

fn metadata(mode: u16) -> Metadata {
    Metadata { mtime: TIME, ..Metadata::file(mode) }
}

/// A folder, files with and without content, a link.
fn tree() -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    let etc =
        tree.add_directories(b"etc/a long name, even for Joliet", &metadata(0o755)).expect(EXPECT);
    for (name, len) in [(&b"empty"[..], 0), (b"short", 5), (b"block", 9000)] {
        tree.add_file(etc, name, metadata(0o644), Blob::from(vec![b'x'; len])).expect(EXPECT);
    }
    tree
}

fn with_links() -> FileTree {
    let mut tree = tree();
    let root = tree.root();
    let link = Kind::Symlink(b"etc/target"[..].into());
    tree.add(root, b"link", metadata(0o777), link).expect(EXPECT);
    tree
}

pub(crate) fn squashfs() -> Vec<Vec<u8>> {
    ["none", "gzip", "zstd"]
        .map(|codec| {
            let mut options = Options::new(NonZeroUsize::MIN);
            options.compression = codec.parse::<Compression>().expect(EXPECT);
            let mut image = Cursor::new(Vec::new());
            bootwright_squashfs::write(&with_links(), &(), options, &mut image, &Silent)
                .expect(EXPECT);
            image.into_inner()
        })
        .into()
}

pub(crate) fn isos() -> Vec<Vec<u8>> {
    let mut medium = with_links();
    let root = medium.root();
    let mut add = |name: &[u8], len| {
        medium.add_file(root, name, metadata(0o644), Blob::from(vec![0; len])).expect(EXPECT)
    };
    let [bios, efi] = [add(b"bios.img", 4096), add(b"efi.img", 8192)];
    let boot = Boot {
        bios: Some(BiosBoot {
            image: bios,
            load_sectors: 4,
            boot_info_table: true,
            grub2_boot_info: true,
        }),
        efi: Some(EfiBoot { image: efi }),
        hybrid: Some(Hybrid {
            boot_code: None,
            disk_signature: 7,
            table: PartitionTable::Gpt { seed: [7; 32] },
        }),
    };
    let mut image = Cursor::new(Vec::new());
    let options = iso9660::Options { volume_id: "SEED".into(), ..Default::default() };
    let mut iso = iso9660::Writer::new(medium, options, &mut image).expect(EXPECT);
    iso.write_contents(&Silent).expect(EXPECT);
    iso.finish(&boot, &Silent).expect(EXPECT);
    vec![image.into_inner()]
}

/// The boot catalog of the ISO, found by its key bytes.
pub(crate) fn catalogs() -> Vec<Vec<u8>> {
    isos()
        .iter()
        .flat_map(|iso| iso.chunks_exact(2048))
        .filter(|block| block[0] == 1 && block[30..32] == [0x55, 0xAA])
        .map(<[u8]>::to_vec)
        .collect()
}

pub(crate) fn fats() -> Vec<Vec<u8>> {
    let options = fat::Options { label: "SEED".into(), time: TIME, ..Default::default() };
    let mut image = Vec::new();
    fat::Plan::new(&tree(), &options).expect(EXPECT).emit(&mut image).expect(EXPECT);
    vec![image]
}

/// ext2 with a block map and a hash tree, ext4 with an extent tree, both with attributes.
pub(crate) fn exts() -> Vec<Vec<u8>> {
    let mut tree = with_links();
    let root = tree.root();
    let mut owned = metadata(0o644);
    owned.xattrs.insert(b"user.note", b"hello");
    owned.xattrs.insert(b"user.large", &[7; 200]);
    let long = tree.add_file(root, b"long", owned, vec![b'x'; 40_000].into()).expect(EXPECT);
    tree.add_link(root, b"hard", long).expect(EXPECT);
    let target = Kind::Symlink(vec![b't'; 100].into());
    tree.add(root, b"slow", metadata(0o777), target).expect(EXPECT);
    let device = Kind::BlockDevice(Device { major: 259, minor: 70_000 });
    tree.add(root, b"device", metadata(0o600), device).expect(EXPECT);
    for n in 0..40 {
        let name = format!("one of many names, number {n}");
        tree.add_link(root, name.as_bytes(), long).expect(EXPECT);
    }
    [ext::Variant::Ext2, ext::Variant::Ext4].map(|variant| ext_of(&tree, variant, long)).into()
}

fn ext_of(tree: &FileTree, variant: ext::Variant, sparse: InodeId) -> Vec<u8> {
    // Enough holes for a tree of extents that does not fit in the inode.
    let ranges = (0..19).map(|n| n * 2048 + 1024..n * 2048 + 2048).collect();
    let mut tree = tree.clone();
    let mut content = vec![b'x'; 40_000];
    for hole in content.chunks_mut(2048) {
        let from = hole.len().min(1024);
        hole[from..].fill(0);
    }
    tree.set_content(sparse, content.into()).expect(EXPECT);
    let holes = ext::Holes::from([(sparse, ranges)]);
    let options = ext::Options {
        time: TIME,
        label: "SEED".into(),
        inode_ratio: Some(65536),
        ..ext::Options::new(variant)
    };
    let plan = ext::Plan::new(&tree, &options, &holes).expect(EXPECT);
    let mut writer = plan.writer(Vec::new(), &Silent).expect(EXPECT);
    deliver(&tree, &(), plan.wanted(), &mut writer, &Silent).expect(EXPECT);
    writer.finish().expect(EXPECT)
}

pub(crate) fn disks() -> Vec<Vec<u8>> {
    let sectors = 256;
    let partition = gpt::Entry::new(
        gpt::types::EFI_SYSTEM,
        Guid::from_content(&[b"partition"]),
        64..=127,
        "EFI",
    );
    let disk = Guid::from_content(&[b"disk"]);
    let table = gpt::Table::new(SectorSize::B512, sectors, disk, vec![partition]);
    let plan = table.plan().expect(EXPECT);
    let mut disk = vec![0; 512 * sectors as usize];
    let mut put = |offset: u64, bytes: &[u8]| {
        disk[offset as usize..][..bytes.len()].copy_from_slice(bytes);
    };
    put(0, &plan.protective_mbr().to_bytes());
    put(plan.primary_offset(), &plan.primary());
    put(plan.backup_offset(), &plan.backup());
    vec![disk]
}

/// One member of each kind, a name beyond the old limit, extended attributes.
pub(crate) fn tars() -> Vec<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (kind, name, content) in [
        (EntryType::Directory, "d/".to_owned(), &b""[..]),
        (EntryType::Regular, "d/f".to_owned(), b"content"),
        (EntryType::Symlink, "d/s".to_owned(), b""),
        (EntryType::Link, "d/h".to_owned(), b""),
        (EntryType::Char, "d/c".to_owned(), b""),
        (EntryType::Fifo, format!("d/{}", "x".repeat(200)), b""),
        (EntryType::Regular, "d/.wh.f".to_owned(), b""),
        (EntryType::Regular, "e/.wh..wh..opq".to_owned(), b""),
    ] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o4755);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("d/f").expect(EXPECT);
        }
        builder.append_data(&mut header, name, content).expect(EXPECT);
    }
    builder
        .append_pax_extensions([("SCHILY.xattr.user.a", &b"\0\xFF"[..]), ("mtime", b"1.5")])
        .expect(EXPECT);
    let mut header = Header::new_ustar();
    header.set_size(0);
    builder.append_data(&mut header, "e/last", &b""[..]).expect(EXPECT);
    vec![builder.into_inner().expect(EXPECT)]
}

pub(crate) fn layers() -> Vec<Vec<u8>> {
    tars().into_iter().map(|tar| [&tar[..], LAYER_END, &tar].concat()).collect()
}

/// Header checksums of all that looks like a tar header.
pub(crate) fn repair_tar(data: &mut [u8]) {
    let mut from = 0;
    // Headers stand at multiples of 512 from their layer's beginning.
    while from < data.len() {
        let end = data[from..]
            .windows(LAYER_END.len())
            .position(|window| window == LAYER_END)
            .map_or(data.len(), |at| from + at);
        for block in data[from..end].as_chunks_mut::<512>().0 {
            if &block[257..262] == b"ustar" {
                block[148..156].fill(b' ');
                let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
                block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
        }
        from = end + LAYER_END.len();
    }
}

pub(crate) fn documents() -> Vec<Vec<u8>> {
    let digest = format!("sha256:{}", "0".repeat(64));
    [
        format!(r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":7,"platform":{{"architecture":"amd64","os":"linux"}},"annotations":{{"org.opencontainers.image.ref.name":"v1"}}}}]}}"#),
        format!(r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":2}},"layers":[]}}"#),
        format!(r#"{{"architecture":"amd64","os":"linux","created":"2024-01-01T00:00:00Z","rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#),
        r#"[{"Config":"a.json","RepoTags":["x:1"],"Layers":["a/layer.tar"]}]"#.to_owned(),
        "2024-02-29T12:34:56.5+01:00".to_owned(),
        digest,
        "oci:folder/image:tag".to_owned(),
    ]
    .map(String::into_bytes)
    .into()
}

/// A 64-bit PE image with one section, `.sbat`, by hand.
pub(crate) fn executables() -> Vec<Vec<u8>> {
    let mut file = vec![0; 0x400];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"MZ");
    put(0x3C, &0x80_u32.to_le_bytes());
    put(0x80, b"PE\0\0");
    put(0x84, &0x8664_u16.to_le_bytes());
    // One section; an optional header of 240 bytes with 16 data directories.
    put(0x86, &1_u16.to_le_bytes());
    put(0x94, &240_u16.to_le_bytes());
    put(0x96, &0x22E_u16.to_le_bytes());
    put(0x98, &0x20B_u16.to_le_bytes());
    for (at, value) in [(32, 0x1000), (36, 0x200), (56, 0x2000), (60, 0x200), (108, 16)] {
        put(0x98 + at, &u32::to_le_bytes(value));
    }
    put(0x98 + 68, &10_u16.to_le_bytes());
    let section = 0x98 + 240;
    put(section, b".sbat\0\0\0");
    for (at, value) in [(8, 0x40), (12, 0x1000), (16, 0x200), (20, 0x200), (36, 0x4000_0040)] {
        put(section + at, &u32::to_le_bytes(value));
    }
    put(0x200, b"sbat,1,SBAT Version,sbat,1,https://example.org\nseed,1,Seed,seed,1,\n");
    vec![file]
}
