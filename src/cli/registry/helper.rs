//! Credential helpers: other people's programs, run when the user allows it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::oci::registry::{CredentialHelper, Secret};

/// Bytes of a credential helper's answer.
const ANSWER_MAX: u64 = 1 << 20;

/// Runs `docker-credential-NAME get`, as the user has allowed.
pub(super) struct Programs;

impl CredentialHelper for Programs {
    fn get(&self, name: &str, server: &str) -> Result<Option<(String, Secret)>, String> {
        let program = format!("docker-credential-{name}");
        let mut child = Command::new(&program)
            .arg("get")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        let asked = child.stdin.take().map(|mut input| input.write_all(server.as_bytes()));
        let mut answer = Vec::new();
        let output = child.stdout.take();
        let heard = output.map(|output| output.take(ANSWER_MAX).read_to_end(&mut answer));
        let status = child.wait().map_err(|error| error.to_string())?;
        for failed in [asked.and_then(Result::err), heard.and_then(Result::err)] {
            if let Some(error) = failed.filter(|_| status.success()) {
                return Err(error.to_string());
            }
        }
        if !status.success() {
            let none = answer.starts_with(b"credentials not found");
            return if none { Ok(None) } else { Err(format!("{program} ended with {status}")) };
        }
        parse_answer(&answer).ok_or_else(|| format!("{program} gave no usable answer"))
    }
}

fn parse_answer(answer: &[u8]) -> Option<Option<(String, Secret)>> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        username: String,
        secret: Secret,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let given = !answer.secret.reveal().is_empty();
    Some(given.then_some((answer.username, answer.secret)))
}
