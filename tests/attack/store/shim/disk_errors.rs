//! A disk that fails, as a library to be loaded before libc: the Nth write or sync of a file below `SHIM_DIR` fails once, or from
//! then on, with `SHIM_ERRNO`. Compiled by the test, with rustc alone, so it declares what it needs of libc itself.
#![crate_type = "cdylib"]

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::sync::atomic::{AtomicI64, Ordering};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn __errno_location() -> *mut c_int;
    fn getenv(name: *const c_char) -> *const c_char;
    fn readlink(path: *const c_char, out: *mut c_char, len: usize) -> isize;
}

const NEXT: *mut c_void = -1_isize as *mut c_void;

/// Calls that still succeed; below 0: it has failed.
static LEFT: AtomicI64 = AtomicI64::new(i64::MIN);

fn variable(name: &CStr) -> Option<&'static str> {
    // SAFETY: the name is a C string, and nobody changes the environment.
    let value = unsafe { getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv gives C strings that stay.
    unsafe { CStr::from_ptr(value) }.to_str().ok()
}

fn number(name: &CStr) -> i64 {
    variable(name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Whether a descriptor is of a file below the directory.
fn is_watched(descriptor: c_int) -> bool {
    let Some(dir) = variable(c"SHIM_DIR") else { return false };
    let link = format!("/proc/self/fd/{descriptor}\0");
    let mut path = [0_u8; 4096];
    // SAFETY: the path ends in a zero, and the buffer has that many bytes.
    let len = unsafe { readlink(link.as_ptr().cast(), path.as_mut_ptr().cast(), path.len()) };
    usize::try_from(len).is_ok_and(|len| path[..len].starts_with(dir.as_bytes()))
}

/// Whether this call is to fail.
fn fails(call: &str, descriptor: c_int) -> bool {
    if variable(c"SHIM_CALL") != Some(call) || !is_watched(descriptor) {
        return false;
    }
    let _ = LEFT.compare_exchange(i64::MIN, number(c"SHIM_AFTER"), Ordering::Relaxed, Ordering::Relaxed);
    let left = LEFT.fetch_sub(1, Ordering::Relaxed);
    let fails = left == 0 || (left < 0 && variable(c"SHIM_FOREVER").is_some());
    if fails {
        // SAFETY: it is this thread's own.
        unsafe { *__errno_location() = number(c"SHIM_ERRNO") as c_int };
    }
    fails
}

fn next(name: &CStr) -> *mut c_void {
    // SAFETY: the name is a C string.
    unsafe { dlsym(NEXT, name.as_ptr()) }
}

#[unsafe(no_mangle)]
pub extern "C" fn write(descriptor: c_int, bytes: *const c_void, len: usize) -> isize {
    if fails("write", descriptor) {
        return -1;
    }
    // SAFETY: it is libc's write.
    let real: extern "C" fn(c_int, *const c_void, usize) -> isize = unsafe { std::mem::transmute(next(c"write")) };
    real(descriptor, bytes, len)
}

#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    if fails("fdatasync", descriptor) {
        return -1;
    }
    // SAFETY: it is libc's fdatasync.
    let real: extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(next(c"fdatasync")) };
    real(descriptor)
}

#[unsafe(no_mangle)]
pub extern "C" fn fsync(descriptor: c_int) -> c_int {
    if fails("fsync", descriptor) {
        return -1;
    }
    // SAFETY: it is libc's fsync.
    let real: extern "C" fn(c_int) -> c_int = unsafe { std::mem::transmute(next(c"fsync")) };
    real(descriptor)
}

#[unsafe(no_mangle)]
pub extern "C" fn ftruncate64(descriptor: c_int, len: c_long) -> c_int {
    if fails("ftruncate", descriptor) {
        return -1;
    }
    // SAFETY: it is libc's ftruncate64.
    let real: extern "C" fn(c_int, c_long) -> c_int = unsafe { std::mem::transmute(next(c"ftruncate64")) };
    real(descriptor, len)
}

/// Reads of stored bytes.
#[unsafe(no_mangle)]
pub extern "C" fn pread64(descriptor: c_int, bytes: *mut c_void, len: usize, offset: c_long) -> isize {
    if fails("pread", descriptor) {
        return -1;
    }
    // SAFETY: it is libc's pread64.
    let real: extern "C" fn(c_int, *mut c_void, usize, c_long) -> isize =
        unsafe { std::mem::transmute(next(c"pread64")) };
    real(descriptor, bytes, len, offset)
}
