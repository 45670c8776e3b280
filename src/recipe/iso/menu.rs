//! Edits of a boot menu on its way onto the medium.

/// CanvOS's overlay carries it for the entry that starts by itself.
const PLACEHOLDER: &str = "{{DEFAULT_ENTRY}}";
/// Lines that start a kernel with the installer's initrd have this word.
const INSTALLER: &str = "rd.immucore.sysrootwait";
const DEBUG: &str = " rd.immucore.debug console=tty0 rd.debug";

/// What is asked of a menu.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MenuEdits {
    /// The entry that starts by itself, counted from zero: in place of `{{DEFAULT_ENTRY}}`, and in
    /// the built-in menu.
    pub default_entry: u8,
    /// Whether the installer's initrd tells more: words behind each line that starts it.
    pub debug: bool,
}

impl MenuEdits {
    /// The menu after the edits. Bytes that are not UTF-8 stay as they are.
    pub(super) fn apply(self, text: &[u8]) -> Vec<u8> {
        let entry = self.default_entry.to_string();
        let mut menu = Vec::with_capacity(text.len());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let (body, end) = match line.strip_suffix(b"\n") {
                Some(body) => (body, &b"\n"[..]),
                None => (line, &b""[..]),
            };
            menu.extend(replace(body, PLACEHOLDER.as_bytes(), entry.as_bytes()));
            if self.debug && contains(body, INSTALLER.as_bytes()) {
                menu.extend_from_slice(DEBUG.as_bytes());
            }
            menu.extend_from_slice(end);
        }
        menu
    }

    /// The built-in menu after the edits.
    pub(super) fn apply_to_builtin(self, text: &str) -> Vec<u8> {
        let wanted = format!("set default={}", self.default_entry);
        self.apply(text.replace("set default=0", &wanted).as_bytes())
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn replace(text: &[u8], word: &[u8], with: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(word.len()).position(|window| window == word) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(with);
        rest = &rest[at + word.len()..];
    }
    result.extend_from_slice(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_entry_is_filled_in() {
        let text = b"set default={{DEFAULT_ENTRY}}; # {{DEFAULT_ENTRY}\n\xFF{{DEFAULT_ENTRY}}";
        let edits = MenuEdits { default_entry: 2, debug: false };
        assert_eq!(edits.apply(text), b"set default=2; # {{DEFAULT_ENTRY}\n\xFF2");
        assert_eq!(edits.apply_to_builtin("set default=0\n"), b"set default=2\n");
    }

    #[test]
    fn debugging_words_go_behind_lines_that_start_the_installer() {
        let text = b"linux /k rd.immucore.sysrootwait=600 x\nother\n";
        let edits = MenuEdits { default_entry: 0, debug: true };
        let expected = "linux /k rd.immucore.sysrootwait=600 x rd.immucore.debug console=tty0 rd.debug\nother\n";
        assert_eq!(edits.apply(text), expected.as_bytes());
    }
}
