//! What the lines of the contests refer to, made before anything is measured and kept between
//! runs of the benchmark.

use std::cell::Cell;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bootwright_rig::cost::Cost;
use bootwright_rig::host;

use super::contests::{Contest, Entrant, PIPELINE};
use super::results::Run;

/// Something that is made once by a line of shell.
struct Asset {
    /// The variable that holds its path.
    name: &'static str,
    tools: &'static [&'static str],
    /// Whether it depends on the program under test.
    ours: bool,
    /// Makes it at `$made`.
    line: &'static str,
}

/// Later ones may be made from earlier ones.
static ASSETS: [Asset; 8] = [
    Asset {
        name: "tree",
        tools: &["umoci"],
        ours: false,
        line: "umoci unpack --image $layout:latest $made.bundle\n\
               mv $made.bundle/rootfs $made\n\
               rm -r $made.bundle",
    },
    Asset {
        name: "tar",
        tools: &["tar"],
        ours: false,
        line: "tar --create --file $made --directory $tree --xattrs --xattrs-include '*' \
               --numeric-owner --sort=name .",
    },
    Asset {
        name: "files",
        tools: &["split"],
        ours: false,
        // As large as unified kernel images. Many small ones would take mcopy minutes.
        line: "mkdir $made\n\
               head --bytes 900000000 $tar | split --bytes 36000000 - $made/image-",
    },
    Asset {
        name: "medium",
        tools: PIPELINE,
        ours: false,
        line: "$project/tests/peer/iso $layout $made.work $made.work/image.iso\n\
               mv $made.work/iso $made\n\
               rm -r $made.work",
    },
    Asset {
        name: "iso",
        tools: &[],
        ours: true,
        line: "$bootwright iso --base oci:$layout --output $made.folder --name image\n\
               mv $made.folder/image.iso $made\n\
               rm -r $made.folder",
    },
    Asset {
        name: "disk",
        tools: &[],
        ours: true,
        line: "$bootwright disk --base oci:$layout --output $made.folder --name image\n\
               mv $made.folder/image.raw $made\n\
               rm -r $made.folder",
    },
    Asset {
        name: "keys",
        tools: &[],
        ours: true,
        line: "$bootwright genkey --org Bench --output $made",
    },
    Asset {
        name: "cache",
        tools: &[],
        ours: true,
        line: "mkdir $made $made.folder\n\
               $bootwright iso --base oci:$layout --cache $made --user-data $user_data \
               --output $made.folder --name image\n\
               rm -r $made.folder",
    },
];

/// Folders and files that the contests work with.
pub(crate) struct Workplace {
    bootwright: PathBuf,
    /// This program: with `--alone`, an entrant.
    alone: PathBuf,
    project: &'static Path,
    layout: PathBuf,
    /// Assets, by names that tell what they were made from.
    kept: PathBuf,
    /// Emptied before each run.
    scratch: PathBuf,
    /// Identifies the base image.
    base: String,
    /// Identifies the program under test.
    pub(crate) program: String,
    runs: Cell<u64>,
}

impl Workplace {
    /// Works under `folder` with `program` as bootwright.
    pub(crate) fn new(program: &Path, layout: &Path, folder: &Path) -> Result<Self, String> {
        let bootwright = fs::canonicalize(program).map_err(|error| in_file(program, &error))?;
        let layout = fs::canonicalize(layout).map_err(|error| in_file(layout, &error))?;
        let (kept, scratch) = (folder.join("kept"), folder.join("scratch"));
        fs::create_dir_all(&kept).map_err(|error| in_file(&kept, &error))?;
        Ok(Self {
            project: Path::new(env!("CARGO_MANIFEST_DIR")),
            base: identity(&layout.join("index.json"))?,
            program: identity(&bootwright)?,
            bootwright,
            alone: std::env::current_exe().map_err(|error| error.to_string())?,
            layout,
            kept,
            scratch,
            runs: Cell::new(0),
        })
    }

