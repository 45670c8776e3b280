//! The bytes depend on the image and the options, and on nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::fixture::{BOOTWRIGHT, base_image, iso_named, quickstart_iso};
use crate::small;
use crate::tools::{find, run, sha256, tool};

/// The same command as another person would run it: folder, user, umask, time zone, language,
/// number of workers.
fn elsewhere(base: &Path, output: &Path) -> Command {
    let mut shell = if rustix::process::geteuid().is_root() && find("setpriv").is_some() {
        let mut setpriv = tool("setpriv");
        setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "sh"]);
        setpriv
    } else {
        Command::new("sh")
    };
    shell.args(["-c", "umask 077 && cd / && exec \"$@\"", "sh"]);
    // Folders above may be closed to other users; the program is readable to all in /tmp.
    let program = output.join("bootwright");
    fs::copy(BOOTWRIGHT, &program).unwrap();
    let ours = iso_named(base, output, "palette-edge-installer");
    shell.arg(program).args(ours.get_args()).args(["--jobs", "1"]);
    shell.env_clear();
    shell.envs([
        ("PATH", "/usr/bin:/bin"),
        ("TZ", "Pacific/Kiritimati"),
        ("LC_ALL", "tr_TR.UTF-8"),
        ("HOME", "/nonexistent"),
        ("USER", "someone"),
    ]);
    shell
}

/// A folder that any user may write to.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    folder
}

#[test]
fn the_quickstart_iso_is_the_same_made_elsewhere_with_one_worker() {
    let Some(iso) = quickstart_iso() else { return };
    let Some(base) = base_image() else { return };
    let folder = open_folder();
    run(&mut elsewhere(&base, folder.path()));
    let other = folder.path().join(iso.file_name().unwrap());
    assert_eq!(sha256(iso), sha256(&other));
    let side = |iso: &Path| fs::read_to_string(iso.with_extension("iso.sha256")).unwrap();
    assert_eq!(side(iso), side(&other));
    assert_eq!(side(iso), format!("{}  palette-edge-installer.iso\n", sha256(iso)));
}

#[test]
fn every_number_of_workers_gives_the_same_bytes() {
    let folder = open_folder();
    let Some(base) = small::base_image(folder.path()) else { return };
    let digests: Vec<String> = ["1", "2", "3", "8"]
        .iter()
        .map(|jobs| {
            let name = format!("jobs-{jobs}");
            run(iso_named(&base, folder.path(), &name).args(["--jobs", jobs]));
            sha256(&folder.path().join(format!("{name}.iso")))
        })
        .collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}
