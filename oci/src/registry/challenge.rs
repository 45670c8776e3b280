//! `WWW-Authenticate`: how a registry wants to be asked (RFC 9110 section 11.6.1).

/// A way to authenticate that is understood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token, which somebody else issues.
    Bearer {
        /// The URL of the issuer.
        realm: String,
        /// What the issuer knows the registry as.
        service: Option<String>,
        /// What the token has to allow; what is needed anyhow is asked for as well.
        scope: Option<String>,
    },
}

/// The challenges in a header's value; what is not understood is left out.
pub(crate) fn parse(value: &str) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    let mut rest = Lexer { rest: value };
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    while let Some(word) = rest.word() {
        if rest.take('=') {
            let Some(text) = rest.value() else { break };
            if let Some((_, parameters)) = &mut current {
                parameters.push((word.to_ascii_lowercase(), text));
            }
        } else {
            challenges.extend(current.take().and_then(known));
            current = Some((word.to_ascii_lowercase(), Vec::new()));
        }
    }
    challenges.extend(current.and_then(known));
    challenges
}

fn known((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let get = |name: &str| {
        let found = parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    match scheme.as_str() {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
        }),
        _ => None,
    }
}

struct Lexer<'a> {
    rest: &'a str,
}

impl<'a> Lexer<'a> {
    /// The next token, behind blanks and commas.
    fn word(&mut self) -> Option<&'a str> {
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
        let end = self.rest.find([' ', '\t', ',', '=', '"']).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn take(&mut self, wanted: char) -> bool {
        match self.rest.trim_start_matches([' ', '\t']).strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest.trim_start_matches([' ', '\t']);
                true
            }
            None => false,
        }
    }

    /// A token or a quoted string.
    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            return self.word().map(str::to_owned);
        };
        let mut text = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(text);
                }
                '\\' => text.push(chars.next()?.1),
                c => text.push(c),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_in_every_usual_form() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        };
        for (text, expected) in [
            (r#"Basic realm="Registry""#, vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            (
                r#"Bearer realm="https://a/token",service="r",scope="repository:x:pull,push""#,
                vec![bearer("https://a/token", Some("r"), Some("repository:x:pull,push"))],
            ),
            (r#"bearer Realm = "a\"b" , service=r"#, vec![bearer("a\"b", Some("r"), None)]),
            (
                r#"Negotiate, Bearer realm="x", Basic realm="y""#,
                vec![bearer("x", None, None), Challenge::Basic],
            ),
            (r#"Bearer service="r""#, vec![]),
            (r#"Bearer realm="unclosed"#, vec![]),
            ("", vec![]),
            ("=,=", vec![]),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
