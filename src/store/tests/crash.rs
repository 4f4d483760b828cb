//! Random submissions with crashes at any commit, against the model; and the same log on both engines.

use super::model::{Broker, Model, State, Step, step};
use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A store on a memory disk with the model of it after each submission since the last start.
struct Run {
    disk: MemoryDisk,
    handle: StoreHandle,
    committer: ManualCommitter,
    broker: Broker,
    /// The model after `n` submissions, at index `n`.
    history: Vec<Model>,
    /// Submissions that were said to be durable.
    acknowledged: Arc<AtomicUsize>,
    /// Submissions that were taken by a commit.
    committed: usize,
}

impl Run {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        let (handle, committer, recovered) = open_manual(disk.clone()).unwrap();
        let broker = Broker::new(recovered.next_position);
        let history = vec![Model::default()];
        Self { disk, handle, committer, broker, history, acknowledged: Arc::default(), committed: 0 }
    }

    fn step(&mut self, number: usize, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commit { max } => self.committed += self.committer.commit_some(*max),
            Step::Crash { keep } => self.crash(*keep)?,
            step => {
                if let Some((op, join)) = self.broker.operation(step) {
                    self.submit(number, op, join);
                }
            }
        }
        Ok(())
    }

    fn submit(&mut self, number: usize, op: Op, join: Option<Join>) {
        let mut model = self.history.last().unwrap().clone();
        model.submit(&op, join);
        self.history.push(model);
        let mut submission = Submission { join, ..Submission::of(op) };
        // Only some wait, so that there are commits that are not synced.
        if number.is_multiple_of(3) && join.is_none() {
            let (acknowledged, count) = (self.acknowledged.clone(), self.history.len() - 1);
            submission = submission.with_done(move || {
                acknowledged.fetch_max(count, Ordering::Relaxed);
            });
        }
        self.handle.submit(submission);
    }

    fn crash(&mut self, keep: usize) -> Result<(), TestCaseError> {
        self.disk.crash(keep);
        let mut opened = open_manual(self.disk.clone()).unwrap();
        let contents = read_manual(&mut opened);
        let (handle, committer, recovered) = opened;
        let found = State::of(&recovered, &contents);
        let durable = if has_log() { self.committed } else { self.acknowledged.load(Ordering::Relaxed) };
        let candidates = self.history.get(durable..=self.committed).unwrap();
        let survivor = candidates.iter().rev().find(|model| model.expected() == found).cloned();
        prop_assert!(
            survivor.is_some(),
            "found {found:?}, which is no state between {:?} and {:?}",
            candidates.first().map(Model::expected),
            candidates.last().map(Model::expected),
        );
        let mut survivor = survivor.unwrap();
        survivor.restart();
        self.history = vec![survivor];
        self.acknowledged.store(0, Ordering::Relaxed);
        self.committed = 0;
        self.broker.restart(recovered.next_position);
        (self.handle, self.committer) = (handle, committer);
        Ok(())
    }
}

fn crashes_leave_a_state_that_was(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut run = Run::new();
    for (number, step) in steps.iter().enumerate() {
        run.step(number, step)?;
    }
    run.committed += run.committer.commit_pending();
    prop_assert_eq!(run.committed, run.history.len() - 1);
    run.crash(usize::MAX)?;
    let mut opened = open_manual(run.disk.clone()).unwrap();
    let contents = read_manual(&mut opened);
    prop_assert_eq!(State::of(&opened.2, &contents), run.history[0].expected());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_crash_leaves_a_state_that_was(steps in prop::collection::vec(step(), 1..80)) {
        crashes_leave_a_state_that_was(&steps)?;
    }
}

#[cfg(feature = "cluster")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn with_a_log_a_crash_leaves_all_that_was_committed(steps in prop::collection::vec(step(), 1..80)) {
        super::replicated::over_a_log(|| crashes_leave_a_state_that_was(&steps))?;
    }
}

proptest! {
    // Each case opens a directory several times.
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn fjall_keeps_what_memory_keeps(steps in prop::collection::vec(step(), 20..120)) {
        let dir = tempfile::tempdir().unwrap();
        let disk = MemoryDisk::new();
        let (mut memory, mut committer, recovered) = open_manual(disk.clone()).unwrap();
        let (mut store, _) = open_dir(dir.path()).unwrap();
        let mut broker = Broker::new(recovered.next_position);
        for step in steps.iter().chain([&Step::Crash { keep: 0 }]) {
            if let Step::Crash { .. } = step {
                committer.commit_pending();
                store.shutdown().unwrap();
                let mut manual = open_manual(disk.clone()).unwrap();
                let expected_contents = read_manual(&mut manual);
                let (handle, pump, expected) = manual;
                let (opened, found) = open_dir(dir.path()).unwrap();
                let contents = read_all(&opened.handle(), &found, || ());
                prop_assert_eq!(State::of(&found, &contents), State::of(&expected, &expected_contents));
                prop_assert_eq!(found.next_position, expected.next_position);
                broker.restart(found.next_position);
                (memory, committer, store) = (handle, pump, opened);
            }
            if let Some((op, join)) = broker.operation(step) {
                memory.submit(Submission { join, ..Submission::of(op.clone()) });
                store.handle().submit(Submission { join, ..Submission::of(op) });
            }
        }
    }
}
