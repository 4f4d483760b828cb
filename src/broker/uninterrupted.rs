//! Work that is not left half done when whoever asked for it goes, and that leaves room for others.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::panic::resume_unwind;

/// After so many steps of some microseconds each others have a turn.
const STEPS_MAX: usize = 64;

/// Does work to its end, even if the caller's future is dropped before.
pub(super) async fn uninterrupted<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The runtime is coming to its end, and the caller with it.
            Err(_) => pending().await,
        },
    }
}

/// Does something for each of many, and lets others have a turn now and then.
pub(super) async fn each_in_turn<T>(all: impl IntoIterator<Item = T>, mut each: impl FnMut(T)) {
    let Ok(()) = try_in_turn(all, |one| {
        each(one);
        Ok::<_, Infallible>(())
    })
    .await;
}

/// The same until it fails for one.
///
/// # Errors
/// What it fails with.
pub(super) async fn try_in_turn<T, E>(
    all: impl IntoIterator<Item = T>,
    mut each: impl FnMut(T) -> Result<(), E>,
) -> Result<(), E> {
    for (number, one) in (1_usize..).zip(all) {
        each(one)?;
        if number.is_multiple_of(STEPS_MAX) {
            tokio::task::yield_now().await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn it_is_done_though_nobody_waits_for_it_and_others_have_their_turns() {
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let work = async move {
            each_in_turn(0..10 * STEPS_MAX, |step| count.store(step + 1, Ordering::Relaxed)).await;
        };
        let caller = tokio::spawn(uninterrupted(work));
        let mut turns = 0;
        while done.load(Ordering::Relaxed) < 10 * STEPS_MAX {
            if turns == 5 {
                caller.abort();
            }
            turns += 1;
            tokio::task::yield_now().await;
        }
        assert!(turns >= 10, "{turns}");
    }
}
