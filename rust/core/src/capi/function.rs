//! Functions whose code is a placeholder: how they come to be, their first call, and their `__code__`.
//!
//! From CPython 3.12 on, a watcher sees each new function while a module runs that has placeholders, and has the first
//! call come to `first_call`. On 3.11 the placeholder's own bytecode does that (see `stub`).

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCode;
#[cfg(Py_3_13)]
use pyo3::types::PyDict;

use super::entry::entered;
use super::placeholder;
#[cfg(Py_3_12)]
use super::{call, entry, monitoring, placeholder::CodeHead, stack};
use crate::bodies::Bodies;

#[cfg(Py_3_13)]
unsafe extern "C" {
    /// Tells the interpreter which function has this version; PyO3 does not declare it.
    fn _PyFunction_SetVersion(function: *mut ffi::PyFunctionObject, version: u32);
}

/// How the interpreter calls a function: `_PyFunction_Vectorcall`.
static PLAIN: OnceLock<ffi::vectorcallfunc> = OnceLock::new();
/// The getter and the setter of `function.__code__`.
static ORIGINAL: OnceLock<(ffi::getter, ffi::setter)> = OnceLock::new();

/// Prepares functions for placeholders, for as long as the process lives. `function` is any function.
pub fn prepare(function: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = function.py();
    let unknown = || PySystemError::new_err("the functions of this interpreter are not as expected");
    // SAFETY: a function, as checked, begins with these fields.
    let (plain, code) = unsafe {
        if ffi::PyFunction_Check(function.as_ptr()) == 0 {
            return Err(unknown());
        }
        let fields = function.as_ptr().cast::<ffi::PyFunctionObject>();
        ((*fields).vectorcall, (*fields).func_code)
    };
    if function.getattr(intern!(py, "__code__"))?.as_ptr() != code {
        return Err(unknown());
    }
    let _ = PLAIN.set(plain.ok_or_else(unknown)?);
    placeholder::prepare(py)?;
    if ORIGINAL.get().is_none() {
        replace_code_attribute(py)?;
    }
    Ok(())
}

/// From now on `function.__code__` is never a placeholder.
fn replace_code_attribute(py: Python<'_>) -> PyResult<()> {
    // SAFETY: FunctionType is ready; its `__dict__` is a mapping.
    let kind = unsafe { Bound::from_borrowed_ptr(py, (&raw mut ffi::PyFunction_Type).cast()) };
    let descriptor = kind.getattr("__dict__")?.get_item("__code__")?;
    // SAFETY: the descriptor is of the type that is asked for, lives as long as its type does, and leads to a
    // definition; ours, a copy with two other functions, lives for ever.
    unsafe {
        if ffi::Py_TYPE(descriptor.as_ptr()) != &raw mut ffi::PyGetSetDescr_Type {
            return Err(PyTypeError::new_err("function.__code__ is not as expected"));
        }
        let descriptor = descriptor.as_ptr().cast::<ffi::PyGetSetDescrObject>();
        let ours = Box::leak(Box::new(ptr::read((*descriptor).d_getset)));
        let (Some(get), Some(set)) = (ours.get, ours.set) else {
            return Err(PyTypeError::new_err("function.__code__ cannot be set"));
        };
        let _ = ORIGINAL.set((get, set));
        ours.get = Some(get_code);
        ours.set = Some(set_code);
        (*descriptor).d_getset = ours;
    }
    Ok(())
}

unsafe extern "C" fn get_code(function: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: the descriptor calls this with a function, and the GIL held.
    unsafe {
        match ORIGINAL.get() {
            Some((get, _)) if hydrated(function) == Hydrated::Yes => get(function, closure),
            _ => ptr::null_mut(),
        }
    }
}

unsafe extern "C" fn set_code(function: *mut ffi::PyObject, code: *mut ffi::PyObject, closure: *mut c_void) -> c_int {
    // SAFETY: the descriptor calls this with a function, and the GIL held.
    unsafe {
        match ORIGINAL.get() {
            // The setter compares the new code with that of the function.
            Some((_, set)) if hydrated(function) == Hydrated::Yes => set(function, code, closure),
            _ => -1,
        }
    }
}

