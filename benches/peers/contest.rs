//! Who does what: the command lines of both sides.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::measure::{Cost, measure};

/// One task that both sides do.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    /// The codec where the task is the squashfs alone.
    squashfs: Option<&'static str>,
}

pub(crate) const PAIRS: [Pair; 5] = [
    Pair { name: "iso", squashfs: None },
    Pair { name: "squashfs-gzip", squashfs: Some("gzip") },
    Pair { name: "squashfs-zstd", squashfs: Some("zstd") },
    Pair { name: "squashfs-lz4", squashfs: Some("lz4") },
    Pair { name: "squashfs-xz", squashfs: Some("xz") },
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Peers,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "bootwright",
            Self::Peers => "peers",
        }
    }
}

impl Pair {
    pub(crate) fn sides(&self) -> [Side; 2] {
        [Side::Ours, Side::Peers]
    }
}

/// Where both sides read and write; emptied before each run.
pub(crate) struct Workplace {
    base: PathBuf,
    folder: PathBuf,
}

impl Workplace {
    pub(crate) fn new(base: &Path, folder: &Path) -> Self {
        Self { base: base.to_owned(), folder: folder.to_owned() }
    }

    /// Does a pair's task once, in an empty folder.
    pub(crate) fn run(&self, pair: &Pair, side: Side) -> Cost {
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).expect("the last run's files can be deleted");
        }
        fs::create_dir_all(&self.folder).expect("the target folder can be written to");
        rustix::fs::sync();
        let (command, output) = match (side, pair.squashfs) {
            (Side::Ours, None) => self.our_iso(),
            (Side::Ours, Some(codec)) => self.our_squashfs(codec),
            (Side::Peers, None) => self.peers_iso(),
            (Side::Peers, Some(codec)) => self.peers_squashfs(codec),
        };
        let cost = measure(command, &self.folder.join("log"), &output);
        fs::remove_dir_all(&self.folder).expect("the run's files can be deleted");
        cost
    }

    fn ours(&self, recipe: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootwright"));
        command.arg(recipe).arg("--base").arg(format!("oci:{}", self.base.display()));
        command
    }

    fn our_iso(&self) -> (Command, PathBuf) {
        let mut command = self.ours("iso");
        command.arg("--output").arg(&self.folder).args(["--name", "image"]);
        (command, self.folder.join("image.iso"))
    }

    fn our_squashfs(&self, codec: &str) -> (Command, PathBuf) {
        let output = self.folder.join("image.squashfs");
        let mut command = self.ours("squashfs");
        command.args(["--compression", codec, "--output"]).arg(&output);
        (command, output)
    }

    fn peers_iso(&self) -> (Command, PathBuf) {
        let output = self.folder.join("image.iso");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peer/iso");
        let mut command = Command::new(script);
        command.arg(&self.base).arg(self.folder.join("work")).arg(&output);
        (command, output)
    }

    fn peers_squashfs(&self, codec: &str) -> (Command, PathBuf) {
        let output = self.folder.join("image.squashfs");
        let mut command = Command::new("sh");
        command
            .arg("-ec")
            .arg(
                "umoci unpack --image \"$1:latest\" \"$2/bundle\"\n\
                 mksquashfs \"$2/bundle/rootfs\" \"$3\" -b 1M -comp \"$4\" -no-progress -quiet",
            )
            .arg("sh")
            .arg(&self.base)
            .arg(&self.folder)
            .arg(&output)
            .arg(codec);
        (command, output)
    }
}
