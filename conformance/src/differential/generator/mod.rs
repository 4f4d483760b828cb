//! Makes a program of a seed: the same on every machine.
//!
//! A program has a subject (see `Subject`), which says what it does more often than other things. What it knows about the
//! broker's state is a rough guess, which is enough to make most operations mean something.

mod arguments;
mod model;
mod operations;
mod subject;

use super::program::{Operation, Program};
use super::random::Random;
use operations::Maker;
use subject::{SHORT_TTL_MS, Subject};

/// Operations of a program that outlives short TTLs, each of which takes that long.
const OUTLIVING_OPERATIONS: usize = 40;

const SUBJECTS: [(Subject, usize); 7] = [
    (Subject::Everything, 5),
    (Subject::Consuming, 5),
    (Subject::Publishing, 3),
    (Subject::Topology, 2),
    (Subject::Limits, 3),
    (Subject::Expiry, 1),
    (Subject::Declaring, 2),
];

/// The program of a seed.
pub fn program(seed: u64, operations: usize) -> Program {
    let mut random = Random::new(seed);
    let chosen = random.weighted(&SUBJECTS.map(|(_, weight)| weight));
    let subject = SUBJECTS.get(chosen).map_or(Subject::Everything, |(subject, _)| *subject);
    let outlive_ms = (subject == Subject::Expiry).then_some(SHORT_TTL_MS);
    let count = if outlive_ms.is_some() { operations.min(OUTLIVING_OPERATIONS) } else { operations };
    let mut maker = Maker::new(random, subject);
    let mut operations: Vec<Operation> = maker.beginning();
    while operations.len() < count {
        operations.push(maker.operation());
    }
    operations.truncate(count);
    Program { outlive_ms, operations }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::differential::text;

    #[test]
    fn a_seed_has_its_program() {
        assert_eq!(program(5, 100), program(5, 100));
        assert_ne!(program(5, 100), program(6, 100));
        assert_eq!(program(5, 100).operations.len(), 100);
    }

    #[test]
    fn every_program_can_be_written_and_read() {
        for seed in 1..300 {
            let program = program(seed, 150);
            let text = program.to_string();
            assert_eq!(text::parse(&text).as_ref(), Ok(&program), "seed {seed}:\n{text}");
        }
    }
}
