//! Layouts, archives and what their documents may say.

use bootwright_oci::{ImageInfo, Reference, Stack};

use crate::build::{
    CREATED, LAYER, Layout, Member, Tar, Warnings, chain, config, gzip, layout_dir, options, read,
    reference, scratch, sha256, sha512, show, xz, zstd,
};

fn info(reference: &Reference) -> Result<ImageInfo, String> {
    let warnings = Warnings::default();
    Stack::new(options(), &warnings).add_image(reference).map_err(|error| chain(&error))
}

fn one() -> Vec<u8> {
    Tar::of(["f a 1"])
}

/// The error for a layout, with `oci:` in place of its path.
fn refused(layout: &Layout, tag: Option<&str>) -> String {
    let dir = layout_dir(layout);
    let reference = Reference::Layout { dir: dir.path().to_owned(), tag: tag.map(str::to_owned) };
    let error = info(&reference).expect_err("the layout is accepted");
    error.replace(&reference.to_string(), "oci")
}

#[test]
fn an_image_says_what_it_is() {
    let (a, b) = (one(), Tar::of(["f b 2"]));
    let mut layout = Layout::default();
    layout.stored_image("", &[(a.clone(), gzip(&a)), (b.clone(), zstd(&b))]);
    let dir = layout_dir(&layout);
    let info = info(&reference(dir.path())).unwrap();
    assert_eq!((info.architecture.as_str(), info.os.as_str()), ("amd64", "linux"));
    assert_eq!(info.created.unwrap().0, CREATED);
    assert_eq!(info.layers[0].digest.unwrap().to_string(), sha256(&gzip(&a)));
    assert_eq!(info.layers[1].diff_id.unwrap().to_string(), sha256(&b));
    assert_eq!(info.layers[1].size, zstd(&b).len() as u64);
    assert_eq!(info.layers[0].media_type.as_deref(), Some(LAYER));
    assert!(info.manifest.is_some() && info.config.is_some());
    let rootfs = read(&reference(dir.path())).unwrap();
    assert_eq!(show(&rootfs), ["f a 1", "f b 2"]);
    let inputs: Vec<_> = rootfs.inputs.iter().map(|i| (i.stored_size, i.entries)).collect();
    assert_eq!(inputs, [(gzip(&a).len() as u64, 1), (zstd(&b).len() as u64, 1)]);
    assert_eq!(rootfs.inputs[0].digest, info.layers[0].digest);
}

