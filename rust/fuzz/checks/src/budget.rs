//! How much memory a check may take for an input of its size: what grows faster than the input is found on a small one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// For an input of no bytes.
const BASE: usize = 256 * 1024;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Bytes that this thread has asked for since the last check began.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator with the caller's own arguments.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: as `GlobalAlloc` asks of the caller.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no counter left.
        let _ = ASKED.try_with(|asked| asked.set(asked.get().saturating_add(layout.size())));
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as `GlobalAlloc` asks of the caller.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Runs `check`, which may ask for `factor` bytes of memory for each byte of the input, whether it gives them back or
/// not.
pub fn within<T>(input: usize, factor: usize, check: impl FnOnce() -> T) -> T {
    ASKED.set(0);
    let result = check();
    let asked = ASKED.get();
    assert!(asked <= BASE + factor * input, "{asked} bytes of memory for {input} bytes");
    result
}