#[derive(PartialEq, Eq)]
pub enum Hydrated {
    Yes,
    /// An exception is set.
    Failed,
    /// The call came from an audit event that loading this very body raised. There would be none without us.
    OwnEvent,
}

/// Sees to it that the function has its real code.
///
/// # Safety
///
/// `function` is a live function, and the GIL is held.
pub unsafe fn hydrated(function: *mut ffi::PyObject) -> Hydrated {
    let function = function.cast::<ffi::PyFunctionObject>();
    // SAFETY: as above; the code of a live function is alive.
    let placeholder = unsafe { (*function).func_code };
    // SAFETY: as above.
    if unsafe { !placeholder::is(placeholder) } {
        return Hydrated::Yes;
    }
    let Some(loading) = Loading::begin(placeholder) else { return Hydrated::OwnEvent };
    // SAFETY: the GIL is held.
    let result = unsafe { entered(Hydrated::Failed, |py| hydrate(py, function).map(|()| Hydrated::Yes)) };
    drop(loading);
    result
}

/// The loading of a body by this thread.
struct Loading(());

thread_local! {
    static LOADING: RefCell<Vec<*mut ffi::PyObject>> = const { RefCell::new(Vec::new()) };
}

impl Loading {
    /// `None` for a third time within itself. A second one may be a finalizer's, which the garbage collector calls
    /// while its body is being loaded.
    fn begin(placeholder: *mut ffi::PyObject) -> Option<Self> {
        let begin = |loading: &RefCell<Vec<_>>| {
            let mut loading = loading.borrow_mut();
            let within = loading.iter().filter(|&&other| other == placeholder).count();
            (within < 2).then(|| {
                loading.push(placeholder);
                Self(())
            })
        };
        // A thread that is about to end may have it no more.
        LOADING.try_with(begin).unwrap_or_else(|_| Some(Self(())))
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        let _ = LOADING.try_with(|loading| loading.borrow_mut().pop());
    }
}

/// Puts the real code in the place of a function's placeholder.
#[inline(never)]
fn hydrate(py: Python<'_>, function: *mut ffi::PyFunctionObject) -> PyResult<()> {
    // SAFETY: the caller has a live function, whose code is a placeholder.
    let placeholder = unsafe { Bound::from_borrowed_ptr(py, (*function).func_code).cast_into_unchecked::<PyCode>() };
    let (code, is_first) = Bodies::code_of(&placeholder)?;
    // SAFETY: the function is alive, as before. Making the code may have run other code of the program, which may have
    // called the function: its code is set once. The reference to the placeholder is given back last.
    unsafe {
        if (*function).func_code == placeholder.as_ptr() {
            let version = version_of(&code).filter(|_| is_first);
            (*function).func_code = code.into_ptr();
            (*function).vectorcall = PLAIN.get().copied();
            set_version(function, version);
            ffi::Py_DECREF(placeholder.as_ptr());
        }
    }
    Ok(())
}

/// The version that the interpreter gives to a function of this code, and by which specialised calls know it.
#[cfg(Py_3_12)]
fn version_of(code: &Bound<'_, PyCode>) -> Option<u32> {
    // SAFETY: a live code object begins with these fields.
    Some(unsafe { (*code.as_ptr().cast::<CodeHead>()).co_version })
}

/// CPython 3.11 gives a function its version when it first needs one.
#[cfg(not(Py_3_12))]
fn version_of(_: &Bound<'_, PyCode>) -> Option<u32> {
    None
}

/// Only one function may go by the version of its code: the defaults of a second one may have been changed.
pub unsafe fn set_version(function: *mut ffi::PyFunctionObject, version: Option<u32>) {
    // SAFETY: the caller has a live function.
    unsafe {
        (*function).func_version = 0;
        let Some(version) = version else { return };
        #[cfg(Py_3_13)]
        _PyFunction_SetVersion(function, version);
        #[cfg(not(Py_3_13))]
        {
            (*function).func_version = version;
        }
    }
}

