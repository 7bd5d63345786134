//! Code objects, out of their marshalled bytes or out of a script's source.

use std::ffi::{CStr, c_char};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyString};

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
    name_file(&code, path)?;
    Ok(code)
}

/// Has code, and all code in it, name `path` as its file.
pub fn name_file(code: &Bound<'_, PyCode>, path: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = code.py();
    handles::get(py)?.fix_co_filename.call1(py, (code, path)).map(drop)
}

/// What `python FILE` compiles a script to. Without `builtins.compile`, whose first call sets up the classes of `ast`:
/// that takes longer than a small script.
pub fn compile<'py>(source: &CStr, path: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyCode>> {
    // SAFETY: the source ends in a null byte; null stands for no flags, and -1 for the interpreter's own level. The
    // result is a new reference, or null with an exception.
    let code = unsafe {
        let code = ffi::Py_CompileStringObject(source.as_ptr(), path.as_ptr(), ffi::Py_file_input, ptr::null_mut(), -1);
        Bound::from_owned_ptr_or_err(path.py(), code)?
    };
    Ok(code.cast_into::<PyCode>()?)
}
