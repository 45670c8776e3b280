//! From what was written to values: precedence, defaults, and the checks of single values.

use std::collections::BTreeMap;

use super::super::nearest::suggestion;
use super::super::problem::{Place, Problem, Problems};
use super::{
    ARG_FILE, Arguments, Assignment, BUILD_ARGS, COMMAND_LINE, Environment, KEYS, Key, Origin,
    Setting, derive, earthfile, file, find, shown,
};

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// Everything that says what values are.
pub struct Sources<'a> {
    /// `KEY=VALUE` of each `--KEY=VALUE`.
    pub command_line: &'a [String],
    /// The content of `EARTHLY_BUILD_ARGS`.
    pub build_args: Option<&'a str>,
    /// The content of `.arg`.
    pub arg_file: Option<&'a [u8]>,
    /// The content of `Earthfile`.
    pub earthfile: Option<&'a [u8]>,
    /// The tag of the checkout.
    pub tag: Option<&'a str>,
    /// The environment, for `$NAME` in `.arg`.
    pub environment: Environment<'a>,
}

impl std::fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The contents may hold secrets.
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Arguments {
    /// Reads all sources. The values are checked one by one; see [`check`](Self::check) for how
    /// they fit together.
    #[must_use]
    pub fn resolve(sources: &Sources<'_>) -> (Self, Problems) {
        let mut reader = Reader::default();
        let assignments = reader.command_line(sources.command_line);
        reader.layer(assignments, COMMAND_LINE, |_| Origin::CommandLine);
        let assignments = reader.build_args(sources.build_args.unwrap_or_default());
        reader.layer(assignments, BUILD_ARGS, |_| Origin::Environment);
        let parsed =
            file::parse(ARG_FILE, sources.arg_file.unwrap_or_default(), sources.environment);
        reader.problems.extend(parsed.problems);
        reader.layer(parsed.assignments, ARG_FILE, |place| {
            match place.and_then(|place| place.position) {
                Some(position) => Origin::ArgFile(position),
                None => Origin::Unset,
            }
        });
        let defaults = earthfile::defaults(sources.earthfile.unwrap_or_default());
        let arguments = reader.with_defaults(&defaults, sources.tag);
        (arguments, reader.problems)
    }
}

#[derive(Default)]
struct Reader {
    settings: BTreeMap<&'static str, Setting>,
    others: Vec<Assignment>,
    problems: Problems,
}

impl Reader {
    fn command_line(&mut self, words: &[String]) -> Vec<Assignment> {
        words.iter().filter_map(|word| self.pair(word, COMMAND_LINE, "--")).collect()
    }

    /// Pairs with commas between them; `\,` is a comma in a value.
    fn build_args(&mut self, text: &str) -> Vec<Assignment> {
        const COMMA: &str = "\u{0}";
        let text = text.replace("\\,", COMMA);
        let words = text.split(',').filter(|word| !word.trim().is_empty());
        words.filter_map(|word| self.pair(&word.replace(COMMA, ","), BUILD_ARGS, "")).collect()
    }

    fn pair(&mut self, word: &str, source: &str, prefix: &str) -> Option<Assignment> {
        if let Some((name, value)) = word.split_once('=') {
            let name = name.trim().to_owned();
            return Some(Assignment { name, name_place: None, value: value.into(), place: None });
        }
        let known = find(word.trim()).map_or("a word", |key| key.name);
        let problem = Problem::error(Place::file(source), format!("{known} has no ="));
        self.problems.push(match prefix {
            "" => problem.help("write NAME=VALUE,NAME=VALUE; a comma in a value is \\,"),
            _ => problem.help(format!("write {prefix}NAME=VALUE")),
        });
        None
    }

    /// Takes over one source; those before it win.
    fn layer(
        &mut self,
        assignments: Vec<Assignment>,
        source: &str,
        origin: impl Fn(Option<&Place>) -> Origin,
    ) {
        let mut own: BTreeMap<&'static str, Setting> = BTreeMap::new();
        for assignment in assignments {
            let name_place = assignment.name_place.clone().unwrap_or_else(|| Place::file(source));
            let Some(key) = find(&assignment.name) else {
                self.problems.push(unknown(&assignment.name, name_place));
                self.others.push(assignment);
                continue;
            };
            let place = assignment.place.clone().unwrap_or_else(|| Place::file(source));
            self.check(key, &assignment.value, &place);
            if own.contains_key(key.name) {
                let text = format!("{} again; the last one counts", key.name);
                self.problems.push(Problem::warning(name_place, text));
            }
            let origin = origin(assignment.place.as_ref());
            own.insert(key.name, Setting { value: assignment.value, origin });
        }
        for (name, setting) in own {
            self.settings.entry(name).or_insert(setting);
        }
    }

    fn check(&mut self, key: &Key, value: &str, place: &Place) {
        if value.is_empty() {
            return;
        }
        if key.name == "UBUNTU_PRO_KEY" && place.file != BUILD_ARGS {
            let text = "UBUNTU_PRO_KEY is a secret and does not belong here";
            let help = "set the variable UBUNTU_PRO_KEY in the environment instead";
            self.problems.push(Problem::warning(place.clone(), text).help(help));
        }
        if let Err(needed) = key.kind.check(value) {
            let value = quoted(&shown(key, value));
            let text = format!("{} is {value}; {needed}", key.name);
            self.problems.push(Problem::error(place.clone(), text));
        } else if key.name == "ISO_NAME" || key.name == "MAAS_IMAGE_NAME" {
            let documented =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            if let Some(c) = value.chars().find(|c| !documented(*c)) {
                let text = format!(
                    "{} has {c:?}; lower-case letters, digits, - and _ are documented",
                    key.name
                );
                self.problems.push(Problem::warning(place.clone(), text));
            }
        }
    }

    fn with_defaults(&mut self, earthfile: &[earthfile::Default], tag: Option<&str>) -> Arguments {
        let mut arguments = Arguments {
            settings: std::mem::take(&mut self.settings),
            others: std::mem::take(&mut self.others),
        };
        for key in KEYS {
            if arguments.settings.contains_key(key.name) {
                continue;
            }
            let given = earthfile.iter().find(|default| default.name == key.name);
            let (template, origin) = match (given, tag) {
                (Some(default), _) => (default.value.as_str(), Origin::Earthfile(default.position)),
                (None, Some(tag)) if key.name == "PE_VERSION" => (tag, Origin::Tag),
                _ if key.default.is_empty() => continue,
                _ => (key.default, Origin::Default),
            };
            let value = derive::fill(template, &arguments);
            let origin = if value.is_empty() { Origin::Unset } else { origin };
            arguments.settings.insert(key.name, Setting { value, origin });
            derive::fips(key.name, &mut arguments);
        }
        derive::add(&mut arguments);
        arguments
    }
}

fn unknown(name: &str, place: Place) -> Problem {
    let guess = suggestion(name, KEYS.iter().map(|key| key.name));
    let text = format!("{name} is no key that CanvOS knows; it has no effect{guess}");
    Problem::warning(place, text)
}

/// A value for a message: in quotes, and not too long.
fn quoted(value: &str) -> String {
    if value.chars().count() <= SHOWN {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(SHOWN).collect();
    format!("{start:?}...")
}
