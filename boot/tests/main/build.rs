//! Trees and images for tests.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use bootwright_boot::PartitionTable;
use bootwright_boot::iso9660::{
    BiosBoot, Boot, EfiBoot, Hybrid, Options, Summary, WriteError, Writer,
};
use bootwright_image::{Blob, Device, FileTree, InodeId, Kind, Metadata, Silent, Timestamp};

/// A memory with holes, for images larger than memory.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    pages: BTreeMap<u64, Box<[u8]>>,
    len: u64,
    position: u64,
}

const PAGE: u64 = 65_536;

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let within = usize::try_from(self.position % PAGE).unwrap();
        let len = bytes.len().min(usize::try_from(PAGE).unwrap() - within);
        let page = self.pages.entry(self.position / PAGE);
        let page = page.or_insert_with(|| vec![0; usize::try_from(PAGE).unwrap()].into());
        page[within..within + len].copy_from_slice(&bytes[..len]);
        self.position += len as u64;
        self.len = self.len.max(self.position);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let within = usize::try_from(self.position % PAGE).unwrap();
        let left = usize::try_from(self.len.saturating_sub(self.position)).unwrap();
        let len = buffer.len().min(left).min(usize::try_from(PAGE).unwrap() - within);
        match self.pages.get(&(self.position / PAGE)) {
            Some(page) => buffer[..len].copy_from_slice(&page[within..within + len]),
            None => buffer[..len].fill(0),
        }
        self.position += len as u64;
        Ok(len)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => self.position.checked_add_signed(by).unwrap(),
            SeekFrom::End(by) => self.len.checked_add_signed(by).unwrap(),
        };
        Ok(self.position)
    }
}

/// Options for Rock Ridge and Joliet, named `LIVE`.
pub(crate) fn options() -> Options {
    Options { volume_id: "LIVE".into(), time: Timestamp(1_700_000_000), ..Options::default() }
}

/// Writes a tree that needs no placing.
pub(crate) fn write(tree: FileTree, options: Options) -> Result<(Vec<u8>, Summary), WriteError> {
    let mut output = Cursor::new(Vec::new());
    let mut writer = Writer::new(tree, options, &mut output)?;
    writer.write_contents(&Silent)?;
    let summary = writer.finish(&Boot::default(), &Silent)?;
    Ok((output.into_inner(), summary))
}

/// Owner 1000:100 and a time.
pub(crate) fn metadata(mode: u16) -> Metadata {
    Metadata { mode, uid: 1000, gid: 100, mtime: Timestamp(1_600_000_000), ..Metadata::default() }
}

/// The files of a boot medium that matter to its writer.
pub(crate) struct Live {
    pub(crate) tree: FileTree,
    pub(crate) eltorito: InodeId,
    pub(crate) kernel: InodeId,
    pub(crate) rootfs: InodeId,
    pub(crate) esp: InodeId,
}

/// A small tree like that of an installer.
pub(crate) fn live() -> Live {
    let mut tree = FileTree::new(metadata(0o755));
    let root = tree.root();
    let boot = tree.add_directory(root, b"boot", metadata(0o750)).unwrap();
    let mut add = |name: &[u8], blob| tree.add_file(boot, name, metadata(0o644), blob).unwrap();
    let image: Vec<u8> = (0..6_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let eltorito = add(b"eltorito.img", image.into());
    let kernel = add(b"kernel", Blob::deferred(1 << 20));
    let esp = add(b"uefi.img", Blob::deferred(1 << 20));
    let rootfs =
        tree.add_file(root, b"rootfs.squashfs", metadata(0o644), Blob::deferred(1 << 40)).unwrap();
    let config =
        tree.add_file(root, b".edge_config.yaml", metadata(0o600), "config\n".into()).unwrap();
    tree.add_link(boot, "Größe.yaml".as_bytes(), config).unwrap();
    tree.add_file(root, b"empty", metadata(0o4755), "".into()).unwrap();
    tree.add_file(boot, &[b'n'; 255], metadata(0o644), "long\n".into()).unwrap();
    let device = Device { major: 8, minor: 1 };
    for (name, kind) in [
        ("link", Kind::Symlink(b"/boot/../rootfs.squashfs".as_slice().into())),
        ("sda1", Kind::BlockDevice(device)),
        ("console", Kind::CharDevice(Device { major: 5, minor: 1 })),
        ("pipe", Kind::Fifo),
    ] {
        tree.add(root, name.as_bytes(), metadata(0o777), kind).unwrap();
    }
    Live { tree, eltorito, kernel, rootfs, esp }
}

impl Live {
    /// How to boot it, from everywhere.
    pub(crate) fn boot(&self, table: PartitionTable) -> Boot {
        Boot {
            bios: Some(BiosBoot {
                image: self.eltorito,
                load_sectors: 4,
                boot_info_table: true,
                grub2_boot_info: true,
            }),
            efi: Some(EfiBoot { image: self.esp }),
            hybrid: Some(Hybrid {
                boot_code: Some(vec![0x90; 512]),
                disk_signature: 0x1234_5678,
                table,
            }),
        }
    }

    /// Writes it as a recipe does: kernel first, then a file of unknown length, then the rest,
    /// and the EFI system partition last.
    pub(crate) fn write<W: Write + Seek>(self, boot: &Boot, output: W) -> Summary {
        let options = Options { partition_view: true, ..options() };
        let mut writer = Writer::new(self.tree, options, output).unwrap();
        let mut kernel = writer.place(self.kernel, 5_000).unwrap();
        let mut rootfs = writer.begin_open(self.rootfs, 2048).unwrap();
        rootfs.write_all(&[2; 4_000]).unwrap();
        kernel.write_all(&[1; 5_000]).unwrap();
        rootfs.write_all(&[3; 4_000]).unwrap();
        writer.end_open(self.rootfs, 8_000).unwrap();
        writer.write_contents(&Silent).unwrap();
        let mut esp = writer.place_aligned(self.esp, 512 * 100, 1 << 18).unwrap();
        esp.write_all(&[4; 512 * 100]).unwrap();
        writer.finish(boot, &Silent).unwrap()
    }
}
