//! The C function `PyImport_LoadOverlay`, handed out in a capsule; `include/overlay_import.h` is its face.

use std::ffi::{c_int, c_uint, c_void};

use pyo3::ffi;
use pyo3::prelude::*;

use super::entry::entered;
use crate::public::{self, Outcome};

/// The struct of the header, field for field.
#[repr(C)]
struct Api {
    version: c_uint,
    load_overlay: unsafe extern "C" fn(*mut ffi::PyObject, *mut ffi::PyObject, c_int) -> c_int,
}

static API: Api = Api { version: 1, load_overlay: import_load_overlay };

/// The capsule `overlay_import._core._C_API`.
pub fn new(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let api = (&raw const API).cast::<c_void>().cast_mut();
    // SAFETY: the struct and the name are static; the result is a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyCapsule_New(api, c"overlay_import._core._C_API".as_ptr(), None)) }
}

/// 1: loaded; 2: already loaded; 0: failed, with an exception set.
unsafe extern "C" fn import_load_overlay(module: *mut ffi::PyObject, name: *mut ffi::PyObject, force: c_int) -> c_int {
    // SAFETY: the header asks for the GIL and two live objects.
    unsafe {
        entered(0, |py| {
            let (module, name) = (Bound::from_borrowed_ptr(py, module), Bound::from_borrowed_ptr(py, name));
            Ok(match public::load(&module, &name, force != 0)? {
                Outcome::Loaded => 1,
                Outcome::AlreadyLoaded => 2,
            })
        })
    }
}
