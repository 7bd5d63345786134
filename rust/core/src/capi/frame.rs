//! The Python frame that runs, and its thread.

use std::ffi::{c_int, c_ulong};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyCode;

/// The code that runs, and the line it has come to; `None` where no Python code runs.
pub fn current(py: Python<'_>) -> Option<(Bound<'_, PyCode>, c_int)> {
    // SAFETY: the frame is borrowed from this thread's stack, where it stays while we run; its code is a new reference.
    unsafe {
        let frame = ffi::PyEval_GetFrame();
        if frame.is_null() {
            return None;
        }
        let line = ffi::PyFrame_GetLineNumber(frame);
        let code = Bound::from_owned_ptr(py, ffi::PyFrame_GetCode(frame).cast());
        Some((code.cast_into().ok()?, line))
    }
}

/// The thread, as `threading.get_ident` names it.
pub fn thread(_: Python<'_>) -> c_ulong {
    // SAFETY: it needs nothing, and changes nothing.
    unsafe { ffi::PyThread_get_thread_ident() }
}
