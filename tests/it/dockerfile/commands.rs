//! Commands that are recognised as file work, and the certificates that they renew.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bootwright::dockerfile::Recognised;
use bootwright::image::{Kind, collect};
use serde_json::json;

use super::fixture::{Project, chain, show_built};
use crate::tools::{require, run, tool};

/// What a CanvOS project's stock Dockerfile does, in other words.
const STOCK: &str = r#"ARG BASE
FROM $BASE
ARG OS_DISTRIBUTION
ARG HTTP_PROXY

RUN mkdir -p /site-certs
COPY certs/ /site-certs/
RUN if [ "${OS_DISTRIBUTION}" = "ubuntu" ]; then \
      # Debian's layout
      cp -a /site-certs/. /usr/local/share/ca-certificates/ && \
      update-ca-certificates; \
    fi
RUN if [ "${OS_DISTRIBUTION}" = "opensuse-leap" ]; then \
      cp -a /site-certs/. /usr/share/pki/trust/anchors/ && update-ca-certificates; \
    fi
RUN if [ "${OS_DISTRIBUTION}" = "rhel" ]; then \
      cp -a /site-certs/. /etc/pki/ca-trust/source/anchors/ && update-ca-trust; fi
RUN rm -rf /site-certs

COPY overlay/files/etc/spectrocloud/custom-hardware-specs-lookup.json /etc/spectrocloud/custom-hardware-specs-lookup.json

ARG STORAGE
RUN if [ "${STORAGE}" = "one" ]; then \
      echo "one" && apt-get update && apt-get install -y mdadm; \
    elif [ "${STORAGE}" = "two" ]; then \
      dnf install -y lvm2; \
    else \
      echo "no storage - nothing to do"; \
    fi
RUN if [ -f /etc/cos/bootargs.cfg ] && ! grep -Fq "unified_cgroup=1" /etc/cos/bootargs.cfg; then \
      sed -i 's|\(set baseCmd="[^"]*\)"|\1 unified_cgroup=1"|' /etc/cos/bootargs.cfg; \
    fi
"#;

fn stock(distribution: &str, layer: &[&str]) -> Project {
    let mut project = Project::new();
    project.image("base", &json!({}), &[layer]);
    project.arg("BASE", "base").arg("OS_DISTRIBUTION", distribution);
    project
        .file("certs/site.crt", certificate("Site"))
        .file("overlay/files/etc/spectrocloud/custom-hardware-specs-lookup.json", "{}\n");
    project
}

/// A text that looks like a certificate from far enough.
fn certificate(name: &str) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{name:A<64}\n-----END CERTIFICATE-----")
}

