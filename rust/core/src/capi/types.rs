//! Heap types made from a `PyType_Spec`.

use std::ffi::{CStr, c_int, c_uint, c_void};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

/// A slot of a type: its number and the function or table that fills it.
pub fn slot(number: c_int, pointer: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot: number, pfunc: pointer }
}

/// An entry of a method table.
pub fn method(name: &'static CStr, meth: ffi::PyMethodDefPointer, flags: c_int) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: meth, ml_flags: flags, ml_doc: std::ptr::null() }
}

/// A method table, closed and kept for ever, as a type needs it.
pub fn methods(mut table: Vec<ffi::PyMethodDef>) -> *mut c_void {
    table.push(ffi::PyMethodDef::zeroed());
    Box::leak(table.into_boxed_slice()).as_mut_ptr().cast()
}

/// A subclass of `base` with its instances' layout, which nobody can change; calling it makes an instance of `base`.
///
/// `qualified` is `builtins.` and the `name`, which the type then goes by.
pub fn same_layout(
    base: &Bound<'_, PyType>,
    qualified: &'static CStr,
    name: &'static CStr,
    mut slots: Vec<ffi::PyType_Slot>,
) -> PyResult<Py<PyType>> {
    slots.extend([slot(ffi::Py_tp_new, new_of_base as *mut c_void), slot(0, std::ptr::null_mut())]);
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_IMMUTABLETYPE;
    let mut spec = ffi::PyType_Spec {
        name: qualified.as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: flags as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the spec and its slots live for the call, their tables for ever; the result is a new reference or null.
    unsafe {
        let made = ffi::PyType_FromSpecWithBases(&raw mut spec, base.as_ptr());
        let made = Bound::from_owned_ptr_or_err(base.py(), made)?.cast_into::<PyType>()?;
        // As of a builtin type: without the module in front.
        (*made.as_type_ptr()).tp_name = name.as_ptr();
        Ok(made.unbind())
    }
}

/// A program that takes `type(module)` for `ModuleType` gets what it asks for.
unsafe extern "C" fn new_of_base(
    kind: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: called by the interpreter with a type made above, which has a base, a tuple, and a dict or null.
    unsafe { ffi::PyObject_Call((*kind).tp_base.cast(), args, kwargs) }
}
