//! What is at the output path is complete or not there, whatever happens on the way.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{base_image, build_iso, iso_named};
use crate::small;
use crate::tools::{names, printed, require, require_root, run, sha256, tool};

/// Sends the signal once the build has written some of its output.
fn stopped_by(signal: Signal) {
    let Some(base) = base_image() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut build = build_iso(&base, folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while written_by(&build) < 16 << 20 {
        assert!(build.try_wait().unwrap().is_none(), "ended before it had written 16 MiB");
        assert!(started.elapsed() < Duration::from_secs(120), "wrote nothing");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&build), signal).unwrap();
    let output = build.wait_with_output().unwrap();
    assert!(!output.status.success(), "{}", printed(&output));
    assert_eq!(names(folder.path()), [""; 0]);
}

/// Bytes that a process has handed to the kernel: its file may have no name yet.
fn written_by(process: &Child) -> u64 {
    let io = fs::read_to_string(format!("/proc/{}/io", process.id())).unwrap_or_default();
    let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    written.map_or(0, |bytes| bytes.parse().unwrap())
}

#[test]
fn a_terminated_build_leaves_nothing() {
    stopped_by(Signal::TERM);
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    stopped_by(Signal::INT);
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_leaves_nothing() {
    require!("prlimit");
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    let output = folder.path().join("output");
    fs::create_dir(&output).unwrap();
    let ours = iso_named(&base, &output, "limited");
    let result = tool("prlimit")
        .arg("--fsize=4194304")
        .arg(ours.get_program())
        .args(ours.get_args())
        .output()
        .unwrap();
    assert_eq!(result.status.code(), Some(1), "{}", printed(&result));
    assert!(printed(&result).to_lowercase().contains("file too large"), "{}", printed(&result));
    assert_eq!(names(&output), [""; 0]);
}

/// Builds on a file system of its own, which nobody else sees and which ends with the build.
fn built_on_a_disk_of(size: &str, complaint: &str) {
    require!("unshare", "mount");
    require_root!();
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    let output = folder.path().join("output");
    fs::create_dir(&output).unwrap();
    let script = "mount -t tmpfs -o size=$1 tmpfs \"$0\" || exit 77; shift; \"$@\"; status=$?; \
                  ls -A \"$0\"; exit $status";
    let ours = iso_named(&base, &output, "full");
    let result = tool("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(&output)
        .arg(size)
        .arg(ours.get_program())
        .args(ours.get_args())
        .output()
        .unwrap();
    assert_eq!(result.status.code(), Some(1), "{}", printed(&result));
    assert!(printed(&result).contains(complaint), "{}", printed(&result));
    assert_eq!(String::from_utf8_lossy(&result.stdout), "", "left on the full disk");
}

#[test]
fn a_disk_that_is_too_small_is_seen_before_anything_is_written() {
    built_on_a_disk_of("6m", "bytes free");
}

#[test]
fn a_disk_that_becomes_full_is_an_error_and_leaves_nothing() {
    built_on_a_disk_of("20m", "No space left on device");
}

#[test]
fn two_builds_into_one_folder_do_not_collide() {
    let folder = tempfile::tempdir().unwrap();
    let Some(base) = small::base_image(folder.path()) else { return };
    let output = folder.path().join("output");
    fs::create_dir(&output).unwrap();
    let alone = folder.path().join("alone");
    fs::create_dir(&alone).unwrap();
    run(&mut iso_named(&base, &alone, "one"));

    let start = |name: &str| {
        let mut command: Command = iso_named(&base, &output, name);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    // Twice the same name, and another one.
    for build in ["one", "one", "two"].map(start) {
        let result = build.wait_with_output().unwrap();
        assert!(result.status.success(), "{}", printed(&result));
    }
    assert_eq!(names(&output), ["one.iso", "one.iso.sha256", "two.iso", "two.iso.sha256"]);
    let expected = sha256(&alone.join("one.iso"));
    for name in ["one", "two"] {
        assert_eq!(sha256(&output.join(format!("{name}.iso"))), expected);
        let side = fs::read_to_string(output.join(format!("{name}.iso.sha256"))).unwrap();
        assert_eq!(side, format!("{expected}  {name}.iso\n"));
    }
}
