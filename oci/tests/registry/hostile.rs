//! Registries that break off, lie and stall.

use std::time::{Duration, Instant};

use bootwright_image::{Observer, Silent};
use bootwright_oci::Selection;
use bootwright_oci::registry::{Client, RegistryError};

use super::honest::{Image, error, name, place, server, settings};
use super::real::amd64;
use super::scripted::{Reply, Seen, Server, Style};
use crate::build::{chain, sha256};

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let image = Image::new();
    let server = server(&image, |image, seen, before| {
        let ends = [300_000, 700_000];
        (image.is_layer(seen) && before < 2).then(|| Reply::part(seen, &image.layer, ends[before]))
    });
    place().pull(&settings(&[&server]), &name(&server)).unwrap();
    let offsets: Vec<_> = server.asked(&sha256(&image.layer)).iter().map(Seen::offset).collect();
    assert_eq!(offsets, [0, 300_000, 700_000]);
}

#[test]
fn another_process_goes_on_too_after_hashing_what_is_there() {
    let image = Image::new();
    let server = server(&image, |image, seen, before| {
        (image.is_layer(seen) && before == 0).then(|| Reply::part(seen, &image.layer, 300_000))
    });
    let (place, mut settings) = (place(), settings(&[&server]));
    settings.retry.attempts = 0;
    assert!(place.pull(&settings, &name(&server)).is_err());
    assert_eq!(place.partials(), [300_000]);
    place.pull(&settings, &name(&server)).unwrap();
    assert_eq!(place.partials(), [0_u64; 0]);
    let offsets: Vec<_> = server.asked(&sha256(&image.layer)).iter().map(Seen::offset).collect();
    assert_eq!(offsets, [0, 300_000]);
}

#[test]
fn a_registry_without_ranges_sends_everything_again() {
    let image = Image::new();
    let server = server(&image, |image, seen, before| {
        let whole = Reply::new(200, image.layer.as_slice());
        image.is_layer(seen).then(|| match before {
            0 => Reply::part(seen, &image.layer, 300_000),
            1 => Reply::new(416, ""),
            2 => Reply::part(seen, &image.layer, 300_000),
            _ => whole,
        })
    });
    place().pull(&settings(&[&server]), &name(&server)).unwrap();
    let offsets: Vec<_> = server.asked(&sha256(&image.layer)).iter().map(Seen::offset).collect();
    assert_eq!(offsets, [0, 300_000, 0, 300_000]);
}

#[test]
fn damaged_bytes_of_an_earlier_attempt_are_found() {
    let image = Image::new();
    let server = server(&image, |image, seen, before| {
        (image.is_layer(seen) && before == 0).then(|| Reply::part(seen, &image.layer, 300_000))
    });
    let (place, mut settings) = (place(), settings(&[&server]));
    settings.retry.attempts = 0;
    assert!(place.pull(&settings, &name(&server)).is_err());
    let folder = place.store.dir().join("partial");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    settings.retry.attempts = 1;
    place.pull(&settings, &name(&server)).unwrap();
    let offsets: Vec<_> = server.asked(&sha256(&image.layer)).iter().map(Seen::offset).collect();
    assert_eq!(offsets, [0, 300_000, 0]);
}

#[test]
fn a_busy_registry_is_asked_again_when_it_says_so() {
    let image = Image::new();
    let server = server(&image, |_, seen, before| match before {
        _ if !seen.path.contains("/manifests/") => None,
        0 => Some(Reply::new(429, "").with("Retry-After", "1")),
        1 => Some(Reply::new(503, "")),
        _ => None,
    });
    let start = Instant::now();
    place().pull(&settings(&[&server]), &name(&server)).unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.asked("/manifests/").len(), 3);

    let always = Server::start(|_, _| {
        Reply::new(429, r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow\u0007 down"}]}"#)
    });
    let mut settings = settings(&[&always]);
    settings.retry.attempts = 2;
    let text = error(&settings, &name(&always));
    let expected = "team/os:v1 is answered with status 429: TOOMANYREQUESTS slow  down";
    assert_eq!(text, format!("{}: {expected}", always.host));
    assert_eq!(always.seen().len(), 3);
}

