//! Against Debian's `docker-registry`.

use base64ct::Encoding;
use bootwright_image::Silent;
use bootwright_oci::registry::{
    AuthFile, Client, Identity, NoProxy, Proxy, RegistryError, Settings,
};
use bootwright_oci::store::Lookup;
use bootwright_oci::{ImageName, Selection, Store};

use super::scripted::{cutter, proxy};
use super::server::{Authority, Registry, Setup, has, run};
use crate::build::{Layout, Member, Tar, chain, layout_dir, read, reference, show};

pub(super) fn amd64() -> Selection {
    Selection::Architecture("amd64".to_owned())
}

fn two_layers() -> Layout {
    Layout::of(&[
        Tar::of(["d etc", "f etc/a one", "f etc/gone x"]),
        Tar::of(["f etc/.wh.gone ", "f etc/b two"]),
    ])
}

/// Puts a layout into a registry by foreign means.
fn seed(layout: &tempfile::TempDir, name: &ImageName, extra: &[&str]) {
    let from = format!("oci:{}", layout.path().display());
    let to = format!("docker://{name}");
    let arguments = ["--insecure-policy", "copy", "--dest-tls-verify=false"];
    run("skopeo", &[&arguments[..], extra, &[&from, &to]].concat());
}

fn pull(settings: &Settings, name: &ImageName) -> Result<Vec<String>, RegistryError> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let client = Client::new(settings.clone());
    let pulled = client.pull(std::slice::from_ref(name), &amd64(), &store, &Silent)?;
    Ok(show(&read(&pulled[0].reference).unwrap()))
}

#[test]
fn an_image_is_pulled_into_a_store_and_read_from_there() {
    let Some(registry) = Registry::start(&Setup::default()) else { return };
    if !has("skopeo") {
        return;
    }
    let source = layout_dir(&two_layers());
    let name: ImageName = format!("{}/team/os:v1", registry.host).parse().unwrap();
    seed(&source, &name, &[]);
    let mut settings = Settings::default();
    settings.plain_http.insert(registry.host.clone());
    let expected = show(&read(&reference(source.path())).unwrap());
    assert_eq!(pull(&settings, &name).unwrap(), expected);
}

#[test]
fn certificates_and_passwords_open_a_registry_and_nothing_else_does() {
    let authority = Authority::new();
    let setup = Setup {
        tls: Some(&authority),
        user: Some(("who", "knows:what")),
        client_certificates: true,
    };
    let Some(registry) = Registry::start(&setup) else { return };
    if !has("skopeo") {
        return;
    }
    let source = layout_dir(&two_layers());
    let name: ImageName = format!("{}/team/os:v1", registry.host).parse().unwrap();
    let (certificate, key) = authority.issue(&[]);
    let certs = tempfile::tempdir().unwrap();
    std::fs::write(certs.path().join("a.cert"), &certificate).unwrap();
    std::fs::write(certs.path().join("a.key"), &key).unwrap();
    let certs = format!("--dest-cert-dir={}", certs.path().display());
    seed(&source, &name, &[&certs, "--dest-creds=who:knows:what"]);

    let mut settings = Settings::default();
    settings.retry.attempts = 1;
    let error = |settings: &Settings| chain(&pull(settings, &name).unwrap_err());
    assert!(error(&settings).contains("UnknownIssuer"), "{}", error(&settings));
    settings.trust.add_pem(authority.pem().as_bytes()).unwrap();
    assert!(error(&settings).contains("fatal alert"), "{}", error(&settings));
    settings.identity = Some(Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap());
    assert!(error(&settings).contains("is denied to anonymous users"), "{}", error(&settings));
    let auth = |pair: &str| {
        let auth = base64ct::Base64::encode_string(pair.as_bytes());
        let text = format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, registry.host);
        AuthFile::parse(text.as_bytes()).unwrap()
    };
    settings.credentials.files = vec![auth("who:wrong")];
    assert!(error(&settings).contains("is denied to this user"), "{}", error(&settings));
    settings.credentials.files = vec![auth("who:knows:what")];
    let expected = show(&read(&reference(source.path())).unwrap());
    assert_eq!(pull(&settings, &name).unwrap(), expected);
}

/// A registry without TLS and settings for it.
fn plain() -> Option<(Registry, Settings)> {
    let registry = Registry::start(&Setup::default())?;
    let mut settings = Settings::default();
    settings.plain_http.insert(registry.host.clone());
    Some((registry, settings))
}

/// Numbers without a pattern, so that nothing is small by accident.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

fn big_layout() -> Layout {
    let mut tar = Tar::default();
    tar.add(&Member::file("big", noise(3 << 20)));
    Layout::of(&[Tar::of(["d etc", "f etc/a one"]), tar.end()])
}

