//! Digests of sections, and the register they are extended into.

use std::io;

use crate::hash::{Hash, Hasher};

/// The digests of one content, one for each bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests([Vec<u8>; 4]);

impl Digests {
    /// Of bytes in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Hash::ALL.map(|hash| hash.digest(&[content])))
    }

    /// One for each of [`Hash::ALL`], in that order.
    pub(crate) fn from_banks(digests: [Vec<u8>; 4]) -> Self {
        Self(digests)
    }

    /// The one of a bank.
    #[must_use]
    pub fn get(&self, bank: Hash) -> &[u8] {
        let index = Hash::ALL.iter().position(|hash| *hash == bank).unwrap_or_default();
        &self.0[index]
    }
}

/// Takes a section's content on its way into the image.
#[derive(Clone, Debug)]
pub struct SectionHasher([Hasher; 4]);

impl SectionHasher {
    /// Of no bytes yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Hash::ALL.map(Hasher::new))
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|hasher| hasher.update(bytes));
    }

    /// The digests of all bytes that came.
    #[must_use]
    pub fn finish(self) -> Digests {
        Digests(self.0.map(Hasher::finish))
    }
}

impl Default for SectionHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl io::Write for SectionHasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A section that is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measurement {
    /// Its name.
    pub name: String,
    /// The digests of its content: as many bytes as its virtual size says.
    pub digests: Digests,
}

impl Measurement {
    /// Of a content in memory.
    #[must_use]
    pub fn of(name: &str, content: &[u8]) -> Self {
        Self { name: name.to_owned(), digests: Digests::of(content) }
    }
}

/// A platform configuration register of one bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    bank: Hash,
    value: Vec<u8>,
}

impl Register {
    /// As it is after a reset: zeros.
    #[must_use]
    pub fn new(bank: Hash) -> Self {
        Self { bank, value: vec![0; bank.digest_len()] }
    }

    /// `TPM2_PCR_Extend` with a digest.
    pub fn extend(&mut self, digest: &[u8]) {
        self.value = self.bank.digest(&[&self.value, digest]);
    }

    /// Extends by a section: its name with a NUL, then its content.
    pub fn extend_section(&mut self, section: &Measurement) {
        self.extend(&self.bank.digest(&[section.name.as_bytes(), b"\0"]));
        self.extend(section.digests.get(self.bank));
    }

    /// Extends by the word of a boot phase, without a NUL.
    pub fn extend_phase(&mut self, word: &str) {
        self.extend(&self.bank.digest(&[word.as_bytes()]));
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// The bank.
    #[must_use]
    pub fn bank(&self) -> Hash {
        self.bank
    }
}
