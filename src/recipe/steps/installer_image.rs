//! Target `iso-image`: the root file system that the installer boots.

use bootwright_image::FileTree;

use super::{StepError, base_image, layers};
use crate::editor::Editor;

const BIN: &str = "/opt/spectrocloud/bin";
const KEPT: &[u8] = b"agent-provider-stylus";

/// For trusted boot: takes the agent's programs out but the one that starts it, and `luet`. They
/// come as an extension of the system later.
pub fn trim_for_uki(editor: &mut Editor<'_>) {
    let mut open = vec![BIN.to_owned()];
    while let Some(folder) = open.pop() {
        for name in editor.names(&folder) {
            let Ok(text) = std::str::from_utf8(&name) else { continue };
            let path = format!("{folder}/{text}");
            let Some(id) = editor.tree.lookup(path.as_bytes()) else { continue };
            let inode = editor.tree.inode(id);
            if inode.as_directory().is_some() {
                open.push(path);
            } else if inode.as_file().is_some() && name != KEPT {
                editor.remove(&path);
            }
        }
    }
    editor.remove("/usr/bin/luet");
}

/// Puts the unpacked `local-ui.tar` where the agent looks for its user interface.
///
/// # Errors
/// [`StepError`].
pub fn unpack_local_ui(editor: &mut Editor<'_>, local_ui: &FileTree) -> Result<(), StepError> {
    layers::overlay(editor, local_ui, "/opt/spectrocloud")
}

/// Removes what every machine must have of its own: SSH host keys, primes of the key exchange, and
/// the machine's id, whose file stays behind empty.
///
/// # Errors
/// [`StepError`].
pub fn forget_host(editor: &mut Editor<'_>) -> Result<(), StepError> {
    editor.empty("/etc/ssh", |name| !name.starts_with(b"ssh_host_") && name != b"moduli");
    base_image::forget_machine(editor)
}