#[test]
fn an_image_is_pushed_whole_or_in_parts_and_skopeo_reads_it() {
    let Some((registry, mut settings)) = plain() else { return };
    if !has("skopeo") {
        return;
    }
    let source = layout_dir(&big_layout());
    let expected = show(&read(&reference(source.path())).unwrap());
    for (tag, chunk) in [("whole", None), ("parts", Some(1_000_000))] {
        settings.chunk = chunk;
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        // A repository of its own, or the blobs of the first round would be there.
        let name: ImageName = format!("{}/out/{tag}:{tag}", registry.host).parse().unwrap();
        store.import(&reference(source.path()), &name, &amd64(), &Silent).unwrap();
        let client = Client::new(settings.clone());
        let pushed = client.push(&name, &name, &amd64(), &store, &Silent).unwrap();
        assert_eq!((pushed.sent, pushed.present, pushed.mounted), (3, 0, 0));
        let again = client.push(&name, &name, &amd64(), &store, &Silent).unwrap();
        assert_eq!((again.sent, again.present, again.bytes), (0, 3, 0));
        assert_eq!(again.digest, pushed.digest);

        let from = format!("docker://{name}");
        let to = format!("oci:{}:x", dir.path().join("copy").display());
        run("skopeo", &["--insecure-policy", "copy", "--src-tls-verify=false", &from, &to]);
        assert_eq!(show(&read(&to.parse().unwrap()).unwrap()), expected);
        assert_eq!(pull(&settings, &name).unwrap(), expected);
    }
}

#[test]
fn blobs_that_another_repository_has_are_mounted() {
    let Some((registry, settings)) = plain() else { return };
    let source = layout_dir(&big_layout());
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let name = |repository: &str| -> ImageName {
        format!("{}/{repository}:v1", registry.host).parse().unwrap()
    };
    let client = Client::new(settings.clone());
    for (repository, mounted) in [("one", 0), ("two/deep", 3)] {
        let name = name(repository);
        store.import(&reference(source.path()), &name, &amd64(), &Silent).unwrap();
        let pushed = client.push(&name, &name, &amd64(), &store, &Silent).unwrap();
        assert_eq!((pushed.mounted, pushed.sent), (mounted, 3 - mounted), "{repository}");
    }
    assert_eq!(pull(&settings, &name("two/deep")).unwrap(), pull(&settings, &name("one")).unwrap());
}

#[test]
fn an_index_travels_whole_or_by_architecture() {
    let Some((registry, settings)) = plain() else { return };
    let mut layout = Layout::default();
    let platform = |arch: &str| format!(r#","platform":{{"os":"linux","architecture":"{arch}"}}"#);
    let mut children = Vec::new();
    for arch in ["amd64", "arm64"] {
        let file = format!("f only {arch}");
        children.push(layout.image(&platform(arch), &[Tar::of([file.as_str()])]));
    }
    let kind = "application/vnd.oci.image.index.v1+json";
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{kind}","manifests":[{}]}}"#,
        children.join(",")
    );
    layout.manifests = vec![layout.blob(kind, index.as_bytes(), "")];
    let source = layout_dir(&layout);
    let name: ImageName = format!("{}/multi:v1", registry.host).parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.import(&reference(source.path()), &name, &Selection::All, &Silent).unwrap();
    let client = Client::new(settings.clone());
    let pushed = client.push(&name, &name, &Selection::All, &store, &Silent).unwrap();
    assert_eq!(pushed.sent, 4);

    let here = tempfile::tempdir().unwrap();
    let sparse = Store::open(here.path()).unwrap();
    let pulled = client.pull(std::slice::from_ref(&name), &amd64(), &sparse, &Silent).unwrap();
    assert_eq!(Some(pulled[0].digest), pushed.digest);
    assert_eq!(show(&read(&pulled[0].reference).unwrap()), ["f only amd64"]);
    let arm = Selection::Architecture("arm64".to_owned());
    assert!(matches!(sparse.find(&name, &arm).unwrap(), Lookup::Incomplete(_)));
    let error = client.push(&name, &name, &Selection::All, &sparse, &Silent).unwrap_err();
    assert!(error.to_string().contains("of its parts are missing in the store"), "{error}");
    // One architecture can be sent without the others.
    let single: ImageName = format!("{}/single:v1", registry.host).parse().unwrap();
    client.push(&name, &single, &amd64(), &sparse, &Silent).unwrap();
    assert_eq!(pull(&settings, &single).unwrap(), ["f only amd64"]);
    client.pull(std::slice::from_ref(&name), &Selection::All, &sparse, &Silent).unwrap();
    assert!(matches!(sparse.find(&name, &arm).unwrap(), Lookup::Complete(_)));
}

