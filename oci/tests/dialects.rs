//! Tars of all dialects, read with `tar:`.

use bootwright_image::{Digest, Kind, Streams};
use bootwright_oci::{Reference, Rootfs};
use proptest::prelude::*;

use crate::build::{
    Member, Tar, Warnings, content, gzip, octal, options, read, record, scratch, seal, show, xz,
    zstd,
};

pub(crate) fn read_tar(bytes: &[u8]) -> (Rootfs, tempfile::TempDir) {
    let (dir, path) = scratch("rootfs.tar", bytes);
    (read(&Reference::Tar(path)).unwrap(), dir)
}

#[test]
fn any_compression_is_told_by_its_bytes() {
    let tar = Tar::of(["d d", "f d/a content", "f .wh.d literal"]);
    let (first, second) = tar.split_at(700);
    let shown = ["f .wh.d literal", "d d", "f d/a content"];
    for bytes in [
        tar.clone(),
        gzip(&tar),
        [gzip(first), gzip(second)].concat(),
        zstd(&tar),
        [zstd(first), zstd(second)].concat(),
        // A skippable frame, as zstd:chunked has.
        [&b"\x50\x2a\x4d\x18\x04\0\0\0skip"[..], &zstd(&tar)].concat(),
        xz(&tar),
        [xz(first), xz(second)].concat(),
        tar[..tar.len() - 512].to_vec(),
        tar[..tar.len() - 1024].to_vec(),
        [&tar[..], &[0; 8192]].concat(),
        [&tar[..], b"anything"].concat(),
    ] {
        assert_eq!(show(&read_tar(&bytes).0), shown);
    }
    assert_eq!(show(&read_tar(b"").0), [""; 0]);
}

#[test]
fn long_names_come_from_every_dialect() {
    let long = ["x".repeat(120), "y".repeat(120)].join("/");
    let target = "t".repeat(300);
    let mut ustar = Member::file("name", "u").header();
    ustar[345..350].copy_from_slice(b"a/b/c");
    seal(&mut ustar);
    // The GNU dialect has times where ustar has the prefix.
    let mut gnu = Member::file("gnu", "g").header();
    gnu[257..265].copy_from_slice(b"ustar  \0");
    gnu[345..356].copy_from_slice(b"14777777777");
    seal(&mut gnu);
    let mut v7 = Member::file("v7dir/", "").header();
    v7[156] = 0;
    v7[257..].fill(0);
    seal(&mut v7);
    let mut star = Member::file("star", "s").header();
    star[345..348].copy_from_slice(b"pre");
    star[476..487].copy_from_slice(b"14777777777");
    star[508..512].copy_from_slice(b"tar\0");
    seal(&mut star);

    let mut tar = Tar::default();
    tar.raw(&ustar, b"u").raw(&gnu, b"g").raw(&v7, b"").raw(&star, b"s");
    let longlink = |flag, text: &str| Member {
        content: [text.as_bytes(), b"\0"].concat(),
        ..Member::new(flag, "././@LongLink")
    };
    tar.add(&longlink(b'K', &target)).add(&longlink(b'L', &long));
    tar.add(&Member { link: b"cut".to_vec(), ..Member::new(b'2', "cut") });
    let pax_name = format!("pax/{long}");
    tar.pax(b'x', &[("path", pax_name.as_bytes()), ("linkpath", target.as_bytes())]);
    tar.add(&Member { link: b"cut".to_vec(), ..Member::new(b'2', "cut") });
    tar.add(&Member { flag: b'7', ..Member::file("contiguous", "7") });
    let (rootfs, _dir) = read_tar(&tar.end());
    let x = "x".repeat(120);
    assert_eq!(
        show(&rootfs),
        [
            "d a",
            "d a/b",
            "d a/b/c",
            "f a/b/c/name u",
            "f contiguous 7",
            "f gnu g",
            "d pax",
            &format!("d pax/{x}"),
            &format!("s {pax_name} {target}"),
            "d pre",
            "f pre/star s",
            "d v7dir",
            &format!("d {x}"),
            &format!("s {long} {target}"),
        ]
    );
}

