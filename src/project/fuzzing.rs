//! Functions for fuzzing: any bytes go in, and a broken promise panics.

use super::arguments::{Arguments, Sources, parse, quote};
use super::{user_data, yaml};

/// `.arg`: no panic, and what was read can be written and read again.
///
/// # Panics
/// When a value that a line can hold is not read back.
pub fn arg_file(text: &[u8]) {
    let nothing = |_: &str| None;
    let parsed = parse(".arg", text, &nothing);
    for assignment in &parsed.assignments {
        let Ok(quoted) = quote(&assignment.value) else { continue };
        let line = format!("{}={quoted}", assignment.name);
        let again = parse(".arg", line.as_bytes(), &nothing);
        let values: Vec<&str> =
            again.assignments.iter().map(|found| found.value.as_str()).collect();
        assert_eq!(values, [assignment.value.as_str()], "{line}");
    }
    let sources = Sources {
        command_line: &[],
        build_args: None,
        arg_file: Some(text),
        earthfile: Some(text),
        tag: None,
        environment: &nothing,
    };
    let (arguments, _) = Arguments::resolve(&sources);
    let _ = arguments.check();
}

/// The YAML border: no panic, no endless growth.
pub fn user_data_file(text: &[u8]) {
    let _ = user_data::check("user-data", text);
    if let Ok(text) = std::str::from_utf8(text) {
        let _ = yaml::read(text);
    }
}
