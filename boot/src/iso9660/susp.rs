//! System use entries (SUSP 1.12): packed into a directory record's system use area and, where
//! that is too small, into continuation areas.

use super::format::{BLOCK_LEN, both32};

/// Length of a CE entry, which points to the next continuation area (SUSP 5.1).
const CE_LEN: usize = 28;

/// One system use entry, complete with signature and length.
pub(super) type Entry = Vec<u8>;

/// Makes an entry: signature, length, version 1, `data`. `data` has at most 251 bytes.
pub(super) fn entry(signature: [u8; 2], data: &[&[u8]]) -> Entry {
    let len = 4 + data.iter().map(|part| part.len()).sum::<usize>();
    let len = u8::try_from(len).expect("BUG: system use entry beyond 255 bytes");
    let mut bytes = vec![signature[0], signature[1], len, 1];
    data.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}

/// SP, the first entry of the root's own record: the protocol is in use (SUSP 5.3).
pub(super) fn sharing_protocol() -> Entry {
    entry(*b"SP", &[&[0xBE, 0xEF, 0]])
}

/// ER: which extension the entries belong to (SUSP 5.5). Its four texts' lengths must fit a byte.
pub(super) fn extension_reference(id: &str, description: &str, source: &str) -> Entry {
    let len = |text: &str| u8::try_from(text.len()).expect("BUG: text of ER beyond 255 bytes");
    let lens = [len(id), len(description), len(source), 1];
    entry(*b"ER", &[&lens, id.as_bytes(), description.as_bytes(), source.as_bytes()])
}

/// The continuation areas of one directory, laid end to end from a block on. An area never
/// crosses the end of a block: Linux refuses one that does.
#[derive(Debug)]
pub(super) struct Continuation {
    start: u32,
    bytes: Vec<u8>,
}

impl Continuation {
    /// Areas from block `start` of the volume.
    pub(super) fn new(start: u32) -> Self {
        Self { start, bytes: Vec::new() }
    }

    /// All areas.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The system use area of a record with room for `room` bytes, at least a CE entry; what does
    /// not fit there goes into continuation areas. An entry is never divided.
    pub(super) fn pack(&mut self, entries: &[Entry], room: usize) -> Vec<u8> {
        let (in_record, mut rest) = split(entries, room);
        let mut areas = Vec::new();
        while !rest.is_empty() {
            let (area, after) = split(rest, BLOCK_LEN);
            areas.push(area);
            rest = after;
        }
        // The last area first, so that each link's target has its place when it is made.
        let link = areas.iter().rev().fold(Vec::new(), |link, area| {
            let area = [area.concat(), link].concat();
            self.append(&area)
        });
        [in_record.concat(), link].concat()
    }

    /// Stores an area and returns the CE entry that points to it.
    fn append(&mut self, area: &[u8]) -> Entry {
        let within = self.bytes.len() % BLOCK_LEN;
        if within + area.len() > BLOCK_LEN {
            self.bytes.resize(self.bytes.len() + BLOCK_LEN - within, 0);
        }
        // Areas beyond 4 GiB are refused once they are measured.
        let small = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(area);
        let block = self.start.saturating_add(small(at / BLOCK_LEN));
        let (offset, len) = (small(at % BLOCK_LEN), small(area.len()));
        entry(*b"CE", &[&both32(block), &both32(offset), &both32(len)])
    }
}

/// The entries that fit into `room` bytes, with a CE entry when others follow, and the others.
fn split(entries: &[Entry], room: usize) -> (&[Entry], &[Entry]) {
    let mut used = 0;
    if entries.iter().map(Vec::len).sum::<usize>() <= room {
        return (entries, &[]);
    }
    let fit = entries.iter().take_while(|entry| {
        used += entry.len();
        used + CE_LEN <= room
    });
    entries.split_at(fit.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(len: usize, fill: u8) -> Entry {
        entry(*b"NM", &[&vec![fill; len - 4]])
    }

    #[test]
    fn entries_stay_in_the_record_while_they_fit() {
        let mut areas = Continuation::new(40);
        let entries = [sized(60, 1), sized(40, 2)];
        assert_eq!(areas.pack(&entries, 100), entries.concat());
        assert_eq!(areas.bytes(), b"");
        let packed = areas.pack(&entries, 99);
        assert_eq!(packed[..60], entries[0]);
        assert_eq!(packed[60..], entry(*b"CE", &[&both32(40), &both32(0), &both32(40)]));
        assert_eq!(areas.bytes(), entries[1]);
    }

    #[test]
    fn areas_are_chained_and_do_not_cross_blocks() {
        let mut areas = Continuation::new(7);
        let entries: Vec<_> = (0..20).map(|n| sized(250, n)).collect();
        let packed = areas.pack(&entries, 180);
        // 8 entries and a link fill 2028 bytes, twice; the last 4 take 1000.
        assert_eq!(packed, entry(*b"CE", &[&both32(9), &both32(0), &both32(2028)]));
        let link = entry(*b"CE", &[&both32(8), &both32(0), &both32(2028)]);
        assert_eq!(areas.bytes()[4096 + 2000..], link);
        assert_eq!(areas.bytes()[..250], entries[16]);
    }

    #[test]
    fn the_extension_reference_counts_its_texts() {
        assert_eq!(extension_reference("ID", "D", "SRC"), b"ER\x0e\x01\x02\x01\x03\x01IDDSRC");
        assert_eq!(sharing_protocol(), b"SP\x07\x01\xbe\xef\0");
    }
}
