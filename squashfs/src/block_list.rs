//! Where the contents of files ended up, kept small: there may be millions of files, and holes of
//! many terabytes.

/// In an entry of [`FileTable::sizes`]: not a size but a number of zero blocks in a row. No size
/// has that bit: the largest is a stored block of 1 MiB, which has bits 24 and 20.
const ZERO_RUN: u32 = 1 << 31;

/// Whether an entry is a number of zero blocks.
pub(crate) fn is_zero_run(entry: u32) -> bool {
    entry & ZERO_RUN != 0
}

/// The number of zero blocks in an entry that stands for such.
pub(crate) fn zero_run(entry: u32) -> u32 {
    entry & !ZERO_RUN
}

/// Where a content is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    /// Offset of the first block that is stored, 0 when there is none.
    pub(crate) start: u64,
    /// Bytes of the blocks that are holes.
    pub(crate) sparse: u64,
    /// The fragment block of the last part, if it is in one, and the place in it.
    pub(crate) fragment: Option<(u32, u32)>,
    pub(crate) first_size: usize,
    pub(crate) sizes: usize,
}

/// One block of a content in the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    content: u32,
    pub(crate) size: usize,
}

/// The places of all contents by their number.
#[derive(Debug, Default)]
pub(crate) struct FileTable {
    files: Vec<Option<Located>>,
    sizes: Vec<u32>,
}

impl FileTable {
    pub(crate) fn new(contents: usize) -> Self {
        Self { files: vec![None; contents], sizes: Vec::new() }
    }

    /// Starts the list of a content, if it was not started before.
    pub(crate) fn begin(&mut self, content: u32) -> bool {
        let file = &mut self.files[content as usize];
        if file.is_some() {
            return false;
        }
        let first_size = self.sizes.len();
        *file = Some(Located { start: 0, sparse: 0, fragment: None, first_size, sizes: 0 });
        true
    }

    /// Adds a block whose size is not known yet to the content begun last.
    pub(crate) fn reserve(&mut self, content: u32) -> Slot {
        let size = self.sizes.len();
        self.sizes.push(0);
        self.file(content).sizes += 1;
        Slot { content, size }
    }

    /// Fills in a block that [`reserve`](Self::reserve) added.
    pub(crate) fn place(&mut self, slot: Slot, offset: u64, size: u32) {
        self.sizes[slot.size] = size;
        let file = self.file(slot.content);
        // No block lies at offset zero, where the superblock is.
        if file.start == 0 {
            file.start = offset;
        }
    }

    /// Adds blocks of zeros, `bytes` in all, to the content begun last.
    pub(crate) fn hole(&mut self, content: u32, mut blocks: u64, bytes: u64) {
        let first_size = self.file(content).first_size;
        while blocks > 0 {
            if let Some(last) = self.sizes[first_size..].last_mut()
                && *last & ZERO_RUN != 0
                && *last != u32::MAX
            {
                let more = blocks.min(u64::from(u32::MAX - *last));
                *last += u32::try_from(more).expect("BUG: at most 31 bits");
                blocks -= more;
            } else {
                self.sizes.push(ZERO_RUN);
                self.file(content).sizes += 1;
            }
        }
        self.file(content).sparse += bytes;
    }

    /// Ends the content begun last in a fragment.
    pub(crate) fn end_in_fragment(&mut self, content: u32, fragment: u32, offset: u32) {
        self.file(content).fragment = Some((fragment, offset));
    }

    /// Where a content is, once it was delivered.
    pub(crate) fn located(&self, content: u32) -> Option<Located> {
        self.files[content as usize]
    }

    /// The sizes of all blocks and the runs of zeros between them, as they are kept here.
    pub(crate) fn raw_sizes(&self) -> &[u32] {
        &self.sizes
    }

    /// The contents that were never begun.
    pub(crate) fn missing(&self) -> impl Iterator<Item = usize> {
        self.files.iter().enumerate().filter(|(_, file)| file.is_none()).map(|(index, _)| index)
    }

    /// The sizes of the blocks as they are stored in the inode, each with how often it comes.
    pub(crate) fn sizes(&self, file: Located) -> impl Iterator<Item = (u32, u32)> {
        let sizes = &self.sizes[file.first_size..file.first_size + file.sizes];
        sizes.iter().map(|size| if is_zero_run(*size) { (0, zero_run(*size)) } else { (*size, 1) })
    }

    fn file(&mut self, content: u32) -> &mut Located {
        self.files[content as usize].as_mut().expect("BUG: the content was begun")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_zeros_cost_one_entry_and_never_cross_files() {
        let mut table = FileTable::new(3);
        assert!(table.begin(1));
        assert!(!table.begin(1));
        table.hole(1, 3, 12);
        table.hole(1, 2, 8);
        let slot = table.reserve(1);
        table.hole(1, 1 << 32, 1 << 44);
        assert!(table.begin(0));
        table.hole(0, 1, 4);
        table.end_in_fragment(0, 7, 9);
        table.place(slot, 96, 5);
        assert_eq!(table.sizes.len(), 6);
        let file = table.located(1).unwrap();
        assert_eq!((file.start, file.sparse), (96, 20 + (1 << 44)));
        let sizes: Vec<_> = table.sizes(file).collect();
        assert_eq!(sizes, [(0, 5), (5, 1), (0, (1 << 31) - 1), (0, (1 << 31) - 1), (0, 2)]);
        let file = table.located(0).unwrap();
        assert_eq!((file.start, file.fragment), (0, Some((7, 9))));
        assert_eq!(table.sizes(file).collect::<Vec<_>>(), [(0, 1)]);
        assert!(table.missing().eq([2]));
    }
}
