//! All banks' digests at once, each on a thread of its own: an initrd is long, and whoever
//! compresses it should not wait for them.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use bootwright_image::WorkerLost;

use super::Digests;
use crate::hash::{Hash, Hasher};

/// Bytes handed over at once.
const CHUNK: usize = 1 << 20;
/// Chunks that a slow lane may be behind.
const AHEAD: usize = 4;

/// Takes a long content on its way into the image. At most five MiB of it are held.
#[derive(Debug)]
pub(crate) struct Lanes {
    chunk: Vec<u8>,
    lanes: [Lane; 4],
}

/// Chunks go in, the digest comes out.
type Lane = (SyncSender<Arc<[u8]>>, JoinHandle<Vec<u8>>);

impl Lanes {
    pub(crate) fn new() -> Self {
        let lanes = Hash::ALL.map(|hash| {
            let (sender, inbox) = sync_channel::<Arc<[u8]>>(AHEAD);
            let thread = std::thread::spawn(move || {
                let mut hasher = Hasher::new(hash);
                inbox.iter().for_each(|chunk| hasher.update(&chunk));
                hasher.finish()
            });
            (sender, thread)
        });
        Self { chunk: Vec::with_capacity(CHUNK), lanes }
    }

    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.chunk.len()));
            self.chunk.extend_from_slice(now);
            bytes = later;
            if self.chunk.len() == CHUNK {
                self.hand_over();
            }
        }
    }

    /// A lane that is gone is noticed at the end.
    fn hand_over(&mut self) {
        let chunk: Arc<[u8]> = self.chunk.as_slice().into();
        self.chunk.clear();
        for (sender, _) in &self.lanes {
            let _ = sender.send(Arc::clone(&chunk));
        }
    }

    pub(crate) fn finish(mut self) -> Result<Digests, WorkerLost> {
        self.hand_over();
        let mut digests = [const { Vec::new() }; 4];
        for (digest, (sender, thread)) in digests.iter_mut().zip(self.lanes) {
            drop(sender);
            *digest = thread.join().map_err(|_| WorkerLost)?;
        }
        Ok(Digests::from_banks(digests))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_say_what_one_thread_says() {
        for len in [0, 1, CHUNK - 1, CHUNK, CHUNK * 7 + 3] {
            let content: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let mut lanes = Lanes::new();
            content.chunks(300_001).for_each(|piece| lanes.update(piece));
            assert_eq!(lanes.finish().unwrap(), Digests::of(&content), "{len}");
        }
    }
}
