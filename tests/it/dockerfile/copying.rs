//! `COPY` and `ADD`.

use serde_json::json;

use super::fixture::{Project, chain, show_built, tar_of};

#[test]
fn files_of_context_stages_and_images_meet() {
    let mut project = Project::new();
    project
        .image("base", &json!({}), &[&["d etc", "f etc/old base", "d usr/lib", "s lib usr/lib"]])
        .image("tools", &json!({}), &[&["d bin", "7:8 f bin/tool binary"]]);
    project.file("etc/new", "context").file("etc/sub/x", "x").file("a.txt", "a");
    let built = project
        .build(
            "FROM base AS one\n\
             COPY a.txt /lib/\n\
             FROM base\n\
             COPY etc /etc\n\
             COPY --from=one /usr/lib/a.txt /srv/renamed\n\
             COPY --from=tools --chmod=0755 bin/tool /usr/bin/\n",
        )
        .unwrap();
    assert_eq!(
        show_built(&built),
        "0755 0:0 /etc/\n\
         0644 0:0 /etc/new \"context\"\n\
         0644 0:0 /etc/old \"base\"\n\
         0755 0:0 /etc/sub/\n\
         0644 0:0 /etc/sub/x \"x\"\n\
         0755 0:0 /lib -> usr/lib\n\
         0755 0:0 /srv/\n\
         0644 0:0 /srv/renamed \"a\"\n\
         0755 0:0 /usr/\n\
         0755 0:0 /usr/bin/\n\
         0755 7:8 /usr/bin/tool \"binary\"\n\
         0755 0:0 /usr/lib/\n"
    );
}

fn listed(project: &Project, text: &str) -> String {
    let built = project.build(text).map_err(|error| chain(&error)).unwrap();
    show_built(&built)
}

#[test]
fn patterns_parents_and_exclusions_choose_what_goes_along() {
    let project = Project::new();
    project.file("a/one.txt", "1").file("a/two.md", "2").file("b/c/one.txt", "3");
    project.file("b/c/.hidden", "h").file("[x]", "x").file("top.txt", "t");
    for (copy, expected) in [
        ("COPY */one.txt /d/", "/d/ /d/one.txt"),
        ("COPY none* top.txt /d/", "/d/ /d/top.txt"),
        ("COPY none* /d/", ""),
        ("COPY [[]x] /d", "/d"),
        ("COPY --parents b/c/one.txt /d/", "/d/ /d/b/ /d/b/c/ /d/b/c/one.txt"),
        ("COPY --parents b/./c/one.txt /d", "/d/ /d/c/ /d/c/one.txt"),
        ("COPY --parents */*.txt /", "/a/ /a/one.txt"),
        ("COPY --exclude=*.md --exclude=c a b /d/", "/d/ /d/one.txt"),
        ("COPY --exclude=**/*.txt b /d/", "/d/ /d/c/ /d/c/.hidden"),
        ("COPY --exclude=*.md a/* /d/", "/d/ /d/one.txt"),
        ("COPY b/c /d", "/d/ /d/.hidden /d/one.txt"),
        ("COPY ./a/../b/c/. d", "/d/ /d/.hidden /d/one.txt"),
    ] {
        let built =
            project.build(&format!("FROM scratch\n{copy}\n")).map_err(|e| chain(&e)).unwrap();
        let names = built.tree.walk().map(|walked| {
            let directory = built.tree.inode(walked.id).as_directory().is_some();
            format!(
                "/{}{}",
                String::from_utf8_lossy(&walked.path),
                if directory { "/" } else { "" }
            )
        });
        assert_eq!(names.collect::<Vec<_>>().join(" "), expected, "{copy}");
    }
}

#[test]
fn here_documents_become_files() {
    let mut project = Project::new();
    project.arg("NAME", "edge");
    let text = "FROM scratch\nARG NAME\nCOPY --chmod=0600 --chown=3:4 <<one <<-\"two\" /etc/\n\
        host=$NAME \"quoted\" \\$x\none\n\t$NAME\n\ttwo\nCOPY <<EOF /etc/three\nEOF\n";
    assert_eq!(
        listed(&project, text),
        "0755 3:4 @-1700000000 /etc/\n\
         0600 3:4 @-1700000000 /etc/one \"host=edge \\\"quoted\\\" $x\\n\"\n\
         0644 0:0 @-1700000000 /etc/three \"\"\n\
         0600 3:4 @-1700000000 /etc/two \"$NAME\\n\"\n"
    );
}

