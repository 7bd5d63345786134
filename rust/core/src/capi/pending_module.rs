//! The class of a module that has lazy overlays pending: `ModuleType` with a look at them on a miss.
//!
//! `module.__class__` is set to it when the module's core has run, and back when nothing is pending: a plain module has
//! specialised attribute reads, and no class or `__getattr__` of ours.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use pyo3::exceptions::PyAttributeError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use super::entry::entered;
use super::{call, method, pending_dict, types};
use crate::load;
use crate::state::{self, IMPORTS_NAMESAKE, State};

#[cfg(Py_3_15)]
unsafe extern "C" {
    /// What `lazy import` binds (PEP 810); PyO3 does not declare it.
    static mut PyLazyImport_Type: ffi::PyTypeObject;
}

static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Gives `module` the pending class; false where its class is not `ModuleType`, and is left alone.
pub fn make_pending(module: &Bound<'_, PyModule>) -> PyResult<bool> {
    let py = module.py();
    if !module.get_type().is(py.get_type::<PyModule>()) {
        return Ok(is_pending(module));
    }
    let ours = TYPE.get_or_try_init(py, || make_type(py))?;
    module.setattr(intern!(py, "__class__"), ours)?;
    Ok(true)
}

/// Gives `module` back its own class.
pub fn make_plain(module: &Bound<'_, PyModule>) -> PyResult<()> {
    if !is_pending(module) {
        return Ok(());
    }
    let py = module.py();
    let name = intern!(py, "__class__");
    let plain = py.get_type::<PyModule>();
    // SAFETY: all three are alive; the generic setter goes past our own slot, which would load what is pending.
    let failed = unsafe { ffi::PyObject_GenericSetAttr(module.as_ptr(), name.as_ptr(), plain.as_ptr()) };
    if failed == -1 { Err(PyErr::fetch(py)) } else { Ok(()) }
}

fn is_pending(module: &Bound<'_, PyModule>) -> bool {
    TYPE.get(module.py()).is_some_and(|ours| module.get_type().is(ours))
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    Special::prepare(py);
    let dir = types::method(c"__dir__", ffi::PyMethodDefPointer { PyCFunction: dir }, ffi::METH_NOARGS);
    let slots = vec![
        types::slot(ffi::Py_tp_getattro, getattro as *mut c_void),
        types::slot(ffi::Py_tp_setattro, setattro as *mut c_void),
        types::slot(ffi::Py_tp_methods, types::methods(vec![dir])),
    ];
    types::same_layout(&py.get_type::<PyModule>(), c"builtins.module", c"module", slots)
}

fn answering(module: &Bound<'_, PyModule>) -> Option<Arc<State>> {
    state::answering(module.dict().as_ptr())
}

/// Runs `work` with the module as a Python object; a Rust error becomes the Python exception and `failed`.
unsafe fn with_module<T>(
    op: *mut ffi::PyObject,
    failed: T,
    work: impl FnOnce(&Bound<'_, PyModule>) -> PyResult<T>,
) -> T {
    // SAFETY: the interpreter calls slots and methods with the GIL held and a live instance of our type, a module.
    unsafe { entered(failed, |py| work(&Bound::from_borrowed_ptr(py, op).cast_into_unchecked::<PyModule>())) }
}

unsafe extern "C" fn getattro(op: *mut ffi::PyObject, name: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with live objects; see `with_module`. What is returned is a new reference.
    unsafe {
        let special = Special::find(name);
        if special == Some(Special::Annotations) && !with_module(op, false, load_annotations) {
            return ptr::null_mut();
        }
        let found = ffi::PyObject_GenericGetAttr(op, name);
        if found.is_null() {
            return with_module(op, ptr::null_mut(), |module| missing(module, name));
        }
        #[cfg(Py_3_15)]
        if ffi::Py_TYPE(found) == &raw mut PyLazyImport_Type {
            // ModuleType does the import.
            ffi::Py_DECREF(found);
            return with_module(op, ptr::null_mut(), |module| {
                call::module_getattr(module, &Bound::from_borrowed_ptr(module.py(), name))
            });
        }
        match special {
            Some(Special::Dict) => with_module(op, found, |module| {
                expose(module);
                Ok(found)
            }),
            // A plain module's own class.
            Some(Special::Class) => {
                ffi::Py_DECREF(found);
                ffi::Py_NewRef((&raw mut ffi::PyModule_Type).cast())
            }
            _ => found,
        }
    }
}

/// Attributes that are more than what is in the dict.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Special {
    Annotations,
    Dict,
    Class,
}

static SPECIAL: PyOnceLock<[(Py<PyString>, Special); 4]> = PyOnceLock::new();

impl Special {
    fn prepare(py: Python<'_>) {
        let name = |name| PyString::intern(py, name).unbind();
        SPECIAL.get_or_init(py, || {
            [
                (name("__annotations__"), Special::Annotations),
                (name("__annotate__"), Special::Annotations),
                (name("__dict__"), Special::Dict),
                (name("__class__"), Special::Class),
            ]
        });
    }

    /// Which one this is, if any. Asked at every read of a pending module.
    unsafe fn find(name: *mut ffi::PyObject) -> Option<Self> {
        // SAFETY: the caller holds the GIL.
        let all = SPECIAL.get(unsafe { Python::assume_attached() })?;
        all.iter().find(|(special, _)| special.as_ptr() == name).map(|&(_, special)| special)
    }
}

