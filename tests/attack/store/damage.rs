//! Files that are damaged: every kind, cut, flipped, zeroed, removed.
//!
//! What may come of it: the store opens and has everything; it is refused, with the name of the file, and untouched; an
//! unfinished end is cut off, and that is said; or a queue cannot be read, and that is said with the file. Never a panic, and
//! never silence.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use coney::store::Error;

use super::victims::{self, Victim};

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Mutation {
    Cut { to: usize },
    Flip { byte: usize, bit: u8 },
    Zero { from: usize, len: usize },
    Remove,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Outcome {
    /// Nothing is missing.
    Whole,
    /// An end was cut off, and said.
    Healed,
    /// Refused with the name of the file.
    Refused,
    /// A queue cannot be read.
    Unreadable,
}

/// Numbers that are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn mutation(&mut self, len: usize) -> Mutation {
        match self.below(8) {
            0 => Mutation::Remove,
            1 | 2 => Mutation::Cut { to: self.below(len) },
            3 | 4 => {
                let from = self.below(len);
                Mutation::Zero { from, len: 1 + self.below(len.min(200)) }
            }
            _ => Mutation::Flip { byte: self.below(len), bit: self.below(8) as u8 },
        }
    }
}

/// Bytes of a file that are not a tail of zeros: journals are files with much room.
fn used(path: &Path) -> usize {
    victims::used(&fs::read(path).unwrap())
}

fn mutate(path: &Path, mutation: Mutation) {
    let mut bytes = fs::read(path).unwrap();
    match mutation {
        Mutation::Remove => return fs::remove_file(path).unwrap(),
        Mutation::Cut { to } => bytes.truncate(to),
        Mutation::Flip { byte, bit } => bytes[byte] ^= 1 << bit,
        Mutation::Zero { from, len } => {
            let end = (from + len).min(bytes.len());
            bytes[from..end].fill(0);
        }
    }
    fs::write(path, bytes).unwrap();
}

