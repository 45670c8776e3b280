//! Labels, sizes and file systems of the partitions, as installed Kairos systems expect them.

use bootwright_boot::loaders::find_kernel;
use bootwright_image::{Blob, FileTree, InodeId, Observer, Streams, Timestamp, collect};
use bootwright_partitions::ext::{Holes, Options, Plan, Variant};
use bootwright_partitions::gpt::{ATTRIBUTE_REQUIRED, types};
use bootwright_partitions::{Size, fat};

use super::grub;
use super::volume::{Ext, Part, Shape, Volume};
use crate::recipe::{RecipeError, Root};

const MIB: u64 = 1 << 20;
/// The EFI system partition, the one for configuration, and the one for curtin to land on.
const SMALL: u64 = 64 * MIB;
/// Beyond the contents: in the recovery system's file system, and in its partition, which has to
/// take a second one during an upgrade.
const SYSTEM_ROOM: u64 = 300 * MIB;
const RECOVERY_ROOM: u64 = 150 * MIB;
/// The cloud root file system's partition, and what must be free in it for the first boot.
const CLOUD: u64 = 3072 * MIB;
const CLOUD_ROOM: u64 = 512 * MIB;
/// Where a base image keeps its boot menu.
const MENU: &str = "etc/cos/grub.cfg";
/// The largest menu that is taken over, in bytes.
const MENU_MAX: u64 = 1 << 20;

/// The recovery partition's tree, and the length of the file system image in it.
pub(super) struct Recovery {
    pub(super) tree: FileTree,
    pub(super) image: InodeId,
    pub(super) image_len: u64,
}

impl Recovery {
    /// Looks at the root file system, which must be complete.
    pub(super) fn new(
        root: &Root,
        holes: &Holes,
        shape: &Shape,
        observer: &dyn Observer,
    ) -> Result<Self, RecipeError> {
        let rounded = root.content_len() / MIB * MIB;
        let wanted = Size::Exact(rounded + SYSTEM_ROOM);
        let options = options("COS_SYSTEM", wanted, shape, root.epoch);
        let image_len = match Plan::new(&root.tree, &options, holes) {
            Ok(plan) => plan.len(),
            // Many small files take more than their contents.
            Err(_) => {
                let size = Size::Auto { headroom: SYSTEM_ROOM };
                Plan::new(&root.tree, &Options { size, ..options }, holes)?.len()
            }
        };
        let mut files = super::trees::Files::new("the recovery partition", root.epoch);
        files.put("cOS/recovery.img", 0o644, Blob::deferred(image_len))?;
        match menu(root, observer)? {
            Some(own) => files.put(MENU, 0o644, own.into())?,
            None => {
                observer.warn(format_args!(
                    "the base image has no /{MENU}: the built-in menu starts the recovery system \
                     by dracut's dmsquash-live"
                ));
                let text = grub::with_kernel(grub::MENU, &find_kernel(&root.tree)?);
                files.put(MENU, 0o644, text.into_bytes().into())?;
                files.link("cOS/rootfs.img", "recovery.img")?;
            }
        }
        let tree = files.into_tree();
        let image = tree.lookup(b"cOS/recovery.img").unwrap_or(tree.root());
        Ok(Self { tree, image, image_len })
    }

    /// The partition's length in bytes.
    fn len(&self) -> u64 {
        2 * self.image_len + RECOVERY_ROOM
    }

    /// MiB that the installed system's images take.
    pub(super) fn state(&self) -> u64 {
        (self.len() * 3 + 100 * MIB) / MIB
    }

    pub(super) fn part<'t>(
        &'t self,
        root: &'t Root,
        holes: &'t Holes,
        none: &'t Holes,
        shape: &Shape,
    ) -> Result<Part<'t>, RecipeError> {
        let inner = options("COS_SYSTEM", Size::Exact(self.image_len), shape, root.epoch);
        let plan = Plan::new(&root.tree, &inner, holes)?;
        let system = Ext { plan, tree: &root.tree, streams: &root.streams, nested: None };
        let outer = options("COS_RECOVERY", Size::Exact(self.len()), shape, root.epoch);
        let plan = Plan::new(&self.tree, &outer, none)?;
        let nested = Some((self.image, Box::new(system)));
        let volume = Volume::Ext(Box::new(Ext { plan, tree: &self.tree, streams: &(), nested }));
        Ok(Part { name: "recovery", kind: types::LINUX_FILESYSTEM, attributes: 0, volume })
    }
}

