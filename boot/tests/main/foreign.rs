//! Images that others wrote.

use std::fs::File;

use bootwright_boot::iso9660::{dump, read::EntryKind, read::Image};

use crate::tools;

#[test]
fn images_of_xorriso_are_read_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    std::fs::create_dir_all(tree.join("sub/deeper")).unwrap();
    let long = "l".repeat(200);
    std::fs::write(tree.join("sub").join(&long), "long").unwrap();
    std::fs::write(tree.join("empty"), "").unwrap();
    std::fs::write(tree.join("image"), vec![7; 6000]).unwrap();
    std::fs::hard_link(tree.join("image"), tree.join("sub/deeper/link")).unwrap();
    std::os::unix::fs::symlink("../sub/./deeper", tree.join("sub/symlink")).unwrap();
    let file = dir.path().join("image.iso");
    let arguments = [
        "-as",
        "mkisofs",
        "-quiet",
        "-R",
        "-iso-level",
        "3",
        "-V",
        "OTHERS",
        "--hardlinks",
        "-b",
        "image",
        "-no-emul-boot",
        "-boot-load-size",
        "4",
        "-boot-info-table",
        "-c",
        "boot.catalog",
        "-o",
        tools::name(&file),
        tools::name(&tree),
    ];
    if tools::text("xorriso", &arguments).is_none() {
        return;
    }
    let mut image = Image::open(File::open(&file).unwrap()).unwrap();
    image.check().unwrap();
    let info = image.info().clone();
    assert_eq!(info.primary().unwrap().volume_id, "OTHERS");
    assert_eq!(info.boot_entries.len(), 1);
    let entries = image.entries(&info.volumes[0]).unwrap();
    let find = |path: &str| entries.iter().find(|entry| entry.path == path.as_bytes()).unwrap();
    assert_eq!(find("sub/symlink").kind, EntryKind::Symlink(b"../sub/./deeper".to_vec()));
    assert_eq!(find("image").extents, find("sub/deeper/link").extents);
    assert_eq!(find("image").len(), 6000);
    assert!(find("empty").is_empty());
    assert_eq!(find("boot.catalog").extents[0].block, u64::from(info.boot_catalog.unwrap()));
    let mut content = Vec::new();
    image.copy(find(&format!("sub/{long}")), &mut content).unwrap();
    assert_eq!(content, b"long");
    let text = dump(&mut image).unwrap();
    assert!(!text.contains("OVERLAPS"), "{text}");
}
