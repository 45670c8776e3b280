//! PEM files (RFC 7468, and RFC 1421 headers as OpenSSL writes them for encrypted keys).

use der::pem;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One encapsulated text of a PEM file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    /// From the first to the last line, both included.
    text: &'a str,
}

impl Block<'_> {
    /// Whether it says of itself that it is encrypted, in a header or its label.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.label.starts_with("ENCRYPTED ")
            || self.text.lines().any(|line| line.starts_with("Proc-Type:"))
    }

    /// The bytes it holds.
    pub(crate) fn decode(&self) -> Result<Vec<u8>, pem::Error> {
        Ok(pem::decode_vec(self.text.as_bytes())?.1)
    }
}

/// The encapsulated texts of a file, in order. Whatever stands between them is skipped, and so is
/// one that does not end.
pub(crate) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let begin = rest.find(BEGIN)?;
            let block = &rest[begin..];
            let label = block[BEGIN.len()..].lines().next()?.trim_end().strip_suffix(DASHES);
            let end = label.and_then(|label| block.find(&format!("{END}{label}{DASHES}")));
            let (Some(label), Some(end)) = (label, end) else {
                rest = &block[BEGIN.len()..];
                continue;
            };
            let len = end + END.len() + label.len() + DASHES.len();
            rest = &block[len..];
            return Some(Block { label, text: &block[..len] });
        }
    })
}
