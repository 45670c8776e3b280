//! Another builder on the same Dockerfiles.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use bootwright::dockerfile::Built;
use bootwright::image::{FileTree, Kind, Silent, Streams, collect};
use bootwright::oci::Reference;
use serde_json::{Value, json};

use super::fixture::{Project, chain, tar_of};
use crate::tools::{require, require_root, run, tool};

/// Buildah with everything it keeps in one folder.
fn buildah(folder: &Path) -> Command {
    let mut command = tool("buildah");
    command.arg("--root").arg(folder.join("root")).arg("--runroot").arg(folder.join("run"));
    command.args(["--storage-driver", "vfs"]);
    command
}

/// The image that buildah makes, as a layout.
fn built_by_buildah(project: &Project, text: &str, folder: &Path) -> Reference {
    let file = folder.join("Dockerfile");
    fs::write(&file, text).unwrap();
    let mut command = buildah(folder);
    command.args(["build", "--isolation", "chroot", "--pull=never", "--format", "docker"]);
    command.args(["--tag", "result", "--file"]).arg(&file);
    for (name, value) in &project.arguments {
        command.arg("--build-arg").arg(format!("{name}={value}"));
    }
    run(command.arg(project.context()));
    let layout = folder.join("layout");
    let target = format!("oci:{}", layout.display());
    run(buildah(folder)
        .args(["push", "--format", "v2s2", "result"])
        .arg(format!("dir:{}", layout.display())));
    run(buildah(folder).args(["push", "--format", "oci", "result"]).arg(format!("{target}-oci")));
    Reference::Layout { dir: folder.join("layout-oci"), tag: None }
}

/// Kind, mode, owner and content by path.
fn facts(tree: &FileTree, streams: &dyn Streams) -> BTreeMap<String, String> {
    let fact = |id| {
        let inode = tree.inode(id);
        let m = &inode.metadata;
        let owned = format!("{:04o} {}:{}", m.mode, m.uid, m.gid);
        match inode.kind() {
            Kind::Symlink(target) => format!("-> {}", String::from_utf8_lossy(target)),
            Kind::Directory(_) => format!("{owned} /"),
            _ => {
                let content = collect(tree, streams, &[id], 1 << 20, &Silent).unwrap().remove(0);
                format!("{owned} @{} {:?}", m.mtime.0, String::from_utf8_lossy(&content))
            }
        }
    };
    tree.walk().map(|w| (String::from_utf8_lossy(&w.path).into_owned(), fact(w.id))).collect()
}

/// The config's fields that both have, as JSON.
fn config_of(built: &Built) -> Value {
    let config = &built.config;
    let env: Vec<_> = config.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let empty = |names: &std::collections::BTreeSet<String>| -> Value {
        names.iter().map(|name| (name.clone(), json!({}))).collect::<serde_json::Map<_, _>>().into()
    };
    json!({
        "Env": env, "Entrypoint": config.entrypoint, "Cmd": config.cmd, "User": config.user,
        "WorkingDir": config.working_dir, "StopSignal": config.stop_signal,
        "ExposedPorts": empty(&config.exposed_ports), "Volumes": empty(&config.volumes),
        "Labels": config.labels,
    })
}

fn project() -> Project {
    let mut project = Project::new();
    let rootfs = tar_of(&[
        "d etc",
        "f etc/passwd root:x:0:0::/:/bin/sh\nweb:x:33:34::/:/bin/sh\n",
        "f etc/group root:x:0:\nstaff:x:50:\n",
        "d usr/lib 0700",
        "f usr/lib/a old",
        "s lib usr/lib",
        "d srv 1777",
        "5:6 f srv/owned x",
    ]);
    project
        .file("rootfs.tar", &rootfs)
        .file("a.txt", "a")
        .file("b.txt", "b")
        .file("c.md", "c")
        .file("dir/one", "1")
        .file("dir/sub/two", "2")
        .file("dir/sub/skip.log", "log")
        .file("nested/x/y/z.conf", "z")
        .file(".dockerignore", "*.md\n**/*.log\n!dir/keep.log\n");
    project.symlink("dir/link", "sub/two").symlink("linked", "dir");
    project.ignore =
        bootwright::dockerfile::Ignore::parse(".dockerignore", b"*.md\n**/*.log\n").unwrap();
    project.arg("WHO", "given").arg("UNSET_DEFAULT", "");
    project
}

