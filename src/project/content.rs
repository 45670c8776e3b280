//! What readers on the machine need of bundles and configurations: sound archives, and the keys
//! that they look up.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::load::read_if_there;
use super::problem::{Place, Problem};
use super::yaml::{self, Entry, Value};

/// Bytes of a tar header (POSIX.1-1988 ustar), and where its checksum is.
const HEADER: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A content bundle: a row of complete zstd frames (RFC 8878). Blocks are passed over, not
/// decompressed.
pub(super) fn bundle(path: &Path, name: &str) -> io::Result<Vec<Problem>> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    let mut reader = Frames { reader: BufReader::with_capacity(64 << 10, file), at: 0, len };
    let wrong = match reader.walk() {
        Ok(None) => return Ok(Vec::new()),
        Ok(Some(what)) => what.to_owned(),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            format!("cut off: a zstd frame ends behind its {len} bytes")
        }
        Err(error) => return Err(error),
    };
    let problem = Problem::error(Place::file(name), wrong);
    Ok(vec![problem.help("build or download the content bundle again")])
}

struct Frames {
    reader: BufReader<File>,
    at: u64,
    len: u64,
}

impl Frames {
    /// Goes from frame to frame; says what is wrong with one.
    fn walk(&mut self) -> io::Result<Option<&'static str>> {
        if self.len == 0 {
            return Ok(Some("empty; a content bundle is a zstd file"));
        }
        while self.at < self.len {
            let magic = self.number(4)?;
            if magic & 0xFFFF_FFF0 == 0x184D_2A50 {
                let len = self.number(4)?;
                self.skip(len)?;
            } else if magic != 0xFD2F_B528 {
                return Ok(Some(match self.at {
                    4 => "not a zstd file, whatever its name says",
                    _ => "something behind its last zstd frame is none",
                }));
            } else if let Some(wrong) = self.frame()? {
                return Ok(Some(wrong));
            }
        }
        Ok(None)
    }

    /// Passes over a frame behind its magic number (RFC 8878, 3.1.1).
    fn frame(&mut self) -> io::Result<Option<&'static str>> {
        let descriptor = self.number(1)?;
        let single = descriptor & 0x20 != 0;
        let size = match descriptor >> 6 {
            0 => u64::from(single),
            1 => 2,
            2 => 4,
            _ => 8,
        };
        let dictionary = [0, 1, 2, 4][usize::try_from(descriptor & 3).unwrap_or(0)];
        self.skip(u64::from(!single) + dictionary + size)?;
        loop {
            let header = self.number(3)?;
            match (header >> 1) & 3 {
                0 | 2 => self.skip(header >> 3)?,
                1 => self.skip(1)?,
                _ => return Ok(Some("damaged: a zstd block of no known kind")),
            }
            if header & 1 == 1 {
                break;
            }
        }
        self.skip(if descriptor & 4 != 0 { 4 } else { 0 })?;
        Ok(None)
    }

    fn number(&mut self, bytes: usize) -> io::Result<u64> {
        let mut number = [0; 8];
        self.reader.read_exact(&mut number[..bytes])?;
        self.at += bytes as u64;
        Ok(u64::from_le_bytes(number))
    }

    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.at = self.at.saturating_add(bytes);
        if self.at > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.reader.seek_relative(i64::try_from(bytes).unwrap_or(i64::MAX))
    }
}

/// A cluster configuration: a tar, compressed with gzip, with at least one file.
pub(super) fn cluster_config(path: &Path, name: &str) -> io::Result<Vec<Problem>> {
    let mut file = File::open(path)?;
    let mut magic = [0; 2];
    let short = file.read_exact(&mut magic).is_err();
    let wrong = if short || magic != [0x1F, 0x8B] {
        "not compressed with gzip; the agent unpacks it as .tgz"
    } else {
        file.seek(SeekFrom::Start(0))?;
        let mut header = [0; HEADER];
        let mut decoder = flate2::read::MultiGzDecoder::new(BufReader::new(file));
        match decoder.read_exact(&mut header) {
            Err(_) => "damaged: its beginning cannot be decompressed",
            Ok(()) if header.iter().all(|byte| *byte == 0) => "an archive without files",
            Ok(()) if !is_header(&header) => "no tar inside",
            Ok(()) => match io::copy(&mut decoder, &mut io::sink()) {
                Ok(_) => return Ok(Vec::new()),
                Err(_) => "damaged or cut off: it cannot be decompressed to its end",
            },
        }
    };
    let problem = Problem::error(Place::file(name), wrong);
    Ok(vec![problem.help("export the cluster configuration again, or leave CLUSTERCONFIG empty")])
}

/// Whether the checksum is right: the sum of all bytes, its own counted as spaces.
fn is_header(header: &[u8; HEADER]) -> bool {
    let sum: u32 = (0..HEADER)
        .map(|at| u32::from(if CHECKSUM.contains(&at) { b' ' } else { header[at] }))
        .sum();
    let text = String::from_utf8_lossy(&header[CHECKSUM]);
    let digits = text.trim_matches(|c: char| !c.is_digit(8));
    u32::from_str_radix(digits, 8) == Ok(sum)
}

