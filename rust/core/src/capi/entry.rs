//! The way in: functions of ours that the interpreter calls itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyMemoryError, PySystemError};
use pyo3::prelude::*;

/// Runs `work` so that PyO3 knows that this thread is attached: what it drops meanwhile is let go of at once, and not at
/// some later call that comes through PyO3.
///
/// # Safety
///
/// The GIL is held.
pub unsafe fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> T {
    let mut work = Some(work);
    let mut run = |py: Python<'_>| work.take().map(|work| work(py));
    let result = Python::try_attach(&mut run).flatten();
    // An interpreter that is about to end attaches nobody any more.
    // SAFETY: as the caller says. `work` runs once: here only where it did not before.
    result.or_else(|| run(unsafe { Python::assume_attached() })).expect("it has run")
}

/// Runs `work`, whose error becomes the Python exception, and the result `failed`.
///
/// # Safety
///
/// The GIL is held.
pub unsafe fn entered<T>(failed: T, work: impl FnOnce(Python<'_>) -> PyResult<T>) -> T {
    let work = |py: Python<'_>| {
        caught(|| work(py)).unwrap_or_else(|error| {
            error.restore(py);
            failed
        })
    };
    // SAFETY: as the caller says.
    unsafe { attached(work) }
}

/// Runs `work`; a panic, which no program expects, becomes an error that it may.
pub fn caught<T>(work: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(error_of(&*panic)))
}

/// Looks something up; whatever goes wrong with that is no business of the program.
pub fn quietly<T>(look_up: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(look_up)).unwrap_or_default()
}

/// PyO3 panics where the interpreter has no memory left for an object.
fn error_of(panic: &(dyn std::any::Any + Send)) -> PyErr {
    match panic.downcast_ref::<&str>() {
        Some(&"PyObject pointer is null") => PyMemoryError::new_err(()),
        _ => internal(),
    }
}

/// What can only be a mistake of ours.
pub fn internal() -> PyErr {
    PySystemError::new_err("overlay_import failed internally")
}
