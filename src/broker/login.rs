//! Logging in, by whatever protocol: guessing is slowed down, attempts are counted, and the reason of a refusal is for the log
//! alone.

use std::net::IpAddr;
use std::time::Duration;

use super::shared::{Shared, stopped};
use crate::auth::{Attempt, Credentials, LoginRefusal, Origin, Proof, WAIT_MAX};

/// An attempt that waits asks again this often: another of its kind may have succeeded meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Whether these credentials let their user in from this address, after the wait that earlier failures cost.
///
/// # Errors
/// Why not. Clients are told that they are refused, and nothing more.
pub async fn log_in(shared: &Shared, credentials: &Credentials, peer: IpAddr) -> Result<(), LoginRefusal> {
    if matches!(credentials.proof, Proof::External(_)) {
        // There is nothing to guess.
        return shared.users(|users| users.admits(credentials, peer));
    }
    let attempt = Attempt::new(&credentials.user, Origin::of(peer));
    if !may_try(shared, attempt).await {
        return Err(LoginRefusal::TooManyFailures);
    }
    let admitted = shared.users(|users| users.admits(credentials, peer));
    let now = shared.clock.now();
    shared.guesses(|guesses| match admitted {
        Ok(()) => guesses.succeeded(now, attempt),
        Err(_) => guesses.failed(now, attempt),
    });
    admitted
}

/// Whether the password may be looked at, after a wait perhaps.
async fn may_try(shared: &Shared, attempt: Attempt) -> bool {
    let clock = shared.clock;
    let last = clock.now() + WAIT_MAX;
    let mut stopping = shared.stopping.subscribe();
    while let Err(later) = shared.guesses(|guesses| guesses.begin(clock.now(), attempt)) {
        tokio::select! {
            () = clock.wait_for(Some(later.min(last).min(clock.now() + LOOK_AGAIN))) => {}
            () = stopped(&mut stopping) => return false,
        }
        if clock.now() >= last {
            return false;
        }
    }
    true
}
