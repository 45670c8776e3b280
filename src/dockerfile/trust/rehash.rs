//! `openssl rehash`: links by subject hash in a folder of certificates.

use std::collections::{BTreeMap, BTreeSet};

use bootwright_image::Kind;
use bootwright_uki::hash::Hash;

use super::{TrustError, pem, subject_hash};
use crate::editor::Editor;

/// File names that are looked at.
const SUFFIXES: [&str; 4] = [".pem", ".crt", ".cer", ".crl"];

/// Makes `HASH.N` links for every file with one certificate. Links that are right keep their
/// numbers, others go; of equal certificates the first name counts.
pub(super) fn rehash(editor: &mut Editor<'_>, folder: &str) -> Result<(), TrustError> {
    let mut wanted: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (name, content) in candidates(editor, folder)? {
        let certificates = pem::certificates(&content);
        let [der] = &certificates[..] else { continue };
        let Some(hash) = subject_hash(der) else { continue };
        if seen.insert(Hash::Sha1.digest(&[der])) {
            wanted.entry(hash).or_default().push(name);
        }
    }
    let mut old = old_links(editor, folder);
    for (hash, names) in wanted {
        let links = old.remove(&hash).unwrap_or_default();
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (number, target) in &links {
            let known = names.iter().find(|name| *name == target);
            if let Some(name) = known.filter(|_| *number < names.len())
                && !numbers.contains_key(name.as_str())
            {
                numbers.insert(name, *number);
            } else {
                editor.remove(&format!("{folder}/{hash:08x}.{number}"));
            }
        }
        for name in &names {
            if !numbers.contains_key(name.as_str()) {
                let free = (0..).find(|n| !numbers.values().any(|used| used == n));
                let number = free.unwrap_or_default();
                editor.symlink(&format!("{folder}/{hash:08x}.{number}"), name)?;
                numbers.insert(name, number);
            }
        }
    }
    for (hash, links) in old {
        for (number, _) in links {
            editor.remove(&format!("{folder}/{hash:08x}.{number}"));
        }
    }
    Ok(())
}

/// Names and contents of the files that may hold a certificate, by name.
fn candidates(editor: &Editor<'_>, folder: &str) -> Result<Vec<(String, Vec<u8>)>, TrustError> {
    let mut files = Vec::new();
    for name in editor.names(folder) {
        let Ok(name) = String::from_utf8(name) else { continue };
        let suffix = SUFFIXES.iter().any(|suffix| name.to_ascii_lowercase().ends_with(suffix));
        let path = format!("{folder}/{name}");
        if let Some(id) = editor.find(&path).filter(|_| suffix && editor.is_file(&path)) {
            files.push((name, id));
        }
    }
    let contents = editor.read_all(&files)?;
    Ok(files.into_iter().map(|(name, _)| name).zip(contents).collect())
}

/// Numbers and targets of links by hash.
fn old_links(editor: &Editor<'_>, folder: &str) -> BTreeMap<u32, Vec<(usize, String)>> {
    let mut links: BTreeMap<u32, Vec<(usize, String)>> = BTreeMap::new();
    let Some(id) = editor.find(folder) else { return links };
    for (name, child) in editor.tree.children(id) {
        let Kind::Symlink(target) = editor.tree.inode(child).kind() else { continue };
        let name = String::from_utf8_lossy(name);
        let Some((hash, number)) = name.split_once('.') else { continue };
        let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let (Ok(hash), Ok(number), true) =
            (u32::from_str_radix(hash, 16), number.parse(), is_hash)
        {
            let target = String::from_utf8_lossy(target).into_owned();
            links.entry(hash).or_default().push((number, target));
        }
    }
    links
}
