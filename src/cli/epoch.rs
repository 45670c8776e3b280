//! The one place that reads `SOURCE_DATE_EPOCH`.

use super::Usage;
use crate::image::Timestamp;

/// The time that `SOURCE_DATE_EPOCH` names, if it is set and not empty.
pub(super) fn from_environment() -> Result<Option<Timestamp>, Usage> {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    let value = std::env::var_os("SOURCE_DATE_EPOCH");
    value.map_or(Ok(None), |value| parse(&value.to_string_lossy()))
}

fn parse(text: &str) -> Result<Option<Timestamp>, Usage> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(seconds @ 0..=0xffff_ffff) => Ok(Some(Timestamp(seconds))),
        _ => Err(Usage(format!(
            "SOURCE_DATE_EPOCH is {text:?}; seconds from 0 to 4294967295 are needed"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_a_number_of_32_bits() {
        assert_eq!(parse("").unwrap(), None);
        assert_eq!(parse("1700000000").unwrap(), Some(Timestamp(1_700_000_000)));
        for bad in ["-1", "4294967296", "yesterday", "1.5"] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(bad), "{error}");
        }
    }
}
