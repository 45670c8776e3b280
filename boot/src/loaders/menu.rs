//! GRUB's configurations: the chain from wherever a GRUB looks first, and the menu.

use std::fmt::Write;

/// What every GRUB is given in the folder its own prefix names: find the medium by a file that
/// only it has, and go on with the menu there.
pub const CHAIN: &str = "\
search --no-floppy --file --set=root /boot/kernel
set prefix=($root)/boot/grub2
configfile $prefix/grub.cfg";

/// Where [`CHAIN`] is needed, on the medium and in the EFI system partition: GRUB builds for discs
/// look in `/boot/grub`, others in `/EFI/BOOT` or in their distribution's own folder.
#[must_use]
pub fn chain_paths(vendors: &[String]) -> Vec<String> {
    let mut paths = vec!["boot/grub/grub.cfg".to_owned(), "EFI/BOOT/grub.cfg".to_owned()];
    paths.extend(vendors.iter().map(|vendor| format!("EFI/{vendor}/grub.cfg")));
    paths
}

/// Why a menu cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MenuError {
    /// A character that would end the line or the word it stands in.
    #[error("{what} {text:?} has {found:?}, which a boot menu cannot hold")]
    Character {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
        /// The character.
        found: char,
    },
    /// A quotation that does not end.
    #[error("{what} {text:?} has an odd number of {found:?}")]
    Quote {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
        /// The quotation mark.
        found: char,
    },
}

/// Kernel arguments up to the console: dracut finds the squashfs on the volume with the label.
const LIVE: &str = "cdroot root=live:CDLABEL=@LABEL@ rd.live.dir=/ \
                    rd.live.squashimg=rootfs.squashfs net.ifnames=1";
/// Kernel arguments after the console and video ones.
const SYSTEM: &str = "selinux=0 rd.live.overlay.overlayfs rd.immucore.sysrootwait=600 \
                      systemd.unified_cgroup_hierarchy=1 \
                      rd.driver.blacklist=nouveau,qat_4xxx modprobe.blacklist=nouveau,qat_4xxx \
                      nouveau.modeset=0";

/// The installer's menu for a volume with `label`: install, install with manual pairing,
/// interactive install; the first after five seconds. On UEFI a fourth entry, also on key t,
/// switches the menu to text. `extend` is appended to each kernel command
/// line; quotation marks group words as GRUB understands them.
///
/// # Errors
/// [`MenuError`] when the label or `extend` cannot stand in a menu.
pub fn menu(label: &str, extend: &str) -> Result<String, MenuError> {
    check("label", label, |c| c.is_whitespace() || "\"'\\$;&|<>{}#".contains(c))?;
    check("kernel arguments", extend, |c| "\\$;&|<>{}#".contains(c))?;
    for found in ['"', '\''] {
        if extend.matches(found).count() % 2 == 1 {
            let text = extend.to_owned();
            return Err(MenuError::Quote { what: "kernel arguments", text, found });
        }
    }
    let live = LIVE.replace("@LABEL@", label);
    let mut text = PREAMBLE.to_owned();
    for (title, pairing, more) in [
        ("Palette eXtended Kubernetes Edge Installer", "$videoparams nodepair.enable ", ""),
        ("Palette eXtended Kubernetes Edge Installer (manual)", "", ""),
        (
            "Palette eXtended Kubernetes Edge Interactive Installer",
            "$videoparams nodepair.enable ",
            " interactive-install",
        ),
    ] {
        let separator = if extend.is_empty() { "" } else { " " };
        let _ = write!(
            text,
            "\nmenuentry \"{title}\" {{\n    echo Loading the kernel ...\n    \
             linux ($root)/boot/kernel {live} $consoleparams rd.cos.disable {pairing}{SYSTEM}\
             {more}{separator}{extend}\n    \
             echo Loading the initial file system ...\n    initrd ($root)/boot/initrd\n}}\n"
        );
    }
    text.push_str(TEXT_MODE);
    Ok(text)
}

const PREAMBLE: &str = "\
# The root is the medium itself, wherever the menu was started from.
search --no-floppy --file --set=root /boot/kernel
set default=0
set timeout=5
set timeout_style=menu

if [ \"${grub_platform}\" = \"efi\" ]; then
    set consoleparams=\"console=ttyS0,115200n8 console=tty0\"
    if [ \"${grub_cpu}\" = \"arm64\" ]; then
        set consoleparams=\"console=ttyAMA0,115200n8 ${consoleparams}\"
    fi
    set videoparams=\"\"
else
    set consoleparams=\"console=tty1 console=ttyS0\"
    set videoparams=\"vga=795 nomodeset\"
    if [ -f ($root)/boot/grub2/fonts/unicode.pf2 ]; then
        loadfont ($root)/boot/grub2/fonts/unicode.pf2
        set gfxmode=auto
        insmod all_video
        insmod gfxterm
        terminal_output gfxterm
    fi
fi
";

const TEXT_MODE: &str = "
if [ \"${grub_platform}\" = \"efi\" ]; then
    menuentry \"Text mode\" --hotkey=t {
        set textmode=true
        terminal_output console
    }
fi
";

fn check(what: &'static str, text: &str, bad: impl Fn(char) -> bool) -> Result<(), MenuError> {
    match text.chars().find(|c| c.is_control() || bad(*c)) {
        Some(found) => Err(MenuError::Character { what, text: text.into(), found }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn every_entry_finds_the_root_by_label_and_carries_the_extension() {
        let text = menu("COS_LIVE", "console=hvc0 \"a=b c\"").unwrap();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("linux (")).collect();
        assert_eq!(lines.len(), 3);
        for line in &lines {
            assert!(line.contains(" root=live:CDLABEL=COS_LIVE rd.live.dir=/ "), "{line}");
            assert!(line.ends_with(" console=hvc0 \"a=b c\""), "{line}");
        }
        assert!(lines[0].contains("$videoparams nodepair.enable selinux=0"));
        assert!(!lines[1].contains("nodepair.enable"));
        assert!(lines[2].contains("nouveau.modeset=0 interactive-install "));
    }

    #[test]
    fn texts_that_would_change_the_menus_meaning_are_refused() {
        for (label, extend) in
            [("A B", ""), ("A\"", ""), ("A", "x; reboot"), ("A", "x\ny"), ("A", "$x"), ("A", "'")]
        {
            assert!(menu(label, extend).is_err(), "{label:?} {extend:?}");
        }
        let error = menu("A", "x; reboot").unwrap_err().to_string();
        assert_eq!(error, "kernel arguments \"x; reboot\" has ';', which a boot menu cannot hold");
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "whether a missing tool is a failure")]
    fn grub_accepts_the_configurations() {
        let dir = tempfile::tempdir().unwrap();
        for text in [CHAIN.to_owned(), menu("COS_LIVE", "quiet \"a=b c\"").unwrap()] {
            let path = dir.path().join("grub.cfg");
            std::fs::write(&path, text).unwrap();
            match Command::new("grub-script-check").arg(&path).output() {
                Ok(output) => {
                    let complaint = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success(), "{complaint}");
                }
                Err(_) if std::env::var_os("CI").is_none() => {
                    println!("SKIPPED: grub-script-check not found");
                }
                Err(error) => panic!("grub-script-check: {error}"),
            }
        }
    }
}