#[test]
fn extended_headers_overrule_fields_and_globals_last() {
    let mut tar = Tar::default();
    tar.pax(b'g', &[("uid", b"7"), ("mtime", b"5.9"), ("comment", b"x")]);
    tar.add(&Member { uid: 1, gid: 2, mtime: 3, ..Member::file("a", "") });
    tar.pax(b'x', &[("uid", b"4294967295"), ("gid", b"70000"), ("mtime", b"-1.5")]);
    tar.add(&Member::file("b", ""));
    tar.pax(b'x', &[("uid", b"")]);
    tar.add(&Member { uid: 9, ..Member::file("c", "") });
    tar.pax(b'x', &[("size", b"5")]);
    tar.raw(&Member { size: Some(0), ..Member::file("d", "") }.header(), b"12345");
    let mut negative = Member::file("e", "").header();
    negative[136..148].fill(0xff);
    seal(&mut negative);
    tar.raw(&negative, b"");
    let mut large = Member::file("f", "").header();
    octal(&mut large[108..116], 0xffff_fffe);
    octal(&mut large[136..148], 1 << 40);
    seal(&mut large);
    tar.raw(&large, b"");
    let (rootfs, _dir) = read_tar(&tar.end());
    let shown: Vec<_> = rootfs
        .tree
        .children(rootfs.tree.root())
        .map(|(_, id)| {
            let m = &rootfs.tree.inode(id).metadata;
            (m.uid, m.gid, m.mtime.0)
        })
        .collect();
    assert_eq!(
        shown,
        [(7, 2, 5), (4_294_967_295, 70000, -2), (9, 0, 5), (7, 0, 5), (7, 0, 5), (7, 0, 5),]
    );
    assert_eq!(content(&rootfs, b"d"), b"12345");
}

#[test]
fn attributes_are_kept_byte_for_byte_or_reported() {
    let capability = b"\x01\0\0\x02\0\x20\0\0\0\n\0\0=\xff\0\0\0\0\0\0";
    let mut tar = Tar::default();
    tar.pax(
        b'x',
        &[
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.user.empty", b""),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ],
    );
    tar.add(&Member::file("ping", "x"));
    tar.pax(
        b'x',
        &[("SCHILY.xattr.system.posix_acl_access", b"acl"), ("SCHILY.xattr.trusted.x", b"y")],
    );
    tar.add(&Member::new(b'5', "acl"));
    tar.pax(b'x', &[("SCHILY.acl.access", b"user::rwx")]);
    tar.add(&Member::file("gone", ""));
    tar.add(&Member::file("gone", ""));
    let (_dir, path) = scratch("x.tar", &tar.end());
    let warnings = Warnings::default();
    let mut stack = bootwright_oci::Stack::new(options(), &warnings);
    stack.add_image(&Reference::Tar(path)).unwrap();
    let rootfs = stack.finish().unwrap();
    let ping = rootfs.tree.inode(rootfs.tree.lookup(b"ping").unwrap());
    let xattrs: Vec<_> = ping.metadata.xattrs.iter().collect();
    assert_eq!(xattrs, [(&b"security.capability"[..], &capability[..]), (b"user.empty", b"")]);
    assert_eq!(
        *warnings.0.lock().unwrap(),
        ["/acl: extended attributes left out: system.posix_acl_access, trusted.x"]
    );
}

/// `12....34......` of 14 bytes, stored as `1234`, in every sparse format.
#[test]
fn sparse_files_of_every_format_are_read() {
    let mut old = Member { flag: b'S', ..Member::file("old", "1234") }.header();
    old[257..265].copy_from_slice(b"ustar  \0");
    octal(&mut old[386..398], 0);
    octal(&mut old[398..410], 2);
    octal(&mut old[410..422], 6);
    octal(&mut old[422..434], 2);
    octal(&mut old[434..446], 14);
    octal(&mut old[446..458], 0);
    octal(&mut old[483..495], 14);
    seal(&mut old);
    let mut tar = Tar::default();
    tar.raw(&old, b"1234");
    // The same with an extension block.
    old[410..458].fill(0);
    old[482] = 1;
    old[..3].copy_from_slice(b"ext");
    seal(&mut old);
    let mut extension = [0; 512];
    octal(&mut extension[..12], 6);
    octal(&mut extension[12..24], 2);
    tar.raw(&[&old[..], &extension].concat(), b"1234");
    let extents: [(&str, &[u8]); 4] = [
        ("GNU.sparse.offset", b"0"),
        ("GNU.sparse.numbytes", b"2"),
        ("GNU.sparse.offset", b"6"),
        ("GNU.sparse.numbytes", b"2"),
    ];
    let zero_zero: Vec<_> = [("GNU.sparse.size", &b"14"[..]), ("GNU.sparse.numblocks", b"2")]
        .into_iter()
        .chain(extents)
        .collect();
    tar.pax(b'x', &zero_zero).add(&Member::file("0.0", "1234"));
    tar.pax(
        b'x',
        &[
            ("GNU.sparse.size", b"14"),
            ("GNU.sparse.numblocks", b"2"),
            ("GNU.sparse.name", b"0.1"),
            ("GNU.sparse.map", b"0,2,6,2"),
        ],
    );
    tar.add(&Member::file("GNUSparseFile.0/0.1", "1234"));
    let mut stored = b"3\n0\n2\n6\n2\n14\n0\n".to_vec();
    stored.resize(512, 0);
    stored.extend(b"1234");
    tar.pax(
        b'x',
        &[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"1.0"),
            ("GNU.sparse.realsize", b"14"),
        ],
    );
    tar.add(&Member::file("GNUSparseFile.0/1.0", stored));
    tar.add(&Member::file("after", "plain"));
    let (rootfs, _dir) = read_tar(&tar.end());
    let names: Vec<_> = rootfs.tree.walk().map(|w| w.path).collect();
    assert_eq!(names, [&b"0.0"[..], b"0.1", b"1.0", b"after", b"ext", b"old"]);
    for name in ["old", "ext", "0.0", "0.1", "1.0"] {
        let bytes = content(&rootfs, name.as_bytes());
        assert_eq!(bytes, b"12\0\0\0\x0034\0\0\0\0\0\0", "{name}");
        let file = rootfs.tree.inode(rootfs.tree.lookup(name.as_bytes()).unwrap()).as_file();
        assert_eq!(file.unwrap().digest(), None);
    }
    let after = rootfs.tree.inode(rootfs.tree.lookup(b"after").unwrap());
    let digest = Some(Digest(*blake3::hash(b"plain").as_bytes()));
    assert_eq!(after.as_file().unwrap().digest(), digest);
    let _: &dyn Streams = &rootfs.streams;
}

