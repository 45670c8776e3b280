//! Certificates in PEM files (RFC 7468, and the labels that OpenSSL accepts beside its own).

use base64ct::{Base64, Encoding};

const LABELS: [&str; 3] = ["CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE"];

/// The DER of every certificate in a text; blocks that are no Base64 are left out.
pub(super) fn certificates(text: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    let mut block: Option<(&str, String)> = None;
    for line in text.lines().map(str::trim) {
        match &mut block {
            None => {
                let label = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----"));
                block = label.filter(|l| LABELS.contains(l)).map(|l| (l, String::new()));
            }
            Some((label, base64)) => {
                let end = line.strip_prefix("-----END ").and_then(|l| l.strip_suffix("-----"));
                match end {
                    Some(end) => {
                        let whole = (end == *label).then(|| Base64::decode_vec(base64).ok());
                        found.extend(whole.flatten());
                        block = None;
                    }
                    None => base64.push_str(line),
                }
            }
        }
    }
    found
}

/// One certificate as PEM.
pub(super) fn encode(der: &[u8]) -> Vec<u8> {
    let base64 = Base64::encode_string(der);
    let mut text = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in base64.as_bytes().chunks(64) {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text.extend_from_slice(b"-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_text() {
        let one = encode(&[1; 100]);
        let trusted =
            "-----BEGIN TRUSTED CERTIFICATE-----\r\nAgID\r\n-----END TRUSTED CERTIFICATE-----\r\n";
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
        let text = [
            b"text\n",
            &one[..],
            trusted.as_bytes(),
            key.as_bytes(),
            broken.as_bytes(),
            &one[..40],
        ];
        assert_eq!(certificates(&text.concat()), [vec![1; 100], vec![2, 2, 3]]);
    }
}
