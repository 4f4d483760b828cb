//! Panics of code that is not ours, as values and without a word on standard error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs something; if it panics, what it said.
pub(super) fn catch<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    silence_quiet_threads();
    IS_QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    IS_QUIET.set(false);
    result.map_err(|panic| message(&*panic))
}

/// Puts a hook before the one that is there, once for the process.
fn silence_quiet_threads() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_QUIET.get() {
                before(panic);
            }
        }));
    });
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::catch;

    #[test]
    fn a_panic_is_a_value_in_one_line() {
        assert_eq!(catch(|| 1), Ok(1));
        assert_eq!(catch(|| panic!("two\n  lines")), Err::<(), _>("two lines".into()));
        assert_eq!(catch(|| Vec::<u8>::new().first().copied().expect("one")), Err("one".into()));
    }
}
