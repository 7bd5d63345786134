//! CPython 3.11, which has no function watchers: placeholders whose bytecode makes the first call.
//!
//! The code takes `(*args, **kwargs)`, negates a constant, and returns what that gives: the constant is a handler of
//! ours, whose `__neg__` finds the function through the running frame. `RESUME` comes last: until it has run, a frame
//! counts as incomplete, and neither tracebacks nor `sys._getframe` show it.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::mem;
use std::ptr;

use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCode, PyDict, PyTuple};

use super::entry::entered;
use super::function::{self, Hydrated};
use super::stack::{self, ThreadState};
use super::{call, placeholder, types};

/// `LOAD_CONST 1`, `UNARY_NEGATIVE`, `RETURN_VALUE`, `RESUME 0`.
const BYTECODE: [u8; 8] = [100, 1, 11, 0, 83, 0, 151, 0];
/// `CO_OPTIMIZED | CO_NEWLOCALS | CO_VARARGS | CO_VARKEYWORDS`.
const FLAGS: c_int = 0xf;

/// What `Include/cpython/pystate.h` calls `_PyCFrame`.
#[repr(C)]
pub struct CFrame {
    use_tracing: u8,
    current_frame: *mut Frame,
}

/// What `Include/internal/pycore_frame.h` calls `_PyInterpreterFrame`.
#[repr(C)]
struct Frame {
    f_func: *mut ffi::PyObject,
    globals_builtins_locals: [*mut ffi::PyObject; 3],
    f_code: *mut ffi::PyObject,
    frame_obj: *mut c_void,
    previous: *mut Frame,
    prev_instr: *mut c_void,
    stacktop: c_int,
    is_entry: bool,
    owner: c_char,
    /// The first two locals of a placeholder: `args` and `kwargs`.
    locals: [*mut ffi::PyObject; 2],
}

/// The code that placeholders are copies of.
pub fn code<'py>(consts: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyCode>> {
    let py = consts.py();
    // SAFETY: the names are static; the result is a new reference or null with an exception.
    let empty = unsafe {
        let code = ffi::PyCode_NewEmpty(c"".as_ptr(), c"placeholder".as_ptr(), 1);
        Bound::from_owned_ptr_or_err(py, code.cast())?
    };
    let fields = PyDict::new(py);
    fields.set_item("co_code", PyBytes::new(py, &BYTECODE))?;
    fields.set_item("co_flags", FLAGS)?;
    fields.set_item("co_nlocals", 2)?;
    fields.set_item("co_varnames", ("args", "kwargs"))?;
    fields.set_item("co_stacksize", 1)?;
    fields.set_item("co_consts", consts)?;
    // A table without an entry: no instruction has a line.
    fields.set_item("co_linetable", PyBytes::new(py, b""))?;
    Ok(empty.call_method("replace", (), Some(&fields))?.cast_into()?)
}

/// The constant that placeholders negate.
pub fn handler(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static HANDLER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let handler = HANDLER.get_or_try_init(py, || {
        let mut slots = [types::slot(ffi::Py_nb_negative, negative as *mut c_void), types::slot(0, ptr::null_mut())];
        let mut spec = ffi::PyType_Spec {
            name: c"overlay_import._core.FirstCall".as_ptr(),
            basicsize: mem::size_of::<ffi::PyObject>() as c_int,
            itemsize: 0,
            flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_IMMUTABLETYPE) as _,
            slots: slots.as_mut_ptr(),
        };
        // SAFETY: the spec lives for the call; the result is a new reference or null with an exception.
        let kind = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyType_FromSpec(&raw mut spec))? };
        kind.call0().map(Bound::unbind)
    })?;
    Ok(handler.bind(py).clone())
}

