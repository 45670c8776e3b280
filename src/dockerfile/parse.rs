//! Lines become instructions, instructions stages.

use super::error::{DockerfileError, Problem};
use super::flags::Flags;
use super::instruction::{
    Argument, Command, Copy, Dockerfile, Healthcheck, Instruction, Located, NAMES, RunInstruction,
    Stage,
};
use super::lines::{self, Line};
use super::words::{heredoc_name, split_raw};

const COPY_FLAGS: &[&str] = &["from", "chown", "chmod", "link", "exclude", "parents"];
const ADD_FLAGS: &[&str] =
    &["chown", "chmod", "link", "exclude", "checksum", "keep-git-dir", "unpack"];
const RUN_FLAGS: &[&str] = &["mount", "network", "security", "device"];
const FROM_FLAGS: &[&str] = &["platform"];
const HEALTH_FLAGS: &[&str] = &["interval", "timeout", "start-period", "start-interval", "retries"];

impl Dockerfile {
    /// Reads a Dockerfile; `name` is what errors call it.
    ///
    /// # Errors
    /// [`DockerfileError`] with the line at fault.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, DockerfileError> {
        let (escape, lines) = lines::split(name, bytes)?;
        let mut file =
            Self { name: name.to_owned(), escape, arguments: Vec::new(), stages: Vec::new() };
        for line in &lines {
            let fail = |problem| DockerfileError::new(name, line.number, &line.text, problem);
            file.add(line).map_err(fail)?;
        }
        if file.stages.is_empty() {
            return Err(DockerfileError::new(name, 0, "", Problem::NoStage));
        }
        Ok(file)
    }

    fn add(&mut self, line: &Line) -> Result<(), Problem> {
        let (word, rest) = cut_word(&line.text);
        let name = known(word)?;
        let (flags, rest) = Flags::cut(rest.trim(), self.escape);
        let parser = Parser { name, rest: rest.trim(), line, escape: self.escape, flags: &flags };
        let located = |item| Located { line: line.number, text: line.text.clone(), item };
        match (name, self.stages.last_mut()) {
            ("FROM", _) => {
                let stage = parser.stage(&self.stages)?;
                self.stages.push(stage);
            }
            ("ARG", None) => {
                let arguments = parser.arguments()?.into_iter();
                self.arguments.extend(arguments.map(|argument| Located {
                    line: line.number,
                    text: line.text.clone(),
                    item: argument,
                }));
            }
            (instruction, None) => return Err(Problem::BeforeFrom { instruction }),
            (_, Some(stage)) => stage.instructions.push(located(parser.instruction()?)),
        }
        Ok(())
    }
}

/// The first word and what follows it.
fn cut_word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// The name of an instruction, in any case.
fn known(word: &str) -> Result<&'static str, Problem> {
    let upper = word.to_ascii_uppercase();
    let found = NAMES.iter().find(|name| **name == upper);
    found.copied().ok_or_else(|| Problem::Instruction {
        name: word.chars().take(40).collect(),
        known: NAMES.iter().copied().find(|name| is_near(name, &upper)),
    })
}

/// Whether one letter was left out, added, changed, or two neighbours swapped.
fn is_near(name: &str, word: &str) -> bool {
    let (name, word) = (name.as_bytes(), word.as_bytes());
    let head = name.iter().zip(word).take_while(|(a, b)| a == b).count();
    let (a, b) = (&name[head..], &word[head..]);
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - tail], &b[..b.len() - tail]);
    match (a, b) {
        ([a, b], [c, d]) => a == d && b == c,
        (a, b) => a.len() <= 1 && b.len() <= 1,
    }
}

/// One instruction's words.
struct Parser<'a> {
    name: &'static str,
    rest: &'a str,
    line: &'a Line,
    escape: char,
    flags: &'a Flags,
}