/// The edge configuration: YAML with the key that content is signed with.
pub(super) fn edge_config(path: &Path, name: &str) -> io::Result<Vec<Problem>> {
    let text = read_if_there(path)?.unwrap_or_default();
    let whole = |message: &str| vec![Problem::error(Place::file(name), message)];
    let Ok(text) = std::str::from_utf8(&text) else { return Ok(whole("it is not UTF-8")) };
    let root = match yaml::read(text) {
        Err(error) => {
            let place = Place::at(name, error.position);
            return Ok(vec![Problem::error(place, format!("not YAML: {}", error.message))]);
        }
        Ok(None) => return Ok(whole("it says nothing")),
        Ok(Some(root)) => root,
    };
    if !matches!(root.value, Value::Map(_)) {
        return Ok(whole("a mapping is needed, such as signing: and below it publicKey:"));
    }
    // CanvOS's template has it below `content`.
    let below_content = root.get("content").and_then(|content| content.value.get("signing"));
    let (path, signing) = match (below_content, root.get("signing")) {
        (Some(signing), _) => ("content.signing", signing),
        (None, Some(signing)) => ("signing", signing),
        (None, None) => return Ok(Vec::new()),
    };
    Ok(public_key(name, path, signing).into_iter().collect())
}

/// A key that stands nowhere; it is the value of `publicKey`, or of `base64EncodedValue` in it.
fn public_key(name: &str, path: &str, signing: &Entry) -> Option<Problem> {
    let key = signing.value.get("publicKey");
    let encoded = key.and_then(|key| key.value.get("base64EncodedValue"));
    let (path, found) = match (key, encoded) {
        (Some(key), None) if matches!(key.value.value, Value::Map(_)) => {
            (format!("{path}.publicKey.base64EncodedValue"), None)
        }
        (_, Some(encoded)) => (format!("{path}.publicKey.base64EncodedValue"), Some(encoded)),
        (key, None) => (format!("{path}.publicKey"), key),
    };
    if found.and_then(|entry| entry.value.text()).is_some_and(|text| !text.trim().is_empty()) {
        return None;
    }
    let position = found.map(|entry| entry.value.position);
    let position = position.or(key.map(|key| key.key_position)).unwrap_or(signing.key_position);
    let help = "put the public key there, or leave signing out";
    Some(Problem::error(Place::at(name, position), format!("{path} has no value")).help(help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    type Check = fn(&Path, &str) -> io::Result<Vec<Problem>>;

    fn found(check: Check, bytes: &[u8]) -> Option<String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        check(file.path(), "x").unwrap().first().map(|problem| problem.message.clone())
    }

    /// A frame of one raw block, then one repeated byte; the last with a checksum.
    fn frame() -> Vec<u8> {
        let raw = [
            &[0x28, 0xB5, 0x2F, 0xFD, 0x24, 5, 0x28, 0, 0][..],
            b"hello",
            &[0x0B, 0, 0, b'x', 1, 2, 3, 4],
        ];
        raw.concat()
    }

    #[test]
    fn zstd_frames_are_walked_to_the_last_byte() {
        let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0][..], b"ab"].concat();
        assert_eq!(found(bundle, &[frame(), skippable, frame()].concat()), None);
        for cut in 1..frame().len() {
            let message = found(bundle, &frame()[..cut]).unwrap();
            assert!(message.contains("cut off"), "{cut}: {message}");
        }
        assert!(found(bundle, b"").unwrap().contains("empty"));
        assert!(found(bundle, b"PK\x03\x04....").unwrap().contains("not a zstd file"));
        assert!(
            found(bundle, &[&frame()[..], b"junk"].concat()).unwrap().contains("behind its last")
        );
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn cluster_configurations_are_archives() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(4);
        tar.append_data(&mut header, "definition.json", &b"{}\n\n"[..]).unwrap();
        let tar = tar.into_inner().unwrap();
        let whole = gzip(&tar);
        assert_eq!(found(cluster_config, &whole), None);
        assert!(found(cluster_config, &tar).unwrap().contains("not compressed"));
        assert!(found(cluster_config, &whole[..whole.len() - 8]).unwrap().contains("cut off"));
        assert!(found(cluster_config, &gzip(&[b'x'; 600])).unwrap().contains("no tar"));
        assert!(found(cluster_config, &gzip(&[0; 1024])).unwrap().contains("without files"));
    }

    #[test]
    fn edge_configurations_name_a_key() {
        assert_eq!(found(edge_config, b"signing:\n  publicKey: abc\n"), None);
        assert!(found(edge_config, b"signing:\n  publicKey:\n").unwrap().contains("no value"));
        let template = |value: &str| {
            format!("content:\n signing:\n  publicKey:\n   base64EncodedValue: {value}\n")
        };
        assert_eq!(found(edge_config, template("abc").as_bytes()), None);
        let empty = found(edge_config, template("\"\"").as_bytes()).unwrap();
        assert_eq!(empty, "content.signing.publicKey.base64EncodedValue has no value");
        assert!(found(edge_config, b"- a\n").unwrap().contains("mapping"));
        assert!(found(edge_config, b"a: [\n").unwrap().contains("not YAML"));
    }
}
