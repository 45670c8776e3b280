//! Numbered jobs on several threads, results in the order of the jobs.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

/// Runs jobs on a fixed number of threads and gives the results back in the order in which the
/// jobs were handed in, so that nothing a caller does with them can depend on timing.
///
/// The caller's own thread submits and retires; it bounds memory by retiring the oldest result
/// before it submits beyond the number of jobs it allows itself:
///
/// ```
/// # use std::num::NonZeroUsize;
/// use bootwright_image::Pool;
///
/// let mut squares = Vec::new();
/// let mut pool = Pool::new(NonZeroUsize::new(4).unwrap(), || |n: u64| n * n);
/// for n in 0..100 {
///     if pool.in_flight() == 8 {
///         squares.extend(pool.retire()?);
///     }
///     pool.submit(n);
/// }
/// while let Some(square) = pool.retire()? {
///     squares.push(square);
/// }
/// assert!(squares.iter().copied().eq((0..100).map(|n| n * n)));
/// # Ok::<(), bootwright_image::WorkerLost>(())
/// ```
#[derive(Debug)]
pub struct Pool<J, R> {
    jobs: Option<Sender<(u64, J)>>,
    results: Receiver<(u64, R)>,
    /// Results from number `oldest` on, as far as they have come in.
    window: VecDeque<Option<R>>,
    oldest: u64,
    next: u64,
    threads: Vec<JoinHandle<()>>,
}

/// A worker thread panicked, so a result will never come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("BUG: a worker thread panicked")]
pub struct WorkerLost;

impl<J: Send + 'static, R: Send + 'static> Pool<J, R> {
    /// Starts `threads` workers. `make_worker` is called once for each and may give it state that
    /// is kept from job to job.
    pub fn new<F>(threads: NonZeroUsize, make_worker: impl Fn() -> F) -> Self
    where
        F: FnMut(J) -> R + Send + 'static,
    {
        let (jobs, inbox) = unbounded::<(u64, J)>();
        let (outbox, results) = unbounded();
        let threads = (0..threads.get())
            .map(|_| {
                let (inbox, outbox, mut worker) = (inbox.clone(), outbox.clone(), make_worker());
                std::thread::spawn(move || {
                    for (number, job) in inbox {
                        if outbox.send((number, worker(job))).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        Self { jobs: Some(jobs), results, window: VecDeque::new(), oldest: 0, next: 0, threads }
    }

    /// Hands in a job. Never blocks: see [`in_flight`](Self::in_flight) to bound memory.
    pub fn submit(&mut self, job: J) {
        if let Some(jobs) = &self.jobs {
            // Fails only when every worker is gone, which `retire` reports.
            let _ = jobs.send((self.next, job));
        }
        self.window.push_back(None);
        self.next += 1;
    }

    /// Jobs handed in whose results have not been given back yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.window.len()
    }

    /// The result of the oldest job, waiting for it; `None` when no job is in flight.
    ///
    /// # Errors
    /// [`WorkerLost`] when the worker that had the job panicked.
    pub fn retire(&mut self) -> Result<Option<R>, WorkerLost> {
        loop {
            if let Some(result) = self.take_oldest() {
                return Ok(Some(result));
            }
            if self.window.is_empty() {
                return Ok(None);
            }
            let (number, result) = self.receive()?;
            self.store(number, result);
        }
    }

    /// The result of the oldest job if it is there already; never waits.
    pub fn ready(&mut self) -> Option<R> {
        while let Ok((number, result)) = self.results.try_recv() {
            self.store(number, result);
        }
        self.take_oldest()
    }

    fn take_oldest(&mut self) -> Option<R> {
        let result = self.window.front_mut()?.take()?;
        self.window.pop_front();
        self.oldest += 1;
        Some(result)
    }

    /// Waits for any result. A panicked worker drops its end of the channel while others may still
    /// hold theirs, so a dead thread is looked for as well.
    fn receive(&self) -> Result<(u64, R), WorkerLost> {
        loop {
            match self.results.recv_timeout(std::time::Duration::from_millis(200)) {
                Ok(result) => return Ok(result),
                Err(_) if self.threads.iter().any(JoinHandle::is_finished) => {
                    return self.results.try_recv().map_err(|_| WorkerLost);
                }
                Err(_) => {}
            }
        }
    }

    fn store(&mut self, number: u64, result: R) {
        let slot = usize::try_from(number - self.oldest).ok();
        if let Some(slot) = slot.and_then(|slot| self.window.get_mut(slot)) {
            *slot = Some(result);
        }
    }
}

impl<J, R> Drop for Pool<J, R> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A panic was reported by `retire`, or nobody waits for the result any more.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threads(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let mut pool = Pool::new(threads(4), || {
            |n: u64| {
                if n.is_multiple_of(3) {
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                n
            }
        });
        (0..200).for_each(|n| pool.submit(n));
        let mut seen = Vec::new();
        while let Some(n) = pool.retire().unwrap() {
            seen.push(n);
            seen.extend(pool.ready());
        }
        assert!(seen.into_iter().eq(0..200));
    }

    #[test]
    fn a_panicking_worker_is_an_error_and_not_a_hang() {
        let mut pool = Pool::new(threads(2), || |n: u64| assert_ne!(n, 1));
        (0..3).for_each(|n| pool.submit(n));
        assert_eq!(pool.retire(), Ok(Some(())));
        assert_eq!(pool.retire(), Err(WorkerLost));
    }
}
