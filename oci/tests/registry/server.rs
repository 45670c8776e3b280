//! Debian's `docker-registry` on a loopback port.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(20);

/// Whether `tool` can be run. Its absence is loud, and an error where everything must be there.
#[allow(clippy::disallowed_methods, reason = "CI says so in its environment")]
pub(super) fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok();
    if !found {
        println!("SKIPPED: {tool} not found");
        assert!(std::env::var_os("CI").is_none(), "{tool} not found");
    }
    found
}

pub(super) fn run(tool: &str, arguments: &[&str]) {
    let output = Command::new(tool).args(arguments).output().unwrap();
    assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A certificate authority that lives as long as a test.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key in PEM, for loopback and `names`.
    pub(super) fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<_> =
            ["127.0.0.1", "::1", "localhost"].iter().chain(names).map(|n| (*n).into()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// How a registry is set up.
#[derive(Default)]
pub(super) struct Setup<'a> {
    pub(super) tls: Option<&'a Authority>,
    /// User name and password.
    pub(super) user: Option<(&'a str, &'a str)>,
    /// Whether clients have to show a certificate of the same authority.
    pub(super) client_certificates: bool,
}

/// A running registry; it ends with this value.
pub(super) struct Registry {
    child: Child,
    pub(super) host: String,
    dir: tempfile::TempDir,
}

impl Registry {
    pub(super) fn start(setup: &Setup<'_>) -> Option<Self> {
        if !has("docker-registry") || (setup.user.is_some() && !has("htpasswd")) {
            return None;
        }
        // Another process may take the port in between.
        (0..5).find_map(|_| Self::try_start(setup))
    }

    fn try_start(setup: &Setup<'_>) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = write_config(setup, dir.path(), port);
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut registry = Self { child, host: format!("127.0.0.1:{port}"), dir };
        let start = Instant::now();
        while start.elapsed() < START {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(registry);
            }
            if registry.child.try_wait().unwrap().is_some() {
                let log = fs::read_to_string(registry.dir.path().join("log")).unwrap();
                assert!(log.contains("address already in use"), "docker-registry: {log}");
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("docker-registry does not answer");
    }

    /// What it has written.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(setup: &Setup<'_>, dir: &Path, port: u16) -> PathBuf {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let storage = dir.join("data");
    let mut text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {}\n\
         http:\n  addr: 127.0.0.1:{port}\n",
        storage.display()
    );
    if let Some(authority) = setup.tls {
        let (certificate, key) = authority.issue(&["registry.test"]);
        let (certificate, key) = (file("cert.pem", &certificate), file("key.pem", &key));
        text += &format!("  tls:\n    certificate: {certificate}\n    key: {key}\n");
        if setup.client_certificates {
            let ca = file("ca.pem", &authority.pem());
            text += &format!("    clientcas:\n      - {ca}\n");
        }
    }
    if let Some((user, password)) = setup.user {
        let output =
            Command::new("htpasswd").args(["-Bbn", "-C", "4", user, password]).output().unwrap();
        let users = file("htpasswd", &String::from_utf8(output.stdout).unwrap());
        text += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {users}\n");
    }
    let path = dir.join("config.yml");
    fs::write(&path, text).unwrap();
    path
}
