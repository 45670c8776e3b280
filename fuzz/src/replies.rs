//! What registries and their users write, sound and short.

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn replies() -> Vec<Vec<u8>> {
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{DIGEST}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{DIGEST}","size":3}}]}}"#
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{DIGEST}","size":7,"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#
    );
    let auths = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YTpi"},"r.io/x":{"identitytoken":"t"}},"credHelpers":{"r.io":"pass"},"credsStore":"x"}"#;
    let mut all: Vec<Vec<u8>> = [
        r#"Bearer realm="https://auth.test/token",service="r",scope="repository:x:pull", Basic realm="y""#,
        r#"{"token":"t","access_token":"a","expires_in":300,"issued_at":"2026-01-01T00:00:00Z"}"#,
        r#"{"errors":[{"code":"DENIED","message":"no","detail":null}]}"#,
        auths,
        "https://s3.test/bucket/blob?signature=%2F#part",
        "/v2/x/blobs/uploads/2?state=1",
        "bytes 100-199/200",
        "0-1048575",
        "Fri, 20 Nov 2026 08:01:30 GMT",
        "10.0.0.0/8,.a.b,*.c.d:443,[fe80::1]:80\na.b",
        "http://user:word@proxy.test:3128",
        "[fe80::1]:5000/a/b-c__d:v1.2",
        "mirror.test:5000/prefix/more",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    all.extend([manifest, index, format!("host.test/x:t@{DIGEST}")].map(String::into_bytes));
    all
}
