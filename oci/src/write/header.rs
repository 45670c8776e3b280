//! Headers of a tar's members (POSIX.1-2017 `pax`: "ustar Interchange Format", "pax Header
//! Block").

use bootwright_image::Metadata;

/// The unit of a tar.
pub(super) const BLOCK: usize = 512;

/// Bytes of the fields for names.
const NAME: usize = 100;
/// One more than the largest number in 7 octal digits, and in 11.
const SEVEN_DIGITS: u64 = 1 << 21;
const ELEVEN_DIGITS: u64 = 1 << 33;

/// The kinds of members.
pub(super) mod flag {
    pub(in super::super) const FILE: u8 = b'0';
    pub(in super::super) const LINK: u8 = b'1';
    pub(in super::super) const SYMLINK: u8 = b'2';
    pub(in super::super) const CHAR: u8 = b'3';
    pub(in super::super) const BLOCK: u8 = b'4';
    pub(in super::super) const DIRECTORY: u8 = b'5';
    pub(in super::super) const FIFO: u8 = b'6';
    pub(in super::super) const EXTENDED: u8 = b'x';
}

/// A member of a tar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    /// The name; a directory's ends in a slash.
    pub(super) name: &'a [u8],
    /// The target of a link.
    pub(super) link: &'a [u8],
    pub(super) flag: u8,
    pub(super) size: u64,
    pub(super) device: (u32, u32),
    pub(super) metadata: &'a Metadata,
}

