//! Just enough of SQLite to read the blobs of one table (SQLite, "Database File Format"):
//! b-trees of tables, records, overflow pages. What a write-ahead log holds is not looked at.

use std::borrow::Cow;

use super::{Problem, be32};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// The file's header stands at the beginning of the first page.
const HEADER: usize = 100;
/// Kinds of pages.
const INTERIOR: u8 = 0x05;
const LEAF: u8 = 0x0d;

const SHORT: Problem = "the database ends early";
const DAMAGED: Problem = "the database is damaged";

/// The blobs in the second column of table `name`, in order of their rows. The first column is the
/// row's own number, as in every table of rpm.
pub(super) fn blobs(bytes: &[u8], name: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let file = File::new(bytes)?;
    let mut root = None;
    file.rows(1, &mut |record| {
        let columns = columns(record, 4)?;
        if let [Value::Bytes(b"table"), Value::Bytes(found), _, Value::Number(page)] = columns[..]
            && found == name
        {
            root = u32::try_from(page).ok();
        }
        Ok(())
    })?;
    let root = root.ok_or("it has no table of packages")?;
    let mut blobs = Vec::new();
    file.rows(root, &mut |record| {
        let columns = columns(record, 2)?;
        let [_, Value::Bytes(blob)] = columns[..] else { return Err(DAMAGED) };
        blobs.push(blob.to_vec());
        Ok(())
    })?;
    Ok(blobs)
}

struct File<'a> {
    bytes: &'a [u8],
    page: usize,
    /// Bytes of a page that are used.
    usable: usize,
}

type Row<'r> = dyn FnMut(&[u8]) -> Result<(), Problem> + 'r;

impl<'a> File<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        if !bytes.starts_with(MAGIC) {
            return Err("this is no database of SQLite");
        }
        let header = bytes.get(..HEADER).ok_or(SHORT)?;
        let page = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65536,
            page => usize::from(page),
        };
        let usable = page.saturating_sub(usize::from(header[20]));
        if !page.is_power_of_two() || page < 512 || usable < 480 {
            return Err(DAMAGED);
        }
        Ok(Self { bytes, page, usable })
    }

    /// A page by its number, which counts from 1.
    fn page(&self, number: u32) -> Result<&'a [u8], Problem> {
        let before = (number as usize).checked_sub(1).ok_or(DAMAGED)?;
        let start = before.checked_mul(self.page).ok_or(SHORT)?;
        self.bytes.get(start..).and_then(|rest| rest.get(..self.page)).ok_or(SHORT)
    }

    /// Gives the records of a table's b-tree in order.
    fn rows(&self, root: u32, row: &mut Row<'_>) -> Result<(), Problem> {
        let mut left = vec![root];
        let mut visits = self.bytes.len() / self.page;
        let mut total = 0_usize;
        while let Some(number) = left.pop() {
            // A tree has each page once, so one with more visits than pages is none.
            visits = visits.checked_sub(1).ok_or(DAMAGED)?;
            let page = self.page(number)?;
            let start = if number == 1 { HEADER } else { 0 };
            let cells = usize::from(be16(page, start + 3)?);
            let pointers = start + if page[start] == INTERIOR { 12 } else { 8 };
            let cell = |index: usize| -> Result<&'a [u8], Problem> {
                let at = be16(page, pointers + 2 * index)?;
                page.get(usize::from(at)..).ok_or(DAMAGED)
            };
            match page[start] {
                INTERIOR => {
                    left.push(be32(page, start + 8).ok_or(DAMAGED)?);
                    for index in (0..cells).rev() {
                        left.push(be32(cell(index)?, 0).ok_or(DAMAGED)?);
                    }
                    if left.len() > self.bytes.len() / self.page {
                        return Err(DAMAGED);
                    }
                }
                LEAF => {
                    for index in 0..cells {
                        let payload = self.payload(cell(index)?)?;
                        // Records share bytes only where somebody made them so.
                        total += payload.len();
                        if total > self.bytes.len() {
                            return Err(DAMAGED);
                        }
                        row(&payload)?;
                    }
                }
                _ => return Err(DAMAGED),
            }
        }
        Ok(())
    }

    /// The record of a leaf's cell: what does not fit stands in a chain of overflow pages.
    fn payload(&self, cell: &'a [u8]) -> Result<Cow<'a, [u8]>, Problem> {
        let (len, cell) = varint(cell)?;
        let (_row, cell) = varint(cell)?;
        let len =
            usize::try_from(len).ok().filter(|len| *len <= self.bytes.len()).ok_or(DAMAGED)?;
        let most = self.usable - 35;
        if len <= most {
            return Ok(Cow::Borrowed(cell.get(..len).ok_or(DAMAGED)?));
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let fitting = least + (len - least) % (self.usable - 4);
        let local = if fitting <= most { fitting } else { least };
        let mut payload = cell.get(..local).ok_or(DAMAGED)?.to_vec();
        let mut next = be32(cell, local).ok_or(DAMAGED)?;
        while payload.len() < len {
            let page = self.page(next)?;
            next = be32(page, 0).ok_or(DAMAGED)?;
            let take = (len - payload.len()).min(self.usable - 4);
            payload.extend_from_slice(&page[4..4 + take]);
        }
        Ok(Cow::Owned(payload))
    }
}

/// A column's value.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Nothing,
    Number(i64),
    Bytes(&'a [u8]),
}

/// The first `count` columns of a record; those that it lacks are nothing.
fn columns(record: &[u8], count: usize) -> Result<Vec<Value<'_>>, Problem> {
    let (header, after_len) = varint(record)?;
    let header = usize::try_from(header).map_err(|_| DAMAGED)?;
    let mut kinds =
        after_len.get(..header.checked_sub(record.len() - after_len.len()).ok_or(DAMAGED)?);
    let mut body = record.get(header..).ok_or(DAMAGED)?;
    let mut values = Vec::with_capacity(count);
    while let Some(rest) = kinds.filter(|rest| !rest.is_empty() && values.len() < count) {
        let (kind, rest) = varint(rest)?;
        kinds = Some(rest);
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(DAMAGED),
            kind => (kind - 12) / 2,
        };
        let size = usize::try_from(size).ok().filter(|size| *size <= body.len()).ok_or(DAMAGED)?;
        let (value, rest) = body.split_at(size);
        body = rest;
        values.push(match kind {
            0 | 7 => Value::Nothing,
            8 => Value::Number(0),
            9 => Value::Number(1),
            1..=6 => Value::Number(number(value)),
            _ => Value::Bytes(value),
        });
    }
    values.resize(count, Value::Nothing);
    Ok(values)
}

/// A big-endian two's complement number of up to 8 bytes.
fn number(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |all, byte| all << 8 | i64::from(*byte))
}

fn be16(bytes: &[u8], offset: usize) -> Result<u16, Problem> {
    let found = bytes.get(offset..).and_then(|rest| rest.first_chunk().copied());
    found.map(u16::from_be_bytes).ok_or(DAMAGED)
}

/// A number of 1 to 9 bytes, and what follows it.
fn varint(bytes: &[u8]) -> Result<(u64, &[u8]), Problem> {
    let mut value = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        if at == 8 {
            return Ok((value << 8 | u64::from(*byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok((value, &bytes[at + 1..]));
        }
    }
    Err(DAMAGED)
}
