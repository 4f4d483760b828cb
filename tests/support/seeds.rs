//! Random worlds by their seeds: which are run, and what is said of one that fails.

use std::fmt::Debug;
use std::ops::{AddAssign, Range};
use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// `N`, or `FIRST..END`.
fn range(text: &str) -> Option<Range<u64>> {
    match text.split_once("..") {
        Some((first, end)) => Some(first.parse().ok()?..end.parse().ok()?),
        None => Some(0..text.parse().ok()?),
    }
}

/// How many seeds were run, and what came of all of them: so many, or those that a variable of this name with an `S` says (`N`, or
/// `FIRST..END`), on all processors. `None` if the variable says which one to run: that was run by itself.
pub fn each_seed<T: Default + AddAssign + Debug + Send>(
    name: &str,
    seeds: u64,
    run: impl Fn(u64) -> T + RefUnwindSafe + Sync,
) -> Option<(u64, T)> {
    if let Some(seed) = variable(name) {
        println!("{:?}", run(seed));
        return None;
    }
    let several = format!("{name}S");
    let seeds = match std::env::var(&several) {
        Ok(text) => range(&text).unwrap_or_else(|| panic!("{several}={text} is neither N nor FIRST..END")),
        Err(_) => 0..seeds,
    };
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut total = T::default();
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end {
                return Ok(total);
            }
            let Ok(outcome) = std::panic::catch_unwind(|| run(seed)) else {
                // The others are not begun any more.
                next.store(seeds.end, Relaxed);
                return Err(seed);
            };
            total += outcome;
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, Into::into);
    let outcomes: Vec<Result<T, u64>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let (count, mut total) = (seeds.end - seeds.start, T::default());
    for outcome in outcomes {
        total += outcome.unwrap_or_else(|seed| panic!("seed {seed} failed; {name}={seed} runs it alone"));
    }
    println!("{count} seeds, {seeds:?}: {total:?}");
    Some((count, total))
}
