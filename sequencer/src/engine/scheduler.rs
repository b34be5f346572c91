//! A thread that owns an engine and keeps it busy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use executor::engine::Engine;

use super::queue::{Limits, Queue};
use super::sequences::Sequences;
use super::{Event, Job, Load, Refused, Runner};

/// Runs the jobs of one model: sequences join and leave between steps.
pub struct Scheduler {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    limits: Limits,
    queue: Mutex<Queue>,
    wake: Condvar,
    stop: AtomicBool,
    dead: AtomicBool,
    running: AtomicUsize,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scheduler {
    /// Starts the thread.
    pub fn start(name: &str, engine: Box<dyn Engine>, limits: Limits) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            limits,
            queue: Mutex::default(),
            wake: Condvar::new(),
            stop: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            running: AtomicUsize::new(0),
        });
        let thread = std::thread::Builder::new().name(format!("engine {name}")).spawn({
            let shared = Arc::clone(&shared);
            move || serve(&shared, engine)
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }
}

impl Runner for Scheduler {
    fn submit(&self, job: Job) -> Result<(), Refused> {
        let mut queue = self.shared.queue();
        if self.shared.dead.load(Ordering::Acquire) {
            return Err(Refused::Down);
        }
        queue.push(job, &self.shared.limits)?;
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }

    fn load(&self) -> Load {
        Load {
            waiting: self.shared.queue().len(),
            running: self.shared.running.load(Ordering::Relaxed),
            alive: !self.shared.dead.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // The lock orders the flag before a wait that is about to begin.
        drop(self.shared.queue());
        self.shared.wake.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread catches its own panics.
            let _ = thread.join();
        }
    }
}

fn serve(shared: &Shared, engine: Box<dyn Engine>) {
    let mut sequences = Sequences::new(engine);
    let reason = loop {
        if !admit(shared, &mut sequences) {
            break "the sequencer is stopping".to_owned();
        }
        shared.running.store(sequences.len(), Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(|| sequences.step(&shared.limits))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => break error.to_string(),
            Err(_) => break "the model's back end has failed".to_owned(),
        }
        shared.running.store(sequences.len(), Ordering::Relaxed);
    };
    shared.dead.store(true, Ordering::Release);
    if !shared.stop.load(Ordering::Acquire) {
        tracing::error!(reason, "a model's engine has stopped: it takes no more requests until a restart");
    }
    sequences.fail_all(&reason);
    for job in shared.queue().drain() {
        let _ = job.events.send(Event::Failed(reason.clone()));
    }
    shared.running.store(0, Ordering::Relaxed);
}

/// Lets jobs in as far as there is room; waits if nothing runs. False when it is time to stop.
fn admit(shared: &Shared, sequences: &mut Sequences) -> bool {
    let limits = &shared.limits;
    let mut queue = shared.queue();
    loop {
        if shared.stop.load(Ordering::Acquire) {
            return false;
        }
        while let Some(job) =
            queue.pop(|job| sequences.may_join(job, limits), |job| !sequences.at_cap(job, limits))
        {
            sequences.join(job);
        }
        if sequences.len() > 0 {
            return true;
        }
        queue = shared.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}
