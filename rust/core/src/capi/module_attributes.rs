//! `module.load_overlay` and `module.__overlays_available__`: non-data descriptors of `ModuleType`, so that a module
//! that has overlays answers, its dict shows nothing, and a name of the module's own wins.

use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySet};

use crate::state::State;
use crate::{load, public, state};

unsafe extern "C" {
    /// Python's method object over any callable; PyO3 does not declare it.
    fn PyMethod_New(function: *mut ffi::PyObject, instance: *mut ffi::PyObject) -> *mut ffi::PyObject;
}

#[pyclass(frozen, module = "overlay_import._core")]
struct ModuleAttribute {
    name: &'static str,
    answer: for<'py> fn(&Bound<'py, PyModule>, &State) -> PyResult<Bound<'py, PyAny>>,
}

#[pymethods]
impl ModuleAttribute {
    fn __get__<'py>(
        slf: &Bound<'py, Self>,
        instance: Option<Bound<'py, PyAny>>,
        owner: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let _ = owner;
        let Some(instance) = instance else { return Ok(slf.clone().into_any()) };
        let module = instance.cast_into::<PyModule>()?;
        match state::of_module(&module) {
            Some(state) => (slf.get().answer)(&module, &state),
            // ModuleType replaces this by its usual message.
            None => Err(PyAttributeError::new_err(slf.get().name)),
        }
    }
}

const ATTRIBUTES: [ModuleAttribute; 2] = [
    ModuleAttribute { name: "load_overlay", answer: load_overlay },
    ModuleAttribute { name: "__overlays_available__", answer: overlays_available },
];

fn load_overlay<'py>(module: &Bound<'py, PyModule>, _: &State) -> PyResult<Bound<'py, PyAny>> {
    let function = public::function(module.py(), "load_overlay")?;
    // SAFETY: both are alive; the result is a new reference or null with an exception.
    unsafe { Bound::from_owned_ptr_or_err(module.py(), PyMethod_New(function.as_ptr(), module.as_ptr())) }
}

fn overlays_available<'py>(module: &Bound<'py, PyModule>, state: &State) -> PyResult<Bound<'py, PyAny>> {
    let py = module.py();
    let names = PySet::empty(py)?;
    for entry in 1..state.image.len() {
        if load::is_named(state, entry) {
            names.add(load::name_of(state, py, entry)?)?;
        }
    }
    Ok(names.into_any())
}

/// Makes modules answer.
pub fn add(py: Python<'_>) -> PyResult<()> {
    let dict = module_type_dict(py)?;
    for attribute in ATTRIBUTES {
        let name = attribute.name;
        if !dict.contains(name)? {
            dict.set_item(name, Bound::new(py, attribute)?)?;
        }
    }
    modified();
    Ok(())
}

/// Takes the descriptors away, unless a living module still needs them.
pub fn remove(py: Python<'_>) -> PyResult<()> {
    if state::count() > 0 {
        return Ok(());
    }
    let dict = module_type_dict(py)?;
    for attribute in ATTRIBUTES {
        if dict.get_item(attribute.name)?.is_some_and(|found| found.is_instance_of::<ModuleAttribute>()) {
            dict.del_item(attribute.name)?;
        }
    }
    modified();
    Ok(())
}

fn module_type_dict(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    // SAFETY: ModuleType is ready and has a dict: borrowed from the type up to 3.11, a new reference since.
    unsafe {
        #[cfg(Py_3_12)]
        let dict = Bound::from_owned_ptr_or_err(py, ffi::PyType_GetDict(&raw mut ffi::PyModule_Type))?;
        #[cfg(not(Py_3_12))]
        let dict = Bound::from_borrowed_ptr_or_err(py, ffi::PyModule_Type.tp_dict)?;
        Ok(dict.cast_into::<PyDict>()?)
    }
}

fn modified() {
    // SAFETY: the GIL is held; the type's attribute caches are dropped, as its dict changed behind them.
    unsafe { ffi::PyType_Modified(&raw mut ffi::PyModule_Type) }
}
