//! The functions that the package exports: arguments checked, errors named.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyFrozenSet};

use crate::bodies::{Home, Sizes};
use crate::state::State;
use crate::{errors, load as loading, names, state};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Loaded,
    AlreadyLoaded,
}

/// What both the Python function and the C function do.
pub fn load(module: &Bound<'_, PyAny>, name: &Bound<'_, PyAny>, force: bool) -> PyResult<Outcome> {
    let (module, state, entry) = find(module, name)?;
    loading::load(&module.dict(), &state, entry, force)
}

fn find<'py>(
    module: &Bound<'py, PyAny>,
    name: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyModule>, Arc<State>, u32)> {
    let (module, state) = with_overlays(module)?;
    let entry = names::key(name)?.and_then(|key| state.image.find(&key));
    match entry {
        Some(entry) => Ok((module, state, entry)),
        None => Err(errors::not_found(name.py(), &state, name)),
    }
}

fn with_overlays<'py>(module: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyModule>, Arc<State>)> {
    let module = as_module(module)?;
    match state::of_module(&module) {
        Some(state) => Ok((module, state)),
        None => Err(errors::no_overlays(&module)),
    }
}

fn as_module<'py>(module: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyModule>> {
    let refusal = |_| PyTypeError::new_err(format!("a module is needed, not {}", errors::kind(module)));
    module.cast::<PyModule>().cloned().map_err(refusal)
}

#[pyfunction]
#[pyo3(signature = (module, name, *, force_reload=false))]
pub fn load_overlay<'py>(
    module: &Bound<'py, PyAny>,
    name: &Bound<'py, PyAny>,
    force_reload: bool,
) -> PyResult<Bound<'py, PyAny>> {
    static STATUSES: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();
    let outcome = load(module, name, force_reload)?;
    let py = module.py();
    let statuses = STATUSES.get_or_try_init(py, || -> PyResult<_> {
        let class = errors::public(py, "LoadStatus")?;
        Ok([class.getattr("LOADED")?.unbind(), class.getattr("ALREADY_LOADED")?.unbind()])
    })?;
    Ok(statuses[outcome as usize].bind(py).clone())
}

#[pyfunction]
pub fn get_overlay<'py>(module: &Bound<'py, PyAny>, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let (_, state, entry) = find(module, name)?;
    loading::stored(module.py(), &state, entry)
}

/// The fields of `overlay_import.Status`, or `None` for a module of which nothing is lazy.
#[pyfunction]
pub fn module_status<'py>(module: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let py = module.py();
    let module = as_module(module)?;
    let dict = module.dict();
    let (state, bodies) = (state::of_module(&module), Home::of(&dict));
    let fields = PyDict::new(py);
    let (image, source, file, origin, eager) = match (&state, &bodies) {
        (Some(state), _) => (Ok(&state.image), &state.source_path, &state.cache_path, &state.origin, state.eager()),
        (None, Some(bodies)) => (bodies.image(), &bodies.source_path, &bodies.cache_path, &bodies.origin, None),
        (None, None) => return Ok(None),
    };
    let mut sizes = match &bodies {
        Some(bodies) => bodies.sizes(),
        None => Sizes::default(),
    };
    let (mut loaded, mut pending) = (Vec::new(), Vec::new());
    if let Some(state) = &state {
        let record = loading::record(&dict)?;
        for entry in (1..state.image.len()).filter(|&entry| loading::is_named(state, entry)) {
            let name = loading::name_of(state, py, entry)?;
            let length = state.image.entry(entry).map_or(0, |entry| entry.length);
            if record.as_ref().map_or(Ok(false), |record| record.contains(&name))? {
                sizes.bytes_loaded += length;
                loaded.push(name);
            } else {
                sizes.bytes_pending += length;
                pending.push(name);
            }
        }
    }
    fields.set_item("name", dict.get_item("__name__")?)?;
    fields.set_item("level", if bodies.is_some() { "bodies" } else { "declared" })?;
    fields.set_item("loaded", PyFrozenSet::new(py, loaded)?)?;
    fields.set_item("pending", PyFrozenSet::new(py, pending)?)?;
    fields.set_item("bodies_loaded", sizes.loaded)?;
    fields.set_item("bodies_pending", sizes.pending)?;
    fields.set_item("bytes_core", image.ok().and_then(|image| image.entry(0)).map_or(0, |core| core.length))?;
    fields.set_item("bytes_loaded", sizes.bytes_loaded)?;
    fields.set_item("bytes_pending", sizes.bytes_pending)?;
    fields.set_item("source", source)?;
    fields.set_item("file", file)?;
    fields.set_item("origin", origin.from)?;
    fields.set_item("reason", eager.unwrap_or_else(|| origin.reason.clone()))?;
    Ok(Some(fields))
}

/// A function of the native module.
pub fn function<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("overlay_import._core")?.getattr(name)
}
