//! Programs that others wrote, as judges.

use std::path::Path;
use std::process::{Command, Output};

/// The output of a foreign program, or `None` (said aloud) where it is not installed; in CI it
/// must be.
pub(crate) fn run(tool: &str, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(tool);
    command.args(arguments).env("LC_ALL", "C").env("TZ", "UTC").env("MTOOLS_SKIP_CHECK", "0");
    // Debian keeps the disk tools where only root looks.
    command.env("PATH", format!("{}:/usr/sbin:/sbin", path()));
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(!in_ci(), "{tool}: {error}");
            println!("SKIPPED: {tool} not found");
            None
        }
    }
}

/// What the program printed, which must succeed.
pub(crate) fn text(tool: &str, arguments: &[&str]) -> Option<String> {
    let output = run(tool, arguments)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {}\n{text}{errors}", output.status);
    Some(text)
}

/// A path as text.
pub(crate) fn name(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

#[expect(clippy::disallowed_methods, reason = "tests find foreign programs by their PATH")]
fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment to be strict")]
fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// A line that the test harness does not capture; a failure where skipping is forbidden.
pub(crate) fn skip(reason: &str) {
    assert!(!in_ci(), "{reason}, and continuous integration may not skip");
    println!("SKIPPED: {reason}");
}
