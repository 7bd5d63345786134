//! The dict of a module whose pending lazy names can be asked for by something other than an attribute read.
//!
//! It is the module's own dict with `ob_type` set to a subclass of the same layout, so that the interpreter's global
//! reads, which take a short cut for exact dicts only, come to `subscript` below; then `ob_type` goes back. What asks
//! for one key loads that name; what asks for all values (`keys`, a copy) loads all; what asks for all names (iteration)
//! gets them without a load. Names read by class bodies go past every hook and are loaded with the code that contains
//! them (see `load`).

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple, PyType};

use super::entry::entered;
use super::types;
use crate::names::lazy_attribute;
use crate::state::{self, State};
use crate::{errors, load};

static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// Makes `dict` answer for pending names, or a plain dict again.
pub fn set(dict: &Bound<'_, PyDict>, pending: bool) -> PyResult<()> {
    let py = dict.py();
    let plain = &raw mut ffi::PyDict_Type;
    // SAFETY: `dict` is alive and we hold the GIL; the types have one layout, and an instance of the heap type owns a
    // reference to it, which is taken and given back here (or in `dealloc`).
    unsafe {
        let current = ffi::Py_TYPE(dict.as_ptr());
        if pending && current == plain {
            let ours = pending_type(py)?.as_type_ptr();
            ffi::Py_INCREF(ours.cast());
            (*dict.as_ptr()).ob_type = ours;
        } else if !pending && is_ours(py, current) {
            (*dict.as_ptr()).ob_type = plain;
            ffi::Py_DECREF(current.cast());
        }
    }
    Ok(())
}

fn is_ours(py: Python<'_>, kind: *mut ffi::PyTypeObject) -> bool {
    TYPE.get(py).is_some_and(|ours| ours.bind(py).as_type_ptr() == kind)
}

fn pending_type(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    Ok(TYPE.get_or_try_init(py, || make_type(py))?.bind(py))
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    let slots = vec![
        types::slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        types::slot(ffi::Py_mp_subscript, subscript as *mut c_void),
        types::slot(ffi::Py_mp_ass_subscript, ass_subscript as *mut c_void),
        types::slot(ffi::Py_mp_length, length as *mut c_void),
        types::slot(ffi::Py_sq_contains, contains as *mut c_void),
        types::slot(ffi::Py_tp_iter, iter as *mut c_void),
        types::slot(ffi::Py_tp_repr, repr as *mut c_void),
        types::slot(ffi::Py_tp_richcompare, richcompare as *mut c_void),
        types::slot(ffi::Py_nb_or, or as *mut c_void),
        types::slot(ffi::Py_tp_methods, types::methods(methods())),
    ];
    // The name is what a program that prints the type expects to see.
    types::same_layout(&py.get_type::<PyDict>(), c"builtins.dict", c"dict", slots)
}

/// Runs `work` with the dict as a Python object; a Rust error becomes the Python exception and `failed`.
unsafe fn with_dict<T>(op: *mut ffi::PyObject, failed: T, work: impl FnOnce(&Bound<'_, PyDict>) -> PyResult<T>) -> T {
    // SAFETY: the interpreter calls slots and methods with the GIL held and a live instance of our type, a dict.
    unsafe { entered(failed, |py| work(&Bound::from_borrowed_ptr(py, op).cast_into_unchecked::<PyDict>())) }
}

/// Loads what is pending under `key`.
fn touch(dict: &Bound<'_, PyDict>, key: &Bound<'_, PyAny>) -> PyResult<()> {
    let Some(state) = state::answering(dict.as_ptr()) else { return Ok(()) };
    touch_with(&state, dict, key).map(drop)
}

/// Loads what is pending under `key`; whether anything was.
fn touch_with(state: &Arc<State>, dict: &Bound<'_, PyDict>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = dict.py();
    let Some(entry) = state.pending_entry(key) else { return Ok(false) };
    match load::load(dict, state, entry, false) {
        Ok(_) => Ok(true),
        // The interpreter takes a KeyError for a missing name.
        Err(error) if error.is_instance_of::<PyKeyError>(py) => Err(errors::wrap(py, state, error)),
        Err(error) => Err(error),
    }
}

/// Loads all that is pending.
fn settle(dict: &Bound<'_, PyDict>) -> PyResult<()> {
    match state::answering(dict.as_ptr()) {
        Some(state) => load::load_pending(dict, &state, state.pending_in_view()),
        None => Ok(()),
    }
}

/// The keys of the dict and the names that are pending. Loads nothing: whoever prints a traceback may ask for them.
pub fn names<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyList>> {
    let py = dict.py();
    // SAFETY: PyDict_Keys takes any dict past the methods of its type; the result is a new list or null.
    let names = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDict_Keys(dict.as_ptr()))?.cast_into::<PyList>()? };
    let Some(state) = state::answering(dict.as_ptr()) else { return Ok(names) };
    for entry in state.pending_in_view() {
        if let Some(attribute) = lazy_attribute(&load::name_of(&state, py, entry)?) {
            if !dict_contains(dict, &attribute)? {
                names.append(attribute)?;
            }
        }
    }
    Ok(names)
}

