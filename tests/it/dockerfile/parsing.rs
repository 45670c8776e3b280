//! Tricky texts, and the parser and the patterns against independent judges.

use bootwright::dockerfile::{Dockerfile, Ignore};
use proptest::prelude::*;

use super::fixture::{Project, chain};
use crate::tools::{text, tool};

const TRICKY: &str = "\u{feff}# syntax=docker/dockerfile:1\n# escape=`\n\n# comment\n\
ARG ONE=1 TWO=\"2 3\"\r\n\
from --platform=$TARGETPLATFORM image:tag as Base.1\n\
  RUN echo a `\n  # in between\n\n  && echo b ``\n\
COPY --from=base --chown=a:b [\"a b\", \"/c/\"]\n\
COPY <<EOF <<-'END_OF' <<\"Q\" plain /dir/\n\
$EXPANDED `$NOT\n  EOF\nEOF\n\
\t\ttabs gone\n\tEND_OF\n\
# no comment\n`\nQ\n\
RUN <<A cat > x && cat <<B\n1\nA\n2\nB\n\
RUN echo \"<<NOT\" '<<NOR' a<<b <<<here\n\
ENV A=1 B='2 \"3' C=\"4 '5\"`\n  D=6` 7\n\
ENV old form = yes\n\
LABEL \"a b\"=c d=\"e=f\"\n\
HEALTHCHECK --interval=1m30s --retries=2 CMD [\"a\",\"b\"]\n\
ONBUILDX\n";

#[test]
fn a_tricky_file_is_read_as_it_is_meant() {
    let error = Dockerfile::parse("D", TRICKY.as_bytes()).unwrap_err();
    assert_eq!((error.line, error.text.as_str()), (32, "ONBUILDX"), "{error}");
    let sound = TRICKY.trim_end_matches("ONBUILDX\n");
    insta::assert_debug_snapshot!(Dockerfile::parse("D", sound.as_bytes()).unwrap());
}

#[test]
fn hostile_files_are_refused_quickly() {
    for text in [
        "FROM x\n\\\n".repeat(20_000).into_bytes(),
        vec![b'\\'; 1 << 20],
        vec![0; 1000],
        [b"FROM x\nRUN ".to_vec(), b"<<A ".repeat(1000)].concat(),
        [b"FROM x\nENV A=".to_vec(), b"${".repeat(100_000)].concat(),
        vec![b'\n'; (1 << 20) + 1],
    ] {
        let _ = Dockerfile::parse("D", &text);
    }
    let bomb: String = (0..64).map(|n| format!("ENV V{}=$V{n}$V{n}$V{n}$V{n}\n", n + 1)).collect();
    let error = Project::new().error(&format!("FROM scratch\nENV V0=xxxx\n{bomb}"));
    assert!(error.contains("it expands to more than 1048576 bytes"), "{error}");
    let stages: String = (1..2000).map(|n| format!("FROM s{} AS s{n}\n", n - 1)).collect();
    Project::new().build(&format!("FROM scratch AS s0\n{stages}")).unwrap();
}

/// Words that a shell and a Dockerfile read alike: no white space and no pattern in a value.
fn word() -> impl Strategy<Value = String> {
    let value = prop_oneof![Just("x"), Just("a.b.c"), Just("$A"), Just("\"$B\""), Just("")];
    let piece = prop_oneof![
        "[a-z0-9./_-]{1,4}",
        "'[a-z $\"]{0,4}'",
        Just("$A".to_owned()),
        Just("${B}".to_owned()),
        Just("\"${A} $B\"".to_owned()),
        Just("\\$".to_owned()),
        Just("\"\\\"\\$\\x\"".to_owned()),
        (
            prop_oneof![Just("A"), Just("NONE"), Just("EMPTY")],
            prop_oneof![Just("-"), Just(":-"), Just("+"), Just(":+")],
            value
        )
            .prop_map(|(name, modifier, value)| format!("\"${{{name}{modifier}{value}}}\"")),
        (
            prop_oneof![Just("#"), Just("##"), Just("%"), Just("%%")],
            prop_oneof![Just("*."), Just(".*"), Just("o?e"), Just("*"), Just("one.")]
        )
            .prop_map(|(modifier, pattern)| format!("\"${{A{modifier}{pattern}}}\"")),
    ];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn words_expand_as_a_shell_expands_them(words in proptest::collection::vec(word(), 40)) {
        if crate::tools::find("sh").is_none() {
            crate::tools::skip("sh not found");
            return Ok(());
        }
        let lines: String = words.iter().enumerate().map(|(n, w)| format!("ENV W{n}={w}\n")).collect();
        let text_of = format!("FROM scratch\nENV A=one.two.three B=b EMPTY=\n{lines}");
        let built = Project::new().build(&text_of).map_err(|error| chain(&error)).unwrap();
        let script: String = words.iter().map(|w| format!("printf '%s\\n' p{w}\n")).collect();
        let script = format!("A=one.two.three B=b EMPTY=\n{script}");
        let shell = text(tool("sh").arg("-c").arg(script));
        for (n, (word, line)) in words.iter().zip(shell.lines()).enumerate() {
            let ours = built.config.env_value(&format!("W{n}")).unwrap();
            prop_assert_eq!(format!("p{ours}"), line, "{}", word);
        }
    }
}

/// Whether parts of a pattern match parts of a path, the slow and plain way.
fn parts_match(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], _) => !path.is_empty(),
        (["**", rest @ ..], _) => (0..=path.len()).any(|n| parts_match(rest, &path[n..])),
        ([first, rest @ ..], [name, below @ ..]) => {
            part_matches(first.as_bytes(), name.as_bytes()) && parts_match(rest, below)
        }
        _ => false,
    }
}

fn part_matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern, name) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=name.len()).any(|n| part_matches(rest, &name[n..])),
        ([b'?', rest @ ..], [_, below @ ..]) => part_matches(rest, below),
        ([a, rest @ ..], [b, below @ ..]) => a == b && part_matches(rest, below),
        _ => false,
    }
}

fn left_out(rules: &[(bool, Vec<String>)], path: &[String]) -> bool {
    let mut out = false;
    for (keeps, pattern) in rules {
        let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if (1..=path.len()).any(|n| parts_match(&pattern, &path[..n])) {
            out = !keeps;
        }
    }
    out
}

proptest! {
    #[test]
    fn dockerignore_decides_as_a_plain_matcher_does(
        rules in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec("[ab*?]|\\*\\*|a\\*b|\\*a", 1..4)), 0..5),
        paths in proptest::collection::vec(proptest::collection::vec("[ab]{1,3}", 1..4), 1..8),
    ) {
        let text: String = rules
            .iter()
            .map(|(keeps, parts)| format!("{}{}\n", if *keeps { "!" } else { "" }, parts.join("/")))
            .collect();
        let ignore = Ignore::parse("i", text.as_bytes()).unwrap();
        for path in &paths {
            let joined = path.join("/");
            prop_assert_eq!(ignore.leaves_out(&joined), left_out(&rules, path), "{} {}", text, joined);
        }
    }
}