#[test]
fn archives_of_every_compression_are_unpacked() {
    use std::io::Write;
    let project = Project::new();
    let tar = tar_of(&["d d 0700", "5:6 f d/f content", "h d/g d/f", "s l d/f"]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar).unwrap();
    project.file("a.tar", &tar).file("b.tgz", gzip.finish().unwrap());
    project.file("c.zst", zstd::encode_all(&tar[..], 1).unwrap());
    project.file("plain.gz", b"\x1f\x8b not gzip").file("zeros", [0; 2048]);
    for name in ["a.tar", "b.tgz", "c.zst"] {
        assert_eq!(
            listed(&project, &format!("FROM scratch\nADD --chown=1:2 {name} /x\n")),
            "0755 0:0 @-1700000000 /x/\n0700 1:2 /x/d/\n0644 1:2 /x/d/f (linked) \"content\"\n\
             0644 1:2 /x/d/g (linked) \"content\"\n0755 1:2 /x/l -> d/f\n",
            "{name}"
        );
    }
    let kept = listed(&project, "FROM scratch\nADD plain.gz zeros /\nCOPY a.tar /\n");
    assert_eq!(kept.matches("0644 0:0 /").count(), 3, "{kept}");
    project.file("e.tar.bz2", b"BZh91AY&SY....");
    assert_eq!(
        project.error("FROM scratch\nADD e.tar.bz2 /\n"),
        "Dockerfile:2: a bzip2 archive is not supported: compress it with gzip, xz or zstd, or \
         unpack it in the context, in \"ADD e.tar.bz2 /\""
    );
}

#[test]
fn nothing_outside_the_context_is_read() {
    let project = Project::new();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "secret").unwrap();
    project.file("real/inside", "inside").symlink("out", secret.path().to_str().unwrap());
    project.symlink("folder", "real").symlink("up", "../../..").symlink("absolute", "/real");
    // Links count as what they lead to in the context; below a folder they are copied as links.
    assert_eq!(
        listed(&project, "FROM scratch\nCOPY folder absolute/inside /d/\n").lines().count(),
        2
    );
    let shown = listed(&project, "FROM scratch\nCOPY . /\n");
    assert!(!shown.contains("secret\"") && shown.contains("/up -> ../../.."), "{shown}");
    let shown = listed(&project, "FROM scratch\nCOPY up/real /\n");
    assert!(shown.contains("/inside \"inside\""), "`..` stops at the context: {shown}");
    assert!(project.error("FROM scratch\nCOPY out /\n").contains("out is not in the context"));
    let socket = project.context().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    assert!(project.error("FROM scratch\nCOPY . /\n").contains("socket is a socket"));
}

#[test]
fn only_what_the_target_needs_is_looked_at() {
    let mut project = Project::new();
    project.image("base", &json!({}), &[&["f base 1"]]);
    let text = "FROM nowhere AS unused\nRUN impossible\nFROM base AS wanted\nCOPY missing /\n\
        FROM base AS target\nCOPY --from=other /other /\nFROM base AS other\n";
    project.target = Some("target".to_owned());
    let told = project.error(text);
    assert!(told.contains("\"other\" is no stage above"), "later stages are no sources: {told}");
    project.target = Some("3".to_owned());
    assert_eq!(listed(&project, text), "0644 0:0 /base \"1\"\n");
}

#[test]
fn a_result_becomes_a_root() {
    use bootwright::image::Timestamp;
    use bootwright::recipe::Root;
    let mut project = Project::new();
    project.image("base", &json!({}), &[&["f base 1"]]).file("new", "2");
    let built = project.build("FROM base\nCOPY new /\n").unwrap();
    let base = built.base.as_ref().unwrap();
    assert_eq!(&base.reference, project.reference("base"));
    assert!(base.tree.lookup(b"base").is_some() && base.tree.lookup(b"new").is_none());
    let root = Root::from_dockerfile(built, Some(Timestamp(9)));
    assert_eq!((root.epoch, root.architecture.as_deref()), (Timestamp(9), Some("amd64")));
    let id = root.tree.lookup(b"new").unwrap();
    assert_eq!(root.tree.inode(id).metadata.mtime, Timestamp(9));
    assert_eq!(root.content_len(), 2);
}