/// Fails with the Python exception that is set when `value` says that there is one.
fn checked<T: PartialEq>(py: Python<'_>, value: T, failed: T) -> PyResult<T> {
    if value == failed { Err(PyErr::fetch(py)) } else { Ok(value) }
}

unsafe extern "C" fn dealloc(op: *mut ffi::PyObject) {
    state::forget(op as usize);
    // SAFETY: `op` is a dead instance of our type that nobody else sees; as a plain dict it is freed by dict's own way.
    unsafe {
        let ours = ffi::Py_TYPE(op);
        (*op).ob_type = &raw mut ffi::PyDict_Type;
        ffi::Py_DECREF(ours.cast());
        if let Some(dealloc) = ffi::PyDict_Type.tp_dealloc {
            dealloc(op);
        }
    }
}

unsafe extern "C" fn subscript(op: *mut ffi::PyObject, key: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with live objects; see `with_dict`. References are new where returned.
    unsafe {
        let found = ffi::PyDict_GetItemWithError(op, key);
        if !found.is_null() {
            ffi::Py_INCREF(found);
            return found;
        }
        if !ffi::PyErr_Occurred().is_null() {
            return ptr::null_mut();
        }
        with_dict(op, ptr::null_mut(), |dict| missing(dict, &Bound::from_borrowed_ptr(dict.py(), key)))
    }
}

fn missing(dict: &Bound<'_, PyDict>, key: &Bound<'_, PyAny>) -> PyResult<*mut ffi::PyObject> {
    if let Some(state) = state::answering(dict.as_ptr()) {
        if touch_with(&state, dict, key)? {
            if let Some(value) = dict.get_item(key)? {
                return Ok(value.into_ptr());
            }
        } else if evaluates(key) {
            load::load_ahead(dict, &state, state.pending_in_view())?;
        } else if state.count_slow_read() {
            load::load_ahead(dict, &state, state.pending_mentions())?;
        }
    }
    Err(PyKeyError::new_err((key.clone().unbind(),)))
}

/// Whether code that reads this builtin is about to run a text, which reads globals past every hook.
fn evaluates(key: &Bound<'_, PyAny>) -> bool {
    let py = key.py();
    key.is(intern!(py, "eval")) || key.is(intern!(py, "exec"))
}

unsafe extern "C" fn ass_subscript(
    op: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: called by the interpreter with live objects, `value` null for a deletion; see `with_dict`.
    unsafe {
        with_dict(op, -1, |dict| {
            if value.is_null() {
                touch(dict, &Bound::from_borrowed_ptr(dict.py(), key))?;
                return checked(dict.py(), ffi::PyDict_DelItem(op, key), -1);
            }
            checked(dict.py(), ffi::PyDict_SetItem(op, key, value), -1)
        })
    }
}

unsafe extern "C" fn length(op: *mut ffi::PyObject) -> ffi::Py_ssize_t {
    // SAFETY: see `with_dict`.
    unsafe { with_dict(op, -1, |dict| Ok(ffi::Py_ssize_t::try_from(names(dict)?.len())?)) }
}

unsafe extern "C" fn iter(op: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see `with_dict`.
    unsafe { with_dict(op, ptr::null_mut(), |dict| Ok(names(dict)?.try_iter()?.into_ptr())) }
}

unsafe extern "C" fn reversed(op: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: METH_NOARGS; see `with_dict`.
    unsafe {
        with_dict(op, ptr::null_mut(), |dict| {
            let names = names(dict)?;
            names.reverse()?;
            Ok(names.try_iter()?.into_ptr())
        })
    }
}

unsafe extern "C" fn contains(op: *mut ffi::PyObject, key: *mut ffi::PyObject) -> c_int {
    // SAFETY: called by the interpreter with live objects; see `with_dict`.
    unsafe {
        with_dict(op, -1, |dict| {
            let found = checked(dict.py(), ffi::PyDict_Contains(op, key), -1)?;
            if found == 1 {
                return Ok(found);
            }
            touch(dict, &Bound::from_borrowed_ptr(dict.py(), key))?;
            checked(dict.py(), ffi::PyDict_Contains(op, key), -1)
        })
    }
}

