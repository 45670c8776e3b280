//! Which sections a given stub measures.

use super::SECTIONS;
use crate::pe::Stub;

/// What stands around the version in a stub's `.sdmagic` section.
const MAGIC: [&str; 2] = ["#### LoaderInfo: systemd-stub ", " ####"];
/// What stands in front of the version in what a stub tells the system about itself, in UTF-16.
const INFO: &str = "systemd-stub ";
/// Versions of which the predictions were compared with guests that booted them.
const COMPARED: std::ops::RangeInclusive<u32> = 252..=262;

/// Which sections a stub measures. It has their names in it, so it is looked for them: version
/// 252 measures neither `.uname` nor `.sbat`, later ones measure more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The stub's version as it says itself, such as `257.13-1~deb13u1`.
    pub version: Option<String>,
    /// The sections it measures when they are there, in the order of [`SECTIONS`].
    pub sections: Vec<&'static str>,
}

impl Measured {
    /// Looks at a stub.
    #[must_use]
    pub fn by(stub: &Stub) -> Self {
        let magic = stub.section(".sdmagic").unwrap_or_default();
        let contents: Vec<&[u8]> = stub.sections.iter().map(|(_, content)| &**content).collect();
        Self::find(&magic, &contents)
    }

    /// The same from the contents of a stub's sections, `.sdmagic` also by itself.
    pub(crate) fn find(magic: &[u8], contents: &[&[u8]]) -> Self {
        let text = String::from_utf8_lossy(magic);
        let version = text.split(MAGIC[0]).nth(1).and_then(|rest| rest.split(MAGIC[1]).next());
        // Stubs for arm64 of version 252 have no such section.
        let told = || contents.iter().find_map(|content| told_version(content));
        let version = version.map(str::to_owned).or_else(told);
        let knows = |name: &str| {
            let needle = [name.as_bytes(), b"\0"].concat();
            contents.iter().any(|content| {
                // A name begins where another text ends.
                content.windows(needle.len() + 1).any(|w| w[0] == 0 && w[1..] == needle)
                    || content.starts_with(&needle)
            })
        };
        let sections = SECTIONS.into_iter().filter(|name| knows(name)).collect();
        Self { version, sections }
    }

    /// Whether predictions for this version were compared with what guests measured. For others
    /// they are the best guess.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        let digits = |version: &String| {
            let end = version.find(|c: char| !c.is_ascii_digit()).unwrap_or(version.len());
            version[..end].parse().ok()
        };
        self.version.as_ref().and_then(digits).is_some_and(|major| COMPARED.contains(&major))
    }

    /// Whether the stub measures sections of that name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.sections.contains(&name)
    }
}

/// The version in the text for the variable `StubInfo`.
fn told_version(content: &[u8]) -> Option<String> {
    let needle: Vec<u8> = INFO.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let at = content.windows(needle.len()).position(|window| window == needle)?;
    let units = content[at + needle.len()..].chunks_exact(2).map(|unit| [unit[0], unit[1]]);
    let version: String = units
        .map_while(|[low, high]| (high == 0 && low.is_ascii_graphic()).then_some(char::from(low)))
        .collect();
    (!version.is_empty()).then_some(version)
}
