//! `os-release` (os-release(5)).

/// What the operating system says about itself. Fields that it does not have are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, such as `ubuntu`.
    pub id: String,
    /// `VERSION_ID`, such as `22.04`.
    pub version_id: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

impl OsRelease {
    /// Reads the file; lines that are no assignments are passed over.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut os = Self::default();
        for line in String::from_utf8_lossy(bytes).lines() {
            let Some((key, value)) = line.trim().split_once('=') else { continue };
            let field = match key {
                "ID" => &mut os.id,
                "VERSION_ID" => &mut os.version_id,
                "PRETTY_NAME" => &mut os.pretty_name,
                _ => continue,
            };
            *field = unquote(value);
        }
        os
    }
}

/// The value of a shell assignment without its quotes and backslashes.
fn unquote(value: &str) -> String {
    let value = value.trim();
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let inner =
        quote.and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    if quote == Some('\'') {
        return inner.to_owned();
    }
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(next) = chars.next() {
        text.extend(if next == '\\' { chars.next() } else { Some(next) });
    }
    text
}