/// The base image's boot menu.
fn menu(root: &Root, observer: &dyn Observer) -> Result<Option<Vec<u8>>, RecipeError> {
    let found = root.tree.resolve(MENU.as_bytes()).ok().flatten();
    let found = found.filter(|inode| root.tree.inode(*inode).as_file().is_some());
    let Some(inode) = found else { return Ok(None) };
    let read = collect(&root.tree, &root.streams, &[inode], MENU_MAX, observer)?;
    Ok(read.into_iter().next())
}

fn options(label: &str, size: Size, shape: &Shape, time: Timestamp) -> Options {
    let (uuid, hash_seed) = (shape.uuid(label), shape.uuid(&format!("{label} names")));
    let (label, sector_size) = (label.into(), shape.sector_size);
    Options { label, uuid, hash_seed, time, size, sector_size, ..Options::new(Variant::Ext2) }
}

/// The EFI system partition.
pub(super) fn efi<'t>(
    tree: &FileTree,
    shape: &Shape,
    time: Timestamp,
) -> Result<Part<'t>, RecipeError> {
    let [a, b, c, d, ..] = shape.uuid("COS_GRUB");
    let options = fat::Options {
        label: "COS_GRUB".into(),
        volume_id: Some(u32::from_le_bytes([a, b, c, d])),
        time,
        size: Size::Exact(SMALL),
        sector_size: shape.sector_size,
        ..fat::Options::default()
    };
    let volume = Volume::Fat(fat::Plan::new(tree, &options)?);
    Ok(Part { name: "efi", kind: types::EFI_SYSTEM, attributes: ATTRIBUTE_REQUIRED, volume })
}

/// A small ext2 partition, such as the one with configuration.
pub(super) fn small<'t>(
    name: &'static str,
    label: &str,
    tree: &'t FileTree,
    none: &'t Holes,
    shape: &Shape,
    time: Timestamp,
) -> Result<Part<'t>, RecipeError> {
    let options = options(label, Size::Exact(SMALL), shape, time);
    let plan = Plan::new(tree, &options, none)?;
    let volume = Volume::Ext(Box::new(Ext { plan, tree, streams: &(), nested: None }));
    Ok(Part { name, kind: types::LINUX_FILESYSTEM, attributes: 0, volume })
}

/// The root file system that boots first on a machine of MAAS; `streams` delivers its contents.
pub(super) fn cloud<'t>(
    root: &'t Root,
    streams: &'t dyn Streams,
    holes: &'t Holes,
    shape: &Shape,
) -> Result<Part<'t>, RecipeError> {
    let tree = &root.tree;
    let with = |size| Options {
        variant: Variant::Ext4,
        ..options("UBUNTU_ROOTFS", size, shape, root.epoch)
    };
    let usual = Plan::new(tree, &with(Size::Exact(CLOUD)), holes);
    let plan = match usual {
        Ok(plan) if plan.free_blocks() * plan.block_size() >= CLOUD_ROOM => plan,
        _ => {
            let size = Size::Auto { headroom: CLOUD_ROOM };
            let len = Plan::new(tree, &with(size), holes)?.len().next_multiple_of(MIB);
            Plan::new(tree, &with(Size::Exact(len)), holes)?
        }
    };
    let volume = Volume::Ext(Box::new(Ext { plan, tree, streams, nested: None }));
    Ok(Part { name: "ubuntu_rootfs", kind: types::LINUX_FILESYSTEM, attributes: 0, volume })
}

/// The partition with content bundles.
pub(super) fn content<'t>(
    name: &'static str,
    (tree, len): (&'t FileTree, u64),
    none: &'t Holes,
    shape: &Shape,
    time: Timestamp,
) -> Result<Part<'t>, RecipeError> {
    let size = Size::Exact(len.next_multiple_of(MIB));
    let options = Options { variant: Variant::Ext4, ..options("COS_CONTENT", size, shape, time) };
    let plan = Plan::new(tree, &options, none)?;
    let volume = Volume::Ext(Box::new(Ext { plan, tree, streams: &(), nested: None }));
    Ok(Part { name, kind: types::LINUX_FILESYSTEM, attributes: 0, volume })
}
