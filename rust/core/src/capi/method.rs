//! `OverlayLoader.exec_module`: a method descriptor, so that an import has no Python frame of ours.

use std::ptr;

use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::entry::entered;
use super::types;
use crate::importing;

static LOADER: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Whether a spec has our loader.
pub fn is_loader_of(spec: &Bound<'_, PyAny>) -> bool {
    spec.getattr(intern!(spec.py(), "loader")).is_ok_and(|loader| is_ours(&loader))
}

fn is_ours(loader: &Bound<'_, PyAny>) -> bool {
    LOADER.get(loader.py()).is_some_and(|ours| loader.get_type().is(ours))
}

/// Makes one of our loaders what it was before: there are libraries that go by the exact class of a loader.
pub fn make_plain(loader: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = loader.py();
    match is_ours(loader) {
        true => loader.setattr(intern!(py, "__class__"), loader.get_type().getattr(intern!(py, "__base__"))?),
        false => Ok(()),
    }
}

/// A method descriptor for `importing::exec_module`, for `class`, the loader.
///
/// Of its base class, which a loader may be by the end of the call: a profiler binds the descriptor once more then.
pub fn exec_module<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let _ = LOADER.set(class.py(), class.clone().unbind());
    let function = ffi::PyMethodDefPointer { PyCFunction: exec_module_slot };
    let definition = Box::leak(Box::new(types::method(c"exec_module", function, ffi::METH_O)));
    let base = class.getattr(intern!(class.py(), "__base__"))?.cast_into::<PyType>()?;
    // SAFETY: the class is alive and the definition lives for ever; the result is a new reference or null.
    unsafe { Bound::from_owned_ptr_or_err(class.py(), ffi::PyDescr_NewMethod(base.as_type_ptr(), definition)) }
}

unsafe extern "C" fn exec_module_slot(loader: *mut ffi::PyObject, module: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls methods with the GIL held and live objects.
    unsafe {
        entered(ptr::null_mut(), |py| {
            importing::exec_module(&Bound::from_borrowed_ptr(py, loader), &Bound::from_borrowed_ptr(py, module))?;
            Ok(py.None().into_ptr())
        })
    }
}