#[test]
fn wrong_bytes_and_wrong_lengths_are_not_kept() {
    let image = Image::new();
    type Lie = fn(&Image) -> Reply;
    let lies: [(Lie, &str); 6] = [
        (|i| Reply::new(200, vec![7; i.layer.len()]), "the digest of what came is sha256:"),
        (|i| Reply::new(200, &i.layer[1..]), "were promised"),
        (|i| Reply::new(200, [&i.layer[..], b"x"].concat()), "were promised"),
        (
            |i| Reply::new(200, [&i.layer[..], b"x"].concat()).styled(Style::Chunked),
            "were promised",
        ),
        (|_| Reply::new(200, vec![0; 65536]).styled(Style::Endless), "were promised"),
        (|_| Reply::new(200, "").promising(0), "were promised"),
    ];
    for (lie, words) in lies {
        let server = server(&image, move |image, seen, _| image.is_layer(seen).then(|| lie(image)));
        let place = place();
        let error = chain(&place.pull(&settings(&[&server]), &name(&server)).unwrap_err());
        assert!(error.contains(words), "{error}");
        let path = sha256(&image.layer).replace(':', "/");
        assert!(!place.store.dir().join("blobs").join(path).exists());
        assert_eq!(server.asked(&sha256(&image.layer)).len(), 1, "{error}");
    }
}

