//! Input that means harm, or is broken: refused with its name, in bounded memory.

use bootwright_oci::{Error, Limits, Options, Reference};

use crate::build::{Member, Tar, chain, gzip, octal, options, read_with, scratch, seal, zstd};

/// The error for a `tar:` image without its path.
fn error_with(options: Options, bytes: &[u8]) -> String {
    let (_dir, path) = scratch("x.tar", bytes);
    let prefix = format!("tar:{}: ", path.display());
    let error = read_with(options, &Reference::Tar(path)).expect_err("the tar is accepted");
    chain(&error).replace(&prefix, "")
}

fn error(bytes: &[u8]) -> String {
    error_with(options(), bytes)
}

fn limited(change: impl FnOnce(&mut Limits), bytes: &[u8]) -> String {
    let mut options = options();
    change(&mut options.limits);
    error_with(options, bytes)
}

/// The error for one member.
fn member(member: &Member) -> String {
    error(&Tar::default().add(member).end())
}

/// The error for a file called `a` after extended header records.
fn pax(records: &[(&str, &[u8])]) -> String {
    error(&Tar::default().pax(b'x', records).add(&Member::file("a", "1234")).end())
}

/// The error for a header changed by `change`.
fn header(flag: u8, change: impl FnOnce(&mut [u8; 512])) -> String {
    let mut block = Member { flag, ..Member::file("a", "") }.header();
    change(&mut block);
    seal(&mut block);
    error(&Tar::default().raw(&block, b"").end())
}

