//! A safe name for glibc's `malloc_trim`, in a crate of its own so that the broker's can forbid `unsafe`.
//!
//! glibc gives memory back by itself only from the end of a heap. A page that is free but has something in use behind it stays with the
//! process, for ever if what is behind it stays. `malloc_trim` gives those pages back, too, in all heaps
//! (<https://man7.org/linux/man-pages/man3/malloc_trim.3.html>).

/// Gives all pages back that are free as a whole. Takes some milliseconds for each 100 MB, in which other threads may wait for memory.
/// Tells whether anything was given back; where the C library is another, nothing is.
#[must_use]
pub fn malloc_trim() -> bool {
    trim()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn trim() -> bool {
    // SAFETY: this is the function's signature in glibc's malloc.h. It may be called at any time from any thread, and leaves everything that
    // is allocated as it is.
    unsafe extern "C" {
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0) != 0
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
const fn trim() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::malloc_trim;

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_lies_between_goes_back() {
        // Every other piece stays, so that none of the free ones is at the end.
        let mut pieces: Vec<Option<Vec<u8>>> = (0..1000).map(|_| Some(vec![1; 64 * 1024])).collect();
        let resident = || {
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
        };
        pieces.iter_mut().step_by(2).for_each(|piece| *piece = None);
        let before = resident();
        assert!(malloc_trim());
        let after = resident();
        assert!(before - after > 20 * 1024 * 1024, "{before} -> {after} bytes");
        assert_eq!(pieces.iter().flatten().map(|piece| usize::from(piece[0])).sum::<usize>(), 500);
    }
}
