//! Who is to own what is copied.

use bootwright_image::{FileTree, Observer, Streams, collect};

use super::error::Problem;

/// Bytes that a list of users or groups may have.
const LIST_MAX: u64 = 4 << 20;

/// Reads `USER[:GROUP]`, each a number or a name that the image's lists know. Without a group, a
/// user by name has its own, and a number stands for both.
pub(crate) fn owner(
    text: &str,
    tree: &FileTree,
    streams: &dyn Streams,
    observer: &dyn Observer,
) -> Result<(u32, u32), Problem> {
    let list = |path: &str| read(path, tree, streams, observer);
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let (uid, own_group) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) => entry(&list("/etc/passwd")?, user, [2, 3])
            .ok_or_else(|| Problem::NoOwner { name: user.to_owned(), file: "/etc/passwd" })?,
    };
    let gid = match group {
        None => own_group,
        Some(group) => match group.parse::<u32>() {
            Ok(gid) => gid,
            Err(_) => {
                entry(&list("/etc/group")?, group, [2, 2])
                    .ok_or_else(|| Problem::NoOwner { name: group.to_owned(), file: "/etc/group" })?
                    .0
            }
        },
    };
    Ok((uid, gid))
}

fn entry(list: &str, name: &str, fields: [usize; 2]) -> Option<(u32, u32)> {
    let line =
        list.lines().find(|line| line.split(':').next() == Some(name) && !name.is_empty())?;
    let number = |at: usize| line.split(':').nth(at)?.parse().ok();
    Some((number(fields[0])?, number(fields[1])?))
}

fn read(
    path: &str,
    tree: &FileTree,
    streams: &dyn Streams,
    observer: &dyn Observer,
) -> Result<String, Problem> {
    let id = tree.resolve(path.as_bytes()).ok().flatten();
    let Some(id) = id.filter(|id| tree.inode(*id).as_file().is_some()) else {
        return Ok(String::new());
    };
    let mut contents = collect(tree, streams, &[id], LIST_MAX, observer)
        .map_err(|source| Problem::Content { path: path.to_owned(), source: Box::new(source) })?;
    Ok(String::from_utf8_lossy(&contents.remove(0)).into_owned())
}
