//! Databases made here, sound and damaged.

use super::{Inventory, Subject, parse_anything};
use crate::image::{Blob, FileTree, Kind, Metadata, Silent, Timestamp};

const STATUS: &str = "\
Package: libc6
Status: install ok installed
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u4
Description: GNU C Library
 Contains the standard libraries.
 Package: not a field
Homepage: https://www.gnu.org/software/libc/libc.html

Package: gone
Status: deinstall ok config-files
Version: 1

Package: held
status: hold ok installed
Version: 1:2.0~rc1
Architecture: all
Source: held-source
";

const INSTALLED: &str = "\
C:Q1abc=
P:musl
V:1.2.4-r2
A:x86_64
L:MIT
o:musl
m:Timo <timo@example.org>
U:https://musl.libc.org/
F:lib
R:libc.so

P:nothing

P:busybox
V:1.36.1-r5
A:x86_64
L:GPL-2.0-only
";

const OS: &str = "NAME=x\nID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME='Debian \"12\"'\n# ID=no\n";

/// An rpm header as databases keep it.
fn header(fields: &[(u32, &str)], epoch: Option<u32>) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    let mut entry = |tag: u32, kind: u32, offset: usize| {
        for value in [tag, kind, u32::try_from(offset).unwrap(), 1] {
            index.extend(value.to_be_bytes());
        }
    };
    if let Some(epoch) = epoch {
        entry(1003, 4, 0);
        data.extend(epoch.to_be_bytes());
    }
    for (tag, text) in fields {
        entry(*tag, 6, data.len());
        data.extend(text.as_bytes());
        data.push(0);
    }
    let counts = [index.len() / 16, data.len()].map(|n| u32::try_from(n).unwrap().to_be_bytes());
    [&counts.concat()[..], &index, &data].concat()
}

fn headers() -> Vec<Vec<u8>> {
    let bash = [
        (1000, "bash"),
        (1001, "5.2.15"),
        (1002, "5.fc39"),
        (1011, "Fedora Project"),
        (1014, "GPL-3.0-or-later AND others"),
        (1020, "https://www.gnu.org/software/bash"),
        (1022, "x86_64"),
        (1044, "bash-5.2.15-5.fc39.src.rpm"),
    ];
    let key = [(1000, "gpg-pubkey"), (1001, "18b8e74c"), (1002, "62f2920f")];
    let long = "x".repeat(3000);
    let big = [(1000, "big"), (1001, "1"), (1002, "1"), (1014, long.as_str())];
    vec![header(&bash, Some(1)), header(&key, None), header(&big, None)]
}

fn ndb(blobs: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for value in [u32::from_le_bytes(*b"RpmP"), 0, 1, 1, 9, 0, 0, 0] {
        file.extend(value.to_le_bytes());
    }
    let mut area = Vec::new();
    for (number, blob) in (1_u32..).zip(blobs) {
        let start = u32::try_from((4096 + area.len()) / 16).unwrap();
        let len = u32::try_from(blob.len()).unwrap();
        for value in [u32::from_le_bytes(*b"BlbS"), number, 1, len] {
            area.extend(value.to_le_bytes());
        }
        area.extend(blob);
        area.extend([0; 12]);
        area.resize(area.len().next_multiple_of(16), 0);
        for value in [u32::from_le_bytes(*b"Slot"), number, start, 1] {
            file.extend(value.to_le_bytes());
        }
    }
    while file.len() < 4096 {
        for value in [u32::from_le_bytes(*b"Slot"), 0, 0, 0] {
            file.extend(value.to_le_bytes());
        }
    }
    [file, area].concat()
}

fn varint(value: usize) -> Vec<u8> {
    let mut bytes = vec![(value & 0x7f).to_le_bytes()[0]];
    let mut left = value >> 7;
    while left > 0 {
        bytes.insert(0, 0x80 | (left & 0x7f).to_le_bytes()[0]);
        left >>= 7;
    }
    bytes
}

