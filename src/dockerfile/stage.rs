//! One stage's instructions on its tree and config.

use bootwright_image::{Metadata, Timestamp};
use bootwright_oci::Location;

use super::build::{Build, State};
use super::config::HistoryLine;
use super::copy::{self, Order, Source, Target, clean};
use super::error::Problem;
use super::instruction::{Command, Copy, Instruction, Located, RunInstruction};
use super::owner::owner;
use super::runner::{Outcome, Runner, Workplace};
use super::words;

/// Signals by name, as `STOPSIGNAL` takes them.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A stage being built.
pub(crate) struct Worker<'a, 'b> {
    pub(crate) build: &'a mut Build<'b>,
    pub(crate) state: State,
    pub(crate) number: usize,
    /// Whether `CMD` was set in this stage: else `ENTRYPOINT` takes the base's away.
    pub(crate) cmd_is_own: bool,
}

impl Worker<'_, '_> {
    pub(crate) fn carry_out(
        &mut self,
        at: &Located<Instruction>,
        runner: &mut dyn Runner,
    ) -> Result<(), Problem> {
        let mut empty_layer = true;
        match &at.item {
            Instruction::Add(copy) | Instruction::Copy(copy) => {
                self.copy(copy)?;
                empty_layer = false;
            }
            Instruction::Run(run) => {
                self.run(run, runner)?;
                empty_layer = false;
            }
            Instruction::Workdir(path) => {
                self.workdir(path)?;
                empty_layer = false;
            }
            Instruction::Arg(arguments) => {
                for argument in arguments {
                    let State { scope, config, .. } = &mut self.state;
                    scope.declare(argument, self.build.arguments, config)?;
                }
            }
            config => self.configure(config)?,
        }
        let line = HistoryLine { created_by: at.text.clone(), empty_layer };
        self.state.config.history.push(line);
        Ok(())
    }

