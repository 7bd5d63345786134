//! Calls that run a program's code or wait for another thread, and so may never come back.
//!
//! Up to CPython 3.13 a daemon thread that wants the GIL of a finalizing interpreter is ended by `pthread_exit`, which
//! unwinds its stack and aborts the process at the first Rust frame. Here such a thread sleeps for ever instead, as it
//! does in CPython 3.14.

use std::ffi::{c_char, c_int};
use std::{mem, thread};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyTuple};

/// Functions that unwind. PyO3 must not call them: it declares them otherwise, and LLVM keeps one declaration of each.
mod unwinding {
    use std::ffi::{c_char, c_int};

    use pyo3::ffi::PyObject;

    pub type Getattro = unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject) -> *mut PyObject;
    pub type Vectorcall =
        unsafe extern "C-unwind" fn(*mut PyObject, *const *mut PyObject, usize, *mut PyObject) -> *mut PyObject;
    #[cfg(not(Py_3_12))]
    pub type Call = unsafe extern "C-unwind" fn(*mut PyObject, *mut PyObject, *mut PyObject) -> *mut PyObject;

    unsafe extern "C-unwind" {
        pub fn PyEval_EvalCode(code: *mut PyObject, globals: *mut PyObject, locals: *mut PyObject) -> *mut PyObject;
        pub fn PySys_Audit(event: *const c_char, format: *const c_char, ...) -> c_int;
        pub fn PyObject_CallObject(callable: *mut PyObject, args: *mut PyObject) -> *mut PyObject;
    }
}

struct SleepForEver;

impl Drop for SleepForEver {
    fn drop(&mut self) {
        loop {
            thread::park();
        }
    }
}

/// Makes the unwinder ready that is linked into this module (see `build.rs`): the frames here answer the system's, which
/// unwinds at `pthread_exit`, through our own, which aborts the process unless it has seen a stack before.
fn ready_to_unwind() {
    use std::ffi::{c_int, c_void};
    use std::sync::Once;

    unsafe extern "C" {
        fn _Unwind_Backtrace(visit: extern "C" fn(*mut c_void, *mut c_void) -> c_int, argument: *mut c_void) -> c_int;
    }

    extern "C" fn stop(_frame: *mut c_void, _argument: *mut c_void) -> c_int {
        const URC_END_OF_STACK: c_int = 5;
        URC_END_OF_STACK
    }

    static ONCE: Once = Once::new();
    // SAFETY: the unwinder calls `stop`, which touches nothing, for the frame of this function and no other.
    ONCE.call_once(|| unsafe { _ = _Unwind_Backtrace(stop, std::ptr::null_mut()) });
}

/// Runs `call`, which must do nothing but call the interpreter: it may unwind, but not panic.
fn guarded<T>(call: impl FnOnce() -> T) -> T {
    if cfg!(not(Py_3_14)) {
        ready_to_unwind();
    }
    let guard = SleepForEver;
    let result = call();
    mem::forget(guard);
    result
}

/// `callable(*args)`.
pub fn function<'py, A>(callable: &Bound<'py, PyAny>, args: A) -> PyResult<Bound<'py, PyAny>>
where
    A: IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error: Into<PyErr>>,
{
    let py = callable.py();
    let args = args.into_pyobject(py).map_err(Into::into)?;
    // SAFETY: both are alive; the result is a new reference or null with an exception.
    unsafe {
        let result = guarded(|| unwinding::PyObject_CallObject(callable.as_ptr(), args.as_ptr()));
        Bound::from_owned_ptr_or_err(py, result)
    }
}

/// Runs `code` in the namespace `dict`, with no frame between the caller's and the code's.
pub fn code(code: &Bound<'_, PyCode>, dict: &Bound<'_, PyDict>) -> PyResult<()> {
    // SAFETY: a live code object and a live dict (any subclass will do); the result is a new reference or null.
    unsafe {
        let result = guarded(|| unwinding::PyEval_EvalCode(code.as_ptr(), dict.as_ptr(), dict.as_ptr()));
        Bound::from_owned_ptr_or_err(code.py(), result).map(drop)
    }
}

/// `ModuleType.__getattribute__(module, name)`: with the module's own `__getattr__` and the usual message.
pub fn module_getattr(module: &Bound<'_, PyModule>, name: &Bound<'_, PyAny>) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: ModuleType fills the slot, with a function that may unwind; both arguments are alive; the result is a new
    // reference or null with an exception.
    unsafe {
        let getattro = mem::transmute::<Option<ffi::getattrofunc>, unwinding::Getattro>(ffi::PyModule_Type.tp_getattro);
        let value = guarded(|| getattro(module.as_ptr(), name.as_ptr()));
        Bound::from_owned_ptr_or_err(module.py(), value).map(Bound::into_ptr)
    }
}

/// Calls a function as the interpreter does, by its `vectorcall`.
///
/// # Safety
///
/// The arguments are those of a vectorcall of `function`, which `vectorcall` is for.
pub unsafe fn vectorcall(
    vectorcall: ffi::vectorcallfunc,
    function: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargsf: usize,
    kwnames: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the function pointer is of this type, and may unwind; for the arguments see above.
    unsafe {
        let vectorcall = mem::transmute::<ffi::vectorcallfunc, unwinding::Vectorcall>(vectorcall);
        guarded(|| vectorcall(function, args, nargsf, kwnames))
    }
}

/// Calls a function with a tuple of arguments and a dict of keyword arguments, or null.
///
/// # Safety
///
/// `function` is a live function, and so are the others.
#[cfg(not(Py_3_12))]
pub unsafe fn tuple_and_dict(
    function: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: FunctionType fills the slot, with a function that may unwind; for the arguments see above.
    unsafe {
        let call = ffi::PyFunction_Type.tp_call;
        let call = mem::transmute::<Option<ffi::ternaryfunc>, unwinding::Call>(call);
        guarded(|| call(function, args, kwargs))
    }
}

/// The audit event that the parser raises for a source; below 0 where a hook has raised an exception.
///
/// # Safety
///
/// A null byte stands behind the source, and the GIL is held.
pub unsafe fn audit_compile(source: &[u8], filename: &Bound<'_, PyAny>) -> c_int {
    // SAFETY: the format asks for a C string and an object.
    unsafe {
        let (source, filename) = (source.as_ptr().cast::<c_char>(), filename.as_ptr());
        guarded(|| unwinding::PySys_Audit(c"compile".as_ptr(), c"yO".as_ptr(), source, filename))
    }
}