/// A leaf page of a table, and the overflow pages behind `pages` others.
fn leaf(records: &[Vec<u8>], start: usize, pages: usize) -> Vec<u8> {
    const PAGE: usize = 1024;
    let (mut page, mut overflow) = (vec![0; PAGE], Vec::new());
    page[start] = 0x0d;
    page[start + 4] = u8::try_from(records.len()).unwrap();
    let mut end = PAGE;
    for (number, record) in records.iter().enumerate() {
        let most = PAGE - 35;
        let least = (PAGE - 12) * 32 / 255 - 23;
        let fitting = least + record.len().saturating_sub(least) % (PAGE - 4);
        let local = match record.len() {
            len if len <= most => len,
            _ if fitting <= most => fitting,
            _ => least,
        };
        let mut cell =
            [varint(record.len()), varint(number + 1), record[..local].to_vec()].concat();
        let rest: Vec<_> = record[local..].chunks(PAGE - 4).collect();
        for (at, piece) in rest.iter().enumerate() {
            let next = pages + 1 + overflow.len() / PAGE;
            if at == 0 {
                cell.extend(u32::try_from(next).unwrap().to_be_bytes());
            }
            let following = if at + 1 < rest.len() { next + 1 } else { 0 };
            overflow.extend(u32::try_from(following).unwrap().to_be_bytes());
            overflow.extend(*piece);
            overflow.resize(overflow.len().next_multiple_of(PAGE), 0);
        }
        end -= cell.len();
        page[end..end + cell.len()].copy_from_slice(&cell);
        let pointer = u16::try_from(end).unwrap().to_be_bytes();
        page[start + 8 + 2 * number..][..2].copy_from_slice(&pointer);
    }
    [page, overflow].concat()
}

fn sqlite(blobs: &[Vec<u8>]) -> Vec<u8> {
    let record = |values: &[(usize, &[u8])]| {
        let kinds: Vec<u8> = values.iter().flat_map(|(kind, _)| varint(*kind)).collect();
        let values: Vec<u8> = values.iter().flat_map(|(_, bytes)| bytes.to_vec()).collect();
        [varint(kinds.len() + 1), kinds, values].concat()
    };
    let schema = record(&[
        (13 + 2 * 5, b"table"),
        (13 + 2 * 8, b"Packages"),
        (13 + 2 * 8, b"Packages"),
        (1, &[2]),
        (0, b""),
    ]);
    let rows: Vec<_> =
        blobs.iter().map(|blob| record(&[(0, b""), (12 + 2 * blob.len(), blob)])).collect();
    let mut first = leaf(&[schema], 100, 0);
    first[..16].copy_from_slice(b"SQLite format 3\0");
    first[16..18].copy_from_slice(&1024_u16.to_be_bytes());
    [first, leaf(&rows, 0, 2)].concat()
}

fn tree(files: &[(&str, Vec<u8>)]) -> FileTree {
    let mut tree = FileTree::new(Metadata::directory(0o755));
    for (path, content) in files {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = tree.add_directories(parent.as_bytes(), &Metadata::directory(0o755)).unwrap();
        let blob = Blob::from(content.clone());
        tree.add_file(parent, name.as_bytes(), Metadata::file(0o644), blob).unwrap();
    }
    tree
}

fn read(files: &[(&str, Vec<u8>)]) -> Inventory {
    Inventory::read(&tree(files), &(), &Silent).unwrap()
}

fn purls(inventory: &Inventory) -> Vec<String> {
    inventory.components.iter().map(|component| component.purl(&inventory.os)).collect()
}

#[test]
fn packages_of_every_kind_are_found() {
    let deb = read(&[
        ("usr/lib/os-release", OS.into()),
        ("var/lib/dpkg/status", STATUS.into()),
        ("var/lib/dpkg/status.d/tz", "Package: tzdata\nVersion: 2024a\nArchitecture: all\n".into()),
        ("var/lib/dpkg/status.d/tz.md5sums", "Package: no\nVersion: 1\n".into()),
    ]);
    assert_eq!(
        purls(&deb),
        [
            "pkg:deb/debian/held@1:2.0~rc1?arch=all&distro=debian-12&upstream=held-source",
            "pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12&upstream=glibc%402.36-9",
            "pkg:deb/debian/tzdata@2024a?arch=all&distro=debian-12",
        ]
    );
    assert_eq!(deb.os.pretty_name, "Debian \"12\"");

    let apk = read(&[("lib/apk/db/installed", INSTALLED.into())]);
    assert_eq!(
        purls(&apk),
        [
            "pkg:apk/alpine/busybox@1.36.1-r5?arch=x86_64",
            "pkg:apk/alpine/musl@1.2.4-r2?arch=x86_64&upstream=musl",
        ]
    );
    assert_eq!((apk.components[1].licence.as_str(), apk.notes.len()), ("MIT", 0));

    for (path, database) in [
        ("var/lib/rpm/rpmdb.sqlite", sqlite(&headers())),
        ("usr/lib/sysimage/rpm/Packages.db", ndb(&headers())),
    ] {
        let rpm = read(&[(path, database)]);
        assert_eq!(
            purls(&rpm),
            [
                "pkg:rpm/redhat/bash@5.2.15-5.fc39?arch=x86_64&epoch=1&upstream=bash-5.2.15-5.fc39.src.rpm",
                "pkg:rpm/redhat/big@1-1",
            ],
            "{path}"
        );
        assert_eq!(rpm.components[1].licence.len(), 3000);
    }
}

