//! The stages that a target needs, one after another.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;

use bootwright_image::{BoxError, FileTree, Metadata, Observer, Timestamp};
use bootwright_oci::{InputSummary, LayerStreams, Options, Reference, Stack};

use super::config::Config;
use super::context;
use super::copy::{self, Origin};
use super::error::{DockerfileError, Problem};
use super::ignore::Ignore;
use super::instruction::{Dockerfile, Instruction, Located, Stage};
use super::platform::Platform;
use super::runner::Runner;
use super::scope::{Arguments, Scope};
use super::stage::Worker;

/// Finds images by the names that a Dockerfile gives them.
pub trait Images {
    /// Where the image `name` is, such as `ubuntu:22.04` or `oci:build/base`.
    ///
    /// # Errors
    /// Anything; the build fails with it as the cause.
    fn image(&self, name: &str, platform: &Platform) -> Result<Reference, BoxError>;
}

/// What a build is given.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The folder that `COPY` and `ADD` take from.
    pub context: &'a Path,
    /// What of it is not there.
    pub ignore: &'a Ignore,
    /// Build arguments.
    pub arguments: &'a BTreeMap<String, String>,
    /// The stage that is wanted, by name or number; the last one when none is.
    pub target: Option<&'a str>,
    /// What the image is for.
    pub platform: Platform,
    /// The time of what is made where no base image tells one.
    pub epoch: Option<Timestamp>,
    /// Threads that read layers.
    pub jobs: NonZeroUsize,
}

/// The image that the target began with.
#[derive(Clone, Debug)]
pub struct Base {
    /// Where it is.
    pub reference: Reference,
    /// Its tree before anything was done to it; its contents lie in the result's streams.
    pub tree: FileTree,
}

/// What a target became.
#[derive(Debug)]
#[non_exhaustive]
pub struct Built {
    /// The root file system.
    pub tree: FileTree,
    /// Delivers the contents that lie in layers and archives.
    pub streams: LayerStreams,
    /// What processes get.
    pub config: Config,
    /// When the base image was made.
    pub created: Option<Timestamp>,
    /// What the image is for.
    pub platform: Platform,
    /// The image below everything; none for `scratch`.
    pub base: Option<Base>,
    /// Every layer and archive that was read.
    pub inputs: Vec<InputSummary>,
}

/// A stage's state, also while it is being built.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) tree: FileTree,
    pub(crate) config: Config,
    pub(crate) scope: Scope,
    pub(crate) created: Option<Timestamp>,
    pub(crate) base: Option<usize>,
}

/// Builds the stages that the target needs.
///
/// # Errors
/// [`DockerfileError`] with the instruction at fault.
pub fn build(
    file: &Dockerfile,
    inputs: &Inputs<'_>,
    images: &dyn Images,
    runner: &mut dyn Runner,
    observer: &dyn Observer,
) -> Result<Built, DockerfileError> {
    let target = find_target(file, inputs.target)?;
    let name = file.stages[target].name.clone().unwrap_or_else(|| target.to_string());
    let arguments = global(file, inputs.arguments, &inputs.platform, &name)?;
    let bases = bases(file, &arguments)?;
    let options = copy::options(&inputs.platform.architecture, inputs.jobs);
    let streams = LayerStreams::new(inputs.jobs);
    let mut build = Build {
        file,
        inputs,
        images,
        observer,
        arguments: &arguments,
        options,
        bases: &bases,
        context: OnceCell::new(),
        streams,
        loaded: Vec::new(),
        summaries: Vec::new(),
        done: BTreeMap::new(),
    };
    for number in needed(file, &bases, target)? {
        let state = build.stage(number, runner)?;
        build.done.insert(number, state);
    }
    for name in arguments.unused() {
        observer.warn(format_args!("{}: no ARG takes build argument {name}", file.name));
    }
    let state = build.done.remove(&target).expect("BUG: the target was not built");
    let base = state.base.map(|number| build.loaded.swap_remove(number));
    Ok(Built {
        tree: state.tree,
        streams: build.streams,
        config: state.config,
        created: state.created,
        platform: inputs.platform.clone(),
        base: base.map(|image| Base { reference: image.reference, tree: image.tree }),
        inputs: build.summaries,
    })
}

/// The arguments, with those of the first lines.
pub(super) fn global<'a>(
    file: &Dockerfile,
    given: &'a BTreeMap<String, String>,
    platform: &Platform,
    target: &str,
) -> Result<Arguments<'a>, DockerfileError> {
    let mut arguments = Arguments::new(given, platform, target, file.escape);
    for argument in &file.arguments {
        let fail = |cause| error(file, argument, Problem::Word(cause));
        arguments.declare_global(&argument.item).map_err(fail)?;
    }
    Ok(arguments)
}

