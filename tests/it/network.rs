//! A real registry, a proxy and a certificate authority, all on loopback.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::fixture::BOOTWRIGHT;
use crate::tools::tool;

/// Debian's registry on a loopback port; it ends with this value.
pub(crate) struct Registry {
    child: Child,
    pub(crate) host: String,
}

impl Registry {
    pub(crate) fn start(folder: &Path, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        let config = folder.join("registry.yml");
        let data = folder.join("registry-data");
        let yaml = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {host}\n{more}",
            data.display()
        );
        fs::write(&config, yaml).unwrap();
        let mut command = tool("docker-registry");
        command.arg("serve").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let registry = Self { child: command.spawn().unwrap(), host };
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return registry;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("docker-registry does not answer");
    }

    pub(crate) fn image(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with a store, away from the user's own files.
pub(crate) fn bootwright(folder: &Path, store: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(BOOTWRIGHT);
    command.args(arguments).arg("--store").arg(folder.join(store));
    command.env("HOME", folder).env("XDG_RUNTIME_DIR", folder);
    for name in ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG", "XDG_CONFIG_HOME"] {
        command.env_remove(name);
    }
    command
}

/// Writes `authority.pem`, and a certificate for `name` with its key, into a folder. Gives back
/// what a registry's configuration says about them.
pub(crate) fn tls(folder: &Path, name: &str) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "private authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    write("authority.pem", authority.pem());
    let certificate = write("server.pem", certificate.pem());
    let key = write("server.key", key.serialize_pem());
    format!("  tls:\n    certificate: {certificate}\n    key: {key}\n")
}

/// A proxy that knows `CONNECT` and one user. Whatever host is asked for, loopback is meant: names
/// need not exist. It lives as long as the process.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://me:secret@{}", listener.local_addr().unwrap());
        let proxy = Self { url, asked: Arc::default() };
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.serve(client.unwrap()));
            }
        });
        proxy
    }

    /// `HOST:PORT` of each connection so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn serve(&self, mut client: TcpStream) {
        let head: Vec<String> = BufReader::new(client.try_clone().unwrap())
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .collect();
        let Some(target) = head.first().and_then(|line| line.strip_prefix("CONNECT ")) else {
            return;
        };
        let target = target.split(' ').next().unwrap();
        self.asked.lock().unwrap().push(target.to_owned());
        // me:secret
        let user = |line: &String| {
            line.to_ascii_lowercase().starts_with("proxy-authorization:")
                && line.ends_with("Basic bWU6c2VjcmV0")
        };
        if !head.iter().any(user) {
            let _ = client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
            return;
        }
        let port: u16 = target.rsplit(':').next().unwrap().parse().unwrap();
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return };
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || pass_on(from, to));
        pass_on(server, client);
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