/// What is in the files, but for those that a look into the directory makes.
fn fingerprint(dir: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in victims::files(dir) {
        if !path.ends_with("lock") {
            (&path, fs::read(&path).unwrap()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Does it to a copy, opens that, and judges.
fn attack(victim: &Victim, file: &Path, mutation: Mutation) -> Outcome {
    let copy = victims::copy_of(victim);
    mutate(&copy.path().join(file), mutation);
    let case = format!("{}: {mutation:?} of {}", victim.name, file.display());
    judge(victim, copy.path(), file, &case)
}

fn judge(victim: &Victim, dir: &Path, file: &Path, case: &str) -> Outcome {
    let before = fingerprint(dir);
    let open = match victims::open(dir) {
        Ok(open) => open,
        Err(error) => {
            assert!(
                matches!(error, Error::Damaged { .. } | Error::Foreign { .. } | Error::Version { .. }),
                "{case}: {error:?}"
            );
            assert!(names(&error.to_string(), file), "{case} is not named: {error}");
            assert_eq!(fingerprint(dir), before, "{case} was refused, but not left alone: {error}");
            return Outcome::Refused;
        }
    };
    let healed = open.recovered.healed.clone();
    let (found, unreadable) = victims::contents(&open);
    let works = victims::commit(
        &open.store.handle(),
        coney::store::Op::PutDefinition { key: "works".into(), value: Vec::new() },
    );
    assert!(works, "{case}: the store failed: {:?}", open.failures.try_recv());
    open.store.shutdown().unwrap_or_else(|_| panic!("{case}: {:?}", open.failures.try_recv()));
    if !unreadable.is_empty() {
        assert!(unreadable.iter().all(|why| names(why, file)), "{case} is not named: {unreadable:?}");
        return Outcome::Unreadable;
    }
    if let Some(healed) = healed {
        assert!(names(&healed, file), "{case} is not named: {healed}");
        assert!(!victim.closed || found == victim.live, "{case}: healed, but messages are missing: {healed}");
        return Outcome::Healed;
    }
    assert_eq!(found, victim.live, "{case}: silence");
    Outcome::Whole
}

/// Whether words name a file, or the directory of one.
fn names(words: &str, file: &Path) -> bool {
    let is_removed_root =
        file.ancestors().any(|part| part.parent().is_some() && words.contains(&*part.to_string_lossy()));
    words.contains(&*file.to_string_lossy()) || is_removed_root
}

/// The files of a victim, by their paths in it.
fn targets(victim: &Victim) -> Vec<PathBuf> {
    let root = victim.dir();
    let files = victims::files(root).into_iter().map(|path| path.strip_prefix(root).unwrap().to_owned());
    files.filter(|path| !path.ends_with("lock")).collect()
}

/// Each file of each victim in turn, `count` times in all.
fn campaign(victims: &[&Victim], count: usize, seed: u64) {
    let mut random = Random(seed);
    let targets: Vec<(&Victim, PathBuf)> = victims
        .iter()
        .flat_map(|victim| targets(victim).into_iter().map(move |path| (*victim, path)))
        .collect();
    let lengths: Vec<usize> = targets.iter().map(|(victim, path)| used(&victim.dir().join(path))).collect();
    let cases: Vec<(usize, Mutation)> = (0..count)
        .map(|number| number % targets.len())
        .map(|target| (target, random.mutation(lengths[target])))
        .collect();
    let outcomes = Mutex::new(BTreeMap::<(Outcome, bool), usize>::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(|| {
                while let Some((target, mutation)) = cases.get(next.fetch_add(1, Relaxed)) {
                    let (victim, path) = &targets[*target];
                    let outcome = attack(victim, path, *mutation);
                    *outcomes.lock().unwrap().entry((outcome, victim.closed)).or_default() += 1;
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    println!("seed {seed}: {count} mutations of {} files: {outcomes:?}", targets.len());
}

#[test]
fn damage_is_noticed() {
    campaign(
        &[&victims::small(true), &victims::small(false), victims::flushed()],
        180,
        88_172_645_463_325_252,
    );
}

/// Another seed each time.
#[test]
#[ignore = "takes minutes"]
fn damage_is_noticed_in_two_thousand_cases() {
    let seed = RandomState::new().hash_one(0) | 1;
    println!("seed {seed}");
    campaign(&[&victims::small(true), &victims::small(false), victims::flushed()], 2000, seed);
}

/// The header of a batch has no checksum of its own.
#[test]
fn every_bit_of_a_batchs_header_counts() {
    for victim in [victims::small(true), victims::small(false)] {
        let journal = fs::read(victim.dir().join("0.jnl")).unwrap();
        // Where the headers of our batches stand: a start, and then the heartbeat's item.
        let starts = journal.windows(14).enumerate().filter(|(_, bytes)| bytes[0] == 1 && bytes[13] == 2);
        let starts: Vec<usize> = starts.map(|(at, _)| at).take(16).collect();
        for (number, start) in starts.into_iter().enumerate() {
            for byte in [start + 1 + number % 4, start + 5, start + 6, start + 12] {
                let bit = if byte == start + 12 { 7 } else { (number % 8) as u8 };
                attack(&victim, Path::new("0.jnl"), Mutation::Flip { byte, bit });
            }
        }
    }
}

#[test]
fn a_journal_that_is_missing_or_blank_is_noticed() {
    let victim = victims::many_journals();
    let journals: Vec<PathBuf> = targets(&victim)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "jnl"))
        .collect();
    assert!(journals.len() > 1, "{journals:?}");
    for journal in journals {
        let len = used(&victim.dir().join(&journal));
        for mutation in [Mutation::Remove, Mutation::Zero { from: 0, len }] {
            assert_eq!(attack(&victim, &journal, mutation), Outcome::Refused);
        }
    }
    // As if there had been another between them.
    let copy = victims::copy_of(&victim);
    fs::rename(copy.path().join("1.jnl"), copy.path().join("2.jnl")).unwrap();
    assert_eq!(judge(&victim, copy.path(), Path::new("1.jnl"), "a gap"), Outcome::Refused);
}

#[test]
fn what_does_not_belong_there_and_what_is_not_there_are_noticed() {
    let victim = victims::flushed();
    strangers_are_noticed(victim);
    missing_roots_are_noticed(victim);
}

/// What fjall would take for one of its own, and panic over or delete.
fn strangers_are_noticed(victim: &Victim) {
    let strangers =
        ["keyspaces/x", "keyspaces/7", "keyspaces/1/tables/x", "keyspaces/1/blobs/x", "x.jnl", "9.jnl"];
    for stranger in strangers {
        let copy = victims::copy_of(victim);
        fs::create_dir(copy.path().join(stranger)).unwrap();
        let outcome = judge(victim, copy.path(), Path::new(stranger), &format!("a directory {stranger}"));
        assert_eq!(outcome, Outcome::Refused, "{stranger}");
    }
}

fn missing_roots_are_noticed(victim: &Victim) {
    let roots = [
        "keyspaces",
        "keyspaces/0",
        "keyspaces/1",
        "keyspaces/2",
        "keyspaces/3",
        "keyspaces/0/tables",
        "keyspaces/1/tables",
        "keyspaces/1/blobs",
        "keyspaces/3/tables",
        "keyspaces/3/blobs",
    ];
    for root in roots {
        let copy = victims::copy_of(victim);
        fs::remove_dir_all(copy.path().join(root)).unwrap();
        let outcome = judge(victim, copy.path(), Path::new(root), &format!("{root} removed"));
        assert_eq!(outcome, Outcome::Refused, "{root}");
    }
}

#[test]
fn a_damaged_body_costs_its_queue() {
    let victim = victims::flushed();
    let blob = targets(victim).into_iter().find(|path| path.starts_with("keyspaces/1/blobs")).unwrap();
    for byte in [0, 40, 300] {
        assert_eq!(
            attack(victim, &blob, Mutation::Flip { byte, bit: 0 }),
            Outcome::Unreadable,
            "byte {byte}"
        );
    }
}
