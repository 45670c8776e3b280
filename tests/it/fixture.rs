//! The images that the tests look at: the quickstart ISO, built once by the real program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::tools::{find, names, run, sha256, skip, tool};

/// The program under test.
pub(crate) const BOOTWRIGHT: &str = env!("CARGO_BIN_EXE_bootwright");
const NAME: &str = "palette-edge-installer";

pub(crate) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder that outlives the run, for what is expensive to make and for logs of failures.
pub(crate) fn kept(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The quickstart's base image; `None` after saying that it is missing.
pub(crate) fn base_image() -> Option<PathBuf> {
    let layout = project().join("build/base-image");
    if layout.join("index.json").is_file() {
        return Some(layout);
    }
    skip("no base image (tests/base-image/make build/base-image makes it)");
    None
}

/// A small system that tells the console about its TPM (`tests/base-image/make-guest`), made on first
/// use; `None` after saying what is missing.
pub(crate) fn guest_image(architecture: &str) -> Option<PathBuf> {
    if find("mmdebstrap").is_none() {
        skip("mmdebstrap not found");
        return None;
    }
    let lock = File::create(kept("guest").join(architecture)).unwrap();
    lock.lock().unwrap();
    let layout = project().join(format!("build/guest-{architecture}"));
    run(Command::new(project().join("tests/base-image/make-guest")).arg(&layout).arg(architecture));
    Some(layout)
}

/// The quickstart ISO, from this program and this base image.
pub(crate) fn quickstart_iso() -> Option<&'static Path> {
    static ISO: OnceLock<Option<PathBuf>> = OnceLock::new();
    ISO.get_or_init(|| base_image().map(|base| cached(&base))).as_deref()
}

fn cached(base: &Path) -> PathBuf {
    made_once("quickstart", &program_and_base(base), |folder| {
        run(&mut build_iso(base, folder));
    })
    .join(format!("{NAME}.iso"))
}

/// A key for what this program makes of a base image.
pub(crate) fn program_and_base(base: &Path) -> String {
    let (program, base) = (Path::new(BOOTWRIGHT), base.join("index.json"));
    format!("{}-{}", short_digest(program), short_digest(&base))
}

fn short_digest(path: &Path) -> String {
    sha256(path)[..16].to_owned()
}

/// A kept folder that `make` fills once for each key: under a lock and renamed when complete, so
/// that test processes can share it. Those of other keys are deleted.
pub(crate) fn made_once(name: &str, key: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let root = kept(name);
    let lock = File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    let folder = root.join(key);
    if folder.is_dir() {
        return folder;
    }
    for old in names(&root).iter().filter(|name| *name != "lock") {
        fs::remove_dir_all(root.join(old)).unwrap();
    }
    let making = root.join("making");
    fs::create_dir(&making).unwrap();
    make(&making);
    fs::rename(making, &folder).unwrap();
    folder
}

/// The quickstart's command line, with another output folder.
pub(crate) fn build_iso(base: &Path, output: &Path) -> Command {
    iso_named(base, output, NAME)
}

pub(crate) fn iso_named(base: &Path, output: &Path, name: &str) -> Command {
    let mut command = Command::new(BOOTWRIGHT);
    command.arg("iso").arg("--base").arg(format!("oci:{}", base.display()));
    command.arg("--output").arg(output).args(["--name", name]);
    command
}

/// The base image's root file system, unpacked by umoci: an independent reading of the layers.
pub(crate) fn umoci_rootfs(base: &Path) -> PathBuf {
    made_once("umoci", &short_digest(&base.join("index.json")), |folder| {
        let image = format!("{}:latest", base.display());
        run(tool("umoci").args(["unpack", "--image", &image]).arg(folder.join("bundle")));
    })
    .join("bundle/rootfs")
}
