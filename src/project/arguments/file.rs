//! The syntax of `.arg`: what Earthly's and bash's reading of the file have in common.
//!
//! ```text
//! # a comment
//! [export ]NAME=VALUE   # another one
//! ```
//!
//! A value is a row of bare, `'literal'` and `"expanded"` pieces without space between them.
//! Outside of single quotes `$NAME` and `${NAME}` stand for an earlier key, else for a variable of
//! the environment. Nothing is executed.

use std::collections::BTreeMap;

use super::super::problem::{Place, Position, Problem};
use super::Assignment;

/// Longest value in bytes. Values can double themselves (`A=$A$A`).
const LONGEST: usize = 64 << 10;

/// Gives the value of a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What a file says, and the mistakes in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The assignments in their order.
    pub assignments: Vec<Assignment>,
    /// The lines that are none.
    pub problems: Vec<Problem>,
}

/// Reads `text`, which messages call `file`.
#[must_use]
pub fn parse(file: &str, text: &[u8], environment: Environment<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let mut known = BTreeMap::new();
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        let at = |column| Place::at(file, Position { line: number, column });
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Ok(line) = std::str::from_utf8(line) else {
            let problem = Problem::error(at(1), "the line is not UTF-8");
            parsed.problems.push(problem.help("save the file as UTF-8"));
            continue;
        };
        let mut reader = Line { chars: line.chars().collect(), next: 0, undefined: Vec::new() };
        let read =
            reader.assignment(&|name| known.get(name).cloned().or_else(|| environment(name)));
        for (column, name) in reader.undefined {
            let text = format!(
                "{name} is neither a key above nor in the environment; nothing stands for it"
            );
            parsed.problems.push(Problem::warning(at(column), text));
        }
        match read {
            Ok(None) => {}
            Ok(Some((column, name, value_column, value))) => {
                known.insert(name.clone(), value.clone());
                let place = at(value_column);
                parsed.assignments.push(Assignment {
                    name,
                    name_place: Some(at(column)),
                    value,
                    place: Some(place),
                });
            }
            Err(Wrong { column, message, help }) => {
                let problem = Problem::error(at(column), message);
                parsed.problems.push(match help {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            }
        }
    }
    parsed
}

/// Writes a value so that [`parse`] reads it back.
///
/// # Errors
/// Gives the value back if no line can hold it: it has a line end, or a NUL.
pub fn quote(value: &str) -> Result<String, &str> {
    if value.contains(['\n', '\r', '\0']) {
        return Err(value);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@,+=%".contains(c);
    if value.chars().all(plain) {
        return Ok(value.into());
    }
    let mut quoted = String::from('"');
    for c in value.chars() {
        if ESCAPED.contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    Ok(quoted)
}

/// What a backslash takes its meaning from between double quotes.
const ESCAPED: &str = "\\\"$`";

/// What is wrong with a line.
struct Wrong {
    column: u32,
    message: String,
    help: Option<&'static str>,
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// One line on its way through the reader.
struct Line {
    chars: Vec<char>,
    next: usize,
    /// Variables that nothing stands for, with their columns.
    undefined: Vec<(u32, String)>,
}

impl Line {
    /// Name and value, each with its column; `None` for a line without.
    fn assignment(
        &mut self,
        lookup: Lookup<'_>,
    ) -> Result<Option<(u32, String, u32, String)>, Wrong> {
        self.skip_space();
        if matches!(self.peek(), None | Some('#')) {
            return Ok(None);
        }
        let mut column = self.column();
        let mut name = self.name();
        if name == "export" && self.peek().is_some_and(is_space) {
            self.skip_space();
            column = self.column();
            name = self.name();
        }
        if name.is_empty() || self.peek() != Some('=') {
            return Err(self.no_assignment(column));
        }
        self.next += 1;
        let value_column = self.column();
        let value = self.value(lookup)?;
        Ok(Some((column, name, value_column, value)))
    }

    /// Says why the line is no assignment, without its text: that may be a secret gone astray.
    fn no_assignment(&mut self, column: u32) -> Wrong {
        let stopped = self.column();
        self.skip_space();
        if self.peek() == Some('=') {
            let help = Some("write NAME=VALUE without spaces around the equals sign");
            return Wrong { column: stopped, message: "a space before =".into(), help };
        }
        let message = "the line is neither NAME=VALUE nor a comment".into();
        Wrong {
            column,
            message,
            help: Some("names are letters, digits and _; comments begin with #"),
        }
    }

    fn value(&mut self, lookup: Lookup<'_>) -> Result<String, Wrong> {
        let mut value = String::new();
        while let Some(c) = self.peek() {
            match c {
                c if is_space(c) => break,
                '\'' => self.literal(&mut value)?,
                '"' => self.quoted(&mut value, lookup)?,
                '$' => self.variable(&mut value, lookup)?,
                '`' => return Err(self.command()),
                '\0' => return Err(self.wrong("the line has a NUL", None)),
                '\\' => {
                    self.next += 1;
                    let c = self.bump().ok_or_else(|| self.continued())?;
                    value.push(c);
                }
                ';' | '&' | '|' | '<' | '>' | '(' | ')' => {
                    let message = format!("{c} has a meaning of its own for a shell");
                    return Err(self.wrong(&message, Some("put the value into quotes")));
                }
                c => {
                    self.next += 1;
                    value.push(c);
                }
            }
            if value.len() > LONGEST {
                return Err(self.wrong("the value is longer than 64 KiB", None));
            }
        }
        let after = self.next;
        self.skip_space();
        match self.peek() {
            None | Some('#') => Ok(value),
            Some(_) if value.is_empty() => Err(self.wrong(
                "a space after =",
                Some("write NAME=VALUE without spaces around the equals sign"),
            )),
            Some(_) => {
                self.next = after;
                Err(self.wrong(
                    "a space in a value",
                    Some("put the value into quotes, or a # before a comment"),
                ))
            }
        }
    }

    /// From one single quote to the next.
    fn literal(&mut self, value: &mut String) -> Result<(), Wrong> {
        let open = self.column();
        self.next += 1;
        loop {
            match self.bump() {
                Some('\'') => return Ok(()),
                Some(c) => value.push(c),
                None => return Err(unclosed(open)),
            }
        }
    }

    /// From one double quote to the next.
    fn quoted(&mut self, value: &mut String, lookup: Lookup<'_>) -> Result<(), Wrong> {
        let open = self.column();
        self.next += 1;
        while value.len() <= LONGEST {
            match self.peek() {
                Some('"') => {
                    self.next += 1;
                    return Ok(());
                }
                Some('$') => self.variable(value, lookup)?,
                Some('`') => return Err(self.command()),
                Some('\\') => {
                    self.next += 1;
                    match self.bump() {
                        Some(c) if ESCAPED.contains(c) => value.push(c),
                        Some(c) => value.extend(['\\', c]),
                        None => return Err(unclosed(open)),
                    }
                }
                Some(c) => {
                    self.next += 1;
                    value.push(c);
                }
                None => return Err(unclosed(open)),
            }
        }
        Ok(())
    }

    /// `$NAME` or `${NAME}`; a dollar sign before anything else is one.
    fn variable(&mut self, value: &mut String, lookup: Lookup<'_>) -> Result<(), Wrong> {
        let column = self.column();
        self.next += 1;
        let name = match self.peek() {
            Some('(') => {
                self.next -= 1;
                return Err(self.command());
            }
            Some('{') => {
                self.next += 1;
                let name = self.name();
                if name.is_empty() || self.bump() != Some('}') {
                    let message = "${ is not followed by a name and }".into();
                    let help = Some("only $NAME and ${NAME} are understood");
                    return Err(Wrong { column, message, help });
                }
                name
            }
            _ => self.name(),
        };
        if name.is_empty() {
            value.push('$');
        } else if let Some(known) = lookup(&name) {
            value.push_str(&known);
        } else {
            self.undefined.push((column, name));
        }
        Ok(())
    }

    /// A letter or `_`, then these and digits.
    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            if !(c == '_' || c.is_ascii_alphabetic() || c.is_ascii_digit() && !name.is_empty()) {
                break;
            }
            name.push(c);
            self.next += 1;
        }
        name
    }

    fn command(&self) -> Wrong {
        self.wrong(
            "a command stands here; .arg is read, not run",
            Some("write the command's result, or pass it as --NAME=\"$(...)\""),
        )
    }

    fn continued(&self) -> Wrong {
        self.wrong("the line ends with a backslash", Some("write the value on one line"))
    }

    fn wrong(&self, message: &str, help: Option<&'static str>) -> Wrong {
        Wrong { column: self.column(), message: message.into(), help }
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.next += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.next).copied()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.next += 1;
        Some(c)
    }

    fn column(&self) -> u32 {
        u32::try_from(self.next + 1).unwrap_or(u32::MAX)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn unclosed(column: u32) -> Wrong {
    let message = "the quote is not closed on its line".into();
    Wrong { column, message, help: Some("close it behind the value; a value is on one line") }
}
