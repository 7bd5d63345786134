//! Classes that are expected to stay as they are, and instances made without running their `__init__`.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

/// A class, and the version that the interpreter gave it: any change of the class or its bases takes that away.
pub struct Watched {
    pub class: Py<PyType>,
    version: u32,
}

impl Watched {
    pub fn new(class: Bound<'_, PyAny>) -> PyResult<Self> {
        let class = class.cast_into::<PyType>()?;
        // A look-up gives the class a version, where it has none.
        class.getattr("__init__")?;
        Ok(Self { version: version(&class), class: class.unbind() })
    }

    /// Whether neither the class nor its bases were changed since.
    pub fn is_unchanged(&self, py: Python<'_>) -> bool {
        self.version != 0 && version(self.class.bind(py)) == self.version
    }
}

fn version(class: &Bound<'_, PyType>) -> u32 {
    // SAFETY: a live type, whose fields are read with the GIL held.
    unsafe { (*class.as_type_ptr()).tp_version_tag }
}

/// An instance of a class without `__new__`, before its `__init__`.
pub fn blank<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    let arguments = PyTuple::empty(py);
    // SAFETY: `object.__new__` takes any class that is not built in; the result is a new reference or null.
    unsafe {
        let class = class.as_type_ptr();
        let instance = match (*class).tp_new {
            Some(new) => new(class, arguments.as_ptr(), std::ptr::null_mut()),
            None => std::ptr::null_mut(),
        };
        Bound::from_owned_ptr_or_err(py, instance)
    }
}
