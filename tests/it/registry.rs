//! Images from a real registry, from the store it fills, and without any network.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::fixture::BOOTWRIGHT;
use crate::network::{Registry, bootwright};
use crate::small;
use crate::tools::{printed, require, run, sha256, text, tool};

#[test]
fn a_registry_a_store_and_a_layout_give_the_same_bytes() {
    require!("docker-registry", "strace");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = small::base_image(folder) else { return };
    let registry = Registry::start(folder, "");
    let (layout, image) = (format!("oci:{}", base.display()), registry.image("os/base:v1"));
    let host = registry.host.clone();
    let insecure = ["--insecure-registry", host.as_str()];

    let push = ["push", &layout, &image, insecure[0], insecure[1]];
    let said = text(&mut bootwright(folder, "from", &push));
    assert!(said.contains("0 mounted, 0 there already"), "{said}");
    let said = text(&mut bootwright(folder, "from", &push));
    assert!(said.contains("0 mounted, 2 there already"), "{said}");

    let squashfs = |name: &str, base: &str, more: &[&str]| {
        let output = folder.join(name);
        let arguments = ["squashfs", "--base", base, "--output", output.to_str().unwrap()];
        run(&mut bootwright(folder, "to", &[&arguments[..], more].concat()));
        sha256(&output)
    };
    let expected = squashfs("layout", &layout, &[]);
    assert_eq!(squashfs("registry", &image, &insecure), expected);
    drop(registry);
    assert_eq!(squashfs("offline", &image, &["--offline"]), expected);

    let output = bootwright(folder, "to", &["squashfs", "--base", &image, "--output", "/dev/null"]);
    let output = { output }.args(insecure).output().unwrap();
    assert!(printed(&output).contains(&format!("error: {host}: cannot get os/base:v1")));
    no_socket(folder, &image);
    everything_missing_is_listed(folder, &host);
}

/// Without network means that the kernel is not even asked for a socket.
fn no_socket(folder: &Path, image: &str) {
    let trace = folder.join("trace");
    let output = folder.join("traced");
    let traced = bootwright(
        folder,
        "to",
        &["squashfs", "--base", image, "--offline", "--output", output.to_str().unwrap()],
    );
    let mut command = tool("strace");
    command.args(["-f", "-qq", "-e", "trace=network", "-o"]).arg(&trace);
    run(command.arg(BOOTWRIGHT).args(traced.get_args()).env("HOME", folder));
    let trace = fs::read_to_string(trace).unwrap();
    let calls: Vec<_> = trace.lines().filter(|line| line.contains('(')).collect();
    assert!(calls.is_empty(), "{trace}");
}

fn everything_missing_is_listed(folder: &Path, host: &str) {
    let (one, two) = (format!("{host}/missing/one:v1"), format!("{host}/missing/two:v2"));
    let images = [format!("docker://{one}"), format!("docker://{two}")];
    let arguments = ["fetch", &images[0], &images[1], "--offline"];
    let output = bootwright(folder, "to", &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "error: without network, the store lacks {one}, {two}\n  \
         hint: fetch them where there is a network: bootwright fetch IMAGE\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

/// Programs of other people run only when the user says so.
#[test]
fn a_credential_helper_is_asked_only_with_leave() {
    require!("docker-registry", "htpasswd");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(base) = small::base_image(folder) else { return };
    let users = text(tool("htpasswd").args(["-Bbn", "-C", "4", "who", "what"]));
    fs::write(folder.join("users"), users).unwrap();
    let auth = format!(
        "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
        folder.join("users").display()
    );
    let registry = Registry::start(folder, &auth);
    let helper = folder.join("docker-credential-test");
    let answer = r#"{"ServerURL":"x","Username":"who","Secret":"what"}"#;
    let script = format!(
        "#!/bin/sh\nread -r server\n[ \"$server\" = {} ] && echo '{answer}'\n",
        registry.host
    );
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.join("containers")).unwrap();
    let file = format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, registry.host);
    fs::write(folder.join("containers/auth.json"), file).unwrap();

    let (layout, image) = (format!("oci:{}", base.display()), registry.image("os/base:v1"));
    let push = ["push", &layout, &image, "--insecure-registry", &registry.host];
    let mut refused = bootwright(folder, "store", &push);
    let output = refused.env("PATH", folder).output().unwrap();
    let expected = format!(
        "error: {}: credential helper \"test\": running it is not allowed\n  \
         hint: allow it with --credential-helpers, or name a file with --authfile\n",
        registry.host
    );
    assert!(printed(&output).ends_with(&expected), "{}", printed(&output));
    let mut allowed = bootwright(folder, "store", &push);
    let output = run(allowed.arg("--credential-helpers").env("PATH", folder));
    assert!(!printed(&output).contains("what"), "{}", printed(&output));
}

#[test]
fn a_wrong_command_line_is_said_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["fetch", "ubuntu"][..], "does not start with oci:"),
        (&["fetch", "oci:x"], "docker://NAME is needed"),
        (&["fetch", "docker://Ubuntu"], "a repository has lower-case letters"),
        (&["push", "oci:x", "docker://r.io/x@sha256:ab"], "what follows @ is not sha256:"),
        (&["fetch", "docker://r.io/x", "--registry-mirror", "r.io"], "HOST=MIRROR is needed"),
        (&["fetch", "docker://r.io/x", "--registry-cert", "x"], "--registry-key"),
    ] {
        let output = bootwright(folder.path(), "store", arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(printed(&output).contains(words), "{arguments:?}: {}", printed(&output));
        assert!(!folder.path().join("store").exists(), "{arguments:?}");
    }
}