/// A tree as the `tar` crate writes it.
#[derive(Clone, Debug)]
struct Node {
    name: Vec<u8>,
    kind: u8,
    content: Vec<u8>,
    mode: u16,
    uid: u32,
    mtime: u32,
    xattr: Option<Vec<u8>>,
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let byte = prop::sample::select(b"abc.-\xff\n ".to_vec());
    // The other writer cannot shorten a name that starts with something else than UTF-8.
    let name = prop::collection::vec(byte, 0..200).prop_map(|rest| [&b"n"[..], &rest].concat());
    let xattr = prop::option::of(prop::collection::vec(any::<u8>(), 0..40));
    let content = prop::collection::vec(any::<u8>(), 0..1500);
    let node = (name, 0..4u8, content, 0..0o10000u16, any::<u32>(), any::<u32>(), xattr).prop_map(
        |(name, kind, content, mode, uid, mtime, xattr)| Node {
            name,
            kind,
            content,
            mode,
            uid,
            mtime,
            xattr,
        },
    );
    prop::collection::vec(node, 0..8)
}

fn write(nodes: &[Node]) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    let mut builder = tar::Builder::new(Vec::new());
    for node in nodes {
        let mut header = tar::Header::new_gnu();
        header.set_mode(node.mode.into());
        header.set_uid(node.uid.into());
        header.set_gid(3);
        header.set_mtime(node.mtime.into());
        let name = std::ffi::OsStr::from_bytes(&node.name);
        if let Some(value) = &node.xattr {
            builder.append_pax_extensions([("SCHILY.xattr.user.x", &value[..])]).unwrap();
        }
        match node.kind {
            0 => {
                header.set_size(node.content.len() as u64);
                builder.append_data(&mut header, name, &node.content[..]).unwrap();
            }
            1 => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_size(0);
                builder.append_data(&mut header, name, &b""[..]).unwrap();
            }
            2 => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, "x".repeat(150)).unwrap();
            }
            _ => {
                header.set_entry_type(tar::EntryType::Fifo);
                header.set_size(0);
                builder.append_data(&mut header, name, &b""[..]).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_another_writer_wrote_is_read_back(nodes in nodes()) {
        let (rootfs, _dir) = read_tar(&write(&nodes));
        let mut expected = std::collections::BTreeMap::new();
        for node in &nodes {
            expected.insert(node.name.clone(), node);
        }
        let names: Vec<_> = rootfs.tree.walk().map(|walked| walked.path).collect();
        prop_assert!(names.iter().eq(expected.keys()));
        for (name, node) in expected {
            let inode = rootfs.tree.inode(rootfs.tree.lookup(&name).unwrap());
            let m = &inode.metadata;
            let shown = (m.mode, m.uid, m.gid, m.mtime.0);
            prop_assert_eq!(shown, (node.mode, node.uid, 3, i64::from(node.mtime)));
            let xattr = m.xattrs.iter().next().map(|(_, value)| value.to_vec());
            prop_assert_eq!(xattr.as_ref(), node.xattr.as_ref());
            let kind = match inode.kind() {
                Kind::File(_) => {
                    prop_assert_eq!(&content(&rootfs, &name), &node.content);
                    0
                }
                Kind::Directory(_) => 1,
                Kind::Symlink(target) => {
                    prop_assert_eq!(target.len(), 150);
                    2
                }
                _ => 3,
            };
            prop_assert_eq!(kind, node.kind);
        }
    }
}

#[test]
fn records_have_the_length_they_say() {
    for len in 0..1100 {
        let record = record("k", &vec![b'v'; len]);
        let said: usize = std::str::from_utf8(record.split(|b| *b == b' ').next().unwrap())
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(said, record.len());
    }
}
