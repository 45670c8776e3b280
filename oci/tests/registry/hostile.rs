//! Registries that break off, lie, stall and send elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bootwright_image::{Observer, Silent};
use bootwright_oci::registry::{AuthFile, Client, RegistryError, Settings};
use bootwright_oci::{ImageName, Selection, Store};

use super::real::{amd64, noise};
use super::scripted::{Reply, Seen, Server, Style};
use crate::build::{Member, Tar, chain, config, read, sha256};

/// An image with one layer.
#[derive(Clone)]
struct Image {
    manifest: String,
    config: String,
    layer: Vec<u8>,
}

impl Image {
    fn new() -> Arc<Self> {
        let mut tar = Tar::default();
        let layer = tar.add(&Member::file("big", noise(1 << 20))).end();
        let config = config(&format!("{:?}", sha256(&layer)));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
            sha256(config.as_bytes()),
            config.len(),
            sha256(&layer),
            layer.len()
        );
        Arc::new(Self { manifest, config, layer })
    }

    /// What an honest registry answers.
    fn answer(&self, seen: &Seen) -> Reply {
        match () {
            () if seen.path.contains("/manifests/") => Reply::new(200, self.manifest.as_str())
                .with("Content-Type", "application/vnd.oci.image.manifest.v1+json"),
            () if seen.path.ends_with(&sha256(self.config.as_bytes())) => {
                Reply::new(200, self.config.as_str())
            }
            () if self.is_layer(seen) => Reply::part(seen, &self.layer, self.layer.len()),
            () => Reply::new(404, r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#),
        }
    }

    fn is_layer(&self, seen: &Seen) -> bool {
        seen.path.ends_with(&sha256(&self.layer))
    }
}

/// A registry that is honest except where `script` says something.
fn server(
    image: &Arc<Image>,
    script: impl Fn(&Image, &Seen, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let image = Arc::clone(image);
    Server::start(move |seen, before| {
        script(&image, seen, before).unwrap_or_else(|| image.answer(seen))
    })
}

fn settings(servers: &[&Server]) -> Settings {
    let mut settings = Settings::default();
    settings.plain_http.extend(servers.iter().map(|server| server.host.clone()));
    settings.retry.first = Duration::from_millis(10);
    settings.stall_timeout = Duration::from_secs(5);
    settings
}

fn name(server: &Server) -> ImageName {
    format!("{}/team/os:v1", server.host).parse().unwrap()
}

struct Place {
    _dir: tempfile::TempDir,
    store: Store,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    Place { store: Store::open(dir.path()).unwrap(), _dir: dir }
}

impl Place {
    fn pull(&self, settings: &Settings, name: &ImageName) -> Result<(), RegistryError> {
        let client = Client::new(settings.clone());
        let pulled = client.pull(std::slice::from_ref(name), &amd64(), &self.store, &Silent)?;
        read(&pulled[0].reference).unwrap();
        Ok(())
    }

    fn partials(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(self.store.dir().join("partial")).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).collect()
    }
}

fn error(settings: &Settings, name: &ImageName) -> String {
    chain(&place().pull(settings, name).unwrap_err())
}

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
    let error = chain(&place.pull(&settings, &name(&server)).unwrap_err());
    assert!(error.contains("the digest of what came is sha256:"), "{error}");
    place.pull(&settings, &name(&server)).unwrap();
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

