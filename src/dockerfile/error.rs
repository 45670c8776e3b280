//! What can be wrong with a Dockerfile and what it asks for.

use std::fmt;
use std::io;
use std::path::PathBuf;

use bootwright_image::{BoxError, ContentError};
use bootwright_oci::{Error as ReadError, GraftError};

use super::trust::TrustError;
use super::words::WordError;
use crate::editor::EditError;

/// The longest part of an instruction that is shown, in characters.
const SHOWN: usize = 160;

/// A problem and where it is: `FILE:LINE: PROBLEM`, and the instruction's text.
#[derive(Debug)]
pub struct DockerfileError {
    /// The Dockerfile's name as it was given.
    pub file: String,
    /// The instruction's first line, from 1; 0 when no line is to blame.
    pub line: usize,
    /// The instruction, cut when it is long.
    pub text: String,
    /// What is wrong.
    pub problem: Box<Problem>,
}

impl DockerfileError {
    pub(crate) fn new(file: &str, line: usize, text: &str, problem: impl Into<Problem>) -> Self {
        let mut shown: String = text.chars().take(SHOWN).collect();
        if shown.len() < text.len() {
            shown.push_str(" ...");
        }
        Self { file: file.to_owned(), line, text: shown, problem: Box::new(problem.into()) }
    }
}

impl fmt::Display for DockerfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.problem)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ", in {:?}", self.text) }
    }
}

impl std::error::Error for DockerfileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem.source()
    }
}

