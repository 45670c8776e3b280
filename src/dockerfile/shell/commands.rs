//! Commands on a tree. Options that are not listed take a process.

use bootwright_image::{FileTree, Kind, Metadata};
use bootwright_oci::{Graft, Overwrite};

use super::bootargs::Append;
use super::{Shell, Stop, process};
use crate::dockerfile::error::Problem;
use crate::dockerfile::owner::owner;
use crate::dockerfile::trust::{self, Layout};

impl Shell<'_> {
    /// Whether the command succeeds.
    pub(super) fn command(&mut self, name: &str, arguments: &[String]) -> Result<bool, Stop> {
        let (flags, words) = cut_flags(arguments);
        match name {
            ":" | "true" | "echo" | "printf" => Ok(true),
            "false" => Ok(false),
            "[" => match arguments.split_last() {
                Some((last, rest)) if last == "]" => self.test(rest),
                _ => process("[ without its ]"),
            },
            "test" => self.test(arguments),
            "set" => self.set(arguments),
            "mkdir" if only(&flags, "pv") => self.mkdir(words, flags.contains('p')),
            "rm" if only(&flags, "rRfv") => self.rm(words, &flags),
            "cp" if only(&flags, "adfprRvT") && !flags.contains('T') => self.cp(words, &flags),
            "ln" if only(&flags, "sfnv") && flags.contains('s') => self.ln(words, &flags),
            "touch" if flags.is_empty() => self.touch(words),
            "chmod" if flags.is_empty() => self.chmod(words),
            "chown" if flags.is_empty() => self.chown(words),
            "grep" if only(&flags, "Fq") && flags.contains('q') => self.grep(words, &flags),
            "sed" if flags == "i" => self.sed(words),
            "update-ca-certificates" if arguments.is_empty() => {
                self.renew(name, |layout| matches!(layout, Layout::Debian | Layout::Suse))
            }
            "update-ca-trust" if arguments.is_empty() || arguments == ["extract"] => {
                self.renew(name, |layout| layout == Layout::RedHat)
            }
            name if arguments.is_empty() => process(format!("command {name}")),
            name => process(format!("command {name} {}", arguments[0])),
        }
    }

    fn set(&mut self, arguments: &[String]) -> Result<bool, Stop> {
        for argument in arguments {
            match argument.strip_prefix('-') {
                Some(letters) if letters.bytes().all(|letter| b"eux".contains(&letter)) => {
                    self.stops_at_errors |= letters.contains('e');
                }
                _ => return process(format!("set {argument}")),
            }
        }
        Ok(true)
    }

    fn test(&self, words: &[String]) -> Result<bool, Stop> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Ok(match &words[..] {
            [] => false,
            ["!", rest @ ..] if !rest.is_empty() => {
                let rest: Vec<String> = rest.iter().map(|word| (*word).to_owned()).collect();
                return Ok(!self.test(&rest)?);
            }
            [word] => !word.is_empty(),
            [a, "=" | "==", b] => a == b,
            [a, "!=", b] => a != b,
            ["-n", word] => !word.is_empty(),
            ["-z", word] => word.is_empty(),
            ["-f", path] => self.editor.is_file(&self.path(path)),
            ["-d", path] => self.editor.is_directory(&self.path(path)),
            ["-e", path] => self.editor.find(&self.path(path)).is_some(),
            ["-s", path] => self.editor.find(&self.path(path)).is_some_and(|id| {
                self.editor.tree.inode(id).as_file().is_none_or(|blob| !blob.is_empty())
            }),
            ["-L" | "-h", path] => {
                let id = self.editor.tree.lookup(self.path(path).as_bytes());
                id.is_some_and(|id| matches!(self.editor.tree.inode(id).kind(), Kind::Symlink(_)))
            }
            other => return process(format!("test {}", other.join(" "))),
        })
    }

    fn mkdir(&mut self, words: &[String], parents: bool) -> Result<bool, Stop> {
        for word in words {
            let path = self.path(word);
            let above = path.trim_end_matches('/').rsplit_once('/').map_or("/", |(above, _)| above);
            let taken = self.editor.find(&path).is_some() && !self.editor.is_directory(&path);
            let missing = self.editor.find(above).is_none();
            if taken || !parents && (missing || self.editor.is_directory(&path)) {
                return Ok(false);
            }
            self.editor.make_directory(&path)?;
        }
        Ok(true)
    }

    fn rm(&mut self, words: &[String], flags: &str) -> Result<bool, Stop> {
        let mut succeeded = true;
        for word in words {
            let path = self.path(word);
            if matches!(path.trim_end_matches('/').rsplit('/').next(), None | Some("" | "." | ".."))
            {
                return process(format!("rm {word}"));
            }
            let id = self.editor.tree.lookup(path.as_bytes());
            let is_directory =
                id.is_some_and(|id| self.editor.tree.inode(id).as_directory().is_some());
            if is_directory && !flags.contains(['r', 'R']) {
                succeeded = false;
                continue;
            }
            succeeded &= self.editor.remove(&path) || flags.contains('f');
        }
        Ok(succeeded)
    }

    fn cp(&mut self, words: &[String], flags: &str) -> Result<bool, Stop> {
        let recursive = flags.contains(['a', 'r', 'R']);
        let keeps = flags.contains('a');
        if flags.contains(['p', 'd']) || recursive && !keeps {
            return process("cp with other options than -a");
        }
        let Some((target, sources)) = words.split_last().filter(|(_, s)| !s.is_empty()) else {
            return Ok(false);
        };
        let target = self.path(target);
        let into = self.editor.is_directory(&target);
        let above = target.trim_end_matches('/').rsplit_once('/').map_or("/", |(above, _)| above);
        if !into && (sources.len() > 1 || !self.editor.is_directory(above)) {
            return Ok(false);
        }
        for source in sources {
            if !self.copy_one(source, &target, into, keeps)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One source: its contents when it ends in `/.`, else itself under its own name or the
    /// target's.
    fn copy_one(
        &mut self,
        source: &str,
        target: &str,
        into: bool,
        keeps: bool,
    ) -> Result<bool, Stop> {
        let from = self.path(source);
        let last = from.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let contents = last == ".";
        let id = if keeps && !contents && !from.ends_with('/') {
            self.editor.tree.lookup(from.as_bytes())
        } else {
            self.editor.find(&from)
        };
        let Some(id) = id else { return Ok(false) };
        let inode = self.editor.tree.inode(id);
        let is_directory = inode.as_directory().is_some();
        if is_directory && !keeps || contents && !is_directory {
            return Ok(false);
        }
        // What is copied stands aside first: source and target are one tree.
        let mut aside = FileTree::new(inode.metadata.clone());
        let root = aside.root();
        let path = match (contents, into) {
            (true, _) | (false, false) => target.to_owned(),
            (false, true) => format!("{}/{last}", target.trim_end_matches('/')),
        };
        if is_directory {
            Graft::new(self.editor.tree, Overwrite::Copy, &()).entries(id, &mut aside, root)?;
            let to = self.editor.make_directory(&path)?;
            *self.editor.tree.metadata_mut(to) = aside.inode(root).metadata.clone();
            Graft::new(&aside, Overwrite::Copy, &()).entries(root, self.editor.tree, to)?;
            return Ok(true);
        }
        if path.ends_with('/') {
            return Ok(false);
        }
        let (kind, mut metadata) = (inode.kind().clone(), inode.metadata.clone());
        if !keeps {
            let there =
                self.editor.find(&path).map(|id| self.editor.tree.inode(id).metadata.clone());
            let fresh = Metadata::file(metadata.mode & 0o755);
            metadata = Metadata { mtime: self.editor.time, ..there.unwrap_or(fresh) };
        }
        let made = self.editor.create(&path, kind, 0)?;
        *self.editor.tree.metadata_mut(made) = metadata;
        Ok(true)
    }

    fn ln(&mut self, words: &[String], flags: &str) -> Result<bool, Stop> {
        let [target, link] = words else { return process("ln with other than two names") };
        let mut path = self.path(link);
        if self.editor.is_directory(&path) && !flags.contains('n') {
            let name = target.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            path = format!("{}/{name}", path.trim_end_matches('/'));
        }
        let there = self.editor.tree.lookup(path.as_bytes());
        let is_directory = |id| self.editor.tree.inode(id).as_directory().is_some();
        if there.is_some_and(|id| is_directory(id) || !flags.contains('f')) {
            return Ok(false);
        }
        self.editor.symlink(&path, target)?;
        Ok(true)
    }

    fn touch(&mut self, words: &[String]) -> Result<bool, Stop> {
        for word in words {
            let path = self.path(word);
            match self.editor.find(&path) {
                Some(id) => self.editor.tree.metadata_mut(id).mtime = self.editor.time,
                None => self.editor.put(&path, b""[..].into(), 0o644)?,
            }
        }
        Ok(true)
    }

    fn chmod(&mut self, words: &[String]) -> Result<bool, Stop> {
        let Some((mode, files)) = words.split_first() else { return Ok(false) };
        let parsed = u16::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
        let Some(mode) = parsed else { return process(format!("chmod {mode}")) };
        for file in files {
            let Some(id) = self.editor.find(&self.path(file)) else { return Ok(false) };
            self.editor.tree.metadata_mut(id).mode = mode;
        }
        Ok(true)
    }

    fn chown(&mut self, words: &[String]) -> Result<bool, Stop> {
        let Some((name, files)) = words.split_first() else { return Ok(false) };
        let (uid, gid) = owner(name, self.editor.tree, self.editor.streams, self.editor.observer)?;
        for file in files {
            let Some(id) = self.editor.find(&self.path(file)) else { return Ok(false) };
            let metadata = self.editor.tree.metadata_mut(id);
            metadata.uid = uid;
            if name.contains(':') {
                metadata.gid = gid;
            }
        }
        Ok(true)
    }

    fn grep(&mut self, words: &[String], flags: &str) -> Result<bool, Stop> {
        let [pattern, file] = words else { return process("grep with other than one file") };
        let plain = !pattern.contains(['.', '[', ']', '*', '^', '$', '\\']);
        if pattern.contains('\n') || !plain && !flags.contains('F') {
            return process("grep with a pattern");
        }
        let path = self.path(file);
        if !self.editor.is_file(&path) {
            return Ok(false);
        }
        let content = self.editor.read(&path)?.unwrap_or_default();
        let pattern = pattern.as_bytes();
        Ok(match pattern {
            [] => !content.is_empty(),
            pattern => content.windows(pattern.len()).any(|window| window == pattern),
        })
    }

    fn sed(&mut self, words: &[String]) -> Result<bool, Stop> {
        let [script, file] = words else { return process("sed with other than one file") };
        let Some(edit) = Append::parse(script) else { return process("command sed") };
        let path = self.path(file);
        match self.editor.read(&path)? {
            Some(content) => self.editor.replace(&path, edit.apply(&content))?,
            None => return Ok(false),
        }
        Ok(true)
    }

    fn renew(&mut self, name: &str, fits: impl Fn(Layout) -> bool) -> Result<bool, Stop> {
        let layout = Layout::of(&self.editor).filter(|layout| fits(*layout));
        let Some(layout) = layout else {
            return Err(Stop::Problem(Problem::NoTrustStore { command: name.to_owned() }));
        };
        trust::renew(&mut self.editor, layout)?;
        Ok(true)
    }
}

/// Letters of short options before the first word, and the words.
fn cut_flags(arguments: &[String]) -> (String, &[String]) {
    let mut flags = String::new();
    for (at, argument) in arguments.iter().enumerate() {
        match argument.strip_prefix('-') {
            Some("-") => return (flags, &arguments[at + 1..]),
            // A long option is none of the letters that anybody knows.
            Some(letters) if !letters.is_empty() => flags.push_str(letters),
            _ => return (flags, &arguments[at..]),
        }
    }
    (flags, &[])
}

fn only(flags: &str, known: &str) -> bool {
    flags.chars().all(|flag| known.contains(flag))
}
