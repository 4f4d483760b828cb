//! An allocator that ends the process when so much is asked for at once as no input may cost: a table of a few bytes that says it is long,
//! a body that is announced. libFuzzer's own limit needs a sanitizer.

use std::alloc::{GlobalAlloc, Layout, System};

/// Bytes.
const AT_ONCE_MAX: usize = 256 << 20;

struct Bounded;

#[global_allocator]
static BOUNDED: Bounded = Bounded;

fn check(bytes: usize) {
    if bytes > AT_ONCE_MAX {
        // What says it may need a few bytes itself, which are fewer than that.
        eprintln!("{bytes} bytes are allocated at once, more than {AT_ONCE_MAX}");
        std::process::abort();
    }
}

// SAFETY: all is the system's allocator's, which is asked for the same.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        check(bytes);
        unsafe { System.realloc(pointer, layout, bytes) }
    }
}