impl Parser<'_> {
    fn instruction(&self) -> Result<Instruction, Problem> {
        let allowed = match self.name {
            "ADD" => ADD_FLAGS,
            "COPY" => COPY_FLAGS,
            "RUN" => RUN_FLAGS,
            "HEALTHCHECK" => HEALTH_FLAGS,
            _ => &[],
        };
        self.flags.check(self.name, allowed)?;
        Ok(match self.name {
            "ADD" => Instruction::Add(self.copy()?),
            "ARG" => Instruction::Arg(self.arguments()?),
            "CMD" => Instruction::Cmd(self.command()),
            "COPY" => Instruction::Copy(self.copy()?),
            "ENTRYPOINT" => Instruction::Entrypoint(self.command()),
            "ENV" => Instruction::Env(self.pairs()?),
            "EXPOSE" => Instruction::Expose(self.words("one or more ports")?),
            "HEALTHCHECK" => Instruction::Healthcheck(self.healthcheck()?),
            "LABEL" => Instruction::Label(self.pairs()?),
            "MAINTAINER" => Instruction::Maintainer(self.text("a name")?),
            "ONBUILD" => return Err(Problem::OnBuild { trigger: self.rest.to_owned() }),
            "RUN" => Instruction::Run(self.run()?),
            "SHELL" => match json_list(self.rest) {
                Some(words) if !words.is_empty() => Instruction::Shell(words),
                _ => return Err(self.needs("a JSON list of words: [\"/bin/sh\", \"-c\"]")),
            },
            "STOPSIGNAL" => Instruction::StopSignal(self.one("one signal")?),
            "USER" => Instruction::User(self.one("one user: NAME[:GROUP]")?),
            "VOLUME" => Instruction::Volume(self.list("one or more paths")?),
            _ => Instruction::Workdir(self.text("a path")?),
        })
    }

    fn needs(&self, expected: &'static str) -> Problem {
        Problem::Arguments { instruction: self.name, expected }
    }

    fn text(&self, expected: &'static str) -> Result<String, Problem> {
        if self.rest.is_empty() { Err(self.needs(expected)) } else { Ok(self.rest.to_owned()) }
    }

    fn one(&self, expected: &'static str) -> Result<String, Problem> {
        match &split_raw(self.rest, self.escape)[..] {
            [one] => Ok(one.clone()),
            _ => Err(self.needs(expected)),
        }
    }

    fn words(&self, expected: &'static str) -> Result<Vec<String>, Problem> {
        let words: Vec<_> = self.rest.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() { Err(self.needs(expected)) } else { Ok(words) }
    }

    /// A JSON list, or words.
    fn list(&self, expected: &'static str) -> Result<Vec<String>, Problem> {
        match json_list(self.rest) {
            Some(list) if list.is_empty() => Err(self.needs(expected)),
            Some(list) => Ok(list),
            None => self.words(expected),
        }
    }

    fn command(&self) -> Command {
        json_list(self.rest).map_or_else(|| Command::Shell(self.rest.to_owned()), Command::Exec)
    }

    fn run(&self) -> Result<RunInstruction, Problem> {
        let command = self.command();
        if self.rest.is_empty() || command == Command::Exec(Vec::new()) {
            return Err(self.needs("a command"));
        }
        let heredocs = self.line.heredocs.clone();
        Ok(RunInstruction { command, heredocs, flags: self.flags.all().to_vec() })
    }

    fn stage(&self, earlier: &[Stage]) -> Result<Stage, Problem> {
        self.flags.check(self.name, FROM_FLAGS)?;
        let words = split_raw(self.rest, self.escape);
        let (base, name) = match &words[..] {
            [base] => (base, None),
            [base, r#as, name] if r#as.eq_ignore_ascii_case("as") => (base, Some(name)),
            _ => return Err(self.needs("an image: FROM [--platform=PLATFORM] IMAGE [AS NAME]")),
        };
        let name = name.map(|name| stage_name(name, earlier)).transpose()?;
        Ok(Stage {
            line: self.line.number,
            text: self.line.text.clone(),
            base: base.clone(),
            name,
            platform: self.flags.value("platform").map(str::to_owned),
            instructions: Vec::new(),
        })
    }

    fn arguments(&self) -> Result<Vec<Argument>, Problem> {
        self.flags.check(self.name, &[])?;
        let words = split_raw(self.rest, self.escape);
        let argument = |word: &String| {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name, Some(default.to_owned())),
                None => (word.as_str(), None),
            };
            let valid = !name.is_empty() && !name.contains(['"', '\'', '$']);
            valid.then(|| Argument { name: name.to_owned(), default })
        };
        let arguments: Option<Vec<_>> = words.iter().map(argument).collect();
        match arguments {
            Some(arguments) if !arguments.is_empty() => Ok(arguments),
            _ => Err(self.needs("a name, or NAME=DEFAULT")),
        }
    }

    /// `NAME=VALUE` several times, or the old form `NAME VALUE`.
    fn pairs(&self) -> Result<Vec<(String, String)>, Problem> {
        let needs = || self.needs("NAME=VALUE, once or more");
        let words = split_raw(self.rest, self.escape);
        let first = words.first().ok_or_else(needs)?;
        if !first.contains('=') {
            let (name, value) = cut_word(self.rest);
            let value = value.trim();
            if value.is_empty() {
                return Err(needs());
            }
            return Ok(vec![(name.to_owned(), value.to_owned())]);
        }
        let pair = |word: &String| match word.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(needs()),
        };
        words.iter().map(pair).collect()
    }

    fn copy(&self) -> Result<Copy, Problem> {
        let expected = "one or more sources and a destination";
        let mut sources = self.list(expected)?;
        let destination = sources.pop().filter(|_| !sources.is_empty());
        let destination = destination.ok_or_else(|| self.needs(expected))?;
        let mut announced = sources.iter().filter(|word| heredoc_name(word, self.escape).is_some());
        let heredocs = self.line.heredocs.iter().cloned();
        let heredocs = heredocs.filter_map(|heredoc| Some((announced.next()?.clone(), heredoc)));
        let heredocs: Vec<_> = heredocs.collect();
        if heredocs.len() < self.line.heredocs.len() {
            return Err(self.needs("here-documents as sources, not as destination"));
        }
        Ok(Copy {
            heredocs,
            sources,
            destination,
            from: self.flags.value("from").map(str::to_owned),
            owner: self.flags.value("chown").map(str::to_owned),
            mode: self.flags.value("chmod").map(str::to_owned),
            exclude: self.flags.values("exclude").map(str::to_owned).collect(),
            parents: self.flags.is_set("parents")?,
            unpack: self.name == "ADD"
                && (self.flags.value("unpack").is_none() || self.flags.is_set("unpack")?),
        })
    }

    fn healthcheck(&self) -> Result<Healthcheck, Problem> {
        let (kind, rest) = cut_word(self.rest);
        let test = match kind.to_ascii_uppercase().as_str() {
            "NONE" if rest.trim().is_empty() => vec!["NONE".to_owned()],
            "CMD" if !rest.trim().is_empty() => match json_list(rest.trim()) {
                Some(words) => [vec!["CMD".to_owned()], words].concat(),
                None => vec!["CMD-SHELL".to_owned(), rest.trim().to_owned()],
            },
            _ => return Err(self.needs("NONE, or CMD and a command")),
        };
        let retries = self.flags.value("retries").map(|value| {
            value.parse().map_err(|_| Problem::FlagValue {
                flag: "retries".to_owned(),
                value: value.to_owned(),
                expected: "a number is needed",
            })
        });
        Ok(Healthcheck {
            test,
            interval: self.flags.duration("interval")?,
            timeout: self.flags.duration("timeout")?,
            start_period: self.flags.duration("start-period")?,
            start_interval: self.flags.duration("start-interval")?,
            retries: retries.transpose()?.unwrap_or_default(),
        })
    }
}

fn stage_name(name: &str, earlier: &[Stage]) -> Result<String, Problem> {
    let name = name.to_ascii_lowercase();
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c));
    let problem = if !valid {
        "is not a letter followed by letters, digits, -, _ and ."
    } else if name == "scratch" {
        "stands for the empty image"
    } else if earlier.iter().any(|stage| stage.name.as_deref() == Some(&name)) {
        "is taken by an earlier stage"
    } else {
        return Ok(name);
    };
    Err(Problem::StageName { name, problem })
}

/// A JSON list of texts, if it is one.
fn json_list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[').then(|| serde_json::from_str(text).ok())?
}
