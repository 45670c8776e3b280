//! SBAT: components and their generations, by which shim and firmware revoke images
//! (`SBAT.md` of rhboot/shim).

/// The first line of every `.sbat` section.
const HEADER: &str =
    "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

/// The content of a `.sbat` section for an image made of several: the header line once, then the
/// lines of every part in order, each line once. Parts are contents of `.sbat` sections; what
/// follows a NUL in them does not count, and neither does a part without the header line.
#[must_use]
pub fn merge(parts: &[&[u8]]) -> Vec<u8> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        let text = part.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(text);
        let mut part = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        if !part.next().is_some_and(|first| first.starts_with("sbat,")) {
            continue;
        }
        for line in part {
            if !lines.iter().any(|known| known == line) {
                lines.push(line.to_owned());
            }
        }
    }
    let mut merged = HEADER.to_owned();
    for line in lines {
        merged.push_str(&line);
        merged.push('\n');
    }
    merged.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_comes_once_and_foreign_texts_do_not_count() {
        let stub = b"sbat,1,SBAT Version,sbat,1,old\nstub,1,a,b,1,c\n\0\0\0";
        let kernel = b"sbat,1,x\nlinux,1,d\nstub,1,a,b,1,c";
        let merged = String::from_utf8(merge(&[stub, kernel, b"junk\nevil,9,"])).unwrap();
        assert_eq!(merged, format!("{HEADER}stub,1,a,b,1,c\nlinux,1,d\n"));
    }
}
