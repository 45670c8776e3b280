//! The parts alone: codecs by level, hashes, and the fixed workloads.
//!
//!     cargo bench --bench micro -- [FILTER]... [divan's options]
//!
//! Codecs work on blocks of the base image, or of `/usr/lib` where there is none.

use std::path::Path;
use std::sync::LazyLock;

use bootwright::oci::Reference;
use bootwright::squashfs::benching::block_encoder;
use bootwright::squashfs::{BlockSize, Compression};
use bootwright_rig::workload::{WORKLOADS, Workload};
use bootwright_rig::{host, sample};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use sha2::Digest;

fn main() {
    divan::main();
}

/// Blocks that lie far from each other.
const BLOCKS: usize = 8;

static SAMPLE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let image = match host::base_image(project, None) {
        Ok(dir) => Reference::Layout { dir, tag: None },
        Err(_) => Reference::Directory("/usr/lib".into()),
    };
    let blocks = sample::blocks(&image, 50, BLOCKS);
    blocks.expect("the base image or /usr/lib can be read")
});

fn sample_bytes() -> BytesCount {
    BytesCount::new(SAMPLE.iter().map(Vec::len).sum::<usize>())
}

/// Compresses blocks of 1 MiB on one thread.
#[divan::bench(
    args = [
        "gzip:1", "gzip:6", "gzip:9", "gzip:12", "zstd:1", "zstd:3", "zstd:9", "zstd:15", "zstd:19",
        "xz:0", "xz:6", "lz4", "lz4:1", "lz4:9", "lz4:12",
    ],
    sample_count = 5,
    sample_size = 1
)]
fn codec(bencher: Bencher<'_, '_>, level: &str) {
    let compression: Compression = level.parse().expect("the list above is sound");
    let mut encode =
        block_encoder(compression, BlockSize::default()).expect("codecs have these levels");
    bencher.counter(sample_bytes()).bench_local(|| {
        SAMPLE.iter().map(|block| encode(black_box(block)).unwrap_or(0)).sum::<usize>()
    });
}

#[divan::bench]
fn blake3(bencher: Bencher<'_, '_>) {
    bencher.counter(sample_bytes()).bench_local(|| {
        SAMPLE.iter().for_each(|block| {
            black_box(blake3::hash(black_box(block)));
        });
    });
}

#[divan::bench]
fn sha256(bencher: Bencher<'_, '_>) {
    bencher.counter(sample_bytes()).bench_local(|| {
        SAMPLE.iter().for_each(|block| {
            black_box(sha2::Sha256::digest(black_box(block)));
        });
    });
}

/// The work whose instructions `cargo bench --bench instructions` counts.
#[divan::bench(args = WORKLOADS.map(|workload| workload.name), sample_count = 20, sample_size = 1)]
fn work(bencher: Bencher<'_, '_>, name: &str) {
    let workload: &Workload =
        WORKLOADS.iter().find(|workload| workload.name == name).expect("the list names them");
    bencher
        .counter(ItemsCount::new(workload.items))
        .with_inputs(|| workload.prepare())
        .bench_local_values(|work| work());
}