#[test]
fn the_stock_dockerfile_works_on_every_distribution() {
    let debian = [
        "f etc/ca-certificates.conf # packaged\nmozilla/One.crt\n!mozilla/Two.crt\nmozilla/Gone.crt\n",
        "d usr/local/share/ca-certificates",
        "f usr/share/ca-certificates/mozilla/One.crt one\n",
        "f usr/share/ca-certificates/mozilla/Two.crt two\n",
        "s etc/ssl/certs/Two.pem /usr/share/ca-certificates/mozilla/Two.crt",
        "f etc/cos/bootargs.cfg set baseCmd=\"root=LABEL selinux=0\"\n",
    ];
    let suse = ["d usr/share/pki/trust/anchors", "f var/lib/ca-certificates/ca-bundle.pem old"];
    let rhel = [
        "d etc/pki/ca-trust/source/anchors",
        "f etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem old\n",
        "f etc/pki/ca-trust/extracted/java/cacerts binary",
    ];
    let mut shown = String::new();
    for (name, layer) in [
        ("ubuntu", &debian[..]),
        ("opensuse-leap", &suse[..]),
        ("rhel", &rhel[..]),
        ("hadron", &[]),
    ] {
        let project = stock(name, layer);
        let built = project.build_with(STOCK, &mut Recognised).map_err(|e| chain(&e)).unwrap();
        shown += &format!("--- {name}\n{}", show_built(&built));
        for warning in project.warnings.lock().unwrap().iter() {
            shown += &format!("warning: {warning}\n");
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn commands_that_take_a_process_are_refused_with_their_reason() {
    let mut project = stock("ubuntu", &["d etc"]);
    project.arg("STORAGE", "two");
    let mut told = String::new();
    for text in [
        STOCK,
        "FROM base\nRUN apt-get update && apt-get install -y vim\n",
        "FROM base\nRUN [\"apt-get\", \"update\"]\n",
        "FROM base\nRUN cat /etc/x | sort\n",
        "FROM base\nRUN echo x > /etc/x\n",
        "FROM base\nRUN rm -rf /var/cache/*\n",
        "FROM base\nUSER kairos\nRUN true\n",
        "FROM base\nSHELL [\"/bin/zsh\", \"-c\"]\nRUN true\n",
        "FROM base\nRUN --mount=type=cache,target=/x true\n",
        "FROM base\nRUN touch $HOME/x\n",
        "FROM base\nRUN <<EOF\nuseradd -m kairos\nEOF\n",
        "FROM base\nRUN cat <<EOF >/x\nEOF\n",
        "FROM base\nRUN false\n",
        "FROM base\nRUN update-ca-trust\n",
        "FROM base\nRUN sed -i s/a/b/ /etc/x\n",
        "FROM base\nRUN rm /etc\n",
    ] {
        let error = project.build_with(text, &mut Recognised).unwrap_err();
        told += &format!("--- {:?}\n{}\n", text.lines().nth(1).unwrap(), chain(&error));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn file_commands_do_what_they_do_on_a_disk() {
    require!("sh");
    let script = "mkdir -p a/b a/c; cp -a src/. a/b; cp -a src/sub a; cp -a src/sub a/new\n\
        cp src/one a/c; cp src/one a/c/two && ln -s ../src link && ln -sf one link2\n\
        if [ -L link ] && [ -d link ] && [ ! -f link ]; then touch made; else touch wrong; fi\n\
        test -s src/empty || touch \"with space\"\n\
        [ -z \"$UNSET\" ] && touch unset-is-empty\n\
        rm -rf src/sub; rm -f none; chmod 0600 a/c/two; mkdir a || touch mkdir-failed\n\
        grep -q two src/two && touch found; ! grep -Fq 't*o' src/two && touch not-found\n";
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path().join("work");
    for (path, content) in
        [("src/one", "1"), ("src/two", "two"), ("src/empty", ""), ("src/sub/x", "x")]
    {
        fs::create_dir_all(work.join(path).parent().unwrap()).unwrap();
        fs::write(work.join(path), content).unwrap();
    }
    let layer = [
        "d work",
        "d work/src",
        "f work/src/one 1",
        "f work/src/two two",
        "f work/src/empty",
        "d work/src/sub",
        "f work/src/sub/x x",
    ];
    let mut project = Project::new();
    project.image("base", &json!({}), &[&layer]);
    let text = format!("FROM base\nWORKDIR /work\nRUN <<EOF\n{script}EOF\n");
    let built = project.build_with(&text, &mut Recognised).map_err(|e| chain(&e)).unwrap();
    run(tool("sh").arg("-c").arg(format!("umask 022; {script}")).current_dir(&work));
    let mut ours = BTreeMap::new();
    for walked in built.tree.walk().filter(|walked| walked.path.starts_with(b"work/")) {
        let inode = built.tree.inode(walked.id);
        let path = String::from_utf8(walked.path[5..].to_vec()).unwrap();
        let what = match inode.kind() {
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Kind::Directory(_) => format!("{:o} /", inode.metadata.mode),
            _ => {
                let content = collect(
                    &built.tree,
                    &built.streams,
                    &[walked.id],
                    99,
                    &bootwright::image::Silent,
                );
                format!(
                    "{:o} {}",
                    inode.metadata.mode,
                    String::from_utf8(content.unwrap().remove(0)).unwrap()
                )
            }
        };
        ours.insert(path, what);
    }
    assert_eq!(ours, on_disk(&work));
}

/// The same words for a folder.
fn on_disk(folder: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::MetadataExt;
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let mode = metadata.mode() & 0o7777;
            let what = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                open.push(path.clone());
                format!("{mode:o} /")
            } else {
                format!("{mode:o} {}", fs::read_to_string(&path).unwrap())
            };
            found.insert(path.strip_prefix(folder).unwrap().display().to_string(), what);
        }
    }
    found
}

/// Certificates with difficult names, by the real tool.
fn make_certificates(folder: &Path) {
    for (file, subject) in [
        ("plain", "/CN=plain"),
        ("spaces", "/O= Acme \\  Corp  /CN=A  B"),
        ("unicode", "/O=Ärger GmbH/CN=ŁÓDŹ Straße"),
        ("multi", "/CN=z+OU=a/O=Multi+L=Here"),
        ("twin1", "/CN=Twin"),
        ("twin2", "/CN=twin"),
        ("odd name (x),y", "/C=DE/emailAddress=Root@Example.ORG"),
    ] {
        run(tool("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args([
                "-nodes",
                "-utf8",
                "-multivalue-rdn",
                "-days",
                "99",
                "-subj",
                subject,
                "-keyout",
            ])
            .args(["/dev/null", "-out"])
            .arg(folder.join(format!("{file}.crt"))));
    }
    fs::copy(folder.join("plain.crt"), folder.join("same.crt")).unwrap();
    let two =
        [fs::read(folder.join("plain.crt")).unwrap(), fs::read(folder.join("multi.crt")).unwrap()];
    fs::write(folder.join("two.crt"), two.concat()).unwrap();
    let text = fs::read_to_string(folder.join("twin1.crt")).unwrap();
    fs::write(folder.join("no-newline.crt"), text.trim_end()).unwrap();
    fs::write(folder.join("not-a-certificate.crt"), "hello").unwrap();
}

#[test]
fn debians_own_program_leaves_the_same_bundle_and_links() {
    require!("update-ca-certificates", "openssl");
    const PACKAGED: &str = "/usr/share/ca-certificates";
    const LIST: &str = "/etc/ca-certificates.conf";
    if !Path::new(LIST).is_file() {
        crate::tools::skip("no /etc/ca-certificates.conf");
        return;
    }
    let mut project = Project::new();
    project.image("base", &json!({}), &[&["d usr/local/share/ca-certificates", "d etc/ssl/certs"]]);
    let context = project.context();
    fs::create_dir_all(context.join("local")).unwrap();
    make_certificates(&context.join("local"));
    let list = fs::read_to_string(LIST).unwrap();
    fs::write(context.join("list"), &list).unwrap();
    run(tool("cp").arg("-r").arg(PACKAGED).arg(context.join("packaged")));
    let built = project
        .build_with(
            "FROM base\nCOPY list /etc/ca-certificates.conf\n\
             COPY packaged /usr/share/ca-certificates\n\
             COPY local /usr/local/share/ca-certificates\nRUN update-ca-certificates\n",
            &mut Recognised,
        )
        .map_err(|error| chain(&error))
        .unwrap();

    let real = context.join("real");
    fs::create_dir_all(real.join("hooks")).unwrap();
    fs::create_dir_all(real.join("certs")).unwrap();
    let local = context.join("local");
    run(tool("update-ca-certificates")
        .arg("--localcertsdir")
        .arg(&local)
        .arg("--etccertsdir")
        .arg(real.join("certs"))
        .arg("--hooksdir")
        .arg(real.join("hooks"))
        .env("LC_ALL", "C"));

    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(real.join("certs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let what = match fs::read_link(&path) {
            Ok(target) => {
                let target = target.display().to_string();
                target.replace(local.to_str().unwrap(), "/usr/local/share/ca-certificates")
            }
            Err(_) => fs::read_to_string(&path).unwrap(),
        };
        expected.insert(name, what);
    }
    let certs = built.tree.lookup(b"etc/ssl/certs").unwrap();
    let mut ours = BTreeMap::new();
    for (name, id) in built.tree.children(certs) {
        let what = match built.tree.inode(id).kind() {
            Kind::Symlink(target) => String::from_utf8(target.to_vec()).unwrap(),
            _ => {
                let content = collect(
                    &built.tree,
                    &built.streams,
                    &[id],
                    1 << 24,
                    &bootwright::image::Silent,
                );
                String::from_utf8(content.unwrap().remove(0)).unwrap()
            }
        };
        ours.insert(String::from_utf8(name.to_vec()).unwrap(), what);
    }
    assert!(ours.len() > 250, "{}", ours.len());
    assert_eq!(ours, expected);
}
