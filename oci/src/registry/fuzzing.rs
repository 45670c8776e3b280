//! What registries, users and other programs send, as any bytes.

use ureq::http::Uri;

use super::upload;
use super::{AuthFile, Mirror, NoProxy, Proxy, blob, challenge, location, reply, retry, token};
use crate::error::Error;
use crate::limits::Limits;
use crate::name::ImageName;
use crate::store::{Item, Selection, Walker, media_type};

/// Reads texts of headers, names, settings and documents.
pub(crate) fn replies(data: &[u8]) {
    documents(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    for challenge in challenge::parse(text) {
        if let challenge::Challenge::Bearer { realm, .. } = challenge {
            assert!(!realm.is_empty());
        }
    }
    names(text);
    urls(text);
    if let Some((first, Some(total))) = blob::content_range(text) {
        assert!(first < total);
    }
    if let Some(done) = upload::uploaded(text) {
        assert!(done > 1);
    }
    let _ = retry::retry_after(text, Some("Fri, 20 Nov 2026 08:00:00 GMT"));
    let (rules, host) = text.split_once('\n').unwrap_or((text, "a.b"));
    let _ = NoProxy::parse(rules).has(host, 443);
    if let Ok(proxy) = Proxy::parse(text) {
        assert!(!format!("{proxy:?}").contains('@'));
    }
    let _ = text.parse::<Mirror>();
}

fn names(text: &str) {
    if let Ok(name) = text.parse::<ImageName>() {
        let shown = name.to_string();
        assert_eq!(shown.parse().as_ref(), Ok(&name), "{shown}");
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"./:@_-[]".contains(&byte);
        assert!(shown.bytes().all(safe) && !shown.contains(".."), "{shown}");
        assert!(format!("https://{}/v2/", name.host()).parse::<Uri>().is_ok(), "{shown}");
    }
}

fn urls(text: &str) {
    let base = "https://registry.test:5000/v2/x/blobs/uploads/1?a=b".parse::<Uri>();
    let Ok(base) = base else { return };
    if let Some(url) = location::resolve(&base, text) {
        assert!(matches!(url.scheme_str(), Some("http" | "https")));
        assert!(url.authority().is_some_and(|it| !it.as_str().contains('@')));
        assert!(location::same_origin(&url, &url));
    }
}

fn documents(data: &[u8]) {
    let shown = reply::words(data);
    assert!(!shown.contains(char::is_control) && shown.chars().count() < 1000);
    if let Ok(reply) = serde_json::from_slice::<token::TokenReply>(data)
        && let Some((token, life)) = reply.into_token()
    {
        assert!(!token.reveal().is_empty() && life.as_secs() <= 86400);
    }
    if let Ok(file) = AuthFile::parse(data) {
        let _ = file.entry("registry.test", "a/b/c");
        let _ = file.helper("registry.test");
    }
    let Ok(media_type) = media_type(data, "fuzz") else { return };
    let digest = crate::ContentDigest::Sha256([0; 32]);
    let root = Item { media_type, digest, size: data.len() as u64 };
    for selection in [Selection::All, Selection::Architecture("amd64".to_owned())] {
        // Every child is the same document again, which is as deep as it gets.
        let load = &mut |_: &Item| Ok::<_, Failed>(Some(data.to_vec()));
        let walker =
            Walker { image: "fuzz", selection: &selection, limits: &Limits::default(), load };
        if let Ok(parts) = walker.walk(root.clone(), data.to_vec()) {
            assert!(parts.documents.len() <= 1025 && parts.blobs.len() <= 16384);
        }
    }
}

/// An error of a walk; which one does not matter here.
struct Failed;

impl From<Error> for Failed {
    fn from(_: Error) -> Self {
        Self
    }
}
