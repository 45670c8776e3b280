//! The part of the shell's grammar that is understood (POSIX.1-2017, "Shell Command Language").

/// `if` within each other.
const DEPTH_MAX: usize = 32;

/// Lists of commands, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script(pub(super) Vec<Vec<(Join, Node)>>);

/// How a command depends on the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    First,
    And,
    Or,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Words as they stand.
    Simple(Vec<String>),
    Not(Box<Node>),
    If {
        branches: Vec<(Script, Script)>,
        otherwise: Option<Script>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    And,
    Or,
    /// `;` or a line's end.
    End,
}

/// Reads a script; the error says what is not understood.
pub(super) fn parse(text: &str) -> Result<Script, String> {
    let mut tokens = tokens(text)?;
    tokens.reverse();
    let mut parser = Parser { left: tokens, depth: 0 };
    let script = parser.script(&[])?;
    match parser.left.pop() {
        None => Ok(script),
        Some(token) => Err(format!("unexpected {token:?}")),
    }
}

/// Whether a variable stands outside quotes.
pub(super) fn has_open_variable(word: &str) -> bool {
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' if quote != Some('\'') => {
                chars.next();
            }
            '\'' | '"' if quote.is_none() => quote = Some(char),
            char if quote == Some(char) => quote = None,
            '$' if quote.is_none() => return true,
            _ => {}
        }
    }
    false
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&char) = chars.peek() {
        match char {
            ' ' | '\t' | '\r' => {
                chars.next();
            }
            '\\' if chars.clone().nth(1) == Some('\n') => {
                chars.nth(1);
            }
            '\n' | ';' => {
                chars.next();
                tokens.push(Token::End);
            }
            '#' => while chars.next_if(|c| *c != '\n').is_some() {},
            '&' | '|' => {
                chars.next();
                if chars.next_if_eq(&char).is_none() {
                    return Err(if char == '|' { "a pipe" } else { "a background job" }.to_owned());
                }
                tokens.push(if char == '&' { Token::And } else { Token::Or });
            }
            '<' | '>' => return Err("a redirection".to_owned()),
            '(' | ')' => return Err("a subshell or function".to_owned()),
            _ => tokens.push(Token::Word(word(&mut chars)?)),
        }
    }
    Ok(tokens)
}

/// One word, quotes and escapes as they stand.
fn word(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut word = String::new();
    let mut quote = None;
    let mut braces = 0;
    while let Some(&char) = chars.peek() {
        if quote.is_none() && braces == 0 && " \t\r\n;&|<>()".contains(char) {
            break;
        }
        chars.next();
        match char {
            '\\' if quote != Some('\'') => match chars.next() {
                // A line goes on.
                Some('\n') => continue,
                next => {
                    word.push(char);
                    word.extend(next);
                    continue;
                }
            },
            '`' if quote != Some('\'') => return Err("a command substitution".to_owned()),
            '$' if quote != Some('\'') && chars.peek() == Some(&'(') => {
                return Err("a command substitution".to_owned());
            }
            '$' if quote != Some('\'') && chars.peek() == Some(&'{') => braces += 1,
            '}' if braces > 0 => braces -= 1,
            '*' | '?' | '[' if quote.is_none() && braces == 0 => {
                let alone = word.is_empty()
                    && char == '['
                    && chars.peek().is_none_or(|c| c.is_whitespace());
                if !alone {
                    return Err("a pattern of file names".to_owned());
                }
            }
            '\'' | '"' if quote.is_none() => quote = Some(char),
            char if quote == Some(char) => quote = None,
            _ => {}
        }
        word.push(char);
    }
    if quote.is_some() { Err("a quote that is not closed".to_owned()) } else { Ok(word) }
}

struct Parser {
    /// Last token first.
    left: Vec<Token>,
    depth: usize,
}

impl Parser {
    /// Lists up to one of the words `ends`, which stays.
    fn script(&mut self, ends: &[&str]) -> Result<Script, String> {
        let mut chains = Vec::new();
        loop {
            while self.left.last() == Some(&Token::End) {
                self.left.pop();
            }
            match self.left.last() {
                None => return Ok(Script(chains)),
                Some(Token::Word(word)) if ends.contains(&word.as_str()) => {
                    return Ok(Script(chains));
                }
                Some(_) => chains.push(self.chain()?),
            }
        }
    }

