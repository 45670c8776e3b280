//! Names and texts around an image on an EFI system partition (Boot Loader Specification;
//! loader.conf(5)), as installed Kairos systems expect them.

use std::fmt::Write as _;

/// The image that an installer copies and renames.
pub const BASE_NAME: &str = "norole";
/// The folder of the images on the EFI system partition.
pub const IMAGE_FOLDER: &str = "EFI/kairos";

/// What the command line of every Kairos image begins with.
pub const BASE_CMDLINE: &str = "console=ttyS0 console=tty1 net.ifnames=1 \
    rd.immucore.oemlabel=COS_OEM rd.immucore.oemtimeout=2 rd.immucore.uki selinux=0 panic=5 \
    rd.shell=0 systemd.crash_reboot=yes";
/// What follows it on every image.
pub const INSTALL_MODE: &str = "install-mode";

/// The whole command line: the base, the installation mode, and what is added.
#[must_use]
pub fn cmdline(extend: &str) -> String {
    let mut text = format!("{BASE_CMDLINE} {INSTALL_MODE}");
    if !extend.trim().is_empty() {
        let _ = write!(text, " {}", extend.trim());
    }
    text
}

/// The name, without suffix, of the image with an extended command line, as `enki` makes it:
/// `norole_install-mode_stylus.registration.efi` for `stylus.registration`. Without extension it
/// is `norole`.
#[must_use]
pub fn image_name(extend: &str) -> String {
    let extend = extend.trim();
    if extend.is_empty() {
        return BASE_NAME.to_owned();
    }
    format!("{BASE_NAME}_{}", sanitize(&format!("{INSTALL_MODE} {extend}")))
}

/// The name, without suffix, of an image with a title of its own: spaces become underscores.
#[must_use]
pub fn titled_name(title: &str) -> String {
    title.trim().replace(' ', "_")
}

/// Each run of characters that names of files should not have becomes one underscore.
fn sanitize(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-') {
            name.push(character);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}

/// A boot loader entry for an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoaderEntry {
    /// What the menu shows.
    pub title: String,
    /// The image's name without folder and suffix.
    pub image: String,
    /// The version; empty: left out.
    pub version: String,
    /// What the entry says the command line is; empty: left out. The image's own counts.
    pub cmdline: String,
}

impl LoaderEntry {
    /// The text of `loader/entries/NAME.conf`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("title {}\nefi /{IMAGE_FOLDER}/{}.efi\n", self.title, self.image);
        for (key, value) in [("version", &self.version), ("cmdline", &self.cmdline)] {
            if !value.is_empty() {
                let _ = writeln!(text, "{key} {value}");
            }
        }
        text
    }
}

/// When the boot loader enrols the keys of `loader/keys/auto` in Setup Mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Enroll {
    /// Never.
    Off,
    /// When a person chooses it in the menu.
    Manual,
    /// By itself in virtual machines (systemd-boot 253 and newer).
    #[default]
    IfSafe,
    /// By itself.
    Force,
}

impl Enroll {
    /// The word in `loader.conf`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Manual => "manual",
            Self::IfSafe => "if-safe",
            Self::Force => "force",
        }
    }

    /// The value of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Manual, Self::IfSafe, Self::Force].into_iter().find(|e| e.name() == name)
    }
}

/// The text of `loader/loader.conf`. `default` is the name of an entry without suffix.
#[must_use]
pub fn loader_conf(default: &str, enroll: Enroll) -> String {
    format!(
        "default {default}.conf\ntimeout 5\nconsole-mode max\neditor no\nsecure-boot-enroll {}\n",
        enroll.name()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_enki() {
        for (extend, name) in [
            ("", "norole"),
            ("stylus.registration", "norole_install-mode_stylus.registration"),
            (" a=b  c/d é ", "norole_install-mode_a_b_c_d_"),
        ] {
            assert_eq!(image_name(extend), name, "{extend:?}");
        }
        assert_eq!(titled_name("Debug shell"), "Debug_shell");
        assert!(cmdline("").ends_with("systemd.crash_reboot=yes install-mode"));
        assert!(cmdline(" x ").ends_with(" install-mode x"));
    }

    #[test]
    fn texts_are_those_of_enki() {
        let entry =
            LoaderEntry { title: "Edge".into(), image: "norole".into(), ..Default::default() };
        assert_eq!(entry.to_text(), "title Edge\nefi /EFI/kairos/norole.efi\n");
        let entry = LoaderEntry { version: "1".into(), cmdline: "a b".into(), ..entry };
        assert!(entry.to_text().ends_with(".efi\nversion 1\ncmdline a b\n"));
        assert_eq!(
            loader_conf("norole", Enroll::Force),
            "default norole.conf\ntimeout 5\nconsole-mode max\neditor no\nsecure-boot-enroll force\n"
        );
        assert_eq!(Enroll::from_name("if-safe"), Some(Enroll::default()));
        assert_eq!(Enroll::from_name("always"), None);
    }
}
