//! Requests before they are sent.

use std::io::Read;

use ureq::http::{HeaderName, Method};

use super::error::RegistryError;

/// Makes a reader of what is sent.
type Open<'a> = dyn Fn() -> Result<Box<dyn Read + 'a>, RegistryError> + 'a;

/// A request that can be sent more than once.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) url: String,
    /// What is asked for, in errors.
    pub(super) what: &'a str,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) payload: Payload<'a>,
    /// Statuses outside 2xx that the caller deals with.
    pub(super) allowed: &'a [u16],
}

/// What is sent along.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// Bytes of known length from a reader that can be made anew.
    Stream(u64, &'a Open<'a>),
}

impl<'a> Ask<'a> {
    /// A request without headers and payload.
    pub(super) fn new(method: Method, url: String, what: &'a str) -> Self {
        Self { method, url, what, headers: Vec::new(), payload: Payload::None, allowed: &[] }
    }
}
