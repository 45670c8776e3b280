//! Documents of package repositories, and databases of installed packages.

pub(crate) fn repositories() -> Vec<Vec<u8>> {
    [
        "name: r\nrepo_files:\n  meta: {filename: m.tar, checksums: {sha256: ab}}\n  tree: {filename: t.tar}\n",
        "index:\n- path: /a\n  compilationspec:\n    package: {name: n, category: c, version: 1:2.3~rc1+4-5}\n- compilationspec:\n    package: {name: n, version: v1_0}\n  runtime: {name: n, requires: [{name: m, version: \">=1,<2\"}]}\n",
        "packages:\n- {name: a, version: \"1\"}\n- &x {name: b}\n- *x\n",
        "auth:\n  username: u\n  password: p\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

pub(crate) fn databases() -> Vec<Vec<u8>> {
    let header = header(&[(1000, "bash"), (1001, "5.2"), (1002, "1"), (1014, "GPL")]);
    vec![
        b"Package: a\nStatus: install ok installed\nVersion: 1\nSource: b (2)\n\nPackage: c\n"
            .to_vec(),
        b"P:musl\nV:1.2-r3\nL:MIT\n\n".to_vec(),
        b"ID=debian\nVERSION_ID=\"12\"\n".to_vec(),
        sqlite(&header),
        ndb(&header),
        header,
    ]
}

/// An rpm header of strings.
fn header(fields: &[(u32, &str)]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in fields {
        let offset = data.len() as u32;
        index.extend([*tag, 6, offset, 1].into_iter().flat_map(u32::to_be_bytes));
        data.extend(text.as_bytes());
        data.push(0);
    }
    let counts = [fields.len() as u32, data.len() as u32].map(u32::to_be_bytes).concat();
    [counts, index, data].concat()
}

/// A database of SQLite with one page of schema and one of one row.
fn sqlite(blob: &[u8]) -> Vec<u8> {
    let page = |start: usize, record: &[u8]| {
        let mut page = vec![0; 512];
        page[start] = 0x0d;
        page[start + 4] = 1;
        let cell = [&[record.len() as u8, 1][..], record].concat();
        let at = 512 - cell.len();
        page[at..].copy_from_slice(&cell);
        page[start + 8..start + 10].copy_from_slice(&(at as u16).to_be_bytes());
        page
    };
    let schema = b"\x06\x17\x1d\x1d\x01\x00tablePackagesPackages\x02";
    let mut first = page(100, schema);
    first[..18].copy_from_slice(b"SQLite format 3\0\x02\x00");
    let kind = 12 + 2 * blob.len();
    let row = [&[4, 0, 0x80 | (kind >> 7) as u8, (kind & 0x7f) as u8][..], blob].concat();
    [first, page(0, &row)].concat()
}

/// A database of rpm's own with one page of slots and one package.
fn ndb(blob: &[u8]) -> Vec<u8> {
    let numbers = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    };
    let [magic, slot, head] = [b"RpmP", b"Slot", b"BlbS"].map(|text| u32::from_le_bytes(*text));
    let mut file = numbers(&[magic, 0, 1, 1, 2, 0, 0, 0, slot, 1, 256, 9]);
    while file.len() < 4096 {
        file.extend(numbers(&[slot, 0, 0, 0]));
    }
    file.extend(numbers(&[head, 1, 1, blob.len() as u32]));
    file.extend(blob);
    file
}
