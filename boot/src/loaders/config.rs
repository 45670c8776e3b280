//! GRUB configurations: the chain to the menu, and the menu.

/// The file by which the chain recognises the medium.
pub const KERNEL_PATH: &str = "/boot/kernel";
/// The directory of the menu on the medium, which is also the core image's prefix.
pub const MENU_PREFIX: &str = "/boot/grub2";

/// Kernel arguments of the first entry behind `root=live:CDLABEL=…`; `$consoleparams` and
/// `$videoparams` are set by the menu for the platform.
pub const CMDLINE: &str = "rd.live.dir=/ rd.live.squashimg=rootfs.squashfs net.ifnames=1 \
    $consoleparams rd.cos.disable $videoparams nodepair.enable selinux=0 \
    rd.live.overlay.overlayfs rd.immucore.sysrootwait=600 systemd.unified_cgroup_hierarchy=1 \
    rd.driver.blacklist=nouveau,qat_4xxx modprobe.blacklist=nouveau,qat_4xxx nouveau.modeset=0";

/// The part of [`CMDLINE`] that the manual entry goes without.
const INSTALL_ONLY: &str = " $videoparams nodepair.enable";

/// Why a configuration cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A character that GRUB or the kernel's command line cannot carry.
    #[error("{what} {text:?} has {found:?}: {expected}")]
    Character {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
        /// The character.
        found: char,
        /// What may be there.
        expected: &'static str,
    },
    /// A double quote is not closed.
    #[error("{what} {text:?} has an odd number of double quotes")]
    Quote {
        /// Which text.
        what: &'static str,
        /// The text.
        text: String,
    },
}

/// The configuration for a GRUB with another prefix than [`MENU_PREFIX`]: it looks for the medium
/// and goes on with the menu there. It goes into all of
/// [`config_directories`](super::config_directories), on the ISO and on the EFI system partition.
///
/// GRUB takes the first device that has [`KERNEL_PATH`]; an installed system must not have it.
#[must_use]
pub fn chain_config() -> String {
    format!(
        "search --no-floppy --file --set=root {KERNEL_PATH}\n\
         set prefix=($root){MENU_PREFIX}\n\
         configfile $prefix/grub.cfg\n"
    )
}

/// What a menu is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MenuOptions {
    /// What the entries begin with, for example the product's name.
    pub title: String,
    /// The volume label that the initrd looks for: letters, digits, `_`, `-`, `.`.
    pub label: String,
    /// More kernel arguments, separated by spaces; double quotes keep one together.
    pub extend_cmdline: String,
    /// Seconds before the first entry is started.
    pub timeout: u32,
}

impl Default for MenuOptions {
    fn default() -> Self {
        Self {
            title: "Edge Installer".to_owned(),
            label: "COS_LIVE".to_owned(),
            extend_cmdline: String::new(),
            timeout: 5,
        }
    }
}

/// The menu of an installer ISO: install, a shell to do it by hand, and an interactive installer;
/// on UEFI a last entry, with the hot key `t`, for text mode. `/boot/kernel` is started with `/boot/initrd`.
///
/// # Errors
/// [`ConfigError`] when a text has what GRUB would take for something else.
pub fn menu(options: &MenuOptions) -> Result<String, ConfigError> {
    let MenuOptions { title, label, timeout, .. } = options;
    refuse("title", title, char::is_control, "no control characters")?;
    let plain = |char: char| char.is_ascii_alphanumeric() || "_-.".contains(char);
    refuse("label", label, |char| !plain(char), "letters, digits, _, - and . only")?;
    let extend = extra_arguments(&options.extend_cmdline)?;

    let root = format!("cdroot root=live:CDLABEL={label}");
    let manual = CMDLINE.replace(INSTALL_ONLY, "");
    let title = title.replace('\'', r"'\''");
    let entry = |name: &str, arguments: &str| {
        format!(
            "menuentry '{title}{name}' --class os --unrestricted {{\n    \
                 echo 'Loading kernel...'\n    \
                 linux {KERNEL_PATH} {root} {arguments}{extend}\n    \
                 echo 'Loading initrd...'\n    \
                 initrd /boot/initrd\n}}\n\n"
        )
    };
    let entries = [
        entry("", CMDLINE),
        entry(" (manual)", &manual),
        entry(" (interactive install)", &format!("{CMDLINE} interactive-install")),
    ];
    Ok(format!("{}{}{TEXT_MODE}", header(*timeout), entries.concat()))
}

/// Consoles and video: a BIOS has a VGA text mode to replace, UEFI a frame buffer to keep.
fn header(timeout: u32) -> String {
    format!(
        "set default=0\n\
         set timeout={timeout}\n\
         set timeout_style=menu\n\n\
         if [ \"${{grub_platform}}\" = \"efi\" ]; then\n    \
             set consoleparams='console=ttyS0,115200n8 console=tty0'\n    \
             set videoparams=''\n\
         else\n    \
             set consoleparams='console=tty1 console=ttyS0'\n    \
             set videoparams='vga=795 nomodeset'\n    \
             if [ -f ($root){MENU_PREFIX}/fonts/unicode.pf2 ]; then\n        \
                 loadfont ($root){MENU_PREFIX}/fonts/unicode.pf2\n    \
             fi\n\
         fi\n\n\
         if [ ! -f ($root){KERNEL_PATH} ]; then\n    \
             search --no-floppy --file --set=root {KERNEL_PATH}\n\
         fi\n\n"
    )
}

/// An entry rather than a hidden one, which only some distributions' GRUB has.
const TEXT_MODE: &str = "if [ \"${grub_platform}\" = \"efi\" ]; then
    menuentry 'Text mode (t)' --hotkey=t --unrestricted {
        set textmode=true
        terminal_output console
    }
fi
";

fn refuse(
    what: &'static str,
    text: &str,
    bad: impl Fn(char) -> bool,
    expected: &'static str,
) -> Result<(), ConfigError> {
    match text.chars().find(|char| bad(*char)) {
        Some(found) => Err(ConfigError::Character { what, text: text.to_owned(), found, expected }),
        None => Ok(()),
    }
}

/// The arguments, each with a space in front, quoted so that GRUB hands them on as they are.
fn extra_arguments(text: &str) -> Result<String, ConfigError> {
    let what = "kernel arguments";
    refuse(what, text, char::is_control, "no control characters")?;
    if !text.matches('"').count().is_multiple_of(2) {
        return Err(ConfigError::Quote { what, text: text.to_owned() });
    }
    let mut in_quotes = false;
    let words = text.split(|char| {
        in_quotes ^= char == '"';
        char == ' ' && !in_quotes
    });
    Ok(words.filter(|word| !word.is_empty()).map(|word| format!(" {}", quote(word))).collect())
}

/// A word for GRUB's parser. Double quotes keep words together here as they do there; GRUB puts
/// them back when it hands the kernel a word with a space.
fn quote(word: &str) -> String {
    let word = word.replace('"', "");
    let plain = |char: char| char.is_ascii_alphanumeric() || "_-.,:/=+@%".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