#[test]
fn what_is_missing_is_said() {
    let note = |files: &[(&str, Vec<u8>)]| read(files).notes;
    assert_eq!(note(&[]), ["there is no package database"]);
    assert_eq!(
        note(&[("var/lib/rpm/Packages", vec![1])]),
        ["/var/lib/rpm/Packages: Berkeley DB is not read: its packages are missing"]
    );
    let database = ("var/lib/rpm/rpmdb.sqlite", sqlite(&headers()));
    assert_eq!(
        note(&[database, ("var/lib/rpm/rpmdb.sqlite-wal", vec![1])]),
        ["/var/lib/rpm/rpmdb.sqlite: what its write-ahead log holds is not read"]
    );
    assert_eq!(
        note(&[("var/lib/rpm/Packages.db", b"RpmP".to_vec())]),
        [
            "/var/lib/rpm/Packages.db: this version of rpm's database is not known: its packages are missing"
        ]
    );
    // One database behind two names is read once.
    let mut linked = tree(&[("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite(&headers()))]);
    let lib = linked.add_directories(b"var/lib", &Metadata::directory(0o755)).unwrap();
    let target = Kind::Symlink(b"../../usr/lib/sysimage/rpm"[..].into());
    linked.add(lib, b"rpm", Metadata::directory(0o777), target).unwrap();
    assert_eq!(Inventory::read(&linked, &(), &Silent).unwrap().components.len(), 2);
}

#[test]
fn what_is_damaged_is_noted() {
    let inventory = read(&[
        ("var/lib/rpm/rpmdb.sqlite", "no database".into()),
        ("lib/apk/db/installed", INSTALLED.into()),
    ]);
    assert!(!inventory.components.is_empty());
    assert_eq!(inventory.notes.len(), 1);
    let note = &inventory.notes[0];
    assert!(note.starts_with("/var/lib/rpm/rpmdb.sqlite: "), "{note}");
    assert!(note.ends_with(": its packages are missing"), "{note}");
    assert!(inventory.to_cyclonedx(&Subject::default()).contains("bootwright:missing"));
}

#[test]
fn the_document_is_the_same_for_the_same_inventory() {
    let inventory =
        read(&[("etc/os-release", OS.into()), ("lib/apk/db/installed", INSTALLED.into())]);
    let subject = Subject {
        name: "provider".to_owned(),
        version: "v1".to_owned(),
        image: "sha256:00".to_owned(),
        created: Some(Timestamp(0)),
        is_file: false,
        sha256: Some([0xAB; 32]),
    };
    let text = inventory.to_cyclonedx(&subject);
    assert_eq!(text, inventory.clone().to_cyclonedx(&subject));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["metadata"]["timestamp"], "1970-01-01T00:00:00Z");
    assert_eq!(document["components"][0]["name"], "debian");
    assert_eq!(document["components"][2]["licenses"][0]["license"]["name"], "MIT");
    let serial = |text: &str| text.lines().find(|line| line.contains("serial")).unwrap().to_owned();
    let other = inventory.to_cyclonedx(&Subject { created: None, ..subject });
    assert_ne!(serial(&text), serial(&other));
}

#[test]
fn whatever_the_bytes_parsers_end() {
    let seeds =
        [STATUS.into(), INSTALLED.into(), sqlite(&headers()), ndb(&headers()), headers().remove(0)];
    let mut state = 88_172_645_463_325_252_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 11).unwrap() % below
    };
    for seed in &seeds {
        for _ in 0..3000 {
            let mut bytes = seed.clone();
            for _ in 0..=random(8) {
                let at = random(bytes.len());
                bytes[at] = random(256).to_le_bytes()[0];
            }
            bytes.truncate(bytes.len() - random(2) * random(bytes.len()));
            parse_anything(&bytes);
        }
    }
}
