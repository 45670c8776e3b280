//! What GRUB reads and writes on the disk.

use bootwright_boot::loaders::Kernel;

use crate::recipe::RecipeError;

/// What GRUB's own configuration on the EFI system partition does: find the recovery partition and
/// go on with the menu there.
pub(super) const CHAIN: &str = "\
search --no-floppy --label --set=root COS_RECOVERY
set root=($root)
set prefix=($root)/grub2
configfile ($root)/etc/cos/grub.cfg
";

/// The menu for a base image that brings none in `/etc/cos/grub.cfg`: what `next_entry` of the
/// environment block names, else the recovery system, which dracut's dmsquash-live mounts: it
/// takes `/cOS/rootfs.img` for its root, changes go to memory.
pub(super) const MENU: &str = "\
set timeout=5
set default=recovery
if [ \"${grub_platform}\" = efi ]; then
    # It would hold the whole image in memory to measure it.
    rmmod tpm
fi
search --no-floppy --label --set=oem COS_OEM
if [ -f ($oem)/grubenv ]; then
    load_env --file ($oem)/grubenv
    if [ \"${next_entry}\" ]; then
        set default=\"${next_entry}\"
        set next_entry=
        save_env --file ($oem)/grubenv next_entry
    fi
fi
if [ -f ($oem)/grubcustom ]; then
    source ($oem)/grubcustom
fi
menuentry 'Recovery' --id recovery {
    search --no-floppy --label --set=root COS_RECOVERY
    set img=/cOS/recovery.img
    loopback loop0 ($root)$img
    linux (loop0)@KERNEL@ root=live:LABEL=COS_RECOVERY rd.live.dir=/cOS rd.live.overlay.overlayfs console=tty1 console=ttyS0,115200n8 net.ifnames=1 panic=5
    initrd (loop0)@INITRD@
}
";

/// A menu's text with the paths of what it starts.
pub(super) fn with_kernel(menu: &str, kernel: &Kernel) -> String {
    menu.replace("@KERNEL@", &kernel.kernel_path).replace("@INITRD@", &kernel.initrd_path)
}

/// Length of an environment block in bytes. GRUB writes it in place and never changes its length.
const ENVIRONMENT_LEN: usize = 1024;
const SIGNATURE: &str = "# GRUB Environment Block\n";

/// An environment block (GRUB manual, \"The GRUB environment block\") with variables in order of
/// their names.
///
/// # Errors
/// [`RecipeError::TooLarge`] when they do not fit.
pub(super) fn environment(variables: &[(&str, &str)]) -> Result<Vec<u8>, RecipeError> {
    let mut sorted = variables.to_vec();
    sorted.sort_unstable();
    let mut block = SIGNATURE.as_bytes().to_vec();
    for (name, value) in sorted {
        let value = value.replace('\\', "\\\\").replace('\n', "\\\n");
        block.extend(format!("{name}={value}\n").into_bytes());
    }
    if block.len() > ENVIRONMENT_LEN {
        let (len, limit) = (block.len() as u64, ENVIRONMENT_LEN as u64);
        return Err(RecipeError::TooLarge { path: "grubenv".into(), len, limit });
    }
    block.resize(ENVIRONMENT_LEN, b'#');
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_block_has_its_length_whatever_is_in_it() {
        let block = environment(&[("next_entry", "recovery"), ("a", "b\\c\nd")]).unwrap();
        assert_eq!(block.len(), 1024);
        let text = String::from_utf8(block).unwrap();
        let wanted = "# GRUB Environment Block\na=b\\\\c\\\nd\nnext_entry=recovery\n###";
        assert!(text.starts_with(wanted), "{text}");
        assert!(text.ends_with('#'));
        let room = ENVIRONMENT_LEN - SIGNATURE.len() - 3;
        environment(&[("a", &"x".repeat(room))]).unwrap();
        assert!(environment(&[("a", &"x".repeat(room + 1))]).is_err());
    }
}
