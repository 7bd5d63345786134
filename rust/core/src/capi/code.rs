//! Code objects: out of their marshalled bytes, and run.

use std::ffi::c_char;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict};

use crate::handles;

/// The object in `bytes`, which must have passed their checksum: marshal trusts its input.
pub fn unmarshal<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let length = ffi::Py_ssize_t::try_from(bytes.len())?;
    // SAFETY: the bytes are alive and ours for the whole call; the result is a new reference or null with an exception.
    unsafe {
        let object = ffi::PyMarshal_ReadObjectFromString(bytes.as_ptr().cast::<c_char>(), length);
        Bound::from_owned_ptr_or_err(py, object)
    }
}

/// The code object in `bytes`, naming `path` as its file, as importlib does for a cache file that was moved.
pub fn unmarshal_code<'py>(py: Python<'py>, bytes: &[u8], path: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyCode>> {
    let code = unmarshal(py, bytes)?.cast_into::<PyCode>()?;
    handles::get(py)?.fix_co_filename.call1(py, (&code, path))?;
    Ok(code)
}

/// Runs `code` in the namespace `dict`, with no frame between the caller's and the code's.
pub fn run(code: &Bound<'_, PyCode>, dict: &Bound<'_, PyDict>) -> PyResult<()> {
    // SAFETY: a live code object and a live dict (any subclass will do); the result is a new reference or null.
    unsafe {
        let result = ffi::PyEval_EvalCode(code.as_ptr(), dict.as_ptr(), dict.as_ptr());
        Bound::from_owned_ptr_or_err(code.py(), result).map(drop)
    }
}