/// What is wrong with an instruction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A file that is no Dockerfile.
    #[error("a Dockerfile of {len} bytes; {limit} is the limit")]
    TooLarge {
        /// Its length.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// Bytes that are no text.
    #[error("the line is not UTF-8")]
    NotText,
    /// A parser directive that stands twice.
    #[error("directive {name} stands twice")]
    RepeatedDirective {
        /// Its name.
        name: String,
    },
    /// An escape character that cannot be one.
    #[error("escape character {found:?} is not allowed: \\ or ` is")]
    Escape {
        /// What stands there.
        found: String,
    },
    /// A here-document without its last line.
    #[error("here-document is not closed: no line {name:?} follows")]
    OpenHeredoc {
        /// The word that would end it.
        name: String,
    },
    /// No such instruction.
    #[error("unknown instruction {name:?}{}", nearest(.known))]
    Instruction {
        /// The word.
        name: String,
        /// The one that was probably meant.
        known: Option<&'static str>,
    },
    /// No such flag.
    #[error("{instruction} has no flag --{flag}{}", flags(.allowed))]
    Flag {
        /// The instruction.
        instruction: &'static str,
        /// The flag.
        flag: String,
        /// Those it has.
        allowed: &'static [&'static str],
    },
    /// A flag's value.
    #[error("--{flag}={value}: {expected}")]
    FlagValue {
        /// The flag.
        flag: String,
        /// Its value.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// Too few or too many words, or wrong ones.
    #[error("{instruction} needs {expected}")]
    Arguments {
        /// The instruction.
        instruction: &'static str,
        /// What it needs.
        expected: &'static str,
    },
    /// A word with quotes or variables.
    #[error(transparent)]
    Word(#[from] WordError),
    /// An instruction before the first `FROM`.
    #[error("{instruction} stands before the first FROM: only ARG may")]
    BeforeFrom {
        /// The instruction.
        instruction: &'static str,
    },
    /// No `FROM` at all.
    #[error("no FROM: there is nothing to build")]
    NoStage,
    /// A stage's name.
    #[error("stage name {name:?} {problem}")]
    StageName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `--target` or a number that leads to no stage.
    #[error("no stage {name:?}: {}", stages(.known))]
    NoSuchStage {
        /// The name.
        name: String,
        /// The stages there are.
        known: Vec<String>,
    },
    /// A base image with an empty name.
    #[error("the base image's name {name:?} is empty: give the build argument in it a value")]
    EmptyBase {
        /// As the Dockerfile has it.
        name: String,
    },
    /// `ONBUILD`, here or in a base image.
    #[error(
        "ONBUILD is not supported: write what it does ({trigger:?}) into the Dockerfile itself"
    )]
    OnBuild {
        /// What it would do.
        trigger: String,
    },
    /// A source in the network.
    #[error("{source_name} lies in the network: download it into the context, then copy it")]
    Remote {
        /// The source.
        source_name: String,
    },
    /// Something that is parsed and not done.
    #[error("{what} is not supported: {advice}")]
    Unsupported {
        /// What.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// A source that is not there.
    #[error("{path} is not in {place}{}", because(*.ignored, .leads_to.as_deref()))]
    NoSource {
        /// The source.
        path: String,
        /// Where it was looked for.
        place: String,
        /// Whether `.dockerignore` takes it away.
        ignored: bool,
        /// Where it leads when it is a link to something that is not there.
        leads_to: Option<String>,
    },
    /// Several sources, one place.
    #[error("destination {path:?} must end with a slash to take several sources")]
    ManySources {
        /// The destination.
        path: String,
    },
    /// A pattern with a `[` that is not closed, or an escape at its end.
    #[error("{pattern:?} is not a pattern: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file of a kind that is not copied from a context.
    #[error("{path} is a {kind}, which cannot be copied from a context")]
    Special {
        /// Its path in the context.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// An owner that the image does not know.
    #[error("{name:?} is not in the image's {file}: use a number, or a base image that has it")]
    NoOwner {
        /// The name.
        name: String,
        /// The file that lists them.
        file: &'static str,
    },
    /// A command that only a process can do.
    #[error(
        "this RUN needs a process ({reason}): build this stage with a container builder, name the \
         result with BASE_IMAGE and take the line out"
    )]
    Run {
        /// What of it is more than file work.
        reason: String,
    },
    /// A command that was carried out and failed.
    #[error("command {command:?} fails")]
    Failed {
        /// The last one that failed, as far as it was carried out.
        command: String,
    },
    /// Certificates are to be renewed where there are none.
    #[error("{command} has nothing to renew: the image has no certificate store of its kind")]
    NoTrustStore {
        /// The command.
        command: String,
    },
    /// A small file of the image.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// A place in the image that cannot take a file.
    #[error("cannot write there")]
    Graft(#[from] GraftError),
    /// A file or folder of the build host.
    #[error("cannot read {path:?}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A base image.
    #[error("cannot read image {name}")]
    Image {
        /// Its name.
        name: String,
        /// The cause.
        source: Box<ReadError>,
    },
    /// Nobody knows where an image is.
    #[error("cannot find image {name}")]
    Resolve {
        /// Its name.
        name: String,
        /// The cause.
        source: BoxError,
    },
    /// A copy from something that is no stage and no image.
    #[error("{name:?} is no stage above ({}), and not to be found as an image", stages(.known))]
    NoOrigin {
        /// What the instruction calls it.
        name: String,
        /// The names of the stages above.
        known: Vec<String>,
        /// Why it is no image.
        source: BoxError,
    },
    /// A config that cannot be understood.
    #[error("the config of image {name} is not understood")]
    Config {
        /// Its name.
        name: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// A small file of the image.
    #[error("cannot read {path} in the image")]
    Content {
        /// The path.
        path: String,
        /// The cause.
        source: Box<ContentError>,
    },
    /// A bundle of certificates.
    #[error("cannot renew the trusted certificates")]
    Trust(#[from] TrustError),
    /// The observer asked to stop.
    #[error("stopped; nothing was written")]
    Cancelled,
}

fn nearest(known: &Option<&'static str>) -> String {
    match known {
        Some(known) => format!(": is {known} meant?"),
        None => format!(": known are {}", super::instruction::NAMES.join(" ")),
    }
}

fn flags(allowed: &[&'static str]) -> String {
    match allowed {
        [] => ": it has none".to_owned(),
        allowed => format!(": allowed are --{}", allowed.join(" --")),
    }
}

fn stages(known: &[String]) -> String {
    match known {
        [] => "there is none".to_owned(),
        known => format!("there are {}", known.join(", ")),
    }
}

fn because(ignored: bool, leads_to: Option<&str>) -> String {
    match leads_to {
        _ if ignored => ": .dockerignore takes it away".to_owned(),
        Some(target) => format!(": it is a link to {target}, which would have to lie in there"),
        None => String::new(),
    }
}
