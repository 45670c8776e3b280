//! A plan as a tree for people, and as JSON.

use serde_json::{Value, json};

use super::{Input, Plan, Planned, Source};
use crate::recipe::checksum_hex;

impl Plan {
    /// Steps with inputs and outputs, one line for each.
    #[must_use]
    pub fn tree(&self) -> String {
        let mut text = format!("{}\n", self.target);
        let count = self.steps.len();
        for (index, planned) in self.steps.iter().enumerate() {
            let last = index + 1 == count;
            let (branch, stem) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            text.push_str(&format!("{branch}{}\n", planned.step.title()));
            let lines = lines(planned);
            for (number, line) in lines.iter().enumerate() {
                let branch = if number + 1 == lines.len() { "└─ " } else { "├─ " };
                text.push_str(&format!("{stem}{branch}{line}\n"));
            }
        }
        text
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|planned| {
                json!({
                    "step": planned.step.title(),
                    "inputs": planned.inputs.iter().map(Input::json).collect::<Vec<_>>(),
                    "needs_programs": planned.programs.iter().map(|(key, what)| json!({ "key": key, "what": what })).collect::<Vec<_>>(),
                    "outputs": planned.step.outputs(),
                })
            })
            .collect();
        let mut value = json!({ "target": self.target.to_string(), "steps": steps });
        if let Some(profile) = &self.profile {
            value["profile"] = profile.as_str().into();
        }
        value
    }
}

fn lines(planned: &Planned) -> Vec<String> {
    let mut lines: Vec<String> = planned.inputs.iter().map(Input::line).collect();
    let programs = planned.programs.iter();
    lines.extend(programs.map(|(key, what)| format!("needs programs in the image: {key} {what}")));
    lines.extend(planned.step.outputs().into_iter().map(|output| format!("makes {output}")));
    lines
}

impl Input {
    fn line(&self) -> String {
        let what = match &self.source {
            Source::File { file, sha256 } => {
                let digest = sha256.map(|digest| format!(" sha256:{}", checksum_hex(&digest)));
                format!(
                    "{} ({} bytes{})",
                    file.path.display(),
                    file.len,
                    digest.unwrap_or_default()
                )
            }
            Source::Image(image) => image.to_string(),
            Source::Package { name, repository } => format!("{name} from {repository}"),
        };
        format!("{}: {what} -> {}", self.role, self.place)
    }

    /// As JSON, as manifests have it too.
    #[must_use]
    pub fn json(&self) -> Value {
        match &self.source {
            Source::File { file, sha256 } => json!({
                "role": self.role,
                "file": file.path.to_string_lossy(),
                "bytes": file.len,
                "sha256": sha256.map(|digest| checksum_hex(&digest)),
                "place": self.place,
            }),
            Source::Image(image) => {
                json!({ "role": self.role, "image": image.as_str(), "place": self.place })
            }
            Source::Package { name, repository } => {
                json!({ "role": self.role, "package": name, "repository": repository, "place": self.place })
            }
        }
    }
}
