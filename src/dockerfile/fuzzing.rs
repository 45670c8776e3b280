//! Any bytes, for fuzzing.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;

use bootwright_image::{BoxError, Silent};
use bootwright_oci::Reference;

use super::{Dockerfile, Ignore, Images, Inputs, Platform, Recognised, build as build_file, trust};
use crate::recipe::Architecture;

/// Knows no image.
struct NoImages;

impl Images for NoImages {
    fn image(&self, _: &str, _: &Platform) -> Result<Reference, BoxError> {
        Err("no images here".into())
    }
}

/// Parses a Dockerfile and a `.dockerignore` behind a line of dashes, and builds what needs neither
/// images nor a context. Errors are fine, panics are not; an error's text is made, too.
///
/// # Panics
/// When an invariant is broken.
pub fn build(data: &[u8]) {
    const CUT: &[u8] = b"----\n";
    let cut = data.windows(CUT.len()).position(|window| window == CUT);
    let (text, rules) = cut.map_or((data, &b""[..]), |at| (&data[..at], &data[at + CUT.len()..]));
    let ignore = Ignore::parse(".dockerignore", rules).unwrap_or_default();
    let _ = ignore.leaves_out("a/b/c.o");
    let file = match Dockerfile::parse("Dockerfile", text) {
        Ok(file) => file,
        Err(error) => return drop(error.to_string()),
    };
    let arguments = BTreeMap::from([("A".to_owned(), "a value".to_owned())]);
    let inputs = Inputs {
        context: Path::new("/nonexistent"),
        ignore: &ignore,
        arguments: &arguments,
        target: None,
        platform: Platform::new(Architecture::Amd64),
        epoch: None,
        jobs: NonZeroUsize::MIN,
    };
    match build_file(&file, &inputs, &NoImages, &mut Recognised, &Silent) {
        Ok(built) => assert!(built.tree.walk().count() < built.tree.capacity()),
        Err(error) => drop(error.to_string()),
    }
}

/// Looks for certificates and hashes their subjects.
pub fn trust(data: &[u8]) {
    let _ = trust::subject_hash(data);
    for der in trust::certificates(data) {
        let _ = trust::subject_hash(&der);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words that mean something, in any order.
    fn text() -> impl Strategy<Value = String> {
        let word = prop_oneof![
            "FROM scratch( AS [ab])?\n",
            "(ENV|ARG|LABEL) [AB]=",
            "(COPY|ADD)( --from=[ab0])? ",
            "(WORKDIR|VOLUME|EXPOSE|USER|CMD|STOPSIGNAL|SHELL|HEALTHCHECK) ",
            "RUN ",
            "(mkdir -p|cp -a|rm -rf|touch|ln -s|test -f|chmod 600) ",
            "(if|then|else|fi|;|&&|!|\\[|\\]) ",
            "<<-?['\"]?E['\"]?",
            "\nE\n",
            "/[ab]{0,2}(/\\.\\.?|/)?",
            "\\$\\{?[AB](:-|:\\+|#|%|/)?",
            "[\\\\`'\"\\[\\]{}*?!# =\n-]",
            "[a-c0-9/]{1,5}",
        ];
        proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn no_dockerfile_breaks_the_builder(text in text()) {
            build(text.as_bytes());
            build(format!("FROM scratch\n{text}").as_bytes());
        }

        #[test]
        fn no_bytes_break_anything(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            build(&bytes);
            trust(&bytes);
        }
    }
}
