//! Projects whose images come from a real registry: fetched through a proxy, locked, and built
//! from the store.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::fixture::BOOTWRIGHT;
use crate::network::{Proxy, Registry, bootwright, tls};
use crate::provider::{FIRST, Made, SECOND};
use crate::stand_ins::put;
use crate::tools::{printed, require, run, text, tool};

/// A name that only the proxy knows.
const NAME: &str = "registry.test";

/// A registry with TLS by a private authority and with users, a proxy in front of it, and a project
/// with all its images there.
struct Site {
    made: Made,
    registry: Registry,
    _data: tempfile::TempDir,
    proxy: Proxy,
    host: String,
}

impl Site {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let users = text(tool("htpasswd").args(["-Bbn", "-C", "4", "who", "what"]));
        fs::write(folder.path().join("users"), users).unwrap();
        let more = format!(
            "{}auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            tls(folder.path(), NAME),
            folder.path().join("users").display()
        );
        let registry = Registry::start(folder.path(), &more);
        let port = registry.host.rsplit(':').next().unwrap();
        let host = format!("{NAME}:{port}");
        let made = Made::of_host(&host)?;
        let authority = made.folder.path().join("authority.pem");
        fs::copy(folder.path().join("authority.pem"), authority).unwrap();
        let site = Self { made, registry, _data: folder, proxy: Proxy::start(), host };
        site.write_access();
        site.push_all();
        Some(site)
    }

    /// What a checkout has for a site like this. The credentials of the packages are elsewhere.
    fn write_access(&self) {
        let project = self.made.project();
        fs::create_dir(project.join("certs")).unwrap();
        fs::copy(self.at("authority.pem"), project.join("certs/authority.pem")).unwrap();
        self.write_auth();
        let auth = "auth:\n  username: who\n  password: what\n";
        fs::write(project.join("spectro-luet-auth.yaml"), auth).unwrap();
        self.set("HTTPS_PROXY", &self.proxy.url);
    }

    /// Credentials for everything but the packages.
    fn write_auth(&self) {
        let entry = |path: &str| format!(r#""{}/{path}":{{"auth":"d2hvOndoYXQ="}}"#, self.host);
        let entries = ["edge", "stylus", "third-party"].map(entry);
        let file = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
        fs::write(self.at("auth.json"), file).unwrap();
    }

    fn all_access(&self) -> String {
        format!(r#"{{"auths":{{"{}":{{"auth":"d2hvOndoYXQ="}}}}}}"#, self.host)
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.made.folder.path().join(name)
    }

    fn set(&self, key: &str, value: &str) {
        let path = self.made.project().join(".arg");
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str(&format!("{key}={value}\n"));
        fs::write(path, text).unwrap();
    }

    /// Sends all stand-ins to the registry.
    fn push_all(&self) {
        let index = fs::read_to_string(self.made.store().join("index.json")).unwrap();
        let index: serde_json::Value = serde_json::from_str(&index).unwrap();
        for entry in index["manifests"].as_array().unwrap() {
            let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
            self.push(&self.made.store(), name.as_str().unwrap());
        }
    }

    fn push(&self, layout: &Path, name: &str) {
        fs::write(self.at("all.json"), self.all_access()).unwrap();
        let (image, target) =
            (format!("oci:{}:{name}", layout.display()), format!("docker://{name}"));
        let (authority, file) = (self.at("authority.pem"), self.at("all.json"));
        let words = ["push", &image, &target, "--registry-ca", authority.to_str().unwrap()];
        let mut command = bootwright(self.made.folder.path(), "pushed", &words);
        run(command.arg("--authfile").arg(file).env("https_proxy", &self.proxy.url));
    }

    /// The program in the project, with a store of its own.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = bootwright(self.made.folder.path(), "site", words);
        for name in ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.current_dir(self.made.project());
        command
    }

    /// With credentials and the network.
    fn online(&self, words: &[&str]) -> Output {
        self.command(words).arg("--authfile").arg(self.at("auth.json")).output().unwrap()
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.made.project().join("bootwright.lock")).unwrap()
    }
}

fn good(output: &Output) -> String {
    let said = printed(output);
    assert!(output.status.success(), "{said}");
    said
}

