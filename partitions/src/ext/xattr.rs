//! Extended attributes behind an inode and in blocks
//! (Documentation/filesystems/ext4/attributes.rst).

use std::collections::BTreeMap;

use bootwright_image::Xattrs;

use super::acl;
use super::checksum::crc32c;
use super::format::xattr::{CHECKSUM, ENTRY_LEN, HEADER_LEN, MAGIC, PREFIXES, SHARED_MAX};
use crate::bytes::put;

/// An attribute in the form on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored {
    prefix: u8,
    /// In front of the name, since a block is ordered so.
    name_len: usize,
    name: Box<[u8]>,
    value: Box<[u8]>,
}

/// Why attributes cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A name without a prefix that has a number, or a value that is no access control list.
    Attribute { name: String, problem: &'static str },
    /// They need more than a block.
    Room { needed: usize, max: usize },
}

/// The attributes of an inode: those behind it, and those in a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Split {
    inner: Vec<Stored>,
    outer: Vec<Stored>,
}

impl Split {
    /// Puts as many attributes as possible into the `inner_len` bytes behind the inode.
    pub(super) fn new(
        xattrs: &Xattrs,
        inner_len: usize,
        block_len: usize,
    ) -> Result<Self, Refusal> {
        let mut split = Self::default();
        let mut stored = Vec::new();
        for (name, value) in xattrs.iter() {
            stored.push(store(name, value)?);
        }
        stored.sort();
        // A magic number in front, an empty entry behind the last.
        let mut room = inner_len.saturating_sub(8);
        let mut needed = HEADER_LEN + 4;
        for attribute in stored {
            let len = attribute.len();
            if len <= room {
                room -= len;
                split.inner.push(attribute);
            } else {
                needed += len;
                split.outer.push(attribute);
            }
        }
        if needed > block_len {
            return Err(Refusal::Room { needed, max: block_len });
        }
        Ok(split)
    }

    /// What goes behind the inode, `len` bytes; nothing when there is nothing.
    pub(super) fn behind_inode(&self, len: usize) -> Vec<u8> {
        if self.inner.is_empty() {
            return Vec::new();
        }
        let mut bytes = vec![0; len];
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        // Hashes are for finding equal blocks; here there are none.
        put_entries(&mut bytes[4..], 0, &self.inner, |_| 0);
        bytes
    }

    /// The attributes in a block, if there are any.
    pub(super) fn in_block(&self) -> Option<BlockKey> {
        (!self.outer.is_empty()).then(|| BlockKey(self.outer.clone()))
    }
}

/// What a block of attributes holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BlockKey(Vec<Stored>);

/// Blocks of attributes; inodes with the same share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    /// The last block for each set of attributes.
    known: BTreeMap<BlockKey, usize>,
    /// For each block what it holds and how many inodes have it.
    pub(super) blocks: Vec<(BlockKey, u32)>,
}

impl Blocks {
    /// The block for one more inode.
    pub(super) fn add(&mut self, key: BlockKey) -> usize {
        if let Some(known) = self.known.get(&key)
            && self.blocks[*known].1 < SHARED_MAX
        {
            self.blocks[*known].1 += 1;
            return *known;
        }
        self.blocks.push((key.clone(), 1));
        self.known.insert(key, self.blocks.len() - 1);
        self.blocks.len() - 1
    }

    /// The bytes of a block that stands at block `number`. `seed` begins its checksum, if it has
    /// one.
    pub(super) fn encode(
        &self,
        index: usize,
        len: usize,
        number: u64,
        seed: Option<u32>,
    ) -> Vec<u8> {
        let (BlockKey(attributes), shared) = &self.blocks[index];
        let mut bytes = vec![0; len];
        put_entries(&mut bytes, HEADER_LEN, attributes, Stored::hash);
        let hash = attributes
            .iter()
            .fold(0_u32, |hash, attribute| (hash << 16) ^ (hash >> 16) ^ attribute.hash());
        for (at, value) in [MAGIC, *shared, 1, hash].into_iter().enumerate() {
            put(&mut bytes, 4 * at, &value.to_le_bytes());
        }
        if let Some(seed) = seed {
            let checksum = crc32c(crc32c(seed, &number.to_le_bytes()), &bytes);
            put(&mut bytes, CHECKSUM, &checksum.to_le_bytes());
        }
        bytes
    }
}

fn store(name: &[u8], value: &[u8]) -> Result<Stored, Refusal> {
    let refuse =
        |problem| Refusal::Attribute { name: String::from_utf8_lossy(name).into_owned(), problem };
    let found = PREFIXES.iter().find(|(_, prefix)| match prefix.last() {
        Some(b'.') => name.starts_with(prefix),
        _ => name == *prefix,
    });
    let Some((number, prefix)) = found else {
        return Err(refuse("has none of the prefixes user., trusted., security. and system."));
    };
    let rest = &name[prefix.len()..];
    if rest.len() > 255 {
        return Err(refuse("has more than 255 bytes behind its prefix"));
    }
    if rest.is_empty() && prefix.ends_with(b".") {
        return Err(refuse("has nothing behind its prefix"));
    }
    let value = if matches!(number, 2 | 3) {
        acl::to_stored(value).ok_or_else(|| refuse("has a value that is no access control list"))?
    } else {
        value.to_vec()
    };
    Ok(Stored { prefix: *number, name_len: rest.len(), name: rest.into(), value: value.into() })
}

impl Stored {
    /// Bytes of entry and value.
    fn len(&self) -> usize {
        ENTRY_LEN + self.name.len().next_multiple_of(4) + self.value.len().next_multiple_of(4)
    }

    fn hash(&self) -> u32 {
        let hash = self
            .name
            .iter()
            .fold(0_u32, |hash, byte| (hash << 5) ^ (hash >> 27) ^ u32::from(*byte));
        self.value.chunks(4).fold(hash, |hash, chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            (hash << 16) ^ (hash >> 16) ^ u32::from_le_bytes(word)
        })
    }
}

/// Entries from `at` on, values from the end backwards. Values are told by their offset in `bytes`.
fn put_entries(bytes: &mut [u8], mut at: usize, stored: &[Stored], hash: impl Fn(&Stored) -> u32) {
    let mut values = bytes.len();
    for attribute in stored {
        values -= attribute.value.len().next_multiple_of(4);
        bytes[at] = attribute.name_len.to_le_bytes()[0];
        bytes[at + 1] = attribute.prefix;
        if !attribute.value.is_empty() {
            put(bytes, at + 2, &values.to_le_bytes()[..2]);
        }
        put(bytes, at + 8, &attribute.value.len().to_le_bytes()[..4]);
        put(bytes, at + 12, &hash(attribute).to_le_bytes());
        put(bytes, at + ENTRY_LEN, &attribute.name);
        put(bytes, values, &attribute.value);
        at += ENTRY_LEN + attribute.name.len().next_multiple_of(4);
    }
}