pub(crate) fn error<T>(
    file: &Dockerfile,
    at: &Located<T>,
    problem: impl Into<Problem>,
) -> DockerfileError {
    DockerfileError::new(&file.name, at.line, &at.text, problem)
}

/// What each stage begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    Scratch,
    Stage(usize),
    Image(String),
}

pub(super) fn bases(
    file: &Dockerfile,
    arguments: &Arguments<'_>,
) -> Result<Vec<Start>, DockerfileError> {
    let mut bases = Vec::new();
    for (number, stage) in file.stages.iter().enumerate() {
        let fail = |problem| DockerfileError::new(&file.name, stage.line, &stage.text, problem);
        let base = arguments.expand_global(&stage.base).map_err(|e| fail(Problem::Word(e)))?;
        let earlier = &file.stages[..number];
        bases.push(match stage_by_name(earlier, &base) {
            Some(number) => Start::Stage(number),
            None if base == "scratch" => Start::Scratch,
            // Told only when the stage is needed.
            None => Start::Image(base),
        });
    }
    Ok(bases)
}

fn stage_by_name(stages: &[Stage], name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    stages.iter().rposition(|stage| stage.name.as_deref() == Some(&name))
}

/// A stage by name or number.
pub(crate) fn find_stage(stages: &[Stage], name: &str) -> Option<usize> {
    let number = name.parse().ok().filter(|number| *number < stages.len());
    stage_by_name(stages, name).or(number)
}

fn find_target(file: &Dockerfile, target: Option<&str>) -> Result<usize, DockerfileError> {
    let Some(name) = target else { return Ok(file.stages.len() - 1) };
    find_stage(&file.stages, name).ok_or_else(|| {
        let known = file.stages.iter().enumerate();
        let known = known.map(|(number, stage)| stage.name.clone().unwrap_or(number.to_string()));
        let problem = Problem::NoSuchStage { name: name.to_owned(), known: known.collect() };
        DockerfileError::new(&file.name, 0, "", problem)
    })
}

/// The stages that `target` needs, itself included, in their order.
pub(super) fn needed(
    file: &Dockerfile,
    bases: &[Start],
    target: usize,
) -> Result<BTreeSet<usize>, DockerfileError> {
    let mut needed = BTreeSet::new();
    let mut open = vec![target];
    while let Some(number) = open.pop() {
        if !needed.insert(number) {
            continue;
        }
        if let Start::Stage(base) = bases[number] {
            open.push(base);
        }
        for instruction in &file.stages[number].instructions {
            let Instruction::Copy(copy) = &instruction.item else { continue };
            let Some(from) = &copy.from else { continue };
            if from.contains('$') {
                let what = "a variable in --from".to_owned();
                let advice = "write FROM $IMAGE AS name before this stage, then --from=name";
                return Err(error(file, instruction, Problem::Unsupported { what, advice }));
            }
            open.extend(find_stage(&file.stages[..number], from));
        }
    }
    Ok(needed)
}

/// An image that was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    name: String,
    platform: Platform,
    reference: Reference,
    pub(crate) tree: FileTree,
    config: Config,
    created: Option<Timestamp>,
}

/// A build under way.
pub(crate) struct Build<'a> {
    pub(crate) file: &'a Dockerfile,
    pub(crate) inputs: &'a Inputs<'a>,
    images: &'a dyn Images,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) arguments: &'a Arguments<'a>,
    pub(crate) options: Options,
    bases: &'a [Start],
    context: OnceCell<FileTree>,
    pub(crate) streams: LayerStreams,
    loaded: Vec<Loaded>,
    summaries: Vec<InputSummary>,
    done: BTreeMap<usize, State>,
}

