//! What is asked for: `k8s/k3s@1.30.4-k3s1`.

use std::fmt;
use std::str::FromStr;

use super::Version;

/// A package, and which versions will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageRequest {
    /// The category.
    pub category: String,
    /// The name.
    pub name: String,
    /// Which versions will do.
    pub version: Selector,
}

/// Which versions will do: all conditions hold. Without one every version does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<(Operator, Version)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    AtLeast,
    AtMost,
    Not,
    Equal,
    More,
    Less,
}

/// Longer ones first, since shorter ones begin them.
const OPERATORS: [(&str, Operator); 8] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("!=", Operator::Not),
    ("==", Operator::Equal),
    (">", Operator::More),
    ("<", Operator::Less),
    ("=", Operator::Equal),
    ("!", Operator::Not),
];

/// The text does not name a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not CATEGORY/NAME or CATEGORY/NAME@VERSION")]
pub struct RequestError(pub String);

impl Selector {
    /// Reads conditions such as `>=1.2,<2`; a version without an operator has to be met exactly.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let conditions = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let condition = |part: &str| {
            let found = OPERATORS.iter().find_map(|(sign, operator)| {
                part.strip_prefix(sign).map(|rest| (*operator, Version::new(rest.trim())))
            });
            found.unwrap_or_else(|| (Operator::Equal, Version::new(part)))
        };
        Self(conditions.map(condition).collect())
    }

    /// Whether a version will do.
    #[must_use]
    pub fn admits(&self, version: &Version) -> bool {
        self.0.iter().all(|(operator, wanted)| match operator {
            Operator::AtLeast => version >= wanted,
            Operator::AtMost => version <= wanted,
            Operator::Not => version != wanted,
            Operator::Equal => version == wanted,
            Operator::More => version > wanted,
            Operator::Less => version < wanted,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (operator, version)) in self.0.iter().enumerate() {
            let sign = match operator {
                Operator::AtLeast => ">=",
                Operator::AtMost => "<=",
                Operator::Not => "!=",
                Operator::Equal => "",
                Operator::More => ">",
                Operator::Less => "<",
            };
            let comma = if number > 0 { "," } else { "" };
            write!(f, "{comma}{sign}{}", version.as_str())?;
        }
        Ok(())
    }
}

impl FromStr for PackageRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let wrong = || RequestError(text.chars().take(200).collect());
        let (package, version) = match text.split_once('@') {
            Some((_, "")) => return Err(wrong()),
            Some((package, version)) => (package, Selector::new(version)),
            None => (text, Selector::default()),
        };
        match package.rsplit_once('/') {
            Some((category, name)) if !category.is_empty() && !name.is_empty() => {
                Ok(Self { category: category.to_owned(), name: name.to_owned(), version })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for PackageRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.category, self.name)?;
        if self.version.0.is_empty() { Ok(()) } else { write!(f, "@{}", self.version) }
    }
}
