//! A key in a software token (SoftHSM).

use std::fs;
use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;

use bootwright_uki::authenticode::{Options, sign};
use bootwright_uki::hash::Hash;
use bootwright_uki::signer::{Identity, Signer, TokenKey, TokenUri};

use crate::support::{KEYS, identity, kernel};
use crate::tools;

const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const CHILD: &str = "BOOTWRIGHT_TEST_TOKEN";

/// The library takes its configuration from the environment alone, so the test runs itself with
/// one; `None` in the parent, which has nothing more to do.
#[expect(
    clippy::disallowed_methods,
    reason = "the child is told by the environment that it is one"
)]
fn in_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[test]
fn a_token_signs_the_same_bytes() {
    if !std::path::Path::new(MODULE).exists() {
        tools::skip(&format!("{MODULE} not found"));
        return;
    }
    if in_child() {
        with_token();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("softhsm2.conf");
    let tokens = dir.path().join("tokens");
    fs::create_dir(&tokens).unwrap();
    fs::write(&config, format!("directories.tokendir = {}\n", tools::name(&tokens))).unwrap();
    let key = dir.path().join("db.key");
    fs::write(&key, KEYS[0].to_pem().unwrap().as_bytes()).unwrap();
    let pem = dir.path().join("db.pem");
    fs::write(&pem, identity(0).certificate().to_pem().unwrap()).unwrap();
    let softhsm = |arguments: &[&str]| {
        let mut command = Command::new("softhsm2-util");
        let output = command.args(arguments).env("SOFTHSM2_CONF", &config).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    let pins = ["--pin", "1234", "--so-pin", "5678"];
    softhsm(&[&["--init-token", "--free", "--label", "boot"][..], &pins].concat());
    let import = ["--import", tools::name(&key), "--token", "boot", "--label", "db", "--id", "01"];
    softhsm(&[&import[..], &["--pin", "1234"]].concat());
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "token::a_token_signs_the_same_bytes"])
        .env("SOFTHSM2_CONF", &config)
        .env(CHILD, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && text.contains("1 passed"), "{text}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child is told by the environment where its files are"
)]
fn with_token() {
    let dir = std::path::PathBuf::from(std::env::var_os(CHILD).unwrap());
    let uri = |rest: &str| TokenUri::parse(&format!("pkcs11:{rest}module-path={MODULE}")).unwrap();
    let token = TokenKey::open(&uri("token=boot;object=db;id=%01?pin-value=1234&")).unwrap();
    let pem = fs::read(dir.join("db.pem")).unwrap();
    let file = bootwright_uki::signer::PrivateKey::from_pem(&fs::read(dir.join("db.key")).unwrap());
    let file = Arc::new(file.unwrap());
    for hash in Hash::ALL {
        assert_eq!(token.sign(hash, b"message").unwrap(), file.sign(hash, b"message").unwrap());
    }
    let certificates = bootwright_uki::certificate::Certificate::from_pem(&pem).unwrap();
    let signed = |signer: Arc<dyn Signer>| {
        let identity = Identity::new(certificates.clone(), signer).unwrap();
        let mut image = Cursor::new(kernel());
        sign(&mut image, kernel().len() as u64, &identity, Options::default()).unwrap();
        image.into_inner()
    };
    assert!(signed(Arc::new(token)) == signed(file));
    for (rest, problem) in [
        ("token=other?", "0 tokens fit"),
        ("token=boot;object=other?pin-value=1234&", "0 private keys fit"),
    ] {
        let error = TokenKey::open(&uri(rest)).unwrap_err().to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}