impl Header<'_> {
    /// The header's blocks. What the fields cannot hold stands in an extended header before it:
    /// names over 100 bytes, owners over 2097151, sizes from 8 GiB, times before 1970 and after
    /// 2242, extended attributes. The fields hold zeros then, or the beginning of the name.
    pub(super) fn encode(&self) -> Vec<u8> {
        let records = self.records();
        let mut bytes = Vec::with_capacity(BLOCK);
        if !records.is_empty() {
            let metadata = Metadata::file(0o644);
            let fields = Header {
                name: b"PaxHeader",
                link: b"",
                flag: flag::EXTENDED,
                size: records.len() as u64,
                device: (0, 0),
                metadata: &metadata,
            };
            bytes.extend_from_slice(&fields.block());
            bytes.extend_from_slice(&records);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.extend_from_slice(&self.block());
        bytes
    }

    /// The records of the extended header, in a fixed order.
    fn records(&self) -> Vec<u8> {
        let Metadata { uid, gid, mtime, xattrs, .. } = self.metadata;
        let mut records = Records::default();
        let long = |name: &&[u8]| name.len() > NAME;
        let (name, link) = (Some(self.name).filter(long), Some(self.link).filter(long));
        let is_binary = |name: &[u8]| std::str::from_utf8(name).is_err();
        if name.is_some_and(is_binary) || link.is_some_and(is_binary) {
            // Without this, values are UTF-8. It has to come before those it speaks of.
            records.add(b"hdrcharset", b"BINARY");
        }
        if let Some(name) = name {
            records.add(b"path", name);
        }
        if let Some(link) = link {
            records.add(b"linkpath", link);
        }
        for (key, value, end) in [
            (&b"size"[..], self.size, ELEVEN_DIGITS),
            (b"uid", u64::from(*uid), SEVEN_DIGITS),
            (b"gid", u64::from(*gid), SEVEN_DIGITS),
        ] {
            if value >= end {
                records.add(key, value.to_string().as_bytes());
            }
        }
        if !u64::try_from(mtime.0).is_ok_and(|time| time < ELEVEN_DIGITS) {
            records.add(b"mtime", mtime.0.to_string().as_bytes());
        }
        for (name, value) in xattrs.iter() {
            records.add(&[b"SCHILY.xattr.", name].concat(), value);
        }
        records.0
    }

    fn block(&self) -> [u8; BLOCK] {
        let Metadata { mode, uid, gid, mtime, .. } = self.metadata;
        let mut block = [0; BLOCK];
        text(&mut block[..NAME], self.name);
        octal(&mut block[100..108], u64::from(*mode));
        octal(&mut block[108..116], u64::from(*uid));
        octal(&mut block[116..124], u64::from(*gid));
        octal(&mut block[124..136], self.size);
        octal(&mut block[136..148], u64::try_from(mtime.0).unwrap_or(0));
        block[156] = self.flag;
        text(&mut block[157..257], self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        octal(&mut block[329..337], u64::from(self.device.0));
        octal(&mut block[337..345], u64::from(self.device.1));
        seal(&mut block);
        block
    }
}

/// The header of a file in an archive that other tools read, with a size that was not known when
/// its place was kept: sizes from 8 GiB stand in base 256, as GNU tar introduced it.
pub(super) fn late_header(name: &str, size: u64) -> [u8; BLOCK] {
    let metadata = Metadata::file(0o644);
    let fields = Header {
        name: name.as_bytes(),
        link: b"",
        flag: flag::FILE,
        size,
        device: (0, 0),
        metadata: &metadata,
    };
    let mut block = fields.block();
    if size >= ELEVEN_DIGITS {
        block[124..128].copy_from_slice(&[0x80, 0, 0, 0]);
        block[128..136].copy_from_slice(&size.to_be_bytes());
        seal(&mut block);
    }
    block
}

/// Sets the checksum: the sum of all bytes, its own field counted as spaces.
fn seal(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn text(field: &mut [u8], value: &[u8]) {
    let len = value.len().min(field.len());
    field[..len].copy_from_slice(&value[..len]);
}

/// Octal digits and a NUL; zero when there are too many digits.
fn octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let mut digits = format!("{value:0width$o}");
    if digits.len() > width {
        digits = "0".repeat(width);
    }
    field[..width].copy_from_slice(digits.as_bytes());
}

/// Records of an extended header.
#[derive(Default)]
struct Records(Vec<u8>);

impl Records {
    /// `LENGTH KEYWORD=VALUE`, where the length counts itself.
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut len = rest + 1;
        while rest + len.to_string().len() > len {
            len += 1;
        }
        self.0.extend_from_slice(format!("{len} ").as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bootwright_image::Timestamp;

    fn header<'a>(name: &'a [u8], link: &'a [u8], size: u64, metadata: &'a Metadata) -> Header<'a> {
        Header { name, link, flag: flag::FILE, size, device: (4095, 1_048_575), metadata }
    }

    /// The records of the extended header, none when there is none.
    fn records(header: &Header<'_>) -> Vec<String> {
        let bytes = header.encode();
        let mut archive = tar::Archive::new(&bytes[..]);
        let mut entries = archive.entries().unwrap();
        let mut entry = entries.next().unwrap().unwrap();
        let Some(records) = entry.pax_extensions().unwrap() else { return Vec::new() };
        let show = |record: tar::PaxExtension<'_>| {
            format!("{}={}", record.key_bytes().escape_ascii(), record.value_bytes().escape_ascii())
        };
        records.map(|record| show(record.unwrap())).collect()
    }

    #[test]
    fn what_fits_stands_in_the_fields_and_the_rest_before_them() {
        let plain = Metadata::file(0o7777);
        let last = Metadata {
            uid: 2_097_151,
            gid: 2_097_151,
            mtime: Timestamp(8_589_934_591),
            ..plain.clone()
        };
        let n100 = [b'n'; 100];
        let fits = header(&n100, &n100, 8_589_934_591, &last);
        assert_eq!(fits.encode().len(), BLOCK);
        let bytes = fits.encode();
        let fields = tar::Header::from_byte_slice(&bytes);
        assert_eq!(fields.path_bytes()[..], n100);
        assert_eq!(fields.link_name_bytes().unwrap()[..], n100);
        assert_eq!(fields.entry_size().unwrap(), 8_589_934_591);
        assert_eq!((fields.uid().unwrap(), fields.mtime().unwrap()), (2_097_151, 8_589_934_591));
        assert_eq!(fields.device_minor().unwrap(), Some(1_048_575));
        assert_eq!(fields.mode().unwrap(), 0o7777);

        let n101 = [b'n'; 101];
        let text = "n".repeat(101);
        let mut big = Metadata { uid: 2_097_152, gid: u32::MAX, mtime: Timestamp(-1), ..plain };
        big.xattrs.insert(b"user.\xc3\xa9", b"\0=");
        assert_eq!(
            records(&header(&n101, &n101, 1 << 33, &big)),
            [
                format!("path={text}"),
                format!("linkpath={text}"),
                "size=8589934592".to_owned(),
                "uid=2097152".to_owned(),
                "gid=4294967295".to_owned(),
                "mtime=-1".to_owned(),
                "SCHILY.xattr.user.\\xc3\\xa9=\\x00=".to_owned(),
            ]
        );
        let binary = [b"\xff", &n101[..]].concat();
        let late = Metadata { mtime: Timestamp(8_589_934_592), ..Metadata::file(0) };
        let found = records(&header(&binary, b"", 0, &late));
        assert_eq!(found[0], "hdrcharset=BINARY");
        assert_eq!(found[2], "mtime=8589934592");
    }

    #[test]
    fn lengths_of_records_count_themselves() {
        for len in (0..1200).chain(9_960..10_040).chain(99_950..100_010) {
            let mut records = Records::default();
            records.add(b"k", &vec![b'v'; len]);
            let (number, _) =
                records.0.split_at(records.0.iter().position(|b| *b == b' ').unwrap());
            let number: usize = std::str::from_utf8(number).unwrap().parse().unwrap();
            assert_eq!(number, records.0.len(), "{len}");
        }
    }

    #[test]
    fn sizes_that_come_late_have_one_block_whatever_they_are() {
        for size in [0, 8_589_934_591, 8_589_934_592, u64::MAX >> 1] {
            let block = late_header("blobs/x", size);
            let fields = tar::Header::from_byte_slice(&block);
            assert_eq!(fields.entry_size().unwrap(), size);
            assert_eq!(&fields.path_bytes()[..], b"blobs/x");
        }
    }
}
