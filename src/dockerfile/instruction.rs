//! What a Dockerfile says, as types. Words are as they stand: variables are not expanded yet.

use super::lines::Heredoc;

/// Every instruction's name.
pub(crate) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A parsed Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// Its name, as errors show it.
    pub name: String,
    /// The escape character: `\`, or a backquote where the first lines say so.
    pub escape: char,
    /// Arguments before the first stage, which only `FROM` sees.
    pub arguments: Vec<Located<Argument>>,
    /// The stages in their order; at least one.
    pub stages: Vec<Stage>,
}

/// Something and the line where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The line, from 1.
    pub line: usize,
    /// The instruction's text.
    pub text: String,
    /// What it says.
    pub item: T,
}

/// A `FROM` and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The line of its `FROM`, from 1.
    pub line: usize,
    /// The text of its `FROM`.
    pub text: String,
    /// An earlier stage, `scratch` or an image.
    pub base: String,
    /// Its own name, in lower case.
    pub name: Option<String>,
    /// `--platform`.
    pub platform: Option<String>,
    /// What follows.
    pub instructions: Vec<Located<Instruction>>,
}

/// A build argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// Its default.
    pub default: Option<String>,
}

/// A command, as a list of words or as one text for the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// JSON form: no shell takes part.
    Exec(Vec<String>),
    /// Shell form.
    Shell(String),
}

/// `COPY` or `ADD`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// Sources, in their order.
    pub sources: Vec<String>,
    /// The here-documents among the sources, by the words that announce them.
    pub heredocs: Vec<(String, Heredoc)>,
    /// Where to.
    pub destination: String,
    /// `--from`: a stage or an image instead of the context.
    pub from: Option<String>,
    /// `--chown`.
    pub owner: Option<String>,
    /// `--chmod`.
    pub mode: Option<String>,
    /// `--exclude`, several.
    pub exclude: Vec<String>,
    /// `--parents`: sources keep their folders.
    pub parents: bool,
    /// Whether local tars are unpacked: `ADD`, unless `--unpack=false`.
    pub unpack: bool,
}

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInstruction {
    /// What runs.
    pub command: Command,
    /// The here-documents that its words announce.
    pub heredocs: Vec<Heredoc>,
    /// Its flags, `mount=...` and the like.
    pub flags: Vec<(String, String)>,
}

/// `HEALTHCHECK`; times in nanoseconds, 0 for the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", ...]`.
    pub test: Vec<String>,
    /// `--interval`.
    pub interval: u64,
    /// `--timeout`.
    pub timeout: u64,
    /// `--start-period`.
    pub start_period: u64,
    /// `--start-interval`.
    pub start_interval: u64,
    /// `--retries`.
    pub retries: u32,
}

/// An instruction within a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Instruction {
    /// `ADD`.
    Add(Copy),
    /// `ARG`.
    Arg(Vec<Argument>),
    /// `CMD`.
    Cmd(Command),
    /// `COPY`.
    Copy(Copy),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`.
    Env(Vec<(String, String)>),
    /// `EXPOSE`.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`.
    Label(Vec<(String, String)>),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `RUN`.
    Run(RunInstruction),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}
