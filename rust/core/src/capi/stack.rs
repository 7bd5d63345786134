//! First calls nest on the C stack, where plain calls of Python functions do not: up to CPython 3.13 the interpreter
//! counts that, so that a program would meet its recursion limit earlier.

#[cfg(Py_3_14)]
mod version {
    /// Runs `call`, a first call. The interpreter looks at the real stack.
    pub fn nested<T>(call: impl FnOnce() -> *mut T) -> *mut T {
        call()
    }
}

#[cfg(not(Py_3_14))]
mod version {
    use std::cell::Cell;
    use std::ffi::{c_int, c_void};
    use std::{mem, ptr};

    use pyo3::exceptions::PyRecursionError;
    use pyo3::ffi;

    use super::super::entry::entered;

    /// The beginning of a thread state: `Include/cpython/pystate.h` of each version.
    #[repr(C)]
    pub struct ThreadState {
        links: [*mut c_void; 3],
        #[cfg(Py_3_13)]
        eval_breaker: usize,
        #[cfg(Py_3_13)]
        status: [c_int; 3],
        #[cfg(not(Py_3_13))]
        status: [c_int; if cfg!(Py_3_12) { 1 } else { 2 }],
        /// Up to 3.11 `recursion_remaining`, which counts C calls too.
        py_recursion_remaining: c_int,
        pub py_recursion_limit: c_int,
        #[cfg(Py_3_12)]
        c_recursion_remaining: c_int,
        recursion_headroom: c_int,
        tracing: [c_int; 2],
        #[cfg(not(Py_3_12))]
        pub cframe: *mut super::super::stub::CFrame,
        #[cfg(not(Py_3_12))]
        pub c_profilefunc: Option<ffi::Py_tracefunc>,
        #[cfg(not(Py_3_12))]
        pub c_tracefunc: Option<ffi::Py_tracefunc>,
    }

    /// First calls within first calls that need no look at the stack.
    const SHALLOW: usize = 64;
    /// What a first call and what it calls may need.
    const ENOUGH: usize = 64 * 1024;

    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
    }

    pub fn thread_state() -> *mut ThreadState {
        // SAFETY: the GIL is held wherever this is asked.
        unsafe { ffi::PyThreadState_Get().cast() }
    }

    /// Runs `call`, a first call, which the interpreter counts as no deeper than any other.
    pub fn nested<T>(call: impl FnOnce() -> *mut T) -> *mut T {
        let depth = DEPTH.get();
        if depth > SHALLOW && stack_left().is_some_and(|left| left < ENOUGH) {
            let error = "maximum recursion depth exceeded while calling a function for the first time";
            // SAFETY: the GIL is held.
            return unsafe { entered(ptr::null_mut(), |_| Err(PyRecursionError::new_err(error))) };
        }
        DEPTH.set(depth + 1);
        let state = thread_state();
        // SAFETY: the thread's own state, which only this thread changes, while it holds the GIL.
        unsafe {
            *counter(state) += 1;
            let result = call();
            *counter(state) -= 1;
            DEPTH.set(depth);
            result
        }
    }

    unsafe fn counter(state: *mut ThreadState) -> *mut c_int {
        // SAFETY: the caller has a live thread state.
        unsafe {
            #[cfg(Py_3_12)]
            let counter = &raw mut (*state).c_recursion_remaining;
            #[cfg(not(Py_3_12))]
            let counter = &raw mut (*state).py_recursion_remaining;
            counter
        }
    }

    /// Bytes between here and the end of the thread's stack; `None` where that is not known, or on a stack of its own.
    fn stack_left() -> Option<usize> {
        thread_local! {
            static STACK: Cell<Option<Option<(usize, usize)>>> = const { Cell::new(None) };
        }
        let (low, high) = STACK.get().unwrap_or_else(|| {
            let found = bounds();
            STACK.set(Some(found));
            found
        })?;
        let here = (&raw const low) as usize;
        (low..high).contains(&here).then(|| here - low)
    }

    #[cfg(target_os = "linux")]
    fn bounds() -> Option<(usize, usize)> {
        // SAFETY: the attributes are made by the first call, which says whether it did, and destroyed by the last.
        unsafe {
            let mut attributes = mem::zeroed();
            if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
                return None;
            }
            let (mut low, mut size) = (ptr::null_mut(), 0);
            let failed = libc::pthread_attr_getstack(&attributes, &mut low, &mut size) != 0;
            libc::pthread_attr_destroy(&mut attributes);
            (!failed).then(|| (low as usize, low as usize + size))
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn bounds() -> Option<(usize, usize)> {
        None
    }
}

pub use version::*;
