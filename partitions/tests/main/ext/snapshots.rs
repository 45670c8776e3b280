//! Every field of small volumes.

use bootwright_partitions::ext::dump;

use super::*;

fn small() -> FileTree {
    let mut tree = FileTree::new(metadata(0o755));
    let root = tree.root();
    let mut owned = metadata(0o4750);
    (owned.uid, owned.gid) = (70_000, 5);
    owned.xattrs.insert(b"user.note", b"hello");
    owned.xattrs.insert(b"system.posix_acl_access", &acl());
    owned.xattrs.insert(b"trusted.large", &[7; 80]);
    let file = tree.add_file(root, b"grubenv", owned, pattern(13 * 1024 + 1, 1).into()).unwrap();
    tree.add_link(root, b"link", file).unwrap();
    tree.add(root, b"symlink", metadata(0o777), Kind::Symlink(b"grubenv"[..].into())).unwrap();
    let null = Kind::CharDevice(Device { major: 1, minor: 3 });
    tree.add(root, b"null", metadata(0o666), null).unwrap();
    tree
}

fn snapshot(variant: Variant) -> String {
    let (tree, holes) = (small(), Holes::new());
    let plan = Plan::new(&tree, &exact(variant, 9 << 20), &holes).unwrap();
    let image = image_of(&plan, &tree);
    fsck(&image);
    let mut volume = Volume::open(Cursor::new(&image), 0).unwrap();
    let digest = blake3::hash(&image).to_hex();
    format!("{plan}\n{}\nblake3: {digest}\n", dump(&mut volume).unwrap())
}

#[test]
fn every_field_of_an_ext2_volume() {
    insta::assert_snapshot!(snapshot(Variant::Ext2));
}

#[test]
fn every_field_of_an_ext4_volume() {
    insta::assert_snapshot!(snapshot(Variant::Ext4));
}
