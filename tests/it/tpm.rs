//! A TPM 2.0 for virtual machines, which remembers its keys from one machine to the next.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tools::tool;

pub(crate) const SWTPM: &str = "swtpm";

/// What a TPM remembers. It is without power until a machine is started with it.
pub(crate) struct Tpm {
    /// Not below the project: the path of a socket has at most 107 bytes.
    folder: TempDir,
}

impl Tpm {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        Self { folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Has power until the guard is dropped.
    pub(crate) fn power(&self) -> Power {
        let socket = self.socket();
        // Left there by the one before.
        let _ = fs::remove_file(&socket);
        let mut command = tool(SWTPM);
        command.args(["socket", "--tpm2", "--terminate"]);
        command.arg("--tpmstate").arg(path_of("dir", &self.folder.path().join("state")));
        command.arg("--ctrl").arg(format!("type=unixio,{}", path_of("path", &socket)));
        let power = Power(command.stdin(Stdio::null()).spawn().unwrap());
        let started = Instant::now();
        while !socket.exists() {
            assert!(started.elapsed() < Duration::from_secs(30), "swtpm does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        power
    }

    /// Connects a machine.
    pub(crate) fn attach(&self, command: &mut Command, device: &str) {
        command.arg("-chardev").arg(format!("socket,id=tpm,{}", path_of("path", &self.socket())));
        command.args(["-tpmdev", "emulator,id=tpm,chardev=tpm", "-device"]);
        command.arg(format!("{device},tpmdev=tpm"));
    }
}

fn path_of(key: &str, path: &Path) -> String {
    format!("{key}={}", path.display())
}

pub(crate) struct Power(Child);

impl Drop for Power {
    fn drop(&mut self) {
        // Both fail only for one that has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
