//! What grows, as values.

use std::io::{self, Read};
use std::path::Path;

use bootwright_rig::layout;
use bootwright_rig::prose::Prose;

/// A series of inputs that differ in size.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// What is counted.
    pub(crate) axis: Axis,
    pub(crate) quick: &'static [Shape],
    /// With `--full`.
    pub(crate) full: &'static [Shape],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Files,
    Bytes,
}

/// An input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) files: u64,
    /// Files in one directory.
    pub(crate) together: u64,
    /// Bytes of all contents, in equal parts.
    pub(crate) bytes: u64,
}

const GIB: u64 = 1 << 30;

/// Files of 64 bytes, 100 in each directory.
const fn tiny(files: u64) -> Shape {
    Shape { files, together: 100, bytes: files * 64 }
}

/// Files of 64 bytes in one directory.
const fn crowd(files: u64) -> Shape {
    Shape { files, together: files, bytes: files * 64 }
}

const fn large(bytes: u64) -> Shape {
    Shape { files: 1, together: 1, bytes }
}

/// Files of 10 KiB, 100 in each directory.
const fn system(files: u64) -> Shape {
    Shape { files, together: 100, bytes: files * 10 * 1024 }
}

pub(crate) const CURVES: [Curve; 4] = [
    Curve {
        name: "files",
        about: "tiny files, 100 in each directory",
        axis: Axis::Files,
        quick: &[tiny(10_000), tiny(30_000), tiny(100_000)],
        full: &[tiny(30_000), tiny(100_000), tiny(300_000), tiny(1_000_000)],
    },
    Curve {
        name: "directory",
        about: "tiny files in one directory",
        axis: Axis::Files,
        quick: &[crowd(10_000), crowd(30_000), crowd(100_000)],
        full: &[crowd(10_000), crowd(100_000), crowd(300_000), crowd(1_000_000)],
    },
    Curve {
        name: "large-file",
        about: "one file",
        axis: Axis::Bytes,
        quick: &[large(GIB / 8), large(GIB / 4), large(GIB / 2)],
        full: &[large(GIB), large(5 * GIB), large(20 * GIB)],
    },
    Curve {
        name: "system",
        about: "files of 10 KiB, 100 in each directory, up to 10 GiB",
        axis: Axis::Bytes,
        quick: &[system(5_000), system(15_000), system(50_000)],
        full: &[system(30_000), system(100_000), system(300_000), system(1_048_576)],
    },
];

impl Shape {
    /// Its place on the axis.
    pub(crate) fn size(&self, axis: Axis) -> u64 {
        match axis {
            Axis::Files => self.files,
            Axis::Bytes => self.bytes,
        }
    }

    /// More than input and output together take on the disk.
    pub(crate) fn disk(&self) -> u64 {
        self.bytes * 3 / 2 + self.files * 1024
    }

    /// Writes the input as an OCI layout. No two files are equal.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        layout::write(folder, |members| {
            let mut prose = Prose::new(0);
            for file in 0..self.files {
                let directory = file / self.together;
                if file % self.together == 0 {
                    members.directory(&format!("d{directory:07}/"))?;
                }
                let number = file.to_le_bytes();
                let mut content = (&number[..]).chain(&mut prose);
                let name = format!("d{directory:07}/file-{file:07}");
                members.file(&name, self.bytes / self.files, &mut content)?;
            }
            Ok(())
        })
    }
}
