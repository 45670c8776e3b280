//! Debian's `update-ca-certificates`.

use bootwright_image::{InodeId, Kind};

use super::{TrustError, pem, rehash};
use crate::editor::Editor;

/// The list of certificates that packages bring; `!` before one takes it out.
const LIST: &str = "/etc/ca-certificates.conf";
const PACKAGED: &str = "/usr/share/ca-certificates";
/// The site's own.
pub(super) const LOCAL: &str = "/usr/local/share/ca-certificates";
const CERTS: &str = "/etc/ssl/certs";
const BUNDLE: &str = "ca-certificates.crt";
const HOOKS: &str = "/etc/ca-certificates/update.d";

pub(super) fn renew(editor: &mut Editor<'_>) -> Result<(), TrustError> {
    editor.make_directory(CERTS)?;
    let list = editor.read(LIST)?.unwrap_or_default();
    let list = String::from_utf8_lossy(&list).into_owned();
    if list.is_empty() {
        clear(editor);
    }
    let mut changed = false;
    for name in list.lines().filter_map(|line| line.strip_prefix('!')) {
        let path = format!("{CERTS}/{}.pem", base_name(name));
        changed |= is_link(editor, &path) && editor.remove(&path);
    }
    let files = sources(editor, &list);
    let contents = editor.read_all(&files)?;
    let mut bundle = Vec::new();
    for ((path, _), content) in files.iter().zip(contents) {
        if pem::certificates(&content).is_empty() {
            editor.observer.warn(format_args!("{path} holds no certificate in PEM form"));
        }
        changed |= link(editor, path)?;
        bundle.extend_from_slice(&content);
        if content.last().is_some_and(|last| *last != b'\n') {
            bundle.push(b'\n');
        }
    }
    if changed {
        remove_orphans(editor);
        rehash::rehash(editor, CERTS)?;
    }
    if !files.is_empty() {
        editor.put(&format!("{CERTS}/{BUNDLE}"), bundle.into(), 0o644)?;
    }
    for hook in editor.names(HOOKS) {
        let hook = String::from_utf8_lossy(&hook);
        editor.observer.warn(format_args!("{HOOKS}/{hook} is a program and was not run"));
    }
    Ok(())
}

/// The certificates in the bundle's order: those of the list, then the site's own by path.
fn sources(editor: &Editor<'_>, list: &str) -> Vec<(String, InodeId)> {
    let mut files = Vec::new();
    let listed = list.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
    for name in listed {
        let path = format!("{PACKAGED}/{name}");
        match editor.find(&path).filter(|_| editor.is_file(&path)) {
            Some(id) => files.push((path, id)),
            None => editor.observer.warn(format_args!("{path} is listed in {LIST} and missing")),
        }
    }
    let mut local = Vec::new();
    let mut open = vec![(LOCAL.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        for name in editor.names(&folder) {
            let path = format!("{folder}/{}", String::from_utf8_lossy(&name));
            let Some(id) = editor.find(&path) else { continue };
            if editor.is_directory(&path) {
                // Links may lead in circles.
                if depth < 16 {
                    open.push((path, depth + 1));
                }
            } else if path.ends_with(".crt") {
                local.push((path, id));
            } else if !name.starts_with(b".") {
                // Hidden files keep a folder in a repository.
                editor.observer.warn(format_args!("{path} is left out: its name must end in .crt"));
            }
        }
    }
    local.sort();
    files.extend(local);
    files
}

/// Links a certificate in [`CERTS`]; whether the link is new.
fn link(editor: &mut Editor<'_>, path: &str) -> Result<bool, TrustError> {
    let replace = |c| match c {
        ' ' | ',' => '_',
        '(' | ')' => '=',
        c => c,
    };
    let name: String = base_name(path).chars().map(replace).collect();
    let link = format!("{CERTS}/{name}.pem");
    let there = editor.tree.lookup(link.as_bytes()).map(|id| editor.tree.inode(id).kind());
    if matches!(there, Some(Kind::Symlink(target)) if **target == *path.as_bytes()) {
        return Ok(false);
    }
    editor.symlink(&link, path)?;
    Ok(true)
}

/// Takes away links into the certificates' folders, and links that lead nowhere.
fn clear(editor: &mut Editor<'_>) {
    for (name, target) in links(editor) {
        if target.starts_with(PACKAGED) || target.starts_with(LOCAL) {
            editor.remove(&format!("{CERTS}/{name}"));
        }
    }
    remove_orphans(editor);
}

fn remove_orphans(editor: &mut Editor<'_>) {
    for (name, _) in links(editor) {
        let path = format!("{CERTS}/{name}");
        if editor.find(&path).is_none() {
            editor.remove(&path);
        }
    }
}

fn links(editor: &Editor<'_>) -> Vec<(String, String)> {
    let Some(id) = editor.find(CERTS) else { return Vec::new() };
    let link = |(name, child): (&[u8], InodeId)| match editor.tree.inode(child).kind() {
        Kind::Symlink(target) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            Some((text(name), text(target)))
        }
        _ => None,
    };
    editor.tree.children(id).filter_map(link).collect()
}

fn is_link(editor: &Editor<'_>, path: &str) -> bool {
    let id = editor.tree.lookup(path.as_bytes());
    id.is_some_and(|id| matches!(editor.tree.inode(id).kind(), Kind::Symlink(_)))
}

/// A path's last part without `.crt`.
fn base_name(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".crt").unwrap_or(name)
}