#[test]
fn names_that_cannot_be_are_refused() {
    let long = "n".repeat(256);
    let deep = "d/".repeat(1025);
    for (name, message) in [
        (&b"a/../../b"[..], r#""a/../../b" has a ".." component"#.to_owned()),
        (b"..", r#"".." has a ".." component"#.to_owned()),
        (b"a\0b", r#""a\0b" has a NUL in its name"#.to_owned()),
        (long.as_bytes(), format!("{long:?} has a component of 256 bytes, 255 is the limit")),
        (
            deep.as_bytes(),
            format!("{:?} lies deeper than 1024 directories", format!("{}…", &deep[..512])),
        ),
        (
            &[b'/'; 4096],
            format!(
                "{:?} has a name of 4096 bytes, 4095 is the limit",
                format!("{}…", "/".repeat(512))
            ),
        ),
    ] {
        assert_eq!(pax(&[("path", name)]), message);
    }
    assert_eq!(member(&Member::file("", "")), r#""" has an empty name"#);
}

#[test]
fn depth_is_limited_behind_links_too() {
    let half = "d/".repeat(600);
    let mut tar = Tar::default();
    tar.pax(b'x', &[("path", half.as_bytes())]).add(&Member::new(b'5', "x"));
    tar.pax(b'x', &[("linkpath", half.as_bytes())]).add(&Member::new(b'2', "l"));
    tar.pax(b'x', &[("path", format!("l/{half}").as_bytes())]).add(&Member::new(b'5', "x"));
    assert!(error(&tar.end()).ends_with("lies deeper than 1024 directories"));
}

#[test]
fn numbers_that_no_kernel_holds_are_refused() {
    for value in ["4294967296", "-1", "1.5", "x"] {
        assert_eq!(
            pax(&[("uid", value.as_bytes())]),
            format!("\"a\" uid is {value:?}, which is no number that can be kept")
        );
    }
    let number = |field: &str, value: &str| {
        format!("\"a\" {field} is {value:?}, which is no number that can be kept")
    };
    let negative =
        |range: std::ops::Range<usize>| move |block: &mut [u8; 512]| block[range].fill(0xff);
    assert_eq!(header(b'0', negative(108..116)), number("uid", "-1"));
    assert_eq!(header(b'0', negative(116..124)), number("gid", "-1"));
    assert_eq!(header(b'0', negative(124..136)), number("size", "-1"));
    assert_eq!(header(b'0', negative(100..108)), number("mode", "-1"));
    assert_eq!(
        header(b'0', |block| octal(&mut block[108..116], 1 << 32)),
        number("uid", "4294967296")
    );
    assert_eq!(
        header(b'0', |block| block[136..140].copy_from_slice(b"9999")),
        number("mtime", "99990000000")
    );
    let device = |major, minor| {
        format!("\"a\" has device numbers {major}:{minor}, 4095:1048575 is the limit")
    };
    for (major, minor) in [(4096, 0), (0, 1_048_576), (1 << 40, 1)] {
        let block = Member { device: (major, minor), ..Member::new(b'3', "a") };
        assert_eq!(member(&block), device(major, minor));
    }
    let huge = header(b'0', |block| octal(&mut block[124..136], 1 << 50));
    assert_eq!(huge, format!("\"a\" has {} bytes, {} is the limit", 1u64 << 50, 1u64 << 40));
}

#[test]
fn broken_headers_are_refused() {
    let tar = Tar::of(["f a 1", "f b 2"]);
    let mut flipped = tar.clone();
    flipped[1024] ^= 1;
    assert_eq!(
        error(&flipped),
        "at byte 1024 of the tar: header checksum is 007340, the bytes sum up to 3809"
    );
    for cut in [513, 1023] {
        assert_eq!(
            error(&tar[..cut]),
            if cut == 513 {
                "at byte 513 of the tar: the stream ends early"
            } else {
                "at byte 1023 of the tar: the stream ends early"
            }
        );
    }
    assert_eq!(error(&tar[..512]), r#""a" the stream ends early"#);
    assert_eq!(error(&tar[..1024 + 100]), "at byte 1024 of the tar: the stream ends early");
    let lone = [&tar[..1024], &[0; 512], &tar[1024..]].concat();
    assert_eq!(error(&lone), "at byte 1024 of the tar: a lone block of zeros");
    assert_eq!(error(b"not a tar"), "at byte 0 of the tar: the stream ends early");
    for flag in [b'V', b'M', b'D', b'N', b'8', b'X', 0xff] {
        let shown = String::from_utf8_lossy(&[flag]).into_owned();
        let message = format!("\"a\" member type {shown:?} is not supported");
        assert_eq!(member(&Member { flag, ..Member::file("a", "") }), message);
    }
}

#[test]
fn broken_extended_headers_are_refused() {
    let alone = Tar::default().pax(b'x', &[("path", b"a")]).end();
    assert_eq!(error(&alone), "at byte 1024 of the tar: extended header without a member");
    let malformed = |content: &[u8]| {
        let header = Member { content: content.to_vec(), ..Member::new(b'x', "h") };
        error(&Tar::default().add(&header).add(&Member::file("a", "")).end())
    };
    for (content, what) in [
        (&b"6 a=b"[..], "a record's length is wrong"),
        (b"99999999999999999999999999 a=b\n", "a record's length is wrong"),
        (b"6 a=bb", "a record is not delimited"),
        (b"6 abc\n", "a record has no value"),
        (b"6 =bc\n", "a record has no keyword"),
    ] {
        let message = format!("\"a\" extended header is malformed: {what}");
        assert_eq!(malformed(content), message);
    }
    let lying = Member { size: Some(1 << 30), ..Member::new(b'x', "h") };
    assert_eq!(
        member(&lying),
        "at byte 0 of the tar: extended header of 1073741824 bytes is too large, 1048576 is the limit"
    );
    let long = Member { size: Some(u64::from(u32::MAX) << 3), ..Member::new(b'L', "h") };
    assert!(member(&long).ends_with("is too large, 1048576 is the limit"));
    let cut = Member { size: Some(4096), ..Member::new(b'L', "h") };
    assert_eq!(error(&Tar::default().add(&cut).0), "at byte 0 of the tar: the stream ends early");
}

#[test]
fn attributes_and_targets_beyond_linux_are_refused() {
    let at = "\"a\" ";
    assert_eq!(
        pax(&[("SCHILY.xattr.", b"")]),
        format!("{at}has an extended attribute's name of 0 bytes, 1 to 255 can be kept")
    );
    let long = format!("SCHILY.xattr.user.{}", "x".repeat(255));
    assert_eq!(
        pax(&[(&long, b"")]),
        format!("{at}has an extended attribute's name of 260 bytes, 1 to 255 can be kept")
    );
    assert_eq!(
        pax(&[("SCHILY.xattr.user.\0", b"")]),
        format!("{at}has a NUL in its extended attribute's name")
    );
    assert_eq!(
        pax(&[("SCHILY.xattr.user.x", &[0; 65537])]),
        format!("{at}has extended attribute \"user.x\" of 65537 bytes, 65536 is the limit")
    );
    let link = |target: &[u8]| {
        error(&Tar::default().pax(b'x', &[("linkpath", target)]).add(&Member::new(b'2', "a")).end())
    };
    assert_eq!(link(b""), r#""a" has a link target of 0 bytes, 1 to 4095 can be kept"#);
    assert_eq!(
        link(&[b't'; 4096]),
        r#""a" has a link target of 4096 bytes, 1 to 4095 can be kept"#
    );
    assert_eq!(link(b"a\0b"), r#""a" has a NUL in its link target"#);
}

#[test]
fn sparse_maps_that_lie_are_refused() {
    let map = |size: &str, map: &str| {
        pax(&[
            ("GNU.sparse.size", size.as_bytes()),
            ("GNU.sparse.name", b"a"),
            ("GNU.sparse.map", map.as_bytes()),
        ])
    };
    let wrong = |what: &str| format!("\"a\" map of the sparse file is wrong: {what}");
    assert_eq!(map("10", "0,2,1,2"), wrong("extents overlap or are out of order"));
    assert_eq!(map("10", "8,4"), wrong("an extent ends beyond the file"));
    assert_eq!(map("10", "0,2"), wrong("its extents hold more or less than what is stored"));
    assert_eq!(map("10", "0,18446744073709551615"), wrong("an extent ends beyond the file"));
    assert_eq!(map("10", "2,18446744073709551615"), wrong("an extent is too long"));
    assert_eq!(
        map("10", "0,2,3"),
        "\"a\" extended header is malformed: a sparse map with an odd number of entries"
    );
    let petabytes = (1u64 << 52).to_string();
    assert_eq!(
        map(&petabytes, "0,4"),
        format!("\"a\" has {petabytes} bytes, {} is the limit", 1u64 << 40)
    );
    let missing = pax(&[("GNU.sparse.map", b"0,4")]);
    assert_eq!(missing, wrong("the file's size is missing"));
    let endless = pax(&[
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.realsize", b"10"),
        ("GNU.sparse.name", b"a"),
    ]);
    assert_eq!(endless, wrong("it does not end"));
    let many = "0,0,".repeat(20);
    let many = limited(
        |limits| limits.sparse_extents = 10,
        &Tar::default()
            .pax(b'x', &[("GNU.sparse.map", many.trim_end_matches(',').as_bytes())])
            .add(&Member::file("a", ""))
            .end(),
    );
    assert_eq!(many, "\"a\" sparse file has more than 10 extents");
}

#[test]
fn limits_hold_for_all_inputs_together() {
    let three = Tar::of(["f a 1", "f b 2", "f c 3"]);
    assert_eq!(limited(|limits| limits.entries = 2, &three), "the inputs have more than 2 members");
    assert_eq!(
        limited(|limits| limits.metadata_bytes = 2, &three),
        "the inputs have more than 2 bytes of names, link targets, extended attributes and sparse maps"
    );
    let zeros = Tar::default().add(&Member::file("zeros", vec![0; 8 << 20])).end();
    for bomb in [gzip(&zeros), zstd(&zeros)] {
        assert!(bomb.len() < 100_000);
        assert_eq!(
            limited(|limits| limits.inflated_bytes = 4 << 20, &bomb),
            "the inputs have more than 4194304 bytes in their uncompressed layers"
        );
    }
}

#[test]
fn damaged_compression_is_noticed() {
    let tar = Tar::default().add(&Member::file("a", vec![b'x'; 100_000])).end();
    for (name, bytes) in [("gzip", gzip(&tar)), ("zstd", zstd(&tar))] {
        let prefix = "x.tar: cannot be decompressed as ";
        let cut = error(&bytes[..bytes.len() - 3]);
        assert!(cut.contains(&prefix[7..]) && cut.contains(name), "{cut}");
        let trailing = error(&[&bytes[..], b"trailing"].concat());
        assert!(trailing.contains(name), "{trailing}");
    }
    assert_eq!(error(b"BZh91AY&SY"), "compressed with bzip2, only gzip, zstd and xz are supported");
    let (_dir, path) = scratch("x.tar", &gzip(&tar)[..50]);
    let result = read_with(options(), &Reference::Tar(path));
    assert!(matches!(result, Err(Error::Decompress { .. })), "{result:?}");
}