#[test]
fn without_network_the_store_answers_and_everything_missing_is_listed() {
    let Some((registry, mut settings)) = plain() else { return };
    let source = layout_dir(&two_layers());
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let host = registry.host.clone();
    let name = |tag: &str| -> ImageName { format!("{host}/x:{tag}").parse().unwrap() };
    let stored = store.import(&reference(source.path()), &name("v1"), &amd64(), &Silent).unwrap();
    settings.offline = true;
    drop(registry);
    let client = Client::new(settings);
    let found = client.pull(&[name("v1")], &amd64(), &store, &Silent).unwrap();
    assert_eq!(found, std::slice::from_ref(&stored));
    let by_digest = name("v1").with_digest(stored.digest);
    assert!(client.pull(&[by_digest], &amd64(), &store, &Silent).is_ok());

    let other = name("v2").with_digest(format!("sha256:{}", "0".repeat(64)).parse().unwrap());
    let error = client.pull(&[name("v1"), name("v3"), other.clone()], &amd64(), &store, &Silent);
    let text = error.unwrap_err().to_string();
    assert_eq!(text, format!("without network, the store lacks {}, {other}", name("v3")));
    assert!(client.push(&name("v1"), &name("v1"), &amd64(), &store, &Silent).is_err());
}

#[test]
fn an_interrupted_upload_is_begun_anew_when_the_registry_has_forgotten_it() {
    let Some((registry, mut settings)) = plain() else { return };
    let source = layout_dir(&big_layout());
    settings.parallel = std::num::NonZeroUsize::MIN;
    settings.retry.first = std::time::Duration::from_millis(100);
    for (tag, chunk) in [("whole", None), ("parts", Some(500_000))] {
        settings.chunk = chunk;
        // All requests use one connection, which is cut in the middle of the large blob.
        let host = cutter(&registry.host, 1, 2_000_000);
        settings.plain_http.insert(host.clone());
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let name: ImageName = format!("{host}/cut/{tag}:v1").parse().unwrap();
        store.import(&reference(source.path()), &name, &amd64(), &Silent).unwrap();
        let client = Client::new(settings.clone());
        let pushed = client.push(&name, &name, &amd64(), &store, &Silent).unwrap();
        assert_eq!(pushed.sent, 3);
        let log = registry.log();
        let asked =
            log.lines().find(|line| line.contains(&format!("\"GET /v2/cut/{tag}/blobs/up")));
        assert!(asked.is_some_and(|line| line.contains("HTTP/1.1\" 404 ")), "{log}");
        assert_eq!(
            pull(&settings, &name).unwrap(),
            show(&read(&reference(source.path())).unwrap())
        );
    }
}

#[test]
fn a_proxy_is_used_with_its_password_except_where_it_is_not_to_be() {
    let authority = Authority::new();
    let setup = Setup { tls: Some(&authority), ..Setup::default() };
    let Some(registry) = Registry::start(&setup) else { return };
    let source = layout_dir(&two_layers());
    let mut settings = Settings::default();
    settings.trust.add_pem(authority.pem().as_bytes()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let direct: ImageName = format!("{}/x:v1", registry.host).parse().unwrap();
    store.import(&reference(source.path()), &direct, &amd64(), &Silent).unwrap();
    // Loopback is reached without the proxy.
    let (proxy, heads) = proxy();
    let url = format!("http://user:pass%40word@{proxy}");
    settings.proxies.https = Some(Proxy::parse(&url).unwrap());
    let client = Client::new(settings.clone());
    client.push(&direct, &direct, &amd64(), &store, &Silent).unwrap();
    assert!(heads.lock().unwrap().is_empty());

    let port = registry.host.rsplit(':').next().unwrap();
    let name: ImageName = format!("registry.test:{port}/x:v1").parse().unwrap();
    pull(&settings, &name).unwrap();
    let head = heads.lock().unwrap().first().cloned().unwrap();
    assert!(head.starts_with(&format!("CONNECT registry.test:{port} HTTP/1.1\r\n")), "{head}");
    let basic = base64ct::Base64::encode_string(b"user:pass@word");
    assert!(head.contains(&format!("Proxy-Authorization: Basic {basic}\r\n")), "{head}");
    let before = heads.lock().unwrap().len();
    settings.proxies.except = NoProxy::parse("example.org,.test");
    settings.retry.attempts = 0;
    assert!(pull(&settings, &name).is_err());
    assert_eq!(heads.lock().unwrap().len(), before);
}