/// The annotations of a module are not there to be missed before they are whole. Returns true.
fn load_annotations(module: &Bound<'_, PyModule>) -> PyResult<bool> {
    if let Some(state) = answering(module) {
        load::load_annotating(&module.dict(), &state)?;
    }
    Ok(true)
}

/// Whoever has the dict finds every name in it.
fn expose(module: &Bound<'_, PyModule>) {
    if let Some(state) = answering(module) {
        state.expose();
        // Failing to make a type object leaves the dict as it is.
        let _ = state.refresh(&module.dict());
    }
}

/// An attribute that is not there: loads the overlay that has it, or does what a plain module does.
fn missing(module: &Bound<'_, PyModule>, name: *mut ffi::PyObject) -> PyResult<*mut ffi::PyObject> {
    let py = module.py();
    // CPython 3.13 forgets to set one where it fails to find out what to say.
    if let Some(error) = PyErr::take(py) {
        if !error.is_instance_of::<PyAttributeError>(py) {
            return Err(error);
        }
        // Now: PyO3 would let go of it, and of what it leads to, when it is called the next time.
        drop(error.into_value(py).into_bound(py));
    }
    // SAFETY: the interpreter gave us a live name.
    let name = unsafe { Bound::from_borrowed_ptr(py, name) };
    let pending = answering(module).and_then(|state| state.pending_entry(&name).map(|entry| (state, entry)));
    let Some((state, entry)) = pending else { return call::module_getattr(module, &name) };
    load::load(&module.dict(), &state, entry, false)?;
    call::module_getattr(module, &name).map_err(|error| with_note(&state, &name, entry, error))
}

/// Says that the overlay of that name has run and did not define it.
fn with_note(state: &State, name: &Bound<'_, PyAny>, entry: u32, error: PyErr) -> PyErr {
    let py = name.py();
    if error.is_instance_of::<PyAttributeError>(py) && !state.is_running(entry) {
        let note = format!("the overlay ('lazy', '{name}') was loaded and did not define '{name}'");
        // An exception that takes no note is still the right exception.
        let _ = error.add_note(py, note);
    }
    error
}

unsafe extern "C" fn setattro(op: *mut ffi::PyObject, name: *mut ffi::PyObject, value: *mut ffi::PyObject) -> c_int {
    // SAFETY: called by the interpreter with live objects, `value` null for a deletion; see `with_module`.
    unsafe {
        with_module(op, -1, |module| {
            let name = Bound::from_borrowed_ptr(module.py(), name);
            let bound = Bound::from_borrowed_ptr_or_opt(module.py(), value);
            if before_binding(module, &name, bound.as_ref())? == Binding::Done {
                return Ok(0);
            }
            if ffi::PyObject_GenericSetAttr(op, name.as_ptr(), value) == -1 {
                return Err(PyErr::fetch(module.py()));
            }
            Ok(0)
        })
    }
}

#[derive(PartialEq, Eq)]
enum Binding {
    ToDo,
    Done,
}

/// Brings about what an eager module would have had by now: a name to delete, all names before the module is taken over.
fn before_binding(
    module: &Bound<'_, PyModule>,
    name: &Bound<'_, PyAny>,
    value: Option<&Bound<'_, PyAny>>,
) -> PyResult<Binding> {
    let Some(state) = answering(module) else { return Ok(Binding::ToDo) };
    let dict = module.dict();
    if takes_over(name, value) {
        load::load_pending(&dict, &state, state.pending())?;
        return Ok(Binding::ToDo);
    }
    let Some(entry) = state.pending_entry(name) else { return Ok(Binding::ToDo) };
    if value.is_none() {
        load::load(&dict, &state, entry, false)?;
        return Ok(Binding::ToDo);
    }
    if value.is_some_and(|value| value.is_instance_of::<PyModule>()) && imports_namesake(&state, entry) {
        // A submodule comes first, that an eager module would have imported itself: it has the last word.
        load::load(&dict, &state, entry, false)?;
        return Ok(Binding::Done);
    }
    // The new value stands where the overlay's would: a later deletion must not bring the overlay's back.
    state.settle(entry);
    state.refresh(&dict)?;
    Ok(Binding::ToDo)
}

/// Whether the overlay imports a module of its own name, and is not doing so just now.
fn imports_namesake(state: &State, entry: u32) -> bool {
    !state.is_running(entry) && state.image.entry(entry).is_some_and(|entry| entry.flags & IMPORTS_NAMESAKE != 0)
}

/// Whether a class of the program's own comes, or a reload by a loader that knows nothing of overlays.
fn takes_over(name: &Bound<'_, PyAny>, value: Option<&Bound<'_, PyAny>>) -> bool {
    let py = name.py();
    name.as_ptr() == intern!(py, "__class__").as_ptr()
        || name.as_ptr() == intern!(py, "__spec__").as_ptr() && value.is_some_and(|spec| !method::is_loader_of(spec))
}

/// `module.__dir__()`: the names of an eager module, without loading them.
unsafe extern "C" fn dir(op: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: METH_NOARGS; see `with_module`.
    unsafe { with_module(op, ptr::null_mut(), |module| dir_of(module).map(Bound::into_ptr)) }
}

fn dir_of<'py>(module: &Bound<'py, PyModule>) -> PyResult<Bound<'py, PyAny>> {
    let py = module.py();
    let dict = module.dict();
    if let Some(own) = dict.get_item(intern!(py, "__dir__"))? {
        return call::function(&own, ());
    }
    Ok(pending_dict::names(&dict)?.into_any())
}