impl Build<'_> {
    fn stage(&mut self, number: usize, runner: &mut dyn Runner) -> Result<State, DockerfileError> {
        let file = self.file;
        let stage = &file.stages[number];
        let fail = |problem| DockerfileError::new(&file.name, stage.line, &stage.text, problem);
        let state = self.start(number, stage).map_err(fail)?;
        let mut worker = Worker { build: self, state, number, cmd_is_own: false };
        for instruction in &stage.instructions {
            let fail = |problem| error(file, instruction, problem);
            if worker.build.observer.cancelled() {
                return Err(fail(Problem::Cancelled));
            }
            worker.carry_out(instruction, runner).map_err(fail)?;
        }
        Ok(worker.state)
    }

    fn start(&mut self, number: usize, stage: &Stage) -> Result<State, Problem> {
        let platform = match &stage.platform {
            None => self.inputs.platform.clone(),
            Some(text) => {
                let value = self.arguments.expand_global(text)?;
                let flag = "platform".to_owned();
                let expected = "a platform is needed, such as linux/amd64";
                value.parse().map_err(|()| Problem::FlagValue { flag, value, expected })?
            }
        };
        match &self.bases[number] {
            Start::Stage(base) => {
                Ok(self.done.get(base).expect("BUG: a stage before its base").clone())
            }
            Start::Scratch => Ok(State {
                tree: FileTree::new(Metadata {
                    mtime: self.inputs.epoch.unwrap_or_default(),
                    ..Metadata::directory(0o755)
                }),
                config: Config::scratch(),
                scope: Scope::default(),
                created: None,
                base: None,
            }),
            Start::Image(name) if name.trim().is_empty() => {
                Err(Problem::EmptyBase { name: stage.base.clone() })
            }
            Start::Image(name) => {
                let number = self.load(name, &platform)?;
                let image = &self.loaded[number];
                Ok(State {
                    tree: image.tree.clone(),
                    config: image.config.clone(),
                    scope: Scope::default(),
                    created: image.created,
                    base: Some(number),
                })
            }
        }
    }

    /// Reads an image once.
    fn load(&mut self, name: &str, platform: &Platform) -> Result<usize, Problem> {
        let same = |image: &Loaded| image.name == name && image.platform == *platform;
        if let Some(number) = self.loaded.iter().position(same) {
            return Ok(number);
        }
        let resolve = |source| Problem::Resolve { name: name.to_owned(), source };
        let reference = self.images.image(name, platform).map_err(resolve)?;
        let failed = |source| match source {
            bootwright_oci::Error::Cancelled => Problem::Cancelled,
            source => Problem::Image { name: name.to_owned(), source: Box::new(source) },
        };
        let options =
            Options { architecture: platform.architecture.clone(), ..self.options.clone() };
        let mut stack = Stack::new(options, self.observer);
        let info = stack.add_image(&reference).map_err(failed)?;
        let (config, triggers) = match &info.config_document[..] {
            [] => (Config::default(), Vec::new()),
            document => Config::parse(document)
                .map_err(|source| Problem::Config { name: name.to_owned(), source })?,
        };
        if let Some(trigger) = triggers.into_iter().next() {
            return Err(Problem::OnBuild { trigger });
        }
        let merged = stack.finish_into(&mut self.streams).map_err(failed)?;
        self.summaries.extend(merged.inputs);
        self.loaded.push(Loaded {
            name: name.to_owned(),
            platform: platform.clone(),
            reference,
            tree: merged.tree,
            config,
            created: merged.created,
        });
        Ok(self.loaded.len() - 1)
    }

    /// Makes sure that what a copy takes from is there.
    pub(crate) fn prepare(&mut self, from: Option<&str>, stage: usize) -> Result<Place, Problem> {
        let Some(from) = from else {
            if self.context.get().is_none() {
                let inputs = self.inputs;
                let tree = context::load(inputs.context, inputs.ignore, self.observer)?;
                self.context.get_or_init(|| tree);
            }
            return Ok(Place::Context);
        };
        if let Some(number) = find_stage(&self.file.stages[..stage], from) {
            return Ok(Place::Stage(number));
        }
        let platform = self.inputs.platform.clone();
        let stages = &self.file.stages[..stage];
        let known = || stages.iter().filter_map(|stage| stage.name.clone()).collect();
        let number = self.load(from, &platform).map_err(|problem| match problem {
            Problem::Resolve { name, source } => Problem::NoOrigin { name, known: known(), source },
            problem => problem,
        });
        number.map(Place::Image)
    }

    /// What [`prepare`](Self::prepare) made sure of, beside the streams that copying changes.
    pub(crate) fn origin<'b>(
        &'b mut self,
        place: Place,
        from: Option<&'b str>,
    ) -> (Origin<'b>, &'b mut LayerStreams) {
        let tree = match place {
            Place::Context => self.context.get(),
            Place::Stage(number) => self.done.get(&number).map(|state| &state.tree),
            Place::Image(number) => self.loaded.get(number).map(|image| &image.tree),
        };
        let origin = Origin {
            tree: tree.expect("BUG: an origin that is not there"),
            name: from.unwrap_or("the context"),
            context: from.is_none().then_some(self.inputs.ignore),
        };
        (origin, &mut self.streams)
    }
}

/// Where a copy takes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Context,
    Stage(usize),
    Image(usize),
}
