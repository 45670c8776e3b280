//! Which release a checkout is of.

use std::fs;
use std::path::{Path, PathBuf};

/// Longest file of git's that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// The tag that the checkout in `folder` stands at; the last one in order of names if there are
/// several. Tags further back in the history are not looked for.
pub(super) fn tag(folder: &Path) -> Option<String> {
    let git = git_folder(folder)?;
    let head = read(&git.join("HEAD"))?;
    let common =
        read(&git.join("commondir")).map_or_else(|| git.clone(), |path| git.join(path.trim()));
    let packed = read(&common.join("packed-refs")).unwrap_or_default();
    let commit = match head.trim().strip_prefix("ref: ") {
        Some(name) => read(&common.join(name)).or_else(|| packed_ref(&packed, name))?,
        None => head,
    };
    let commit = commit.trim();
    let mut tags = packed_tags(&packed, commit);
    loose_tags(&common.join("refs/tags"), "", commit, &mut tags);
    tags.into_iter().max()
}

/// `.git`, or the folder that the file `.git` of a worktree names.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = read(&git)?;
    Some(folder.join(text.strip_prefix("gitdir: ")?.trim()))
}

fn read(path: &Path) -> Option<String> {
    let len = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
    (len <= LONGEST).then(|| fs::read_to_string(path).ok())?
}

fn packed_ref(packed: &str, name: &str) -> Option<String> {
    packed.lines().find_map(|line| {
        let (commit, found) = line.split_once(' ')?;
        (found == name).then(|| commit.to_owned())
    })
}

/// Tags of a commit; a line `^COMMIT` belongs to the annotated tag above it.
fn packed_tags(packed: &str, commit: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut last = None;
    for line in packed.lines() {
        if let Some(peeled) = line.strip_prefix('^') {
            tags.extend(last.take().filter(|_| peeled == commit));
        } else if let Some((found, name)) = line.split_once(' ') {
            last = name.strip_prefix("refs/tags/").map(str::to_owned);
            tags.extend(last.clone().filter(|_| found == commit));
        }
    }
    tags
}

fn loose_tags(folder: &Path, prefix: &str, commit: &str, tags: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() && prefix.len() < 256 {
            loose_tags(&entry.path(), &format!("{name}/"), commit, tags);
        } else if read(&entry.path()).is_some_and(|text| text.trim() == commit) {
            tags.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_detached_or_attached_head_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        fs::create_dir_all(git.join("refs/tags")).unwrap();
        assert_eq!(tag(dir.path()), None);
        fs::write(git.join("HEAD"), "aaaa\n").unwrap();
        fs::write(git.join("packed-refs"), "# pack-refs with: peeled\nbbbb refs/tags/v4.4.11\n^aaab\ncccc refs/tags/v4.4.12\n^aaaa\n").unwrap();
        assert_eq!(tag(dir.path()).as_deref(), Some("v4.4.12"));
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(tag(dir.path()), None);
        fs::create_dir_all(git.join("refs/heads")).unwrap();
        fs::write(git.join("refs/heads/main"), "dddd\n").unwrap();
        fs::write(git.join("refs/tags/v5"), "dddd\n").unwrap();
        assert_eq!(tag(dir.path()).as_deref(), Some("v5"));
    }
}
