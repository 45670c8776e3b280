//! Layouts whose bundles `trust` of p11-kit extracts from a database of its own: certificates are
//! added to what is there.

use std::collections::BTreeSet;

use bootwright_uki::hash::{Hash, hex};

use super::{TrustError, pem, rehash};
use crate::editor::Editor;

/// Where a distribution keeps what.
pub(super) struct Places {
    anchors: &'static [&'static str],
    /// Bundles in PEM form, by their importance: the first is made when it is missing.
    bundles: &'static [&'static str],
    /// Folders with one file for each certificate and links by subject hash.
    folders: &'static [&'static str],
    /// Stores in forms that are not written.
    others: &'static [&'static str],
}

pub(super) const SUSE: Places = Places {
    anchors: &["/usr/share/pki/trust/anchors", "/etc/pki/trust/anchors"],
    bundles: &["/var/lib/ca-certificates/ca-bundle.pem"],
    folders: &["/var/lib/ca-certificates/pem", "/var/lib/ca-certificates/openssl"],
    others: &["/var/lib/ca-certificates/java-cacerts"],
};

pub(super) const RED_HAT: Places = Places {
    anchors: &["/usr/share/pki/ca-trust-source/anchors", "/etc/pki/ca-trust/source/anchors"],
    bundles: &[
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/email-ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/objsign-ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt",
    ],
    folders: &["/etc/pki/ca-trust/extracted/pem/directory-hash"],
    others: &[
        "/etc/pki/ca-trust/extracted/java/cacerts",
        "/etc/pki/ca-trust/extracted/edk2/cacerts.bin",
    ],
};

pub(super) fn renew(editor: &mut Editor<'_>, places: &Places) -> Result<(), TrustError> {
    let anchors = anchors(editor, places)?;
    if anchors.is_empty() {
        return Ok(());
    }
    for (number, path) in places.bundles.iter().enumerate() {
        let Some(mut bundle) = editor.read(path)?.or((number == 0).then(Vec::new)) else {
            continue;
        };
        let known: BTreeSet<_> = pem::certificates(&bundle).into_iter().collect();
        for (_, der) in anchors.iter().filter(|(_, der)| !known.contains(der)) {
            if bundle.last().is_some_and(|last| *last != b'\n') {
                bundle.push(b'\n');
            }
            bundle.extend(pem::encode(der));
        }
        editor.write(path, bundle)?;
    }
    for folder in places.folders {
        if editor.is_directory(folder) {
            for (name, der) in &anchors {
                editor.put(&format!("{folder}/{name}.pem"), pem::encode(der).into(), 0o444)?;
            }
            rehash::rehash(editor, folder)?;
        }
    }
    for path in places.others.iter().filter(|path| editor.is_file(path)) {
        editor.observer.warn(format_args!("{path} does not get the added certificates"));
    }
    Ok(())
}

/// The site's certificates, each with a name for its file: that of its source, with a few digits
/// of its digest when one file holds several.
fn anchors(editor: &Editor<'_>, places: &Places) -> Result<Vec<(String, Vec<u8>)>, TrustError> {
    let mut files = Vec::new();
    for folder in places.anchors {
        for name in editor.names(folder) {
            let path = format!("{folder}/{}", String::from_utf8_lossy(&name));
            if let Some(id) = editor.find(&path).filter(|_| editor.is_file(&path)) {
                files.push((path, id));
            }
        }
    }
    let contents = editor.read_all(&files)?;
    let mut anchors = Vec::new();
    for ((path, _), content) in files.iter().zip(contents) {
        let mut ders = pem::certificates(&content);
        if ders.is_empty() && super::subject_hash(&content).is_some() {
            ders.push(content);
        }
        if ders.is_empty() {
            editor.observer.warn(format_args!("{path} holds no certificate"));
        }
        let file = path.rsplit('/').next().unwrap_or_default();
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        let single = ders.len() == 1;
        for der in ders {
            let digits = &hex(&Hash::Sha256.digest(&[&der]))[..8];
            let name = if single { stem.to_owned() } else { format!("{stem}-{digits}") };
            anchors.push((name, der));
        }
    }
    Ok(anchors)
}
