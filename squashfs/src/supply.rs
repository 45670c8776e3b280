//! What a donor supplies of an image's contents, and what is left to be delivered.

use std::collections::BTreeSet;

use bootwright_image::{Digest, FileTree, InodeId, delivery_order};

use crate::plan::Plan;
use crate::reuse::Donor;

/// The contents that a donor supplies and those that are delivered. Whatever the donor has, the
/// blocks lie in the order of delivery.
pub(crate) struct Supply {
    /// Supplied contents with their places in the order of delivery; the next one last.
    pending: Vec<(u32, u32)>,
    /// For each content its place in that order; empty without a donor.
    ranks: Vec<u32>,
    wanted: Vec<InodeId>,
}

impl Supply {
    pub(crate) fn new(plan: &Plan<'_>, donor: Option<&Donor>) -> Self {
        let delivered = &plan.contents.delivered;
        let all = Self { pending: Vec::new(), ranks: Vec::new(), wanted: delivered.clone() };
        let Some(donor) = donor else { return all };
        let mut ranks = vec![0; delivered.len()];
        let order = delivery_order(plan.tree, delivered.iter().copied());
        for (rank, content) in (0..).zip(order.filter_map(|inode| plan.contents.of(inode))) {
            ranks[content as usize] = rank;
        }
        let holds = |inode: InodeId| match blob_digest(plan.tree, inode) {
            (Some(digest), len) => donor.holds(digest, len),
            (None, _) => false,
        };
        let numbered = || (0..).zip(delivered.iter().copied());
        let held: BTreeSet<u32> =
            numbered().filter(|(_, inode)| holds(*inode)).map(|(content, _)| content).collect();
        let mut pending: Vec<(u32, u32)> =
            held.iter().map(|content| (ranks[*content as usize], *content)).collect();
        pending.sort_unstable_by(|a, b| b.cmp(a));
        let left = numbered().filter(|(content, _)| !held.contains(content));
        Self { pending, ranks, wanted: left.map(|(_, inode)| inode).collect() }
    }

    /// The inodes whose contents are to be delivered, in the order of their first names.
    pub(crate) fn wanted(&self) -> &[InodeId] {
        &self.wanted
    }

    /// A content's place in the order of delivery, when there is a donor.
    pub(crate) fn rank(&self, content: u32) -> Option<u32> {
        self.ranks.get(content as usize).copied()
    }

    /// The next supplied content that comes before `rank`.
    pub(crate) fn next_before(&mut self, rank: u32) -> Option<u32> {
        self.pending.pop_if(|(next, _)| *next < rank).map(|(_, content)| content)
    }
}

/// The digest of a file's content, if known, and its length.
pub(crate) fn blob_digest(tree: &FileTree, inode: InodeId) -> (Option<Digest>, u64) {
    tree.inode(inode).as_file().map_or((None, 0), |blob| (blob.digest(), blob.len()))
}
