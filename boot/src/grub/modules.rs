//! Which modules go into a core image.

use std::collections::{BTreeMap, BTreeSet};

use super::{GrubError, GrubFiles};

/// Modules without which an installer ISO does not reach its menu: the disk, its file system, and
/// the commands of the menu.
pub const MANDATORY_MODULES: &[&str] = &[
    "iso9660",
    "linux",
    "echo",
    "configfile",
    "search_fs_file",
    "search",
    "normal",
    "test",
    "biosdisk",
];

/// Modules that are taken if they are there.
pub const OPTIONAL_MODULES: &[&str] = &[
    "ext2",
    "search_label",
    "search_fs_uuid",
    "ls",
    "gzio",
    "gettext",
    "font",
    "gfxterm",
    "gfxmenu",
    "all_video",
    "true",
    "loadenv",
    "part_gpt",
    "part_msdos",
    "vga",
    "vbe",
    "chain",
    "boot",
    "serial",
    "sleep",
    "reboot",
    "halt",
];

/// The modules for an installer ISO that `files` has.
///
/// # Errors
/// [`GrubError::NoModule`] for one of [`MANDATORY_MODULES`].
pub fn default_modules(files: &GrubFiles) -> Result<Vec<&'static str>, GrubError> {
    if let Some(name) = MANDATORY_MODULES.iter().find(|name| !files.modules.contains_key(**name)) {
        return Err(GrubError::NoModule { name: (*name).to_owned(), needed_by: None });
    }
    let optional = OPTIONAL_MODULES.iter().filter(|name| files.modules.contains_key(**name));
    Ok(MANDATORY_MODULES.iter().chain(optional).copied().collect())
}

/// `wanted` and all they need, each behind what it needs; in grub-mkimage's order, which takes the
/// names of a line of `moddep.lst` from the last to the first.
pub(super) fn closure<'a>(
    files: &'a GrubFiles,
    wanted: &'a [&str],
) -> Result<Vec<(&'a str, &'a [u8])>, GrubError> {
    let needs = parse(&files.moddep)?;
    let mut done = BTreeSet::new();
    let mut modules = Vec::new();
    // What is still to do: a module to enter with who needs it, or one whose needs are met.
    let mut stack: Vec<(&str, Option<&str>, bool)> =
        wanted.iter().rev().map(|name| (*name, None, false)).collect();
    let mut entered = BTreeSet::new();
    while let Some((name, needed_by, met)) = stack.pop() {
        if done.contains(name) {
            continue;
        }
        if met {
            let content = files.modules.get(name).ok_or_else(|| GrubError::NoModule {
                name: name.to_owned(),
                needed_by: needed_by.map(str::to_owned),
            })?;
            done.insert(name);
            modules.push((name, content.as_slice()));
            continue;
        }
        stack.push((name, needed_by, true));
        if !entered.insert(name) {
            let problem = "has modules that need each other";
            return Err(GrubError::File { file: "moddep.lst", problem });
        }
        let needs = needs.get(name).into_iter().flatten();
        stack.extend(needs.map(|need| (*need, Some(name), false)));
    }
    Ok(modules)
}

/// The lines `module: need need…`.
fn parse(moddep: &[u8]) -> Result<BTreeMap<&str, Vec<&str>>, GrubError> {
    let wrong = GrubError::File { file: "moddep.lst", problem: "has a line without a colon" };
    let text = std::str::from_utf8(moddep)
        .map_err(|_| GrubError::File { file: "moddep.lst", problem: "is not text" })?;
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.split_once(':'))
        .map(|line| line.map(|(name, needs)| (name, needs.split_whitespace().collect())))
        .collect::<Option<_>>()
        .ok_or(wrong)
}
