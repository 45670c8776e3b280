//! The documents of a repository. Fields that are of no use here are not read.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{LuetError, Selector, Version};

/// `repository.yaml`.
#[derive(Debug, Deserialize)]
pub(super) struct Spec {
    #[serde(default)]
    pub(super) name: String,
    pub(super) repo_files: RepositoryFiles,
}

#[derive(Debug, Deserialize)]
pub(super) struct RepositoryFiles {
    pub(super) meta: RepositoryFile,
    pub(super) tree: RepositoryFile,
}

/// A file of the repository. How it is compressed is told by its bytes.
#[derive(Debug, Deserialize)]
pub(super) struct RepositoryFile {
    pub(super) filename: String,
    #[serde(default)]
    pub(super) checksums: Option<Checksums>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Checksums {
    #[serde(default)]
    pub(super) sha256: Option<String>,
}

/// `repository.meta.yaml`: what was built.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) index: Option<Vec<Artifact>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Artifact {
    #[serde(default)]
    pub(super) path: String,
    #[serde(default)]
    pub(super) checksums: Option<Checksums>,
    pub(super) compilationspec: CompilationSpec,
    /// What the package is once it is installed: what it requires then.
    #[serde(default)]
    pub(super) runtime: Option<Definition>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CompilationSpec {
    pub(super) package: Definition,
}

/// A package as a document defines it: in the index, in a `definition.yaml` of the tree, or as
/// what another one requires.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Definition {
    pub(super) name: String,
    #[serde(default)]
    pub(super) category: String,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) requires: Option<Vec<Definition>>,
    #[serde(default)]
    pub(super) conflicts: Option<Vec<Definition>>,
    #[serde(default)]
    pub(super) provides: Option<Vec<Definition>>,
}

/// `collection.yaml`: several packages in one folder of the tree.
#[derive(Debug, Deserialize)]
pub(super) struct Collection {
    #[serde(default)]
    pub(super) packages: Vec<Definition>,
}

/// A package that the repository has.
#[derive(Clone, Debug)]
pub struct Package {
    /// Category and name.
    pub(super) id: Id,
    pub(super) version: Version,
    pub(super) requires: Vec<(Id, Selector)>,
    pub(super) conflicts: Vec<(Id, Selector)>,
    pub(super) provides: Vec<Id>,
    /// The file's name, in a folder.
    pub(super) file: String,
    pub(super) checksum: Option<String>,
}

/// Category and name of a package.
pub(super) type Id = (String, String);

impl Package {
    pub(super) fn new(artifact: Artifact, tree: &BTreeMap<(Id, String), Definition>) -> Self {
        let Artifact { path, checksums, compilationspec, runtime } = artifact;
        let built = compilationspec.package;
        let id = (built.category.clone(), built.name.clone());
        // What was built may require what only its build needs.
        let definition =
            runtime.or_else(|| tree.get(&(id.clone(), built.version.clone())).cloned());
        let definition =
            definition.unwrap_or_else(|| Definition { requires: None, ..built.clone() });
        let listed = |list: Option<Vec<Definition>>| -> Vec<(Id, Selector)> {
            let entry =
                |other: Definition| ((other.category, other.name), Selector::new(&other.version));
            list.unwrap_or_default().into_iter().map(entry).collect()
        };
        Self {
            id,
            version: Version::new(&built.version),
            requires: listed(definition.requires),
            conflicts: listed(definition.conflicts),
            provides: listed(definition.provides).into_iter().map(|(id, _)| id).collect(),
            file: path.rsplit('/').next().unwrap_or_default().to_owned(),
            checksum: checksums.and_then(|sums| sums.sha256),
        }
    }

    /// The category.
    #[must_use]
    pub fn category(&self) -> &str {
        &self.id.0
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.id.1
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The tag that the package's image has.
    #[must_use]
    pub fn tag(&self) -> String {
        tag(&format!("{}-{}-{}", self.name(), self.category(), self.version.as_str()))
    }
}

impl std::fmt::Display for Package {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}@{}", self.id.0, self.id.1, self.version.as_str())
    }
}

/// A tag cannot have a plus.
pub(super) fn tag(name: &str) -> String {
    name.replace('+', "-")
}

/// Reads a document; `name` is for errors.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], name: &str) -> Result<T, LuetError> {
    let budget = serde_saphyr::budget! {
        // An index lists every file of every package.
        max_events: 16_000_000,
        max_nodes: 8_000_000,
        max_aliases: 1000,
        max_anchors: 1000,
    };
    let options = serde_saphyr::options! { budget: budget, with_snippet: false };
    serde_saphyr::from_slice_with_options(bytes, options)
        .map_err(|error| LuetError::Yaml { document: name.to_owned(), source: Box::new(error) })
}
