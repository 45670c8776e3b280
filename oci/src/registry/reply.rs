//! What registries say: documents of bounded size, and their own words about errors.

use std::io::Read;

use serde::Deserialize;
use ureq::Body;
use ureq::http::Response;
use ureq::http::header::CONTENT_ENCODING;

use super::error::{RegistryError, printable};

/// Bytes of an error's description that are looked at.
const ERROR_MAX: u64 = 16 << 10;
/// Errors in one description that are shown.
const SHOWN_MAX: usize = 3;

#[derive(Deserialize)]
struct Errors {
    #[serde(default)]
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Why a document did not come.
#[derive(Debug)]
pub(super) enum Unread {
    /// The connection broke.
    Broken(std::io::Error),
    /// It cannot be used, whenever it comes.
    Useless(RegistryError),
}

/// Reads a whole reply of at most `limit` bytes, as they are sent.
pub(super) fn document(
    reply: &mut Response<Body>,
    host: &str,
    what: &str,
    limit: u64,
) -> Result<Vec<u8>, Unread> {
    let (host, what) = (host.to_owned(), what.to_owned());
    let encoding = reply.headers().get(CONTENT_ENCODING);
    if let Some(encoding) = encoding.filter(|encoding| *encoding != "identity") {
        let encoding = printable(&String::from_utf8_lossy(encoding.as_bytes()));
        let problem = format!("it is encoded with {encoding:?}, which was not asked for");
        return Err(Unread::Useless(RegistryError::Protocol { host, what, problem }));
    }
    let mut bytes = Vec::new();
    let mut input = reply.body_mut().as_reader().take(limit + 1);
    input.read_to_end(&mut bytes).map_err(Unread::Broken)?;
    if bytes.len() as u64 > limit {
        return Err(Unread::Useless(RegistryError::TooLarge { host, what, limit }));
    }
    Ok(bytes)
}

/// The error that a status stands for.
pub(super) fn explain(reply: &mut Response<Body>, host: &str, what: &str) -> RegistryError {
    let (host, what) = (host.to_owned(), what.to_owned());
    let status = reply.status().as_u16();
    let message = message(reply);
    match status {
        404 => RegistryError::NotFound { host, what },
        403 => RegistryError::Denied { host, what, anonymous: false, message },
        _ => RegistryError::Status { host, what, status, message },
    }
}

/// A registry's own words about an error, empty when there are none.
pub(super) fn message(reply: &mut Response<Body>) -> String {
    let mut bytes = Vec::new();
    let _ = reply.body_mut().as_reader().take(ERROR_MAX).read_to_end(&mut bytes);
    words(&bytes)
}

pub(crate) fn words(bytes: &[u8]) -> String {
    let Ok(errors) = serde_json::from_slice::<Errors>(bytes) else { return String::new() };
    let shown = errors.errors.iter().take(SHOWN_MAX).map(|error| {
        let blank = if error.code.is_empty() || error.message.is_empty() { "" } else { " " };
        printable(&format!("{}{blank}{}", error.code, error.message))
    });
    shown.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_registries_are_made_harmless() {
        let text = r#"{"errors":[{"code":"DENIED","message":"a\u001b[31mb\nc","detail":[1]},{"code":"X"}]}"#;
        assert_eq!(words(text.as_bytes()), "DENIED a [31mb c; X");
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "ü".repeat(1000));
        assert_eq!(words(long.as_bytes()).chars().count(), 301);
        assert_eq!(words(b"<html>"), "");
    }
}
