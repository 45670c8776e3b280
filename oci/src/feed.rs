//! Bytes that come in pieces, handed on without copying.

use crate::error::Error;

/// A stream of bytes whose pieces are looked at where they are.
pub(crate) trait Feed {
    /// The bytes at hand; empty at the end of the stream only.
    fn fill(&mut self) -> Result<&[u8], Error>;

    /// Takes `count` of the bytes that [`fill`](Self::fill) showed.
    fn consume(&mut self, count: usize);

    /// Takes up to `count` bytes unseen and returns how many there were.
    fn skip(&mut self, count: u64) -> Result<u64, Error> {
        skip_by_reading(self, count)
    }
}

/// [`Feed::skip`] for a stream that cannot jump.
pub(crate) fn skip_by_reading<F: Feed + ?Sized>(feed: &mut F, count: u64) -> Result<u64, Error> {
    let mut left = count;
    while left > 0 {
        let available = feed.fill()?.len();
        if available == 0 {
            break;
        }
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(available);
        feed.consume(take);
        left -= take as u64;
    }
    Ok(count - left)
}

impl Feed for &[u8] {
    fn fill(&mut self) -> Result<&[u8], Error> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = &self[count..];
    }
}

impl<F: Feed> Feed for &mut F {
    fn fill(&mut self) -> Result<&[u8], Error> {
        (**self).fill()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }

    fn skip(&mut self, count: u64) -> Result<u64, Error> {
        (**self).skip(count)
    }
}
