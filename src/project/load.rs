//! Reading a project's folder.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::arguments::{ARG_FILE, Arguments, Environment, Sources};
use super::checkout;
use super::files::Files;
use super::problem::{Place, Problem, Problems};

/// Largest text file of a project that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What a user gives beside the folder.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// `KEY=VALUE` of each `--KEY=VALUE`.
    pub command_line: &'a [String],
    /// The content of `EARTHLY_BUILD_ARGS`.
    pub build_args: Option<&'a str>,
    /// The environment, for `$NAME` in `.arg`.
    pub environment: Environment<'a>,
}

impl std::fmt::Debug for Given<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It may hold secrets.
        f.debug_struct("Given").finish_non_exhaustive()
    }
}

/// A project: its folder and the values of all keys.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// The values.
    pub arguments: Arguments,
    /// The files that builds take in.
    pub files: Files,
    /// The content of `k8s_version.json`.
    pub versions: Option<Vec<u8>>,
    /// The content of `user-data`, `None` if it is not there or too large to be checked.
    pub user_data: Option<Vec<u8>>,
    /// What is wrong with them.
    pub problems: Problems,
}

impl Project {
    /// Reads `.arg` and what else says what values are. Mistakes are kept in
    /// [`problems`](Self::problems), so that all of them can be shown at once.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read.
    pub fn load(folder: &Path, given: &Given<'_>) -> io::Result<Self> {
        if !folder.is_dir() {
            let text = format!("{}: there is no such folder; a project is one", folder.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, text));
        }
        let arg_file = read_if_there(&folder.join(ARG_FILE))?;
        let earthfile = read_if_there(&folder.join("Earthfile"))?;
        let tag = checkout::tag(folder);
        let (arguments, mut problems) = Arguments::resolve(&Sources {
            command_line: given.command_line,
            build_args: given.build_args,
            arg_file: arg_file.as_deref(),
            earthfile: earthfile.as_deref(),
            tag: tag.as_deref(),
            environment: given.environment,
        });
        if arg_file.is_none() {
            let problem = Problem::warning(
                Place::file(ARG_FILE),
                "not there; values come from the command line and defaults",
            );
            problems.push(problem.help("cp .arg.template .arg, and edit it"));
        }
        problems.extend(arguments.check());
        let names = ["EDGE_CUSTOM_CONFIG", "CLUSTERCONFIG"].map(|key| arguments.get(key));
        let files = Files::find(folder, names[0], names[1])?;
        problems.extend(missing(&arguments, &files));
        let versions = read_if_there(&folder.join("k8s_version.json"))?;
        let user_data = read_if_there(&folder.join("user-data"))?;
        let mut problems: Vec<Problem> = problems.into_iter().collect();
        problems.sort_by_key(|problem| {
            problem.place.as_ref().map(|place| (place.file.clone(), place.position))
        });
        let problems = problems.into_iter().fold(Problems::default(), |mut all, one| {
            all.push(one);
            all
        });
        Ok(Self { folder: folder.into(), arguments, files, versions, user_data, problems })
    }

    /// A path of the project.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Files that a key names and that are not there. CanvOS leaves them out without a word; the names
/// that stand in its template are left out here too.
fn missing(arguments: &Arguments, files: &Files) -> Vec<Problem> {
    let named = [
        ("EDGE_CUSTOM_CONFIG", ".edge-custom-config.yaml", files.edge_config.is_some()),
        ("CLUSTERCONFIG", "spc.tgz", files.cluster_config.is_some()),
    ];
    let named = named.into_iter().filter(|(key, template, there)| {
        !there && arguments.some(key).is_some_and(|value| value != *template)
    });
    named
        .map(|(key, _, _)| {
            let text = format!("{key} is {:?}, where no file is", arguments.get(key));
            arguments
                .wrong(key, text)
                .help("correct the path; it is meant from the project's folder on")
        })
        .collect()
}

/// Reads a text file of a project; `None` where there is none.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(named(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a folder or a device; a text file is needed",
            )));
        }
        Ok(metadata) if metadata.len() > LONGEST => {
            return Err(named(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it has {} bytes; 1 MiB is the limit", metadata.len()),
            )));
        }
        Ok(_) => {}
    }
    let mut text = Vec::new();
    let file = File::open(path).map_err(named)?;
    file.take(LONGEST).read_to_end(&mut text).map_err(named)?;
    Ok(Some(text))
}