#[test]
fn layouts_in_archives_are_read_whatever_the_wrapping() {
    let tar = one();
    let mut layout = Layout::default();
    layout.stored_image(
        r#","annotations":{"org.opencontainers.image.ref.name":"v1"}"#,
        &[(tar.clone(), gzip(&tar))],
    );
    for bytes in
        [layout.archive(), gzip(&layout.archive()), zstd(&layout.archive()), xz(&layout.archive())]
    {
        let (_dir, file) = scratch("image.tar", &bytes);
        for tag in [None, Some("v1".to_owned())] {
            let reference = Reference::OciArchive { file: file.clone(), tag };
            assert_eq!(show(&read(&reference).unwrap()), ["f a 1"]);
        }
        let reference = Reference::OciArchive { file, tag: Some("v2".to_owned()) };
        let error = info(&reference).unwrap_err();
        assert!(
            error.ends_with(r#"index.json: it has no image named "v2": there is v1"#),
            "{error}"
        );
    }
}

#[test]
fn many_layers_in_a_compressed_archive_cost_a_warning() {
    for (count, warned) in [(4, 0), (5, 1)] {
        let archive = gzip(&Layout::of(&vec![one(); count]).archive());
        let (_dir, file) = scratch("image.tar.gz", &archive);
        let warnings = Warnings::default();
        let mut stack = Stack::new(options(), &warnings);
        stack.add_image(&Reference::OciArchive { file, tag: None }).unwrap();
        assert_eq!(show(&stack.finish().unwrap()), ["f a 1"]);
        assert_eq!(warnings.0.lock().unwrap().len(), warned);
    }
}

fn platform(text: &str) -> String {
    let mut parts = text.split('/');
    let (os, architecture) = (parts.next().unwrap(), parts.next().unwrap());
    let variant = parts.next().map(|v| format!(r#","variant":"{v}""#)).unwrap_or_default();
    format!(r#","platform":{{"os":"{os}","architecture":"{architecture}"{variant}}}"#)
}

#[test]
fn the_platform_asked_for_is_taken_from_an_index() {
    let index = |platforms: &[&str]| {
        let mut layout = Layout::default();
        for text in platforms {
            layout.image(
                &platform(text),
                &[Tar::of([format!("f {} x", text.replace('/', "-")).as_str()])],
            );
        }
        layout
    };
    let attestation = r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"},"platform":{"os":"unknown","architecture":"unknown"}"#;
    for (platforms, chosen) in [
        (&["linux/arm64", "linux/amd64"][..], "f linux-amd64 x"),
        (&["windows/amd64", "linux/amd64/v3", "linux/amd64"], "f linux-amd64 x"),
        (&["linux/amd64/v3", "linux/amd64/v2", "linux/arm64"], "f linux-amd64-v2 x"),
        (&["linux/arm64"], "f linux-arm64 x"),
    ] {
        let mut flat = index(platforms);
        flat.image(attestation, &[one()]);
        let dir = layout_dir(&flat);
        assert_eq!(show(&read(&reference(dir.path())).unwrap()), [chosen], "{platforms:?}");
        // The same one level down.
        let nested = format!(r#"{{"manifests":[{}]}}"#, flat.manifests.join(","));
        let kind = "application/vnd.oci.image.index.v1+json";
        let descriptor = flat.blob(kind, nested.as_bytes(), "");
        flat.manifests = vec![descriptor.clone()];
        let dir = layout_dir(&flat);
        assert_eq!(show(&read(&reference(dir.path())).unwrap()), [chosen], "{platforms:?}");
        // And another one: too deep.
        let deeper = format!(r#"{{"manifests":[{descriptor}]}}"#);
        flat.manifests = vec![flat.blob(kind, deeper.as_bytes(), "")];
        let error = refused(&flat, None);
        assert!(
            error.ends_with(
                "lies within an index that lies within the layout's index: one level is the limit"
            ),
            "{error}"
        );
    }
    let error = refused(&index(&["linux/arm64/v8", "windows/amd64"]), None);
    assert_eq!(
        error,
        "oci: index.json: it has no image for linux/amd64: there is linux/arm64/v8, windows/amd64"
    );
}

#[test]
fn names_are_needed_only_when_there_is_a_choice() {
    let name =
        |name: &str| format!(r#","annotations":{{"org.opencontainers.image.ref.name":"{name}"}}"#);
    let mut layout = Layout::default();
    layout.image(&name("v1"), &[one()]);
    layout.image(&name("v2"), &[one()]);
    let dir = layout_dir(&layout);
    assert!(info(&reference(dir.path())).is_ok(), "two names of one image");
    layout.image(&name("v3"), &[Tar::of(["f c 3"])]);
    assert_eq!(
        refused(&layout, None),
        "oci: index.json: it has 3 images, so one must be named: v1, v2, v3"
    );
    assert_eq!(
        refused(&layout, Some("v4")),
        r#"oci: index.json: it has no image named "v4": there is v1, v2, v3"#
    );
    let dir = layout_dir(&layout);
    let v3 = Reference::Layout { dir: dir.path().to_owned(), tag: Some("v3".to_owned()) };
    assert_eq!(show(&read(&v3).unwrap()), ["f c 3"]);
    assert_eq!(refused(&Layout::default(), None), "oci: index.json: it has no image");

    let mut layout = Layout::default();
    layout.image(r#","annotations":{"io.containerd.image.name":"docker.io/x:1"}"#, &[one()]);
    let dir = layout_dir(&layout);
    let full =
        Reference::Layout { dir: dir.path().to_owned(), tag: Some("docker.io/x:1".to_owned()) };
    assert!(info(&full).is_ok());
}

#[test]
fn documents_that_cannot_be_used_are_refused() {
    let with = |name: &str, text: &str| {
        let mut layout = Layout::of(&[one()]);
        layout.files.push((name.to_owned(), text.into()));
        layout
    };
    assert_eq!(
        refused(&with("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#), None),
        r#"oci: oci-layout: version "2.0.0" is not supported, only 1.0.0 is"#
    );
    let broken = refused(&with("index.json", "{"), None);
    assert!(broken.starts_with("oci: index.json: cannot be understood: EOF"), "{broken}");
    let large = " ".repeat((4 << 20) + 1);
    assert_eq!(
        refused(&with("index.json", &large), None),
        "oci: index.json: 4194305 bytes are too many, 4194304 is the limit"
    );
    let dir = tempfile::tempdir().unwrap();
    let error = info(&reference(dir.path())).unwrap_err();
    assert!(error.ends_with(r#"there is no "oci-layout""#), "{error}");
    let error = info(&reference(std::path::Path::new("/nonexistent"))).unwrap_err();
    assert_eq!(error, r#"oci:/nonexistent: there is no "oci-layout""#);

    let manifest = |text: &str| {
        let mut layout = Layout::default();
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let descriptor = layout.blob(kind, text.as_bytes(), "");
        layout.manifests.push(descriptor);
        layout
    };
    let text = r#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
    let error = refused(&manifest(text), None);
    assert!(error.ends_with(r#"media type "application/vnd.oci.empty.v1+json" is not supported: the config of an image is needed"#), "{error}");
    let mut layout = Layout::default();
    layout.manifests.push(r#"{"mediaType":"text/plain","digest":"sha256:00","size":1}"#.to_owned());
    let error = refused(&layout, None);
    assert!(error.ends_with(r#"media type "text/plain" is not supported: an image manifest or an image index is needed"#), "{error}");
    layout.manifests = vec![r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:../../x","size":1}"#.to_owned()];
    let error = refused(&layout, None);
    assert!(error.ends_with(r#""sha256:../../x" is no sha256 or sha512 digest"#), "{error}");
}

/// A layout whose manifest and config are given by hand.
fn by_hand(config: &str, layer: impl FnOnce(&mut Layout) -> String) -> Layout {
    let mut layout = Layout::default();
    let config = layout.blob("application/vnd.oci.image.config.v1+json", config.as_bytes(), "");
    let layers = layer(&mut layout);
    let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let descriptor = layout.blob(kind, text.as_bytes(), "");
    layout.manifests.push(descriptor);
    layout
}

#[test]
fn configs_must_fit_their_manifest() {
    let id = format!("{:?}", sha256(&one()));
    let layer = |layout: &mut Layout| layout.blob(LAYER, &one(), "");
    let error = refused(&by_hand(&config(""), layer), None);
    assert!(error.ends_with("1 layers, but the config has 0 diff_ids"), "{error}");
    let windows = config(&id).replace("linux", "windows");
    let error = refused(&by_hand(&windows, layer), None);
    assert!(error.ends_with(r#"the image is for "windows", only linux is supported"#), "{error}");
    let error = refused(&by_hand(&config(&id), |layout| layout.blob("x/y", &one(), "")), None);
    assert!(
        error.contains(r#"layer 1 (sha256:"#)
            && error.contains(r#"media type "x/y" is not supported"#),
        "{error}"
    );
    for (created, expected) in [("0001-01-01T00:00:00Z", 0), ("yesterday", 1)] {
        let config = config(&id).replace("2023-11-14T22:13:20.5Z", created);
        let dir = layout_dir(&by_hand(&config, layer));
        let warnings = Warnings::default();
        let info = Stack::new(options(), &warnings).add_image(&reference(dir.path())).unwrap();
        assert_eq!(info.created, None);
        assert_eq!(warnings.0.lock().unwrap().len(), expected);
    }
}

#[test]
fn every_digest_and_size_is_checked() {
    let tar = one();
    let id = format!("{:?}", sha256(&tar));
    // Any flipped byte of any blob is noticed, and named when it is in a layer.
    let good = by_hand(&config(&id), |layout| layout.blob(LAYER, &gzip(&tar), ""));
    for index in 0..good.files.len() {
        for at in [0, 40, good.files[index].1.len() - 1] {
            let mut bad = good.clone();
            bad.files[index].1[at] ^= 1;
            let dir = layout_dir(&bad);
            let error = chain(&read(&reference(dir.path())).unwrap_err());
            assert!(
                error.contains("its digest is sha256:") && error.contains(", not sha256:"),
                "{error}"
            );
        }
        let mut bad = good.clone();
        bad.files[index].1.push(0);
        let dir = layout_dir(&bad);
        let error = chain(&read(&reference(dir.path())).unwrap_err());
        let len = good.files[index].1.len();
        assert!(error.ends_with(&format!("its size is {} bytes, not {len}", len + 1)), "{error}");
    }
    // Plain and compressed layers with another uncompressed digest.
    for stored in [tar.clone(), gzip(&tar)] {
        let other = format!("{:?}", sha256(b"other"));
        let dir = layout_dir(&by_hand(&config(&other), |layout| layout.blob(LAYER, &stored, "")));
        let error = chain(&read(&reference(dir.path())).unwrap_err());
        let expected = format!(
            "its uncompressed digest (diff_id) is {}, not {}",
            sha256(&tar),
            sha256(b"other")
        );
        assert!(error.ends_with(&expected), "{error}");
    }
    // A digest may be a SHA-512.
    for wrong in [false, true] {
        let layout = by_hand(&config(&format!("{:?}", sha512(&tar))), |layout| {
            let bytes = gzip(&tar);
            let digest = sha512(if wrong { b"wrong" } else { &bytes });
            layout.files.push((format!("blobs/{}", digest.replace(':', "/")), bytes.clone()));
            format!(r#"{{"mediaType":"{LAYER}","digest":"{digest}","size":{}}}"#, bytes.len())
        });
        let dir = layout_dir(&layout);
        assert_eq!(read(&reference(dir.path())).is_err(), wrong);
    }
    let mut missing = good;
    missing.files.remove(1);
    let error = refused(&missing, None);
    assert!(error.starts_with(r#"oci: there is no "blobs/sha256/"#), "{error}");
}

/// A docker archive of these members, in this order.
fn docker(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Tar::default();
    for (name, bytes) in members {
        match bytes.strip_prefix(b"-> ") {
            Some(target) => tar.add(&Member { link: target.to_vec(), ..Member::new(b'2', name) }),
            None => tar.add(&Member::file(name, bytes)),
        };
    }
    tar.end()
}

#[test]
fn docker_archives_of_all_makes_are_read() {
    let tar = one();
    let config = config(&format!("{:?}", sha256(&tar)));
    let hex = sha256(config.as_bytes()).replace("sha256:", "");
    let saved = |config: &str, layer: &str| {
        format!(r#"[{{"Config":"{config}","RepoTags":["ubuntu:22.04"],"Layers":["{layer}"]}}]"#)
    };
    let json = format!("{hex}.json");
    let config_blob = format!("blobs/sha256/{hex}");
    let layer_blob = format!("blobs/{}", sha256(&tar).replace(':', "/"));
    let legacy = saved(&json, "abc/layer.tar");
    let linked = saved(&json, "dup/layer.tar");
    let luet_config = format!("sha256:{hex}");
    let luet = saved(&luet_config, "cafe.tar.gz");
    let modern = saved(&config_blob, &layer_blob);
    let odd = saved("some where/c", "/./odd name");
    let gz = gzip(&tar);
    let zst = zstd(&tar);
    let archives = [
        docker(&[
            ("manifest.json", legacy.as_bytes()),
            (&json, config.as_bytes()),
            ("abc/layer.tar", &tar),
        ]),
        docker(&[
            ("abc/layer.tar", &tar),
            (&json, config.as_bytes()),
            ("manifest.json", legacy.as_bytes()),
        ]),
        docker(&[
            ("abc/layer.tar", &tar),
            ("dup/layer.tar", b"-> ../abc/layer.tar"),
            (&json, config.as_bytes()),
            ("manifest.json", linked.as_bytes()),
        ]),
        docker(&[
            (&luet_config, config.as_bytes()),
            ("cafe.tar.gz", &gz),
            ("manifest.json", luet.as_bytes()),
        ]),
        docker(&[
            (&luet_config, config.as_bytes()),
            ("cafe.tar.gz", &zst),
            ("manifest.json", luet.as_bytes()),
        ]),
        docker(&[
            ("./some where/c", config.as_bytes()),
            ("odd name", &gz),
            ("./manifest.json", odd.as_bytes()),
        ]),
        docker(&[
            ("oci-layout", b"{}"),
            ("index.json", b"{}"),
            (&config_blob, config.as_bytes()),
            (&layer_blob, &tar),
            ("manifest.json", modern.as_bytes()),
        ]),
    ];
    for (number, archive) in archives.into_iter().enumerate() {
        for bytes in [archive.clone(), gzip(&archive)] {
            let (_dir, file) = scratch("image.tar", &bytes);
            for name in [None, Some("ubuntu:22.04"), Some("docker.io/library/ubuntu:22.04")] {
                let name = name.map(str::to_owned);
                let reference = Reference::DockerArchive { file: file.clone(), name };
                let shown = read(&reference).map(|rootfs| show(&rootfs));
                assert_eq!(
                    shown.map_err(|error| chain(&error)),
                    Ok(vec!["f a 1".to_owned()]),
                    "{number}"
                );
            }
        }
    }
}

#[test]
fn docker_archives_that_do_not_fit_are_refused() {
    let tar = one();
    let config = config(&format!("{:?}", sha256(&tar)));
    let refused = |name: Option<&str>, members: &[(&str, &[u8])]| {
        let (_dir, file) = scratch("image.tar", &docker(members));
        let reference = Reference::DockerArchive { file, name: name.map(str::to_owned) };
        let error = chain(&read(&reference).unwrap_err());
        error.replace(&reference.to_string(), "docker")
    };
    assert_eq!(refused(None, &[("repositories", b"{}")]), r#"docker: there is no "manifest.json""#);
    let two =
        br#"[{"Config":"c","RepoTags":["a:1"],"Layers":[]},{"Config":"d","RepoTags":["b:1"]}]"#;
    assert_eq!(
        refused(None, &[("manifest.json", two)]),
        "docker: manifest.json: it has 2 images, so one must be named: a:1, b:1"
    );
    assert_eq!(
        refused(Some("c:1"), &[("manifest.json", two)]),
        r#"docker: manifest.json: it has no image named "c:1": there is a:1, b:1"#
    );
    assert_eq!(
        refused(None, &[("manifest.json", b"[]")]),
        "docker: manifest.json: it has no image"
    );
    let one = br#"[{"Config":"c","RepoTags":null,"Layers":["l"]}]"#;
    assert_eq!(refused(None, &[("manifest.json", one)]), r#"docker: there is no "c""#);
    let damaged = refused(
        None,
        &[("manifest.json", one), ("c", config.as_bytes()), ("l", &Tar::of(["f a 2"]))],
    );
    assert!(
        damaged.contains(r#"layer 1 ("l"): its uncompressed digest (diff_id) is sha256:"#),
        "{damaged}"
    );
    let loops = refused(
        None,
        &[("manifest.json", one), ("c", config.as_bytes()), ("l", b"-> m"), ("m", b"-> l")],
    );
    assert_eq!(loops, r#"docker: there is no "l""#);
    let named = format!("{}.json", "ab".repeat(32));
    let manifest = format!(r#"[{{"Config":"{named}","Layers":["l"]}}]"#);
    let wrong =
        refused(None, &[("manifest.json", manifest.as_bytes()), (&named, config.as_bytes())]);
    assert!(
        wrong.contains("its digest is sha256:")
            && wrong.ends_with(&format!("not sha256:{}", "ab".repeat(32))),
        "{wrong}"
    );
}