const FILES: &str = r#"ARG BASE=scratch
FROM $BASE AS base
ADD rootfs.tar /
FROM base AS two
COPY --chown=web dir /two/
COPY --chown=web:staff a.txt b.txt /two/files/
COPY --chown=7:8 a.txt /two/
FROM base
COPY a.txt /lib/
COPY a.txt /new/name
COPY *.txt /txt/
COPY dir /lib
COPY linked /linked
COPY nested /srv/nested/
WORKDIR /work
WORKDIR sub
COPY a.txt .
COPY b.txt renamed
COPY --from=two /two /from-two
COPY --from=two /two/files/ ./
COPY --from=0 /srv/owned /owned
COPY --chmod=0640 a.txt /chmod/
ADD rootfs.tar ./unpacked/
ADD b.txt /added
"#;

const CONFIG: &str = r#"FROM scratch AS base
ENV PATH=/bin BASE=1
LABEL one=1
USER 33
EXPOSE 80
CMD ["base"]
FROM base
ARG WHO=default
ARG OTHER=${WHO}-x
ARG UNSET_DEFAULT=d
ENV A=$WHO B="${OTHER:-none} two" C=${NOPE:-fall} D=${NOPE:+alt}x E='$A' F=\$A
ENV A=changed AFTER=$A
ENV OLD form with  spaces
ENV EMPTY=${UNSET_DEFAULT:-was-empty}
LABEL "two words"="a b" v=$A
LABEL one=2
EXPOSE 8080/udp $PORT 9000
VOLUME /data /with$A
STOPSIGNAL SIGINT
WORKDIR /w
WORKDIR $A/../b
USER $WHO:1
ENTRYPOINT exec "$A" --flag
"#;

#[test]
fn buildah_makes_the_same_files() {
    require!("buildah");
    require_root!();
    let project = project();
    let folder = tempfile::tempdir().unwrap();
    let built = project.build(FILES).map_err(|error| chain(&error)).unwrap();
    let theirs = built_by_buildah(&project, FILES, folder.path());
    let mut stack = bootwright::oci::Stack::new(
        bootwright::oci::Options {
            architecture: "amd64".to_owned(),
            limits: bootwright::oci::Limits::default(),
            jobs: std::num::NonZeroUsize::MIN,
        },
        &Silent,
    );
    stack.add_image(&theirs).unwrap();
    let theirs = stack.finish().unwrap();
    let ours = facts(&built.tree, &built.streams);
    assert_eq!(ours, facts(&theirs.tree, &theirs.streams));
}

#[test]
fn buildah_makes_the_same_config() {
    require!("buildah");
    require_root!();
    let project = project();
    let folder = tempfile::tempdir().unwrap();
    let built = project.build(CONFIG).map_err(|error| chain(&error)).unwrap();
    built_by_buildah(&project, CONFIG, folder.path());
    let dir = folder.path().join("layout");
    let manifest: Value =
        serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap();
    let digest = manifest["config"]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let document: Value = serde_json::from_slice(&fs::read(dir.join(digest)).unwrap()).unwrap();
    let mut theirs = document["config"].clone();
    theirs["Labels"].as_object_mut().unwrap().remove("io.buildah.version");
    let ours = config_of(&built);
    // Go writes an empty list or nothing for the same.
    let plain = |value: &Value| match value.as_array() {
        Some(list) if list.is_empty() => Value::Null,
        _ => value.clone(),
    };
    for (field, value) in ours.as_object().unwrap() {
        assert_eq!(plain(value), plain(&theirs[field]), "{field}");
    }
}