    fn chain(&mut self) -> Result<Vec<(Join, Node)>, String> {
        let mut chain = vec![(Join::First, self.node()?)];
        loop {
            let join = match self.left.last() {
                Some(Token::And) => Join::And,
                Some(Token::Or) => Join::Or,
                _ => return Ok(chain),
            };
            self.left.pop();
            while self.left.last() == Some(&Token::End) {
                self.left.pop();
            }
            chain.push((join, self.node()?));
        }
    }

    fn node(&mut self) -> Result<Node, String> {
        let Some(Token::Word(first)) = self.left.last().cloned() else {
            return Err("a list that does not begin with a command".to_owned());
        };
        match first.as_str() {
            "!" => {
                self.left.pop();
                self.nested(|parser| Ok(Node::Not(Box::new(parser.node()?))))
            }
            "if" => self.nested(Self::branches),
            "for" | "while" | "until" | "case" | "{" | "}" | "function" | "select" => {
                Err(format!("{first:?} of the shell's language"))
            }
            "then" | "else" | "elif" | "fi" | "do" | "done" | "esac" => {
                Err(format!("{first:?} where a command should be"))
            }
            _ => {
                let mut words = Vec::new();
                while let Some(Token::Word(word)) =
                    self.left.pop_if(|t| matches!(t, Token::Word(_)))
                {
                    words.push(word);
                }
                if is_assignment(&words[0]) {
                    return Err("an assignment".to_owned());
                }
                Ok(Node::Simple(words))
            }
        }
    }

    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Node, String>,
    ) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} commands within each other"));
        }
        let node = parse(self);
        self.depth -= 1;
        node
    }

    fn branches(&mut self) -> Result<Node, String> {
        let mut branches = Vec::new();
        loop {
            self.left.pop();
            let condition = self.script(&["then"])?;
            self.take("then")?;
            let body = self.script(&["elif", "else", "fi"])?;
            branches.push((condition, body));
            if self.left.last() != Some(&Token::Word("elif".to_owned())) {
                break;
            }
        }
        let otherwise = if self.take("else").is_ok() { Some(self.script(&["fi"])?) } else { None };
        self.take("fi")?;
        Ok(Node::If { branches, otherwise })
    }

    fn take(&mut self, word: &str) -> Result<(), String> {
        let is_it = |token: &mut Token| matches!(token, Token::Word(found) if found == word);
        self.left.pop_if(is_it).map(|_| ()).ok_or_else(|| format!("an if without its {word}"))
    }
}

fn is_assignment(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_branches() {
        let script =
            parse("if [ -f \"$A\" ] && ! x; then\n a 'b;c' || d; elif e; then f; fi; g").unwrap();
        let Script(chains) = &script;
        assert_eq!(chains.len(), 2);
        let Node::If { branches, otherwise } = &chains[0][0].1 else { panic!("{script:?}") };
        assert_eq!(branches.len(), 2);
        assert!(otherwise.is_none());
        let first = &branches[0].1.0[0];
        assert_eq!(first[0].1, Node::Simple(vec!["a".into(), "'b;c'".into()]));
        assert_eq!(first[1].0, Join::Or);
    }

    #[test]
    fn what_takes_a_process_is_named() {
        for (text, reason) in [
            ("a | b", "a pipe"),
            ("a &", "a background job"),
            ("a > b", "a redirection"),
            ("(a)", "a subshell or function"),
            ("a $(b)", "a command substitution"),
            ("a \"`b`\"", "a command substitution"),
            ("rm *.x", "a pattern of file names"),
            ("A=1 b", "an assignment"),
            ("for x in y; do z; done", "\"for\" of the shell's language"),
            ("if a; then b", "an if without its fi"),
            ("a 'b", "a quote that is not closed"),
            ("&& a", "a list that does not begin with a command"),
        ] {
            assert_eq!(parse(text).unwrap_err(), reason, "{text}");
        }
        assert!(parse(&"! ".repeat(10_000)).is_err());
    }
}