/// Makes the first call of the function whose placeholder is running.
unsafe extern "C" fn negative(_handler: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this with the GIL held, from the bytecode of the running frame. Where that is a
    // placeholder's, it has a function, alive as long as the frame is, and two locals, which are taken out: the callee
    // shall have the last references to its arguments.
    unsafe {
        let py = Python::assume_attached();
        let state = stack::thread_state();
        let frame = (*(*state).cframe).current_frame;
        if !placeholder::is((*frame).f_code) || (*frame).locals[0].is_null() {
            let error = "bad operand type for unary -: 'FirstCall'";
            return entered(ptr::null_mut(), |_| Err(PyTypeError::new_err(error)));
        }
        let function = Bound::from_borrowed_ptr(py, (*frame).f_func);
        let args = mem::replace(&mut (*frame).locals[0], ptr::null_mut());
        let kwargs = mem::replace(&mut (*frame).locals[1], ptr::null_mut());
        let args = Bound::from_owned_ptr(py, args).cast_into_unchecked::<PyTuple>();
        let kwargs = Bound::from_owned_ptr_or_opt(py, kwargs).map(|kwargs| kwargs.cast_into_unchecked::<PyDict>());
        let result = match function::hydrated(function.as_ptr()) {
            Hydrated::Yes => {
                // Whoever walks the frames, as faulthandler does, goes past this one.
                let cframe = (*state).cframe;
                (*cframe).current_frame = (*frame).previous;
                let kwargs = kwargs_or_null(&kwargs);
                let result = stack::nested(|| call::tuple_and_dict(function.as_ptr(), args.as_ptr(), kwargs));
                (*cframe).current_frame = frame;
                result
            }
            Hydrated::Failed => ptr::null_mut(),
            Hydrated::OwnEvent => py.None().into_ptr(),
        };
        drop((args, kwargs));
        leave_unseen(state);
        result
    }
}

fn kwargs_or_null(kwargs: &Option<Bound<'_, PyDict>>) -> *mut ffi::PyObject {
    kwargs.as_ref().filter(|kwargs| !kwargs.is_empty()).map_or(ptr::null_mut(), Bound::as_ptr)
}

thread_local! {
    /// The trace and the profile function that do not see the end of the placeholder's frame.
    static KEPT: Cell<[Option<ffi::Py_tracefunc>; 2]> = const { Cell::new([None; 2]) };
}

/// Keeps the end of the running frame, a placeholder's, from the trace and the profile function, which have not seen
/// it begin.
unsafe fn leave_unseen(state: *mut ThreadState) {
    // SAFETY: the thread's own state. The frame has three more steps before it is gone: an `exception` event, where
    // there is one, a `return` event to the trace function, and one to the profile function. No other code runs there.
    unsafe {
        if (*(*state).cframe).use_tracing == 0 {
            return;
        }
        KEPT.set([(*state).c_tracefunc, (*state).c_profilefunc]);
        (*state).c_tracefunc = (*state).c_tracefunc.map(|_| skip_trace as ffi::Py_tracefunc);
        (*state).c_profilefunc = (*state).c_profilefunc.map(|_| skip_profile as ffi::Py_tracefunc);
    }
}

unsafe extern "C" fn skip_trace(
    _object: *mut ffi::PyObject,
    _frame: *mut ffi::PyFrameObject,
    what: c_int,
    _arg: *mut ffi::PyObject,
) -> c_int {
    if what == ffi::PyTrace_RETURN {
        // SAFETY: the thread's own state, in which the object of the trace function has not changed.
        unsafe { (*stack::thread_state()).c_tracefunc = KEPT.get()[0] };
    }
    0
}

unsafe extern "C" fn skip_profile(
    _object: *mut ffi::PyObject,
    _frame: *mut ffi::PyFrameObject,
    what: c_int,
    _arg: *mut ffi::PyObject,
) -> c_int {
    if what == ffi::PyTrace_RETURN {
        // SAFETY: as above, of the profile function.
        unsafe { (*stack::thread_state()).c_profilefunc = KEPT.get()[1] };
    }
    0
}
