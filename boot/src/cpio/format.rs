//! Records of the `newc` format.

/// What every record begins with.
const MAGIC: &[u8; 6] = b"070701";
/// Magic and thirteen numbers of eight hexadecimal digits.
const HEADER_LEN: u64 = 6 + 13 * 8;
/// Headers with names, and contents, are padded to this.
const ALIGNMENT: u64 = 4;
/// The name of the record that ends an archive.
pub(super) const TRAILER: &[u8] = b"TRAILER!!!";
/// The longest name that the kernel unpacks, in bytes: `PATH_MAX` with its NUL. It skips longer
/// ones silently.
pub(super) const NAME_MAX: usize = 4095;

/// `S_IFMT` values.
pub(super) mod kind {
    pub(crate) const FIFO: u32 = 0o010_000;
    pub(crate) const CHAR: u32 = 0o020_000;
    pub(crate) const DIRECTORY: u32 = 0o040_000;
    pub(crate) const BLOCK: u32 = 0o060_000;
    pub(crate) const FILE: u32 = 0o100_000;
    pub(crate) const SYMLINK: u32 = 0o120_000;
    pub(crate) const SOCKET: u32 = 0o140_000;
}

/// The numbers of a record that are not always zero. Times and the device that files lie on are:
/// they would make equal trees different archives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) inode: u32,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) links: u32,
    pub(super) len: u32,
    pub(super) device: (u32, u32),
}

impl Record {
    /// The header with the name and padding.
    pub(super) fn encode(&self, name: &[u8]) -> Vec<u8> {
        let name_len = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let (major, minor) = self.device;
        let mut bytes = MAGIC.to_vec();
        for number in [
            self.inode, self.mode, self.uid, self.gid, self.links, 0, self.len, 0, 0, major, minor,
            name_len, 0,
        ] {
            bytes.extend(format!("{number:08X}").bytes());
        }
        bytes.extend(name);
        bytes.push(0);
        let head = bytes.len() as u64;
        bytes.extend(padding(head));
        bytes
    }
}

/// Bytes of a record with its content.
pub(super) fn record_len(name: &[u8], len: u64) -> u64 {
    let head = HEADER_LEN + name.len() as u64 + 1;
    head.next_multiple_of(ALIGNMENT) + len.next_multiple_of(ALIGNMENT)
}

/// Zeros behind a content.
pub(super) fn padding(len: u64) -> &'static [u8] {
    let padding = len.next_multiple_of(ALIGNMENT) - len;
    &[0; 3][..usize::try_from(padding).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_long_as_it_says() {
        for name in [&b"."[..], b"ab", b"abc", b"abcd", b"abcde"] {
            assert_eq!(Record::default().encode(name).len() as u64, record_len(name, 0));
        }
        for len in 0..9 {
            assert_eq!(
                record_len(b".", len) - record_len(b".", 0),
                len + padding(len).len() as u64
            );
        }
        let record = Record { mode: 0o100_755, len: 10, ..Record::default() }.encode(b"init");
        assert!(record.starts_with(b"07070100000000000081ED"));
        assert_eq!(&record[94..], b"0000000500000000init\0\0");
    }
}
