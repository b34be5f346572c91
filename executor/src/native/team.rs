//! Threads that stay: one closure at a time runs on all of them, with barriers inside.
//!
//! A token takes a few milliseconds and has hundreds of barriers, so waiting threads spin for some microseconds
//! before they yield or sleep.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Spins before a waiting thread gives its core away: 20 to 50 microseconds.
const SPINS: u32 = 20_000;

/// One thread's view of the running closure.
#[derive(Debug)]
pub struct Worker<'a> {
    /// Which of the team's threads this is; the caller's is 0.
    pub index: usize,
    /// How many there are.
    pub count: usize,
    crew: &'a Crew,
}

impl Worker<'_> {
    /// Waits until every worker is here. What was written before is visible after.
    ///
    /// Every worker must pass the same barriers. Unwinds if another worker has panicked.
    pub fn barrier(&self) {
        if self.count > 1 {
            self.crew.barrier();
        }
    }

    /// This worker's part of `0..n`, cut at multiples of `granularity`. The parts of all workers cover `0..n` once.
    pub fn share(&self, n: usize, granularity: usize) -> Range<usize> {
        let units = n.div_ceil(granularity);
        let cut = |i: usize| (units * i / self.count * granularity).min(n);
        cut(self.index)..cut(self.index + 1)
    }
}

/// Persistent threads, stopped when dropped.
#[derive(Debug)]
pub struct Team {
    crew: Arc<Crew>,
    threads: Vec<JoinHandle<()>>,
    turn: Mutex<()>,
}

