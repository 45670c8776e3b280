//! Against Debian's `docker-registry`.

use base64ct::Encoding;
use bootwright_image::Silent;
use bootwright_oci::registry::{AuthFile, Client, Identity, RegistryError, Settings};
use bootwright_oci::{ImageName, Selection, Store};

use super::server::{Authority, Registry, Setup, has, run};
use crate::build::{Layout, Tar, chain, layout_dir, read, reference, show};

fn amd64() -> Selection {
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
