//! `/etc/cos/bootargs.cfg`: GRUB variables with the kernel's arguments.

use super::StepError;
use crate::editor::{EditError, Editor};

const PATH: &str = "/etc/cos/bootargs.cfg";
/// What stands before the arguments that all entries have.
const BASE_CMD: &[u8] = b"set baseCmd=\"";
const CGROUP_V2: &str = "systemd.unified_cgroup_hierarchy=1";
const NO_NOUVEAU: &str = "rd.driver.blacklist=nouveau";
const NO_NOUVEAU_AT_ALL: &str =
    "rd.driver.blacklist=nouveau modprobe.blacklist=nouveau nouveau.modeset=0";

/// Edits the kernel's arguments of an image that boots through GRUB; see [`edited`].
///
/// # Errors
/// [`StepError`], also when the file is missing: without it the installed system does not boot.
pub fn edit(editor: &mut Editor<'_>, disable_selinux: bool) -> Result<(), StepError> {
    let needed = "the boot menu takes the kernel's arguments from it";
    let missing = || EditError::Missing { path: PATH.to_owned(), needed };
    let old = editor.read(PATH)?.ok_or_else(missing)?;
    let new = edited(&old, disable_selinux);
    if new != old {
        editor.replace(PATH, new)?;
    }
    Ok(())
}

/// `disable_selinux` deletes every `security=selinux ` and makes `selinux=1` a `selinux=0`. Then
/// `baseCmd` gets the unified cgroup hierarchy, unless the text has it anywhere, and after it the
/// arguments that keep `nouveau` away, unless the text has their first.
#[must_use]
pub fn edited(text: &[u8], disable_selinux: bool) -> Vec<u8> {
    let mut text = text.to_vec();
    if disable_selinux {
        text = replaced(&text, b"security=selinux ", b"");
        text = replaced(&text, b"selinux=1", b"selinux=0");
    }
    for (mark, arguments) in [(CGROUP_V2, CGROUP_V2), (NO_NOUVEAU, NO_NOUVEAU_AT_ALL)] {
        if find(&text, mark.as_bytes()).is_none() {
            text = append_to_quoted(&text, BASE_CMD, format!(" {arguments}").as_bytes());
        }
    }
    text
}

/// Puts `addition` before the quote that closes what follows `opening`, once in each line.
pub(crate) fn append_to_quoted(text: &[u8], opening: &[u8], addition: &[u8]) -> Vec<u8> {
    let line = |line: &[u8]| {
        let value = find(line, opening).map(|at| at + opening.len());
        let end = value.and_then(|at| Some(at + find(&line[at..], b"\"")?));
        match end {
            Some(at) => [&line[..at], addition, &line[at..]].concat(),
            None => line.to_vec(),
        }
    };
    text.split_inclusive(|byte| *byte == b'\n').flat_map(line).collect()
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    out
}
