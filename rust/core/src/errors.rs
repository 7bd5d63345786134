//! The one place where what goes wrong becomes a Python exception.

use overlay_file::FileError;
use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyType};

use crate::state::State;

/// A class or constant of `overlay_import._types`.
pub fn public<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("overlay_import._types")?.getattr(name)
}

fn raise(py: Python<'_>, class: &str, message: String, name: &Bound<'_, PyAny>, path: Option<&Py<PyAny>>) -> PyErr {
    let make = || -> PyResult<PyErr> {
        let details = PyDict::new(py);
        details.set_item("name", name)?;
        details.set_item("path", path)?;
        let class = public(py, class)?.cast_into::<PyType>()?;
        Ok(PyErr::from_value(class.call((message,), Some(&details))?))
    };
    make().unwrap_or_else(|error| error)
}

/// `OverlayNotFoundError` for a module that has overlays, but none of this name.
pub fn not_found(py: Python<'_>, state: &State, name: &Bound<'_, PyAny>) -> PyErr {
    let name = match name.repr() {
        Ok(name) => name.to_string(),
        // An int of too many digits, a tuple of too many levels.
        Err(error) if error.is_instance_of::<PyException>(py) => format!("named by a {}", kind(name)),
        Err(error) => return error,
    };
    let message = format!("module {} has no overlay {name}", state.quoted_name(py));
    raise(py, "OverlayNotFoundError", message, state.name.bind(py), Some(&state.cache_path))
}

/// The name of an object's type.
pub fn kind(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "object".into(), |name| name.to_string())
}

/// `OverlayNotFoundError` for a module without overlays.
pub fn no_overlays(module: &Bound<'_, PyModule>) -> PyErr {
    let py = module.py();
    let name = module.dict().get_item("__name__").ok().flatten().unwrap_or_else(|| py.None().into_bound(py));
    let message = format!("module {} has no overlays", quoted(&name));
    raise(py, "OverlayNotFoundError", message, &name, None)
}

/// `OverlayCorruptError`: the file no longer gives what the module was imported from. `MemoryError` where it would.
pub fn unreadable(py: Python<'_>, module: &Bound<'_, PyAny>, path: &Py<PyAny>, error: &FileError) -> PyErr {
    if error.is_out_of_memory() {
        return PyMemoryError::new_err(());
    }
    let message = format!("the overlays of module {} cannot be read: {error}", quoted(module));
    raise(py, "OverlayCorruptError", message, module, Some(path))
}

/// A module's name in quotes, for a message. Not its `repr`, in which a signal handler may raise.
pub fn quoted(name: &Bound<'_, PyAny>) -> String {
    match name.cast::<PyString>() {
        Ok(name) => format!("'{}'", name.to_string_lossy()),
        Err(_) => "?".to_owned(),
    }
}

/// `OverlayError` around `cause`, which its reader would take for something else.
pub fn wrap(py: Python<'_>, state: &State, cause: PyErr) -> PyErr {
    let kind = cause.get_type(py).name().map_or_else(|_| "an error".into(), |name| name.to_string());
    let message = format!("an overlay of module {} raised {kind}: {}", state.quoted_name(py), cause.value(py));
    let error = raise(py, "OverlayError", message, state.name.bind(py), Some(&state.cache_path));
    error.set_cause(py, Some(cause));
    error
}
