//! A Dockerfile's text as logical lines: directives, comments, continuations, here-documents.

use super::error::{DockerfileError, Problem};
use super::words::heredoc_names;

/// The largest Dockerfile, in bytes.
const SIZE_MAX: usize = 1 << 20;
/// Instructions whose lines may have here-documents.
const WITH_HEREDOCS: [&str; 3] = ["ADD", "COPY", "RUN"];

/// One instruction: its continuation lines joined, comments between them taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its first line in the file, from 1.
    pub(crate) number: usize,
    /// The text, leading white space gone.
    pub(crate) text: String,
    /// The here-documents that its words announce, in order.
    pub(crate) heredocs: Vec<Heredoc>,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it, which is also its file's name.
    pub name: String,
    /// Its lines, with their line ends; without leading tabs after `<<-`.
    pub content: String,
    /// Whether variables in it are expanded: not when the word was quoted.
    pub expand: bool,
}

/// The text's lines, and the escape character that it chose.
pub(crate) fn split(file: &str, bytes: &[u8]) -> Result<(char, Vec<Line>), DockerfileError> {
    let fail = |line, problem| DockerfileError::new(file, line, "", problem);
    if bytes.len() > SIZE_MAX {
        return Err(fail(1, Problem::TooLarge { len: bytes.len(), limit: SIZE_MAX }));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        fail(before.iter().filter(|byte| **byte == b'\n').count() + 1, Problem::NotText)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let raw: Vec<&str> = text.split_inclusive('\n').collect();
    let (escape, first) = directives(file, &raw)?;
    let mut reader = Reader { file, raw, at: first, escape };
    let mut lines = Vec::new();
    while let Some(line) = reader.line()? {
        lines.push(line);
    }
    Ok((escape, lines))
}

/// Parser directives (`# syntax=`, `# escape=`, `# check=`): they stand before everything else.
fn directives(file: &str, raw: &[&str]) -> Result<(char, usize), DockerfileError> {
    let mut escape = None;
    let mut seen: Vec<String> = Vec::new();
    for (at, line) in raw.iter().enumerate() {
        let fail = |problem| DockerfileError::new(file, at + 1, line.trim(), problem);
        let directive = line.trim_start().strip_prefix('#').and_then(|rest| rest.split_once('='));
        let Some((key, value)) = directive else { return Ok((escape.unwrap_or('\\'), at)) };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        if !matches!(key.as_str(), "syntax" | "escape" | "check") || value.is_empty() {
            return Ok((escape.unwrap_or('\\'), at));
        }
        if seen.contains(&key) {
            return Err(fail(Problem::RepeatedDirective { name: key }));
        }
        if key == "escape" {
            escape = Some(match value {
                "\\" => '\\',
                "`" => '`',
                _ => return Err(fail(Problem::Escape { found: value.to_owned() })),
            });
        }
        seen.push(key);
    }
    Ok((escape.unwrap_or('\\'), raw.len()))
}

struct Reader<'a> {
    file: &'a str,
    raw: Vec<&'a str>,
    at: usize,
    escape: char,
}

impl Reader<'_> {
    /// The next logical line; `None` at the end.
    fn line(&mut self) -> Result<Option<Line>, DockerfileError> {
        let mut text = String::new();
        let mut number = 0;
        while let Some(raw) = self.raw.get(self.at) {
            let line = raw.trim_end_matches(['\n', '\r']);
            self.at += 1;
            if line.trim_start().starts_with('#') || line.trim().is_empty() {
                // Also between the lines of one instruction.
                continue;
            }
            let (part, more) = self.continued(line);
            if number == 0 {
                number = self.at;
                text.push_str(part.trim_start());
            } else {
                text.push_str(part);
            }
            if !more && !text.trim().is_empty() {
                break;
            }
        }
        let text = text.trim_end().to_owned();
        if text.is_empty() {
            return Ok(None);
        }
        let heredocs = self.heredocs(&text, number)?;
        Ok(Some(Line { number, text, heredocs }))
    }

    /// The line without the escape character at its end, and whether one was there. Two of them
    /// are an escaped one, which continues nothing.
    fn continued<'a>(&self, line: &'a str) -> (&'a str, bool) {
        let trimmed = line.trim_end_matches([' ', '\t']);
        match trimmed.strip_suffix(self.escape) {
            Some(rest) if !rest.ends_with(self.escape) => (rest, true),
            _ => (line, false),
        }
    }

    fn heredocs(&mut self, text: &str, number: usize) -> Result<Vec<Heredoc>, DockerfileError> {
        let instruction = text.split_whitespace().next().unwrap_or_default();
        if !WITH_HEREDOCS.contains(&instruction.to_ascii_uppercase().as_str()) {
            return Ok(Vec::new());
        }
        let mut heredocs = Vec::new();
        for name in heredoc_names(text, self.escape) {
            let mut content = String::new();
            loop {
                let Some(raw) = self.raw.get(self.at) else {
                    let problem = Problem::OpenHeredoc { name: name.name };
                    return Err(DockerfileError::new(self.file, number, text, problem));
                };
                self.at += 1;
                let line = if name.strip_tabs { raw.trim_start_matches('\t') } else { raw };
                if line.trim_end_matches(['\n', '\r']) == name.name {
                    break;
                }
                content.push_str(line);
            }
            heredocs.push(Heredoc { name: name.name, content, expand: name.expand });
        }
        Ok(heredocs)
    }
}