/// A file that knows a password for a host.
fn password(host: &str) -> AuthFile {
    let text = format!(r#"{{"auths":{{"{host}":{{"auth":"d2hvOndoYXQ="}}}}}}"#);
    AuthFile::parse(text.as_bytes()).unwrap()
}

#[test]
fn an_expired_token_is_replaced() {
    let image = Image::new();
    let issued = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&issued);
    let server = server(&image, move |image, seen, before| {
        if seen.path.starts_with("/token") {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            return Some(Reply::new(200, format!(r#"{{"token":"t{number}","expires_in":300}}"#)));
        }
        let good = format!("Bearer t{}", count.load(Ordering::SeqCst));
        let expired = image.is_layer(seen) && before == 0;
        (expired || seen.header("authorization") != Some(&good)).then(|| {
            let realm = format!(
                r#"Bearer realm="http://{}/token",service="s",scope="repository:team/os:pull""#,
                seen.header("host").unwrap()
            );
            Reply::new(401, "").with("WWW-Authenticate", &realm)
        })
    });
    let mut settings = settings(&[&server]);
    settings.credentials.files = vec![password(&server.host)];
    place().pull(&settings, &name(&server)).unwrap();
    assert_eq!(issued.load(Ordering::SeqCst), 2);
    let tokens = server.asked("/token");
    assert_eq!(tokens[0].path, "/token?service=s&scope=repository%3Ateam%2Fos%3Apull&account=who");
    assert_eq!(tokens[0].header("authorization"), Some("Basic d2hvOndoYXQ="));
    // The password goes to the issuer of tokens alone.
    for seen in server.asked("/v2/") {
        assert!(!seen.header("authorization").unwrap_or_default().starts_with("Basic"));
    }
}

#[test]
fn a_refresh_token_buys_tokens_and_a_denied_one_is_said() {
    let image = Image::new();
    let server = server(&image, |_, seen, _| {
        if seen.path == "/token" {
            let right = seen.body.contains("refresh_token=a%2Fb");
            let status = if right { 200 } else { 401 };
            return Some(Reply::new(status, r#"{"access_token":"t"}"#));
        }
        (seen.header("authorization") != Some("Bearer t")).then(|| {
            let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
            Reply::new(401, "").with("WWW-Authenticate", &realm)
        })
    });
    let mut settings = settings(&[&server]);
    let token = |token: &str| {
        let text = format!(r#"{{"auths":{{"{}":{{"identitytoken":"{token}"}}}}}}"#, server.host);
        vec![AuthFile::parse(text.as_bytes()).unwrap()]
    };
    settings.credentials.files = token("a/b");
    place().pull(&settings, &name(&server)).unwrap();
    let asked = &server.asked("/token")[0];
    assert_eq!(asked.method, "POST");
    assert!(asked.body.starts_with("grant_type=refresh_token&client_id=bootwright&scope=repo"));
    settings.credentials.files = token("wrong");
    assert!(error(&settings, &name(&server)).contains("is denied to this user"));
}

#[test]
fn tokens_are_not_asked_for_without_tls_unless_that_host_may() {
    let server = Server::start(|_, _| {
        let realm = r#"Bearer realm="http://token.test/""#;
        Reply::new(401, "").with("WWW-Authenticate", realm)
    });
    let text = error(&settings(&[&server]), &name(&server));
    assert!(text.contains("its issuer of tokens does without TLS"), "{text}");
}

#[test]
fn another_host_gets_no_password_and_loops_end() {
    let image = Image::new();
    let storage = server(&image, |image, _, _| Some(Reply::new(200, image.layer.as_slice())));
    let target = storage.host.clone();
    let server = server(&image, move |image, seen, _| {
        if seen.header("authorization") != Some("Basic d2hvOndoYXQ=") {
            return Some(Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""));
        }
        let elsewhere = format!("http://{target}/bucket?sig=1");
        image.is_layer(seen).then(|| Reply::new(307, "").with("Location", &elsewhere))
    });
    let mut known = settings(&[&server]);
    known.credentials.files = vec![password(&server.host), password(&storage.host)];
    place().pull(&known, &name(&server)).unwrap();
    assert_eq!(storage.seen().len(), 1);
    assert_eq!(storage.seen()[0].path, "/bucket?sig=1");
    assert_eq!(storage.seen()[0].header("authorization"), None);
    assert!(!format!("{known:?}").contains("what"), "{known:?}");

    let round = Server::start(|seen, _| Reply::new(302, "").with("Location", &seen.path));
    let text = error(&settings(&[&round]), &name(&round));
    assert!(text.ends_with("team/os:v1: more than 5 redirects"), "{text}");
    assert_eq!(round.seen().len(), 6);
    let away = Server::start(|_, _| Reply::new(302, "").with("Location", "file:///etc/passwd"));
    let text = error(&settings(&[&away]), &name(&away));
    assert!(text.ends_with("its redirect leads to no URL"), "{text}");
}

#[test]
fn mirrors_come_first_and_the_registry_last() {
    let image = Image::new();
    let origin = server(&image, |_, _, _| None);
    let empty = Server::start(|_, _| Reply::new(404, ""));
    let liar = server(&image, |image, seen, _| {
        image.is_layer(seen).then(|| Reply::new(200, vec![7; image.layer.len()]))
    });
    let good = server(&image, |_, _, _| None);
    let mut known = settings(&[&origin, &empty, &liar, &good]);
    let mut mirror = |texts: &[&str]| {
        let mirrors = texts.iter().map(|text| text.parse().unwrap()).collect();
        known.mirrors.insert(origin.host.clone(), mirrors);
        known.clone()
    };
    // Nobody listens at the first one.
    let all = mirror(&["127.0.0.1:9", &empty.host, &format!("{}/copies", good.host)]);
    place().pull(&all, &name(&origin)).unwrap();
    assert!(origin.seen().is_empty());
    assert!(good.seen().iter().all(|seen| seen.path.starts_with("/v2/copies/team/os/")));
    assert_eq!(empty.seen().len(), 3);
    let lying = mirror(&[&liar.host]);
    place().pull(&lying, &name(&origin)).unwrap();
    assert_eq!(origin.seen().len(), 1);
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
