//! Who sees which secret, and where else an image may come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bootwright_image::Silent;
use bootwright_oci::registry::{AuthFile, Client};

use super::honest::{Image, error, name, place, server, settings};
use super::real::amd64;
use super::scripted::{Reply, Server, Style};

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
    // One that breaks off after wrong bytes, and one that sends too many.
    let cutting = server(&image, |image, seen, _| {
        let wrong = Reply::new(200, vec![7; 300_000]).promising(image.layer.len());
        image.is_layer(seen).then_some(wrong)
    });
    let endless = server(&image, |image, seen, _| {
        image.is_layer(seen).then(|| Reply::new(200, vec![7; 65536]).styled(Style::Endless))
    });
    for bad in [&cutting, &endless] {
        let asked = origin.seen().len();
        let mut settings = mirror(&[&bad.host]);
        settings.plain_http.insert(bad.host.clone());
        place().pull(&settings, &name(&origin)).unwrap();
        assert!(origin.seen().len() > asked);
    }
    let asked = origin.seen().len();
    let lying = mirror(&[&liar.host]);
    place().pull(&lying, &name(&origin)).unwrap();
    assert_eq!(origin.seen().len(), asked + 1);
}

#[test]
fn another_host_may_not_ask_for_credentials() {
    let image = Image::new();
    let thief = Server::start(|seen, _| {
        let realm = format!(r#"Bearer realm="http://{}/token""#, seen.header("host").unwrap());
        Reply::new(401, r#"{"token":"t"}"#).with("WWW-Authenticate", &realm)
    });
    let target = thief.host.clone();
    let server = server(&image, move |image, seen, _| {
        if seen.header("authorization") != Some("Basic d2hvOndoYXQ=") {
            return Some(Reply::new(401, "").with("WWW-Authenticate", "Basic realm=\"x\""));
        }
        let elsewhere = format!("http://{target}/blob");
        match seen.method.as_str() {
            "HEAD" => Some(Reply::new(404, "")),
            "POST" => Some(Reply::new(202, "").with("Location", &elsewhere)),
            _ => image.is_layer(seen).then(|| Reply::new(307, "").with("Location", &elsewhere)),
        }
    });
    let mut settings = settings(&[&server, &thief]);
    settings.credentials.files = vec![password(&server.host), password(&thief.host)];
    let text = error(&settings, &name(&server));
    assert!(text.starts_with(&thief.host) && text.ends_with("status 401"), "{text}");

    // Nor may an upload lead it there.
    let place = place();
    let honest = super::honest::server(&image, |_, _, _| None);
    let mut known = settings.clone();
    known.plain_http.insert(honest.host.clone());
    place.pull(&known, &name(&honest)).unwrap();
    let client = Client::new(known);
    let names = (name(&honest), name(&server));
    assert!(client.push(&names.0, &names.1, &amd64(), &place.store, &Silent).is_err());
    assert!(thief.seen().len() >= 2);
    for seen in thief.seen() {
        assert_eq!(seen.header("authorization"), None);
        assert!(seen.path.starts_with("/blob"), "{}", seen.path);
    }
}
