//! Which interpreter of the process this is.

use pyo3::exceptions::PyImportError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Fails with `ImportError` in a sub-interpreter: what we keep belongs to the objects of the main one.
pub fn refuse_others(_: Python<'_>) -> PyResult<()> {
    // SAFETY: we are attached to an interpreter, and the main one lives as long as the process runs Python.
    let is_main = unsafe { ffi::PyInterpreterState_Get() == ffi::PyInterpreterState_Main() };
    if is_main { Ok(()) } else { Err(PyImportError::new_err("sub-interpreters are not supported")) }
}
