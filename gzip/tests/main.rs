//! Members that others read, and properties.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::num::NonZeroUsize;

use bootwright_gzip::{Gzip, Options};
use bootwright_image::SparseWrite;
use proptest::prelude::*;

/// What a disk is made of.
#[derive(Clone, Debug)]
enum Part {
    Data(Vec<u8>),
    Zeros(usize),
}

fn options(jobs: usize) -> Options {
    Options::new(NonZeroUsize::new(jobs).unwrap())
}

fn compress(parts: &[Part], options: Options, told: bool) -> Vec<u8> {
    let mut gzip = Gzip::new(Vec::new(), options);
    for part in parts {
        match part {
            Part::Data(bytes) => gzip.write_all(bytes).unwrap(),
            Part::Zeros(len) if told => gzip.zeros(*len as u64).unwrap(),
            Part::Zeros(len) => gzip.write_all(&vec![0; *len]).unwrap(),
        }
    }
    let (output, summary) = gzip.finish().unwrap();
    assert_eq!(summary.compressed, output.len() as u64);
    assert_eq!(summary.uncompressed, raw(parts).len() as u64);
    output
}

fn raw(parts: &[Part]) -> Vec<u8> {
    let bytes = |part: &Part| match part {
        Part::Data(bytes) => bytes.clone(),
        Part::Zeros(len) => vec![0; *len],
    };
    parts.iter().flat_map(bytes).collect()
}

/// Reads one member and nothing else.
fn decompress(gzip: &[u8]) -> Vec<u8> {
    let mut decoder = flate2::bufread::GzDecoder::new(gzip);
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).unwrap();
    assert!(decoder.into_inner().is_empty());
    bytes
}

/// Text-like bytes: some repetition, some not.
fn text(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 64);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 5 {
            0 => bytes.extend(state.to_le_bytes()),
            1 => bytes.extend(b"the same words again "),
            2 if bytes.len() > 5000 => {
                let from = bytes.len() - 1 - usize::try_from(state >> 40).unwrap() % 5000;
                bytes.extend_from_within(from..);
            }
            _ => bytes.extend(format!("{} ", state % 1000).bytes()),
        }
    }
    bytes.truncate(len);
    bytes
}

fn disk() -> Vec<Part> {
    vec![
        Part::Data(text(3_000_000, 1)),
        Part::Zeros(5_000_000),
        Part::Data(vec![7]),
        Part::Zeros(1 << 20),
        Part::Data(
            (0..2_000_000_u32)
                .map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0])
                .collect(),
        ),
        Part::Zeros(40 << 20),
    ]
}

/// The output of a foreign program, or `None` (said aloud) where it is not installed; in CI it
/// must be.
#[expect(clippy::disallowed_methods, reason = "the environment tells tests to be strict")]
fn foreign(tool: &str, arguments: &[&str]) -> Option<std::process::Output> {
    match std::process::Command::new(tool).args(arguments).env("LC_ALL", "C").output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{tool}: {error}");
            println!("SKIPPED: {tool} not found");
            None
        }
    }
}

#[test]
fn others_read_what_was_written() {
    let (raw, gzip) = (raw(&disk()), compress(&disk(), options(2), true));
    assert!(decompress(&gzip) == raw);
    assert_eq!(gzip[..10], [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.gz");
    std::fs::write(&path, &gzip).unwrap();
    let path = path.to_str().expect("temporary paths are text");
    let python = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())";
    for (tool, arguments) in [
        ("gzip", vec!["-dc", path]),
        ("zcat", vec![path]),
        ("pigz", vec!["-dc", path]),
        ("busybox", vec!["zcat", path]),
        ("python3", vec!["-c", python, path]),
    ] {
        let Some(output) = foreign(tool, &arguments) else { continue };
        assert!(output.status.success() && output.stdout == raw, "{tool}");
    }
}

/// What a release writes, the next one writes too, unless its change log says otherwise.
#[test]
fn bytes_are_pinned() {
    let digest = blake3::hash(&compress(&disk(), options(2), true)).to_hex().to_string();
    insta::assert_snapshot!(digest, @"4a785517d0960da11a4b26e8f373a68377275c37940fcc5cf5828b23b2a64593");
}

#[test]
fn empty_input_is_an_empty_member() {
    assert!(decompress(&compress(&[], options(1), true)).is_empty());
}

#[test]
fn output_is_no_larger_than_that_of_gzip_6() {
    // What disks hold: the program that runs this test.
    let mut program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    program.truncate(40_000_000);
    let parts = [Part::Data(program), Part::Zeros(30 << 20)];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("raw");
    std::fs::write(&path, raw(&parts)).unwrap();
    let Some(output) = foreign("gzip", &["-6", "-n", "-c", path.to_str().unwrap()]) else { return };
    let ours = compress(&parts, options(2), true).len();
    assert!(ours <= output.stdout.len(), "{ours} against {}", output.stdout.len());
}

fn part() -> impl Strategy<Value = Part> {
    let lens = prop_oneof![0..3000_usize, 1_048_574..1_048_578_usize, 0..3_000_000_usize];
    (lens, any::<u64>(), 0..3_u8).prop_map(|(len, seed, kind)| match kind {
        0 => Part::Zeros(len),
        1 => Part::Data(text(len, seed)),
        _ => Part::Data(vec![seed.to_le_bytes()[0]; len]),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bytes_depend_on_the_input_alone(parts in proptest::collection::vec(part(), 0..6)) {
        let gzip = compress(&parts, options(1), true);
        prop_assert!(decompress(&gzip) == raw(&parts));
        let tight = Options { memory: 0, ..options(3) };
        prop_assert!(compress(&parts, tight, false) == gzip);
    }
}
