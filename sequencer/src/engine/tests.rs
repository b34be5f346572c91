//! The scheduler, with an engine that is wrong in a way that can be checked.

use std::sync::Arc;

use executor::generate::Finish;
use executor::kernels::Sampling;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::fake::{Fake, Fed, POISON};
use super::{Event, Job, Limits, Refused, Runner, Scheduler, Task};

fn job(agent: u32, prompt: Vec<u32>, limit: u32) -> (Job, UnboundedReceiver<Event>) {
    let (events, receiver) = unbounded_channel();
    let task = Task::Tokens { sampling: Sampling::GREEDY, limit };
    (Job { agent, prompt: prompt.into(), task, whole: false, events }, receiver)
}

fn expected(prompt: &[u32], limit: usize) -> Vec<u32> {
    let mut tokens = prompt.to_vec();
    for _ in 0..limit {
        tokens.push(Fake::after(&tokens));
    }
    tokens.split_off(prompt.len())
}

fn collect(mut events: UnboundedReceiver<Event>) -> (Vec<u32>, Option<Event>) {
    let mut tokens = Vec::new();
    loop {
        match events.blocking_recv() {
            Some(Event::Tokens(more)) => tokens.extend(more),
            last => return (tokens, last),
        }
    }
}

fn start(limits: Limits) -> (Scheduler, Fed) {
    let fed = Fed::default();
    (Scheduler::start("fake", Box::new(Fake::new(Arc::clone(&fed))), limits).unwrap(), fed)
}

#[test]
fn sequences_join_and_leave_and_do_not_change_each_other() {
    let (scheduler, fed) = start(Limits { sequences: 4, ..Limits::default() });
    let mut open = Vec::new();
    for i in 0..12_u32 {
        let prompt: Vec<u32> = (0..=i * 7).collect();
        let (job, events) = job(i % 3, prompt.clone(), 5 + i);
        scheduler.submit(job).unwrap();
        open.push((prompt, 5 + i as usize, events));
    }
    for (prompt, limit, events) in open {
        let (tokens, last) = collect(events);
        assert_eq!((tokens, last), (expected(&prompt, limit), Some(Event::End(Finish::Length))));
    }
    let fed = fed.lock().unwrap();
    assert!(fed.iter().any(|step| step.len() > 1), "they ran together");
    assert!(fed.iter().all(|step| step.len() <= 4));
}

#[test]
fn an_answer_that_nobody_watches_comes_at_once() {
    let (scheduler, _) = start(Limits::default());
    for whole in [true, false] {
        let (mut job, mut events) = job(1, vec![5, 6], 20);
        job.whole = whole;
        scheduler.submit(job).unwrap();
        let first = events.blocking_recv();
        let some = expected(&[5, 6], if whole { 20 } else { 1 });
        assert_eq!(first, Some(Event::Tokens(some)));
    }
}

#[test]
fn a_long_prompt_does_not_hold_up_a_stream() {
    let limits = Limits { prefill: 16, ..Limits::default() };
    let (scheduler, fed) = start(limits);
    let (stream, mut events) = job(1, vec![5], 3000);
    scheduler.submit(stream).unwrap();
    events.blocking_recv().unwrap();
    let prompt: Vec<u32> = vec![3; 1000];
    let (long, answer) = job(2, prompt.clone(), 2);
    scheduler.submit(long).unwrap();
    assert_eq!(collect(answer).0, expected(&prompt, 2));
    drop(events);
    let fed = fed.lock().unwrap();
    let shared: Vec<_> = fed.iter().filter(|step| step.len() > 1).collect();
    assert!(shared.len() > 60, "{}", shared.len());
    assert!(shared.iter().all(|step| step.iter().all(|(_, n)| *n <= 16) && step[0].1 == 1));
}

#[test]
fn who_goes_away_makes_room_at_once() {
    let (scheduler, _) = start(Limits { sequences: 1, ..Limits::default() });
    let (first, mut events) = job(1, vec![1], 4000);
    scheduler.submit(first).unwrap();
    events.blocking_recv().unwrap();
    let (second, answer) = job(1, vec![2], 3);
    scheduler.submit(second).unwrap();
    drop(events);
    assert_eq!(collect(answer).0, expected(&[2], 3));
}

#[test]
fn an_agent_has_its_cap_and_the_others_their_share() {
    let limits = Limits { per_agent: 1, ..Limits::default() };
    let (scheduler, fed) = start(limits);
    let greedy: Vec<_> = (0..5)
        .map(|_| {
            let (job, events) = job(1, vec![1], 50);
            scheduler.submit(job).unwrap();
            events
        })
        .collect();
    let (modest, answer) = job(2, vec![9], 50);
    scheduler.submit(modest).unwrap();
    assert_eq!(collect(answer).0, expected(&[9], 50));
    // It did not wait for the five.
    assert!(fed.lock().unwrap().len() < 150);
    for events in greedy {
        assert_eq!(collect(events).0, expected(&[1], 50));
    }
    assert!(fed.lock().unwrap().iter().all(|step| step.len() <= 2));
}

#[test]
fn one_bad_sequence_fails_alone() {
    let (scheduler, _) = start(Limits::default());
    let (good, answer) = job(1, vec![4], 40);
    let (bad, failed) = job(2, vec![4, POISON], 40);
    scheduler.submit(good).unwrap();
    scheduler.submit(bad).unwrap();
    assert!(matches!(collect(failed).1, Some(Event::Failed(_))));
    assert_eq!(collect(answer).0, expected(&[4], 40));
    assert!(scheduler.load().alive);
}

#[test]
fn a_stop_ends_everything_that_waits() {
    let (scheduler, _) = start(Limits { sequences: 1, waiting_per_agent: 1, ..Limits::default() });
    let (first, mut running) = job(1, vec![1], 4000);
    scheduler.submit(first).unwrap();
    running.blocking_recv().unwrap();
    let (second, waiting) = job(1, vec![2], 3);
    scheduler.submit(second).unwrap();
    let (third, _events) = job(1, vec![3], 3);
    assert_eq!(scheduler.submit(third), Err(Refused::Agent));
    drop(scheduler);
    assert!(matches!(collect(running).1, Some(Event::Failed(_))));
    assert!(matches!(collect(waiting).1, Some(Event::Failed(_))));
}
