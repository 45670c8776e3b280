//! Arguments of projects: `bootwright args` and `bootwright +TARGET`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

#[cfg(feature = "registry")]
use super::RegistryArgs;
use super::{CompressionArgs, SigningArgs};

/// The name of the subcommand behind `+TARGET`.
const COMMAND: &str = "target";

#[derive(Debug, Args)]
pub(crate) struct ArgsArgs {
    /// Folder of the project
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) project: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// What to build, without the plus sign
    #[arg(value_name = "TARGET")]
    pub(crate) target: String,

    /// Folder of the project; results go into its folder build/
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) project: PathBuf,

    /// Print what would be done: inputs with digests, steps, results
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) compression: CompressionArgs,

    #[command(flatten)]
    pub(crate) signing: SigningArgs,

    /// Push provider images to the registry that their names begin with
    #[cfg(feature = "registry")]
    #[arg(long, conflicts_with = "offline")]
    pub(crate) push: bool,

    /// Take no image whose meaning is not in bootwright.lock
    #[cfg(feature = "registry")]
    #[arg(long)]
    pub(crate) locked: bool,

    #[cfg(feature = "registry")]
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// Takes the `--KEY=VALUE` words out of a command line for a project, and makes the subcommand of
/// `+TARGET`. Other command lines stay as they are.
pub(crate) fn split_keys(words: Vec<OsString>) -> (Vec<OsString>, Vec<String>) {
    let first = words.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let target = first.strip_prefix('+').map(str::to_owned);
    if target.is_none() && first != "args" && first != "fetch" {
        return (words, Vec::new());
    }
    let mut keys = Vec::new();
    let mut rest = Vec::new();
    for (index, word) in words.into_iter().enumerate() {
        match (&target, word.to_str().and_then(key)) {
            (Some(target), _) if index == 1 => rest.extend([COMMAND.into(), target.into()]),
            (_, Some(pair)) => keys.push(pair.to_owned()),
            _ => rest.push(word),
        }
    }
    (rest, keys)
}

/// `KEY=VALUE` or `KEY` of a word for a key: options have neither capitals nor underscores.
fn key(word: &str) -> Option<&str> {
    let pair = word.strip_prefix("--")?;
    let name = pair.split('=').next()?;
    let is_key = name == "platform" || name.contains(|c: char| c.is_ascii_uppercase() || c == '_');
    is_key.then_some(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> (String, Vec<String>) {
        let words = line.split(' ').map(OsString::from).collect();
        let (rest, keys) = split_keys(words);
        (rest.join(std::ffi::OsStr::new(" ")).into_string().unwrap(), keys)
    }

    #[test]
    fn keys_are_told_from_options() {
        let line =
            "bootwright +iso --ARCH=amd64 --dry-run --http_proxy=x --platform=linux/arm64 --jobs=2";
        let (rest, keys) = split(line);
        assert_eq!(rest, "bootwright target iso --dry-run --jobs=2");
        assert_eq!(keys, ["ARCH=amd64", "http_proxy=x", "platform=linux/arm64"]);
        assert_eq!(split("bootwright args --json --A=1").0, "bootwright args --json");
        assert_eq!(split("bootwright iso --A=1"), ("bootwright iso --A=1".into(), vec![]));
        assert_eq!(split("bootwright"), ("bootwright".into(), vec![]));
    }
}