impl Team {
    /// A team of `threads` (at least 1), the caller of [`Team::run`] included.
    ///
    /// # Errors
    /// If the operating system starts no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let count = threads.max(1);
        let crew = Arc::new(Crew::new(count));
        let mut team = Self { crew: Arc::clone(&crew), threads: Vec::new(), turn: Mutex::new(()) };
        for index in 1..count {
            let crew = Arc::clone(&crew);
            let spawned =
                thread::Builder::new().name(format!("kernel-{index}")).spawn(move || crew.serve(index))?;
            team.threads.push(spawned);
        }
        Ok(team)
    }

    /// How many threads a closure runs on.
    pub fn count(&self) -> usize {
        self.crew.count
    }

    /// Runs `job` on every thread and returns when all are done. Not to be called from inside of a job.
    ///
    /// # Panics
    /// With the first panic of a worker, after all of them have stopped; the team remains usable.
    pub fn run(&self, job: impl Fn(&Worker<'_>) + Sync) {
        let _turn = lock(&self.turn);
        let crew = &*self.crew;
        let job: &(dyn Fn(&Worker<'_>) + Sync) = &job;
        let erased: *const (dyn Fn(&Worker<'_>) + Sync + '_) = job;
        // SAFETY: only the lifetime changes; `finish` below returns after the last use by another thread. Nobody
        // reads the cell now: the threads wait for the next epoch.
        unsafe {
            *crew.job.get() =
                Some(std::mem::transmute::<*const (dyn Fn(&Worker<'_>) + Sync + '_), Job>(erased))
        };
        crew.unfinished.0.store(crew.count - 1, Ordering::Relaxed);
        crew.epoch.0.fetch_add(1, Ordering::Release);
        for thread in &self.threads {
            thread.thread().unpark();
        }
        crew.work(0, job);
        wait_until(|| crew.unfinished.0.load(Ordering::Acquire) == 0);
        if let Some(panic) = lock(&crew.panic).take() {
            crew.poisoned.store(false, Ordering::Relaxed);
            crew.arrived.0.store(0, Ordering::Relaxed);
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.crew.stop.store(true, Ordering::Relaxed);
        self.crew.epoch.0.fetch_add(1, Ordering::Release);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            // A worker catches the panics of its jobs, so it cannot have ended with one.
            let _ = thread.join();
        }
    }
}

type Job = *const (dyn Fn(&Worker<'_>) + Sync + 'static);

/// A value with a cache line of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

/// What the threads share.
#[derive(Debug)]
struct Crew {
    count: usize,
    /// Rises by one for each job.
    epoch: Line<AtomicUsize>,
    /// Threads, without the caller, that have not finished the present job.
    unfinished: Line<AtomicUsize>,
    /// Workers waiting in the present barrier, and how many barriers have opened.
    arrived: Line<AtomicUsize>,
    opened: Line<AtomicUsize>,
    poisoned: AtomicBool,
    stop: AtomicBool,
    job: UnsafeCell<Option<Job>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: `job` is written only by the holder of `Team::turn` while no thread runs, before the release of `epoch`
// that makes them read it; what it points to is `Sync`. Everything else is atomic or locked.
unsafe impl Sync for Crew {}
// SAFETY: as above; the pointer is never used after the `run` that stored it.
unsafe impl Send for Crew {}

/// Unwinds a worker because another one has panicked.
struct Poisoned;

impl Crew {
    const fn new(count: usize) -> Self {
        const fn line() -> Line<AtomicUsize> {
            Line(AtomicUsize::new(0))
        }
        Self {
            count,
            epoch: line(),
            unfinished: line(),
            arrived: line(),
            opened: line(),
            poisoned: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            job: UnsafeCell::new(None),
            panic: Mutex::new(None),
        }
    }

    /// The life of a thread.
    fn serve(&self, index: usize) {
        let mut seen = 0;
        loop {
            let mut spins = 0;
            while self.epoch.0.load(Ordering::Acquire) == seen {
                spins += 1;
                if spins < SPINS { std::hint::spin_loop() } else { thread::park() }
            }
            seen += 1;
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: `run` stored it before this epoch and waits for `unfinished` before the closure dies.
            if let Some(job) = unsafe { *self.job.get() } {
                // SAFETY: as above.
                self.work(index, unsafe { &*job });
            }
            self.unfinished.0.fetch_sub(1, Ordering::Release);
        }
    }

    fn work(&self, index: usize, job: &(dyn Fn(&Worker<'_>) + Sync)) {
        let worker = Worker { index, count: self.count, crew: self };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(&worker)))
            && !panic.is::<Poisoned>()
        {
            lock(&self.panic).get_or_insert(panic);
            self.poisoned.store(true, Ordering::Release);
        }
    }

    fn barrier(&self) {
        let opened = self.opened.0.load(Ordering::Acquire);
        if self.arrived.0.fetch_add(1, Ordering::AcqRel) + 1 == self.count {
            self.arrived.0.store(0, Ordering::Relaxed);
            self.opened.0.store(opened.wrapping_add(1), Ordering::Release);
            return;
        }
        let open = || self.opened.0.load(Ordering::Acquire) != opened;
        wait_until(|| open() || self.poisoned.load(Ordering::Acquire));
        if !open() {
            resume_unwind(Box::new(Poisoned));
        }
    }
}

fn wait_until(ready: impl Fn() -> bool) {
    let mut spins = 0;
    while !ready() {
        spins += 1;
        if spins < SPINS { std::hint::spin_loop() } else { thread::yield_now() }
    }
}

/// Locks what a panic cannot leave half-written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn barriers_order_what_workers_write() {
        for threads in [1, 2, 3] {
            let team = Team::new(threads).unwrap();
            for _ in 0..50 {
                let sum = AtomicUsize::new(0);
                team.run(|w| {
                    for round in 1..=20 {
                        sum.fetch_add(1, Ordering::Relaxed);
                        w.barrier();
                        assert_eq!(sum.load(Ordering::Relaxed), round * w.count);
                        w.barrier();
                    }
                });
                assert_eq!(sum.into_inner(), 20 * threads);
            }
        }
    }

    #[test]
    fn shares_cover_everything_once() {
        let team = Team::new(3).unwrap();
        for (n, granularity) in [(0, 1), (1, 4), (10, 4), (97, 6), (96, 6)] {
            let hits: Vec<AtomicUsize> = (0..n).map(|_| AtomicUsize::new(0)).collect();
            team.run(|w| {
                for i in w.share(n, granularity) {
                    hits[i].fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(hits.iter().all(|h| h.load(Ordering::Relaxed) == 1), "{n} by {granularity}");
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::new(3).unwrap();
        for guilty in [0, 1, 2] {
            let run = AssertUnwindSafe(|| {
                team.run(|w| {
                    w.barrier();
                    assert!(w.index != guilty, "worker {guilty}");
                    w.barrier();
                });
            });
            let panic = catch_unwind(run).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>(), Some(&format!("worker {guilty}")));
        }
        let done = AtomicUsize::new(0);
        team.run(|w| {
            w.barrier();
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 3);
    }
}
