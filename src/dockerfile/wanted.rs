//! Which images a build will ask for.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{Start, bases, find_stage, global, needed};
use super::{Dockerfile, DockerfileError, Instruction, Platform};

/// The names of all images that [`build`](super::build) asks for when it makes the last stage,
/// sorted, each once.
///
/// # Errors
/// [`DockerfileError`], where a name cannot be told.
pub fn image_names(
    file: &Dockerfile,
    arguments: &BTreeMap<String, String>,
    platform: &Platform,
) -> Result<Vec<String>, DockerfileError> {
    let Some(target) = file.stages.len().checked_sub(1) else { return Ok(Vec::new()) };
    let name = file.stages[target].name.clone().unwrap_or_else(|| target.to_string());
    let arguments = global(file, arguments, platform, &name)?;
    let bases = bases(file, &arguments)?;
    let mut names = BTreeSet::new();
    for number in needed(file, &bases, target)? {
        if let Start::Image(name) = &bases[number] {
            names.insert(name.clone());
        }
        for instruction in &file.stages[number].instructions {
            let Instruction::Copy(copy) = &instruction.item else { continue };
            let Some(from) = &copy.from else { continue };
            // A bare word is rather a stage that is spelled wrongly: the build tells that better.
            let is_image = from.contains([':', '/', '@']);
            if is_image && find_stage(&file.stages[..number], from).is_none() {
                names.insert(from.clone());
            }
        }
    }
    // An empty one is told with its line when its stage is made.
    names.retain(|name| !name.trim().is_empty());
    Ok(names.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_images_of_stages_that_are_needed_are_named() {
        let text = "ARG BASE=one:1\nFROM unused:1 AS a\nFROM tools:2 AS b\nFROM $BASE\n\
                    COPY --from=b /x /x\nCOPY --from=other:3 /y /y\nCOPY --from=0 /z /z\n\
                    COPY here /here\n";
        let file = Dockerfile::parse("Dockerfile", text.as_bytes()).unwrap();
        let platform: Platform = "linux/amd64".parse().unwrap();
        let given = BTreeMap::from([("BASE".to_owned(), "given:4".to_owned())]);
        let names = image_names(&file, &given, &platform).unwrap();
        assert_eq!(names, ["given:4", "other:3", "tools:2", "unused:1"]);
        let text = text.replace("COPY --from=0 /z /z\n", "");
        let file = Dockerfile::parse("Dockerfile", text.as_bytes()).unwrap();
        let names = image_names(&file, &BTreeMap::new(), &platform).unwrap();
        assert_eq!(names, ["one:1", "other:3", "tools:2"]);
    }
}
