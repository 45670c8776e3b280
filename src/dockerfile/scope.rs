//! Build arguments and what they are worth where.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use super::Platform;
use super::config::Config;
use super::instruction::Argument;
use super::words::{self, WordError};

/// Arguments that need no `ARG` to be given, and that nobody warns about.
const PREDEFINED: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/// Arguments given to the build, those of the first lines, and which of them were asked for.
#[derive(Debug)]
pub(crate) struct Arguments<'a> {
    given: &'a BTreeMap<String, String>,
    platform: BTreeMap<&'static str, String>,
    global: BTreeMap<String, Option<String>>,
    used: RefCell<BTreeSet<String>>,
    escape: char,
}

impl<'a> Arguments<'a> {
    /// `target` is the stage that is built. The machine that builds counts as one of the image's
    /// platform: what it really is must not reach the output.
    pub(crate) fn new(
        given: &'a BTreeMap<String, String>,
        platform: &Platform,
        target: &str,
        escape: char,
    ) -> Self {
        let values = platform.values();
        let mut known = BTreeMap::from([("TARGETSTAGE", target.to_owned())]);
        let names = [
            ["TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT"],
            ["BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT"],
        ];
        for names in names {
            known.extend(names.into_iter().zip(values.clone()));
        }
        let used = RefCell::default();
        Self { given, platform: known, global: BTreeMap::new(), used, escape }
    }

    /// Declares an argument of the first lines.
    pub(crate) fn declare_global(&mut self, argument: &Argument) -> Result<(), WordError> {
        let default = argument.default.as_deref();
        let default = default.map(|text| self.expand_global(text)).transpose()?;
        let value = self.given(&argument.name).or(default);
        let value = value.or_else(|| self.platform.get(argument.name.as_str()).cloned());
        self.global.insert(argument.name.clone(), value);
        Ok(())
    }

    /// Expands a word of a `FROM`.
    pub(crate) fn expand_global(&self, text: &str) -> Result<String, WordError> {
        words::expand(text, self.escape, &|name| match self.global.get(name) {
            Some(value) => value.clone(),
            None => self.platform.get(name).cloned(),
        })
    }

    /// The value that an `ARG` within a stage gives.
    fn declared(&self, name: &str, default: Option<String>) -> Option<String> {
        self.given(name)
            .or(default)
            .or_else(|| self.global.get(name).cloned().flatten())
            .or_else(|| self.platform.get(name).cloned())
    }

    fn given(&self, name: &str) -> Option<String> {
        let value = self.given.get(name)?;
        self.used.borrow_mut().insert(name.to_owned());
        Some(value.clone())
    }

    /// Given arguments that no `ARG` of what was built asked for.
    pub(crate) fn unused(&self) -> Vec<&str> {
        let used = self.used.borrow();
        let predefined = |name: &str| PREDEFINED.contains(&name.to_ascii_uppercase().as_str());
        let names = self.given.keys().map(String::as_str);
        names.filter(|name| !used.contains(*name) && !predefined(name)).collect()
    }

    /// Proxies that were given, which a command sees without an `ARG`.
    fn proxy(&self, name: &str) -> Option<String> {
        let predefined = PREDEFINED.contains(&name.to_ascii_uppercase().as_str());
        predefined.then(|| self.given.get(name).cloned()).flatten()
    }
}

/// The arguments that a stage has declared so far. A variable of the environment hides an argument
/// of its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope(BTreeMap<String, Option<String>>);

impl Scope {
    pub(crate) fn declare(
        &mut self,
        argument: &Argument,
        arguments: &Arguments<'_>,
        config: &Config,
    ) -> Result<(), WordError> {
        let default = argument.default.as_deref();
        let default =
            default.map(|text| words::expand(text, arguments.escape, &|n| self.value(n, config)));
        let value = arguments.declared(&argument.name, default.transpose()?);
        self.0.insert(argument.name.clone(), value);
        Ok(())
    }

    /// What a variable is worth.
    pub(crate) fn value(&self, name: &str, config: &Config) -> Option<String> {
        let env = config.env_value(name).map(str::to_owned);
        env.or_else(|| self.0.get(name).cloned().flatten())
    }

    /// What a variable is worth for a command.
    pub(crate) fn value_for_command(
        &self,
        name: &str,
        config: &Config,
        arguments: &Arguments<'_>,
    ) -> Option<String> {
        self.value(name, config).or_else(|| arguments.proxy(name))
    }
}
