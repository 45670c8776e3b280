//! Other people's tools: found, run, or loudly missed.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

/// Where `sbin` tools are when an ordinary user's `PATH` does not say so.
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A line that the test harness does not capture; a failure where skipping is forbidden.
pub(crate) fn skip(reason: &str) {
    assert!(!in_ci(), "{reason}, and continuous integration may not skip");
    // Not `eprintln!`: the harness shows that of failed tests only.
    let mut stderr = std::io::stderr();
    writeln!(stderr, "SKIPPED: {reason}").unwrap();
}

/// Ends the calling test when one of the tools is missing.
macro_rules! require {
    ($($tool:expr),+ $(,)?) => {
        $(if $crate::tools::find($tool).is_none() {
            $crate::tools::skip(&format!("{} not found", $tool));
            return;
        })+
    };
}
pub(crate) use require;

/// Ends the calling test unless it runs as root.
macro_rules! require_root {
    () => {
        if !rustix::process::geteuid().is_root() {
            $crate::tools::skip("not root");
            return;
        }
    };
}
pub(crate) use require_root;

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment that they may not skip"
)]
fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// The path of a tool, or of a file given by its absolute path.
#[expect(clippy::disallowed_methods, reason = "tools are found the way a shell finds them")]
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(ALSO.iter().map(PathBuf::from))
        .map(|folder| folder.join(tool))
        .find(|candidate| candidate.is_file())
}

/// A command for a tool that [`require!`] has seen.
pub(crate) fn tool(name: &str) -> Command {
    Command::new(find(name).unwrap())
}

/// Runs to the end; anything but success fails the test with all that was printed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, printed(&output));
    output
}

/// Standard output of a successful run, as text.
pub(crate) fn text(command: &mut Command) -> String {
    String::from_utf8_lossy(&run(command).stdout).into_owned()
}

pub(crate) fn printed(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// SHA-256 in lower-case hexadecimal digits.
pub(crate) fn sha256(path: &Path) -> String {
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            length => hasher.update(&buffer[..length]),
        }
    }
}