/// Loads everything, then does what dict does in the slot.
macro_rules! settled {
    ($name:ident, $slot:expr $(, $arg:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(op: *mut ffi::PyObject $(, $arg: $type)*) -> *mut ffi::PyObject {
            // SAFETY: see `with_dict`; dict fills the slot, and takes any dict with the layout of its own.
            unsafe {
                with_dict(op, ptr::null_mut(), |dict| {
                    settle(dict)?;
                    checked(dict.py(), $slot.map_or(ptr::null_mut(), |slot| slot(op $(, $arg)*)), ptr::null_mut())
                })
            }
        }
    };
}
settled!(repr, ffi::PyDict_Type.tp_repr);
settled!(richcompare, ffi::PyDict_Type.tp_richcompare, other: *mut ffi::PyObject, operator: c_int);

unsafe extern "C" fn or(left: *mut ffi::PyObject, right: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with live objects, one of which is of our type; see `with_dict`.
    unsafe {
        for side in [left, right] {
            if is_ours(Python::assume_attached(), ffi::Py_TYPE(side))
                && !with_dict(side, false, |dict| settle(dict).map(|()| true))
            {
                return ptr::null_mut();
            }
        }
        (*ffi::PyDict_Type.tp_as_number).nb_or.map_or(ptr::null_mut(), |or| or(left, right))
    }
}

fn methods() -> Vec<ffi::PyMethodDef> {
    let keyed = |name, function: ffi::PyCFunction| {
        types::method(name, ffi::PyMethodDefPointer { PyCFunction: function }, ffi::METH_VARARGS)
    };
    let whole = |name, function: ffi::PyCFunction| {
        types::method(name, ffi::PyMethodDefPointer { PyCFunction: function }, ffi::METH_NOARGS)
    };
    vec![
        keyed(c"get", get),
        keyed(c"pop", pop),
        keyed(c"setdefault", setdefault),
        whole(c"keys", keys),
        whole(c"values", values),
        whole(c"items", items),
        whole(c"copy", copy),
        whole(c"clear", clear),
        whole(c"popitem", popitem),
        whole(c"__reversed__", reversed),
        keyed(c"__reduce_ex__", reduce_ex),
    ]
}

/// Loads the key that is the first argument, then calls dict's own method.
macro_rules! keyed {
    ($name:ident) => {
        unsafe extern "C" fn $name(op: *mut ffi::PyObject, args: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: METH_VARARGS: `args` is a live tuple; see `with_dict`.
            unsafe {
                with_dict(op, ptr::null_mut(), |dict| {
                    let args = Bound::from_borrowed_ptr(dict.py(), args).cast_into::<PyTuple>()?;
                    if let Ok(key) = args.get_item(0) {
                        if !dict_contains(dict, &key)? {
                            touch(dict, &key)?;
                        }
                    }
                    own_method(dict, stringify!($name), args)
                })
            }
        }
    };
}
keyed!(get);
keyed!(pop);
keyed!(setdefault);

/// Loads everything, then calls dict's own method.
macro_rules! whole {
    ($name:ident, $method:literal) => {
        unsafe extern "C" fn $name(op: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: METH_NOARGS; see `with_dict`.
            unsafe {
                with_dict(op, ptr::null_mut(), |dict| {
                    settle(dict)?;
                    own_method(dict, $method, PyTuple::empty(dict.py()))
                })
            }
        }
    };
}
whole!(keys, "keys");
whole!(values, "values");
whole!(items, "items");
whole!(copy, "copy");
whole!(clear, "clear");
whole!(popitem, "popitem");

/// Copies and pickles are those of a dict.
unsafe extern "C" fn reduce_ex(op: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: see `with_dict`.
    unsafe {
        with_dict(op, ptr::null_mut(), |dict| {
            settle(dict)?;
            Ok((dict.py().get_type::<PyDict>(), (dict.copy()?,)).into_pyobject(dict.py())?.into_any().into_ptr())
        })
    }
}

fn dict_contains(dict: &Bound<'_, PyDict>, key: &Bound<'_, PyAny>) -> PyResult<bool> {
    // SAFETY: both are alive, and PyDict_Contains takes any dict past the slots of its type.
    let found = unsafe { ffi::PyDict_Contains(dict.as_ptr(), key.as_ptr()) };
    checked(dict.py(), found, -1).map(|found| found == 1)
}

fn own_method(dict: &Bound<'_, PyDict>, name: &str, args: Bound<'_, PyTuple>) -> PyResult<*mut ffi::PyObject> {
    let py = dict.py();
    let method = py.get_type::<PyDict>().getattr(name)?.call_method1("__get__", (dict,))?;
    Ok(method.call1(args)?.into_ptr())
}