/// `vectorcall` of a function whose code is a placeholder.
#[cfg(Py_3_12)]
unsafe extern "C" fn first_call(
    function: *mut ffi::PyObject,
    args: *const *mut ffi::PyObject,
    nargsf: usize,
    kwnames: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls this for a function that `created` gave it to, with arguments as it calls any
    // function; they are handed on as they are.
    unsafe {
        match hydrated(function) {
            Hydrated::Yes => {}
            Hydrated::Failed => return ptr::null_mut(),
            Hydrated::OwnEvent => return ffi::Py_NewRef(ffi::Py_None()),
        }
        let Some(&plain) = PLAIN.get() else { return entered(ptr::null_mut(), |_| Err(entry::internal())) };
        monitoring::unseen(function, || stack::nested(|| call::vectorcall(plain, function, args, nargsf, kwnames)))
    }
}

pub use watching::Watching;

#[cfg(Py_3_12)]
mod watching {
    use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

    use super::*;

    const CREATE: c_int = 0;
    const NONE: i32 = -1;

    type Callback = unsafe extern "C" fn(c_int, *mut ffi::PyFunctionObject, *mut ffi::PyObject) -> c_int;

    unsafe extern "C" {
        /// PyO3 declares neither of the two.
        fn PyFunction_AddWatcher(callback: Callback) -> c_int;
        fn PyFunction_ClearWatcher(id: c_int) -> c_int;
    }

    static COUNT: AtomicUsize = AtomicUsize::new(0);
    static ID: AtomicI32 = AtomicI32::new(NONE);

    /// While one of these lives, functions made of placeholders come out right.
    pub struct Watching(());

    impl Watching {
        /// `None` where others have all watchers that the interpreter allows.
        pub fn start(py: Python<'_>) -> Option<Self> {
            if ID.load(Ordering::Relaxed) == NONE {
                // SAFETY: the GIL is held; the callback is as the interpreter expects it.
                let id = unsafe { PyFunction_AddWatcher(created) };
                if id == -1 {
                    drop(PyErr::take(py));
                    return None;
                }
                ID.store(id, Ordering::Relaxed);
            }
            COUNT.fetch_add(1, Ordering::Relaxed);
            Some(Self(()))
        }
    }

    impl Drop for Watching {
        fn drop(&mut self) {
            if COUNT.fetch_sub(1, Ordering::Relaxed) > 1 {
                return;
            }
            let id = ID.swap(NONE, Ordering::Relaxed);
            // SAFETY: the GIL is held where a module has just been executed, and the watcher is ours.
            unsafe {
                PyFunction_ClearWatcher(id);
                #[cfg(Py_3_13)]
                forget_the_unversioned();
            }
        }
    }

    /// Costs every new function some nanoseconds.
    unsafe extern "C" fn created(event: c_int, function: *mut ffi::PyFunctionObject, _: *mut ffi::PyObject) -> c_int {
        // SAFETY: the interpreter hands over a live function, whole when it has just been created.
        unsafe {
            if event == CREATE && placeholder::is((*function).func_code) {
                (*function).vectorcall = Some(first_call);
            }
        }
        0
    }

    /// The interpreter notes the last function made of each version, version 0 included, and does not notice when that
    /// one dies: gives it one that never does.
    #[cfg(Py_3_13)]
    unsafe fn forget_the_unversioned() {
        use pyo3::sync::PyOnceLock;

        static NEVER_DIES: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
        // SAFETY: the GIL is held; the function is made of new code and a dict.
        unsafe {
            let py = Python::assume_attached();
            let function = NEVER_DIES.get_or_init(py, || {
                let code: *mut ffi::PyCodeObject = ffi::PyCode_NewEmpty(c"".as_ptr(), c"".as_ptr(), 0);
                let code = Bound::from_owned_ptr_or_opt(py, code.cast())?;
                let function = ffi::PyFunction_New(code.as_ptr(), PyDict::new(py).as_ptr());
                let function = Bound::from_owned_ptr_or_opt(py, function)?;
                // Nobody shall find it.
                ffi::PyObject_GC_UnTrack(function.as_ptr().cast());
                Some(function.unbind())
            });
            if let Some(function) = function {
                _PyFunction_SetVersion(function.as_ptr().cast(), 0);
            }
        }
    }
}

#[cfg(not(Py_3_12))]
mod watching {
    use super::*;

    /// Nothing to do: see `stub`.
    pub struct Watching(());

    impl Watching {
        pub fn start(_: Python<'_>) -> Option<Self> {
            Some(Self(()))
        }
    }
}