fn bad(output: &Output) -> String {
    let said = printed(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_project_is_fetched_through_a_proxy_and_built_without_network() {
    require!("docker-registry", "htpasswd", "strace");
    let Some(site) = Site::new() else { return };
    let said = good(&site.online(&["fetch"]));
    assert!(!said.contains("what") && !said.contains("secret"), "{said}");
    let asked = site.proxy.asked();
    assert!(!asked.is_empty() && asked.iter().all(|target| *target == site.host), "{asked:?}");

    let lock = site.lock();
    let names: Vec<_> = lock.lines().skip(2).map(|line| line.split(' ').next().unwrap()).collect();
    let expected = [
        "edge/kairos-io/provider-k3s:v1",
        "luet-repo-amd:k3s-k8s-1.26.4-k3s1",
        "luet-repo-amd:k3s-k8s-1.27.2-k3s1",
        "luet-repo-amd:repository.meta.yaml.tar",
        "luet-repo-amd:repository.yaml",
        "luet-repo-amd:tree.tar",
        "stylus:1",
        "third-party:1",
    ];
    assert_eq!(names, expected.map(|name| format!("{}/{name}", site.host)));
    assert!(lock.lines().skip(2).all(|line| line.contains(" amd64 sha256:")), "{lock}");
    good(&site.online(&["fetch", "+build-provider-images"]));
    assert_eq!(site.lock(), lock);

    let asked = site.proxy.asked().len();
    let log = site.at("trace");
    let build = site.command(&["+build-provider-images", "--offline", "--locked"]);
    let mut traced = tool("strace");
    traced.args(["-f", "-qq", "-e", "trace=network", "-o"]).arg(&log).arg(BOOTWRIGHT);
    let said = text(traced.args(build.get_args()).current_dir(site.made.project()));
    assert!(said.contains(FIRST) && said.contains(SECOND), "{said}");
    let calls = fs::read_to_string(log).unwrap();
    assert!(!calls.contains('('), "{calls}");
    assert_eq!(site.proxy.asked().len(), asked);
    assert_eq!(site.lock(), lock);
}

#[test]
fn a_build_gets_its_images_through_the_proxy_itself() {
    require!("docker-registry", "htpasswd");
    let Some(site) = Site::new() else { return };
    let before = site.proxy.asked().len();
    let said = good(&site.online(&["+provider-image", "--K8S_VERSION=1.26.4"]));
    assert!(said.contains(FIRST), "{said}");
    assert!(site.proxy.asked().len() > before);
    assert!(!site.made.project().join("bootwright.lock").exists());

    // And back there.
    site.set("IMAGE_REGISTRY", &site.host);
    fs::write(site.at("auth.json"), site.all_access()).unwrap();
    let words = ["+provider-image", "--K8S_VERSION=1.26.4", "--push"];
    let name = format!("{}/ubuntu:k3s-1.26.4-v4.4.12-demo", site.host);
    let said = good(&site.online(&words));
    assert!(said.contains(&format!("pushed  docker://{name}")), "{said}");
    let authority = site.at("authority.pem");
    let image = format!("docker://{name}");
    let fetch = ["fetch", &image, "--registry-ca", authority.to_str().unwrap()];
    let mut fetch = site.command(&fetch);
    fetch.arg("--authfile").arg(site.at("auth.json")).env("https_proxy", &site.proxy.url);
    good(&fetch.output().unwrap());
    site.write_auth();

    // Without the authority, and without the credentials of the packages.
    let certificate = site.made.project().join("certs/authority.pem");
    fs::rename(&certificate, site.at("aside.pem")).unwrap();
    let said = bad(&site.online(&["fetch"]));
    assert!(said.contains("invalid peer certificate"), "{said}");
    fs::rename(site.at("aside.pem"), &certificate).unwrap();
    fs::remove_file(site.made.project().join("spectro-luet-auth.yaml")).unwrap();
    let said = bad(&site.online(&["fetch"]));
    assert!(said.contains("luet-repo-amd:repository.yaml is denied to anonymous users"), "{said}");

    // What NO_PROXY names is reached directly: only the proxy knows this name.
    site.set("NO_PROXY", NAME);
    let before = site.proxy.asked().len();
    let said = bad(&site.online(&["fetch"]));
    assert!(said.contains(&format!("{}: cannot get", site.host)), "{said}");
    assert_eq!(site.proxy.asked().len(), before);
}

#[test]
fn a_tag_that_moved_is_named_and_the_lock_holds() {
    require!("docker-registry", "htpasswd");
    let Some(site) = Site::new() else { return };
    good(&site.online(&["fetch"]));
    let lock = site.lock();
    let stylus = format!("{}/stylus:1", site.host);
    let other = site.at("other");
    put(&other, &stylus, &[("etc/kairos/branding/logo", 0o644, b"another\n")]);
    site.push(&other, &stylus);

    let said = good(&site.online(&["fetch"]));
    assert!(said.contains(&format!("warning: {stylus} is sha256:")), "{said}");
    assert!(said.contains("which is not what bootwright.lock has"), "{said}");
    assert_eq!(site.lock(), lock);
    let build = ["+provider-image", "--K8S_VERSION=1.26.4"];
    let digest = |said: &str| -> String {
        said.split_whitespace().find(|word| word.starts_with("sha256:")).unwrap().to_owned()
    };
    let old = digest(&good(&site.online(&build)));
    // An empty store gets what is locked, by its digest.
    fs::rename(site.at("site"), site.at("site.old")).unwrap();
    assert_eq!(digest(&good(&site.online(&build))), old);

    let said = good(&site.online(&["fetch", "--update"]));
    assert!(said.contains("changed") && said.contains(&stylus), "{said}");
    assert_ne!(site.lock(), lock);
    assert_ne!(digest(&good(&site.online(&build))), old);

    // The store of before has the old image only.
    fs::rename(site.at("site"), site.at("site.new")).unwrap();
    fs::rename(site.at("site.old"), site.at("site")).unwrap();
    let said = bad(&site.command(&[build[0], build[1], "--offline"]).output().unwrap());
    let locked = site.lock();
    let now = locked.lines().find(|line| line.starts_with(&stylus)).unwrap();
    let now = now.rsplit(' ').next().unwrap();
    let words = format!("docker://{stylus} as {now}; the store has sha256:");
    assert!(said.contains(&words), "{said}");
}

#[test]
fn everything_that_is_missing_or_not_locked_is_told_at_once() {
    require!("docker-registry", "htpasswd");
    let Some(site) = Site::new() else { return };
    good(&site.online(&["fetch"]));
    let lock = site.lock();
    let kept: Vec<_> = lock.lines().filter(|line| !line.contains("1.2")).collect();
    fs::write(site.made.project().join("bootwright.lock"), kept.join("\n")).unwrap();
    let build = ["+build-provider-images", "--locked", "--offline"];
    let said = bad(&site.command(&build).output().unwrap());
    let luet = format!("docker://{}/luet-repo-amd", site.host);
    let expected = format!(
        "error: bootwright.lock lacks\n  {luet}:k3s-k8s-1.26.4-k3s1\n  {luet}:k3s-k8s-1.27.2-k3s1\n  \
         hint: add them with bootwright fetch, or leave --locked out\n"
    );
    assert!(said.ends_with(&expected), "{said}");
    let said = good(&site.command(&build[..1]).arg("--offline").output().unwrap());
    assert!(said.contains("k3s-k8s-1.26.4-k3s1 is not in bootwright.lock"), "{said}");

    // Packages that are not in the store, and other images.
    fs::write(site.made.project().join("bootwright.lock"), &lock).unwrap();
    let index = site.at("site/index.json");
    let text = fs::read_to_string(&index).unwrap();
    for line in lock.lines().filter(|line| line.contains("k3s-k8s") || line.contains("stylus")) {
        let hex = line.rsplit(':').next().unwrap();
        fs::remove_file(site.at("site/blobs/sha256").join(hex)).unwrap();
    }
    let said = bad(&site.command(&[build[0], build[2]]).output().unwrap());
    for name in ["stylus:1 as", "k3s-k8s-1.26.4-k3s1 as", "k3s-k8s-1.27.2-k3s1 as"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert_eq!(fs::read_to_string(&index).unwrap(), text);
    fs::write(site.made.project().join("bootwright.lock"), "lock 2\n").unwrap();
    let said = bad(&site.command(&[build[0], build[2]]).output().unwrap());
    assert!(said.contains("bootwright.lock:1: \"lock 1\" has to come first"), "{said}");
    drop(site.registry);
}

#[test]
fn wrong_words_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (words, expected) in [
        (&["fetch"][..], "there is no .arg here"),
        (&["fetch", "+iso", "docker://r.io/x"], "either images or targets"),
        (&["fetch", "docker://r.io/x", "--update"], "are for targets"),
        (&["fetch", "--update", "--offline"], "cannot be used with"),
        (&["fetch", "--ARCH=amd64", "--arch=amd64"], "--ARCH="),
        (&["fetch", "+iso-image", "+izo", "--ARCH=amd64"], "there is no target +izo"),
    ] {
        let mut command = bootwright(folder.path(), "store", words);
        let output = command.current_dir(folder.path()).output().unwrap();
        assert!(printed(&output).contains(expected), "{words:?}: {}", printed(&output));
        assert!(!output.status.success(), "{words:?}");
        assert!(!folder.path().join("store").exists(), "{words:?}");
    }
}