#[test]
fn documents_have_bounds_and_come_as_they_are() {
    let image = Image::new();
    let endless = Server::start(|_, _| Reply::new(200, vec![b' '; 65536]).styled(Style::Endless));
    let text = error(&settings(&[&endless]), &name(&endless));
    assert!(text.ends_with("team/os:v1 has more than 4194304 bytes"), "{text}");

    let packed = server(&image, |image, _, _| {
        let bomb = crate::build::gzip(&[image.manifest.as_bytes(), &vec![b' '; 64 << 20]].concat());
        Some(Reply::new(200, bomb).with("Content-Encoding", "gzip"))
    });
    let text = error(&settings(&[&packed]), &name(&packed));
    assert!(text.contains(r#"it is encoded with "gzip", which was not asked for"#), "{text}");
    assert_eq!(packed.seen()[0].header("accept-encoding"), Some("identity"));

    let lying = server(&image, |image, seen, _| {
        let digest = sha256(b"another");
        seen.path.contains("/manifests/").then(|| {
            Reply::new(200, image.manifest.as_str()).with("Docker-Content-Digest", &digest)
        })
    });
    let text = error(&settings(&[&lying]), &name(&lying));
    assert!(text.contains("does not have the digest in the reply's head"), "{text}");
    let pinned = name(&lying).with_digest(sha256(b"pinned").parse().unwrap());
    let text = error(&settings(&[&lying]), &pinned);
    assert!(
        text.contains(&format!("its digest is {}", sha256(image.manifest.as_bytes()))),
        "{text}"
    );
}

#[test]
fn chunks_are_put_together() {
    let image = Image::new();
    let server = server(&image, |image, seen, _| Some(image.answer(seen).styled(Style::Chunked)));
    place().pull(&settings(&[&server]), &name(&server)).unwrap();
}

/// Wants to stop after a while.
struct Impatient(Instant);

impl Observer for Impatient {
    fn cancelled(&self) -> bool {
        self.0.elapsed() > Duration::from_millis(300)
    }
}

#[test]
fn a_stalled_transfer_is_given_up_and_stopped_at_once_on_demand() {
    let image = Image::new();
    let server = server(&image, |image, seen, _| {
        let reply = Reply::part(seen, &image.layer, image.layer.len().min(seen.offset() + 100_000));
        image.is_layer(seen).then(|| reply.styled(Style::Silent))
    });
    let (stuck, mut settings) = (place(), settings(&[&server]));
    let start = Instant::now();
    let client = Client::new(settings.clone());
    let name = name(&server);
    let names = std::slice::from_ref(&name);
    let result = client.pull(names, &amd64(), &stuck.store, &Impatient(Instant::now()));
    assert!(matches!(result, Err(RegistryError::Cancelled)), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(stuck.partials(), [100_000]);
    // Each attempt brings a part, so it arrives in the end.
    settings.stall_timeout = Duration::from_millis(100);
    stuck.pull(&settings, &name).unwrap();
}

#[test]
fn an_index_without_the_architecture_says_what_there_is() {
    let image = Image::new();
    let server = server(&image, |image, seen, _| {
        seen.path.ends_with("/v1").then(|| {
            let entry = |arch: &str| {
                format!(
                    r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"platform":{{"os":"linux","architecture":"{arch}"}}}}"#,
                    sha256(arch.as_bytes()),
                    image.manifest.len()
                )
            };
            Reply::new(
                200,
                format!(
                    r#"{{"schemaVersion":2,"manifests":[{},{}]}}"#,
                    entry("arm64"),
                    entry("s390x")
                ),
            )
        })
    });
    let text = error(&settings(&[&server]), &name(&server));
    assert!(text.contains("linux/arm64") && text.contains("linux/s390x"), "{text}");
    let client = Client::new(settings(&[&server]));
    let one = Selection::Architecture("arm64".to_owned());
    let result = client.pull(&[name(&server)], &one, &place().store, &Silent);
    let text = chain(&result.unwrap_err());
    assert!(
        text.contains(&format!("its digest is {}", sha256(image.manifest.as_bytes()))),
        "{text}"
    );
}

#[test]
fn an_interrupted_upload_goes_on_where_the_registry_says() {
    let image = Image::new();
    let source = server(&image, |_, _, _| None);
    let target = Server::start(|seen, before| {
        let next = Reply::new(202, "").with("Location", "/v2/team/os/up?state=1");
        match (seen.method.as_str(), seen.path.contains("/manifests/")) {
            ("PUT", _) => Reply::new(201, ""),
            ("POST", _) => next,
            ("GET", _) => {
                let at = Reply::new(204, "").with("Location", "up?state=1");
                Reply { promised: None, ..at.with("Range", "0-599999") }
            }
            // The second part breaks off; the registry has kept a piece of it.
            ("PATCH", _) if before == 1 => Reply::new(503, ""),
            ("PATCH", _) => next,
            _ => Reply::new(404, ""),
        }
    });
    let (place, mut settings) = (place(), settings(&[&source, &target]));
    settings.chunk = Some(400_000);
    settings.parallel = std::num::NonZeroUsize::MIN;
    place.pull(&settings, &name(&source)).unwrap();
    let client = Client::new(settings);
    let names = (name(&source), name(&target));
    let pushed = client.push(&names.0, &names.1, &amd64(), &place.store, &Silent).unwrap();
    assert_eq!(pushed.sent, 2);
    let patches: Vec<_> = target.seen().into_iter().filter(|seen| seen.method == "PATCH").collect();
    let ranges: Vec<_> = patches.iter().map(|seen| seen.header("content-range").unwrap()).collect();
    let end = image.layer.len() - 1;
    let last = format!("1000000-{end}");
    assert_eq!(ranges, ["0-399999", "400000-799999", "600000-999999", &last]);
    let lens: Vec<_> = patches.iter().map(|seen| seen.header("content-length").unwrap()).collect();
    assert_eq!(lens[..3], ["400000"; 3]);
}

#[test]
fn two_that_want_the_same_blob_fetch_it_once() {
    let image = Image::new();
    let server = server(&image, |image, seen, _| {
        if image.is_layer(seen) {
            std::thread::sleep(Duration::from_millis(300));
        }
        None
    });
    let (place, settings) = (place(), settings(&[&server]));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| place.pull(&settings, &name(&server)).unwrap());
        }
    });
    assert_eq!(server.asked(&sha256(&image.layer)).len(), 1);
    assert_eq!(place.partials(), [0_u64; 0]);
}
