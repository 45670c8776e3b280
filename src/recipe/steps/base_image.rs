//! Target `base-image`, behind the user's Dockerfile.

use bootwright_image::{Blob, Kind};

use super::StepError;
use crate::editor::Editor;

const DRACUT_CONF: &str = "/etc/dracut.conf.d/99-usb-media.conf";
/// Boots from USB sticks behind controllers whose firmware this driver loads.
const DRACUT_TEXT: &str =
    "hostonly=\"no\"\nadd_drivers+=\" xhci_pci_renesas \"\nforce_drivers+=\" xhci_pci_renesas \"\n";
const MACHINE_ID: &str = "/etc/machine-id";

/// Puts a file of the project at `path`, owned by 0:0.
///
/// # Errors
/// [`StepError`].
pub fn place(
    editor: &mut Editor<'_>,
    path: &str,
    content: Blob,
    mode: u16,
) -> Result<(), StepError> {
    Ok(editor.put(path, content, mode)?)
}

/// Tells dracut to add the driver of USB controllers by Renesas. It has an effect on initrds that
/// are made afterwards.
///
/// # Errors
/// [`StepError`].
pub fn load_usb_drivers(editor: &mut Editor<'_>) -> Result<(), StepError> {
    Ok(editor.put(DRACUT_CONF, DRACUT_TEXT.into(), 0o644)?)
}

/// Links `/boot/vmlinuz` to the last `vmlinuz-*` in order of names, and `/boot/initrd` to the
/// initrd of the last folder of `/lib/modules`, where there are such files. Both links are
/// relative.
///
/// # Errors
/// [`StepError`].
pub fn link_kernel(editor: &mut Editor<'_>) -> Result<(), StepError> {
    let text = |name: Vec<u8>| String::from_utf8(name).ok();
    let mut names = editor.names("/boot").into_iter().filter_map(text);
    if let Some(kernel) = names.rfind(|name| name.starts_with("vmlinuz-")) {
        editor.symlink("/boot/vmlinuz", &kernel)?;
    }
    let version = editor.names("/lib/modules").pop().and_then(text);
    if let Some(initrd) = version.map(|version| format!("initrd-{version}"))
        && editor.is_file(&format!("/boot/{initrd}"))
    {
        editor.symlink("/boot/initrd", &initrd)?;
    }
    Ok(())
}

/// Gives tools the names that Kairos calls them by: `grub2-editenv` where only Debian's name is
/// there, and `/usr/bin/apparmor_parser` on SUSE.
///
/// # Errors
/// [`StepError`].
pub fn link_tools(editor: &mut Editor<'_>, is_suse: bool) -> Result<(), StepError> {
    const EDITENV: &str = "/usr/bin/grub2-editenv";
    const PARSER: &str = "/usr/bin/apparmor_parser";
    if is_suse {
        let source = editor.find("/sbin/apparmor_parser");
        if let Some(source) = source.filter(|_| editor.find(PARSER).is_none()) {
            let inode = editor.tree.inode(source);
            let (kind, mode) = (inode.kind().clone(), inode.metadata.mode & 0o755);
            if matches!(kind, Kind::File(_)) {
                editor.create(PARSER, kind, mode)?;
            }
        }
    } else if !editor.is_file(EDITENV) {
        editor.symlink(EDITENV, "/usr/sbin/grub-editenv")?;
    }
    Ok(())
}

/// Removes what only a running system or a package manager needs: caches but cracklib's, the
/// journal, temporary files (hidden ones stay, as a shell's `*` has it), and the machine's identity, whose file stays behind empty.
///
/// # Errors
/// [`StepError`].
pub fn clean_up(editor: &mut Editor<'_>) -> Result<(), StepError> {
    editor.empty("/var/cache", |name| name == b"cracklib" || name.starts_with(b"."));
    editor.remove("/var/log/journal");
    editor.remove("/var/lib/dbus/machine-id");
    editor.empty("/tmp", |name| name.starts_with(b"."));
    forget_machine(editor)
}

/// Leaves an empty `/etc/machine-id`, which systemd fills when the system first boots.
pub(super) fn forget_machine(editor: &mut Editor<'_>) -> Result<(), StepError> {
    Ok(editor.put(MACHINE_ID, b""[..].into(), 0o444)?)
}