    /// Why an entrant cannot take part.
    pub(crate) fn obstacle(&self, entrant: &Entrant) -> Option<String> {
        let assets = needed(&[entrant]);
        let mut tools = entrant.tools.iter().chain(assets.iter().flat_map(|asset| asset.tools));
        if let Some(missing) = tools.clone().find(|tool| host::find(tool).is_none()) {
            return Some(format!("{missing} not found"));
        }
        if tools.any(|tool| *tool == "umoci") && !rustix::process::geteuid().is_root() {
            return Some("umoci needs root".to_owned());
        }
        let (subcommand, option) = entrant.option?;
        let help = Command::new(&self.bootwright).args([subcommand, "--help"]).output();
        let shown = help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains(option));
        (!shown).then(|| format!("bootwright {subcommand} has no {option}"))
    }

    /// Makes what the entrants need and reads all input once, so that it comes from the page cache.
    pub(crate) fn prepare(&self, entrants: &[&Entrant]) -> Result<(), String> {
        for asset in needed(entrants) {
            self.make(asset)?;
            read_all(&self.path(asset));
        }
        read_all(&self.layout);
        Ok(())
    }

    fn path(&self, asset: &Asset) -> PathBuf {
        let program = if asset.ours { &self.program } else { "" };
        self.kept.join(format!("{}-{}{program}", asset.name, self.base))
    }

    fn make(&self, asset: &Asset) -> Result<(), String> {
        let path = self.path(asset);
        if path.exists() {
            return Ok(());
        }
        eprintln!("preparing {}", asset.name);
        // Earlier ones, of another program or image, and what an interrupted run left.
        remove_others(&self.kept, asset.name);
        self.change_user_data()?;
        let unfinished = self.kept.join(format!("{}.unfinished", asset.name));
        let mut command = self.shell(asset.line);
        command.env("made", &unfinished).env("out", &unfinished);
        let output = command.output().map_err(|error| format!("sh: {error}"))?;
        if !output.status.success() {
            let printed = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}\n{printed}", asset.name, output.status));
        }
        fs::rename(&unfinished, &path).map_err(|error| in_file(&path, &error))
    }

    /// Does an entrant's task once.
    pub(crate) fn run(&self, entrant: &Entrant) -> Result<Run, String> {
        remove(&self.scratch)?;
        fs::create_dir_all(&self.scratch).map_err(|error| in_file(&self.scratch, &error))?;
        self.change_user_data()?;
        // Nobody pays for the dirty pages of others.
        rustix::fs::sync();
        let cost = Cost::of(&mut self.shell(entrant.line), &self.scratch.join("log"))
            .map_err(|failed| failed.to_string())?;
        let made = ["out", "image.iso", "image.raw.gz"]
            .iter()
            .find_map(|name| fs::metadata(self.scratch.join(name)).ok());
        remove(&self.scratch)?;
        let size_bytes = made.as_ref().map(fs::Metadata::len);
        // Sectors of 512 bytes, whatever the file system's blocks.
        let allocated_bytes = made.as_ref().map(|made| made.blocks() * 512);
        Ok(Run { cost, size_bytes, allocated_bytes })
    }

    /// Never the same twice, neither within a run of the benchmark nor between two.
    fn change_user_data(&self) -> Result<(), String> {
        self.runs.set(self.runs.get() + 1);
        let (process, run) = (std::process::id(), self.runs.get());
        let text = format!("#cloud-config\n# {process} {run}\nhostname: edge-{process}-{run}\n");
        let path = self.user_data();
        fs::write(&path, text).map_err(|error| in_file(&path, &error))
    }

    fn user_data(&self) -> PathBuf {
        self.kept.join("user-data")
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        // Variables are not split into words, so that they need no quotes.
        command.args(["-efuc", "IFS=\neval \"$0\"", line]);
        command
            .env("bootwright", &self.bootwright)
            .env("alone", &self.alone)
            .env("project", self.project)
            .env("layout", &self.layout)
            .env("scratch", &self.scratch)
            .env("out", self.scratch.join("out"))
            .env("user_data", self.user_data());
        for asset in &ASSETS {
            command.env(asset.name, self.path(asset));
        }
        command
    }
}

/// Everyone who takes part, and why the others do not.
pub(crate) fn admit<'c>(
    workplace: &Workplace,
    contest: &'c Contest,
) -> Vec<(&'c Entrant, Option<String>)> {
    contest.entrants.iter().map(|entrant| (entrant, workplace.obstacle(entrant))).collect()
}

/// The assets of entrants and those that they are made from, in the order of making.
fn needed(entrants: &[&Entrant]) -> Vec<&'static Asset> {
    let mut assets: Vec<&Asset> = Vec::new();
    for asset in ASSETS.iter().rev() {
        let mut lines = entrants
            .iter()
            .map(|entrant| entrant.line)
            .chain(assets.iter().map(|other| other.line));
        if lines.any(|line| mentions(line, asset.name)) {
            assets.push(asset);
        }
    }
    assets.reverse();
    assets
}

/// Whether a line uses the variable `name`.
fn mentions(line: &str, name: &str) -> bool {
    line.match_indices('$').any(|(at, _)| {
        let rest = &line[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &rest[..end.unwrap_or(rest.len())] == name
    })
}

/// Enough of a file's checksum to tell it from others.
fn identity(path: &Path) -> Result<String, String> {
    use sha2::{Digest, Sha256};
    let bytes = fs::read(path).map_err(|error| in_file(path, &error))?;
    Ok(Sha256::digest(&bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn remove_others(kept: &Path, name: &str) {
    let entries = fs::read_dir(kept).into_iter().flatten().flatten();
    let others = entries.map(|entry| entry.path()).filter(|path| {
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        file_name.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.']))
    });
    for path in others {
        // What cannot be deleted only takes up space.
        let _ = remove(&path);
    }
}

fn remove(path: &Path) -> Result<(), String> {
    let removed = match fs::symlink_metadata(path) {
        Err(_) => return Ok(()),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.map_err(|error| in_file(path, &error))
}

/// Reads every file at or below `path`; what cannot be read is left to the entrants.
fn read_all(path: &Path) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            read_all(&entry.path());
        }
    } else if metadata.is_file()
        && let Ok(mut file) = fs::File::open(path)
    {
        let mut buffer = vec![0; 1 << 16];
        while file.read(&mut buffer).is_ok_and(|read| read > 0) {}
    }
}

fn in_file(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
