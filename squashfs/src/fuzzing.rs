//! Entry points for fuzzing: plain functions that any driver can call.

use std::io::Cursor;

use crate::read::{Image, Kind, ReadError};

/// Names, blocks and bytes that one input may make the reader go through. A few hundred bytes can
/// stand for gigabytes of zeros.
const BUDGET: u64 = 4 << 20;

/// What stops a run.
enum Stop {
    Read,
    Budget,
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        assert!(!error.to_string().is_empty());
        Self::Read
    }
}

/// Reads all of a hostile image: nothing may panic, and what a listing leads to must be in range.
pub fn read(data: &[u8]) {
    let Ok(mut image) = Image::open(Cursor::new(data), 0) else { return };
    let inodes = image.superblock().inode_count;
    let _ = image.describe().map(|info| info.to_string());
    let mut spent = 0;
    let mut spend = move |cost: u64| {
        spent += cost;
        if spent > BUDGET { Err(Stop::Budget) } else { Ok(()) }
    };
    let visited = image.visit(&mut |image, visited| {
        spend(64)?;
        let inode = visited.inode;
        assert!((1..=inodes).contains(&inode.number));
        if let Some(xattr) = inode.xattr {
            for (name, value) in image.xattrs(xattr)? {
                spend((name.len() + value.len()) as u64)?;
            }
        }
        match inode.kind {
            Kind::Directory { .. } => {
                for (_, _, name) in image.directory_index(inode)? {
                    spend(16 + name.len() as u64)?;
                }
            }
            Kind::File { len, .. } => {
                let mut left = len;
                let mut file = image.open_file(inode);
                while let Some((bytes, zeros)) = file.next_piece()? {
                    let piece = bytes.len() as u64 + u64::from(zeros);
                    assert!(piece > 0 && piece <= left);
                    left -= piece;
                    spend(4096 + bytes.len() as u64)?;
                }
                assert_eq!(left, 0);
            }
            _ => {}
        }
        let _ = image.exported(inode.number);
        Ok::<(), Stop>(())
    });
    if visited.is_ok() && data.len() < 1 << 16 {
        let _ = image.verify(false, &|| true);
        let _ = image.dump();
    }
}
