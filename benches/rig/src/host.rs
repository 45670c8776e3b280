//! Other people's tools, and what is said when one is missing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where `sbin` tools are when an ordinary user's `PATH` does not say so.
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The path of a tool, looked for as a shell does, then in the `sbin` folders.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "tools are found the way a shell finds them")]
pub fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(ALSO.iter().map(PathBuf::from))
        .map(|folder| folder.join(tool))
        .find(|candidate| candidate.is_file())
}

/// Processors that this process may use.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "figures are taken relative to all processors")]
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// How a benchmark ends: why it failed goes to standard error, under its name.
#[must_use]
pub fn exit(name: &str, result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{name}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Says in capitals, on standard error, that a part of a benchmark is left out. With `CI` set a
/// benchmark may leave nothing out: ends the process with status 1.
#[expect(clippy::disallowed_methods, reason = "the environment says whether skipping is allowed")]
pub fn skip(reason: &str) {
    eprintln!("SKIPPED: {reason}");
    if std::env::var_os("CI").is_some() {
        eprintln!("continuous integration may not skip");
        std::process::exit(1);
    }
}

/// The quickstart's base image under the project's folder, or `given`.
///
/// # Errors
/// Says how to make it when it is not there.
pub fn base_image(project: &Path, given: Option<&Path>) -> Result<PathBuf, String> {
    let layout = given.map_or_else(|| project.join("build/base-image"), Path::to_owned);
    if layout.join("index.json").is_file() {
        return Ok(layout);
    }
    Err(format!(
        "no OCI layout in {} (tests/base-image/make build/base-image makes the default one)",
        layout.display()
    ))
}