    fn configure(&mut self, instruction: &Instruction) -> Result<(), Problem> {
        match instruction {
            Instruction::Env(pairs) => {
                // All of one line see the values before it.
                for (name, value) in self.pairs(pairs)? {
                    self.state.config.set_env(&name, &value);
                }
            }
            Instruction::Label(pairs) => {
                let pairs = self.pairs(pairs)?;
                self.state.config.labels.extend(pairs);
            }
            Instruction::Cmd(command) => {
                self.state.config.cmd = Some(self.state.config.words(command));
                self.cmd_is_own = true;
            }
            Instruction::Entrypoint(command) => {
                self.state.config.entrypoint = Some(self.state.config.words(command));
                if !self.cmd_is_own {
                    self.state.config.cmd = None;
                }
            }
            Instruction::Expose(ports) => self.expose(ports)?,
            Instruction::Healthcheck(check) => {
                let mut check = check.clone();
                if let [kind, text] = &check.test[..]
                    && kind == "CMD-SHELL"
                    && self.state.config.shell.is_some()
                {
                    let words = self.state.config.words(&Command::Shell(text.clone()));
                    check.test = [vec!["CMD".to_owned()], words].concat();
                }
                self.state.config.healthcheck = Some(check);
            }
            Instruction::Maintainer(name) => self.state.config.author = Some(name.clone()),
            Instruction::Shell(words) => self.state.config.shell = Some(words.clone()),
            Instruction::StopSignal(signal) => {
                let signal = self.expand(signal)?;
                if !is_signal(&signal) {
                    let expected = "a signal, such as SIGTERM or 15";
                    return Err(Problem::Arguments { instruction: "STOPSIGNAL", expected });
                }
                self.state.config.stop_signal = Some(signal);
            }
            Instruction::User(user) => self.state.config.user = self.expand(user)?,
            Instruction::Volume(paths) => {
                for path in paths {
                    let path = self.expand(path)?;
                    if path.is_empty() {
                        let expected = "paths that are not empty";
                        return Err(Problem::Arguments { instruction: "VOLUME", expected });
                    }
                    self.state.config.volumes.insert(path);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn expand(&self, text: &str) -> Result<String, Problem> {
        Ok(words::expand(text, self.build.file.escape, &|name| self.value(name))?)
    }

    fn value(&self, name: &str) -> Option<String> {
        self.state.scope.value(name, &self.state.config)
    }

    fn pairs(&self, pairs: &[(String, String)]) -> Result<Vec<(String, String)>, Problem> {
        pairs.iter().map(|(name, value)| Ok((self.expand(name)?, self.expand(value)?))).collect()
    }

    /// The time of what is made here.
    fn time(&self) -> Timestamp {
        let epoch = self.build.inputs.epoch;
        epoch.or(self.state.created).unwrap_or_default()
    }

    fn workdir(&mut self, path: &str) -> Result<(), Problem> {
        let path = self.expand(path)?;
        if path.is_empty() {
            return Err(Problem::Arguments { instruction: "WORKDIR", expected: "a path" });
        }
        let path = format!("/{}", clean(&absolute(&path, &self.state.config.working_dir)));
        let location = Location::find(&self.state.tree, path.as_bytes())?;
        let user = self.state.config.user.clone();
        let (uid, gid) = if user.is_empty() || location.is_directory() {
            (0, 0)
        } else {
            owner(&user, &self.state.tree, &self.build.streams, self.build.observer)?
        };
        let metadata = Metadata { uid, gid, mtime: self.time(), ..Metadata::directory(0o755) };
        location.make(&mut self.state.tree, &metadata)?;
        self.state.config.working_dir = path;
        Ok(())
    }

    fn expose(&mut self, ports: &[String]) -> Result<(), Problem> {
        for text in ports {
            let expanded = words::expand_words(text, self.build.file.escape, &|n| self.value(n))?;
            for port in expanded {
                let (range, protocol) = port.split_once('/').unwrap_or((&port, "tcp"));
                let protocol = protocol.to_ascii_lowercase();
                let (low, high) = range.split_once('-').unwrap_or((range, range));
                let known = matches!(protocol.as_str(), "tcp" | "udp" | "sctp");
                let (Ok(low), Ok(high), true) = (low.parse::<u16>(), high.parse::<u16>(), known)
                else {
                    let expected = "ports: 80, 80/udp, 8000-8010";
                    return Err(Problem::Arguments { instruction: "EXPOSE", expected });
                };
                let ports = (low..=high).map(|port| format!("{port}/{protocol}"));
                self.state.config.exposed_ports.extend(ports);
            }
        }
        Ok(())
    }

    fn copy(&mut self, copy: &Copy) -> Result<(), Problem> {
        let order = self.order(copy)?;
        let time = self.time();
        let place = self.build.prepare(copy.from.as_deref(), self.number)?;
        let (options, observer) = (self.build.options.clone(), self.build.observer);
        let (origin, streams) = self.build.origin(place, copy.from.as_deref());
        let tree = &mut self.state.tree;
        let mut target = Target { tree, streams, time, options: &options, observer };
        copy::copy(&order, origin, &mut target)
    }

    fn order(&self, copy: &Copy) -> Result<Order, Problem> {
        let optional =
            |text: &Option<String>| text.as_ref().map(|text| self.expand(text)).transpose();
        let owner_of =
            |text: String| owner(&text, &self.state.tree, &self.build.streams, self.build.observer);
        let destination = self.expand(&copy.destination)?;
        Ok(Order {
            sources: self.sources(copy)?,
            destination: destination_path(&destination, &self.state.config.working_dir),
            owner: optional(&copy.owner)?.map(owner_of).transpose()?,
            mode: optional(&copy.mode)?.map(|text| mode(&text)).transpose()?,
            exclude: copy.exclude.iter().map(|text| self.expand(text)).collect::<Result<_, _>>()?,
            parents: copy.parents,
            unpack: copy.unpack,
        })
    }

    fn sources(&self, copy: &Copy) -> Result<Vec<Source>, Problem> {
        let mut sources = Vec::new();
        for text in &copy.sources {
            if let Some((_, heredoc)) = copy.heredocs.iter().find(|(word, _)| word == text) {
                let content = if heredoc.expand {
                    words::expand_text(&heredoc.content, self.build.file.escape, &|n| {
                        self.value(n)
                    })?
                } else {
                    heredoc.content.clone()
                };
                sources.push(Source::Text(heredoc.name.clone(), content));
                continue;
            }
            let source = self.expand(text)?;
            let remote = ["http://", "https://", "git://", "git@", "ssh://", "ftp://"];
            if remote.iter().any(|scheme| source.starts_with(scheme)) {
                return Err(Problem::Remote { source_name: source });
            }
            sources.push(Source::Path(source));
        }
        Ok(sources)
    }

    fn run(&mut self, run: &RunInstruction, runner: &mut dyn Runner) -> Result<(), Problem> {
        let time = self.time();
        let State { tree, scope, config, .. } = &mut self.state;
        let (config, arguments) = (&*config, self.build.arguments);
        let variables = |name: &str| scope.value_for_command(name, config, arguments);
        let mut stage = Workplace {
            tree,
            config,
            streams: &self.build.streams,
            time,
            variables: &variables,
            observer: self.build.observer,
        };
        match runner.run(run, &mut stage)? {
            Outcome::Done => Ok(()),
            Outcome::NeedsProcess(reason) => Err(Problem::Run { reason }),
        }
    }
}

/// A path from the root.
fn absolute(path: &str, working_dir: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{working_dir}/{path}") }
}

/// A destination from the root, with a slash at its end when it is to be a folder.
fn destination_path(text: &str, working_dir: &str) -> String {
    let is_folder = text.ends_with('/') || text == "." || text.ends_with("/.");
    let path = clean(&absolute(text, working_dir));
    match path.as_str() {
        "" => "/".to_owned(),
        path => format!("/{path}{}", if is_folder { "/" } else { "" }),
    }
}

/// A mode in octal digits.
fn mode(text: &str) -> Result<u16, Problem> {
    let octal = (!text.starts_with('+')).then(|| u16::from_str_radix(text, 8).ok()).flatten();
    octal.filter(|mode| *mode <= 0o7777).ok_or_else(|| Problem::FlagValue {
        flag: "chmod".to_owned(),
        value: text.to_owned(),
        expected: "octal digits are needed, such as 0755",
    })
}

fn is_signal(text: &str) -> bool {
    if let Ok(number) = text.parse::<u8>() {
        return (1..=64).contains(&number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = ["RTMIN", "RTMAX"].iter().any(|base| name.starts_with(base));
    SIGNALS.contains(&name) || real_time
}
