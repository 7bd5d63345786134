//! Regular expressions that are stored need not be parsed.
//!
//! From CPython 3.12 on, `re._compiler.compile` stays the function that it is, but for its `vectorcall`. CPython 3.11
//! calls Python functions past that; there, the cache of `re` answers for patterns that are not in it yet. All that
//! shows of it is that `type(re._cache)` is a subclass of `dict` meanwhile.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

use crate::compiled::key::{Key, Kind, Text};
use crate::compiled::{self, pattern};

pub use version::{MODULE, intercept, restore};

struct Handles {
    /// `_sre.compile`.
    compile: Py<PyAny>,
    /// `sys.gettrace` and `sys.getprofile`.
    observers: [Py<PyAny>; 2],
}

fn handles(py: Python<'_>) -> PyResult<&Handles> {
    static HANDLES: PyOnceLock<Handles> = PyOnceLock::new();
    HANDLES.get_or_try_init(py, || {
        let sys = py.import("sys")?;
        Ok(Handles {
            compile: py.import("_sre")?.getattr("compile")?.unbind(),
            observers: [sys.getattr("gettrace")?.unbind(), sys.getattr("getprofile")?.unbind()],
        })
    })
}

/// The pattern that is stored for these arguments of `re._compiler.compile`, where they are ordinary ones, and nobody
/// watches that function.
fn find<'py>(pattern: &Bound<'py, PyAny>, flags: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let py = pattern.py();
    let flags = flags.cast_exact::<PyInt>().ok()?.extract::<u32>().ok()?;
    if !pattern::are_pure(flags) {
        return None;
    }
    let source = match pattern.cast_exact::<PyString>() {
        Ok(pattern) => Text { is_bytes: false, bytes: pattern.to_str().ok()?.as_bytes() },
        Err(_) => Text { is_bytes: true, bytes: pattern.cast_exact::<PyBytes>().ok()?.as_bytes() },
    };
    let key = Key { kind: Kind::Pattern, source, filename: b"", flags, optimize: 0 };
    let value = compiled::find(py, &key)?;
    let handles = handles(py).ok()?;
    let nobody = handles.observers.iter().all(|observer| observer.bind(py).call0().is_ok_and(|set| set.is_none()));
    if !nobody || !version::is_unmonitored(py) {
        return None;
    }
    handles.compile.bind(py).call1(pattern::arguments(pattern, &value).ok()?).ok()
}

/// Something of a module of `re`, once it is there.
fn attribute<'py>(py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    let modules = py.import("sys")?.getattr(intern!(py, "modules"))?.cast_into::<PyDict>()?;
    let module = modules.get_item(MODULE)?;
    Ok(module.and_then(|module| module.getattr(name).ok()))
}

#[cfg(not(Py_3_12))]
mod version {
    use std::ffi::c_void;
    use std::ptr;

    use parking_lot::Mutex;
    use pyo3::ffi;
    use pyo3::prelude::*;
    use pyo3::sync::PyOnceLock;
    use pyo3::types::{PyDict, PyTuple, PyType};

    use super::super::entry::{attached, quietly};
    use super::super::types;

    /// Where the cache is.
    pub const MODULE: &str = "re";
    /// `re._MAXCACHE`.
    const MOST: usize = 512;

    static CACHE: Mutex<Option<Py<PyDict>>> = Mutex::new(None);

    pub fn is_unmonitored(_: Python<'_>) -> bool {
        true
    }

    /// Has the cache of `re` come here for what is not in it.
    pub fn intercept(py: Python<'_>) -> PyResult<()> {
        let Some(cache) = super::attribute(py, "_cache")? else { return Ok(()) };
        let mut taken = CACHE.lock();
        if let (None, Ok(cache)) = (taken.as_ref(), cache.cast_exact::<PyDict>()) {
            let ours = answering_type(py)?;
            // SAFETY: a live dict becomes an instance of a heap type of the same layout, to which it owns a reference.
            unsafe { (*cache.as_ptr()).ob_type = ours.clone_ref(py).into_ptr().cast() };
            *taken = Some(cache.clone().unbind());
        }
        Ok(())
    }

    /// Undoes `intercept`.
    pub fn restore(py: Python<'_>) {
        if let Some(cache) = CACHE.lock().take() {
            // SAFETY: as above, the other way round; the cache is alive, and gives its reference back.
            unsafe {
                let ours = ffi::Py_TYPE(cache.as_ptr());
                (*cache.as_ptr()).ob_type = &raw mut ffi::PyDict_Type;
                ffi::Py_DECREF(ours.cast());
            }
            cache.drop_ref(py);
        }
    }

    fn answering_type(py: Python<'_>) -> PyResult<&Py<PyType>> {
        static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        TYPE.get_or_try_init(py, || {
            let slots = vec![types::slot(ffi::Py_mp_subscript, subscript as *mut c_void)];
            types::same_layout(&py.get_type::<PyDict>(), c"builtins.dict", c"dict", slots)
        })
    }

    /// `cache[key]`: where the pattern is not in the cache but stored, it is from now on.
    unsafe extern "C" fn subscript(cache: *mut ffi::PyObject, key: *mut ffi::PyObject) -> *mut ffi::PyObject {
        // SAFETY: the interpreter calls this with a live instance of our type, a dict, and a live key; and dicts have
        // the slot that is asked for.
        unsafe {
            let found = ffi::PyDict_GetItemWithError(cache, key);
            if !found.is_null() {
                return ffi::Py_NewRef(found);
            }
            if !ffi::PyErr_Occurred().is_null() {
                return ptr::null_mut();
            }
            let made = attached(|py| {
                let cache = Bound::from_borrowed_ptr(py, cache).cast_into_unchecked::<PyDict>();
                let key = Bound::from_borrowed_ptr(py, key);
                quietly(|| make(&cache, &key)).map(Bound::into_ptr)
            });
            if let Some(made) = made {
                return made;
            }
            // Raises KeyError, as a dict does.
            match (*ffi::PyDict_Type.tp_as_mapping).mp_subscript {
                Some(plain) => plain(cache, key),
                None => ptr::null_mut(),
            }
        }
    }

    /// What `re._compile` does for a pattern that is not in the cache: `key` is its type, itself, and its flags.
    fn make<'py>(cache: &Bound<'py, PyDict>, key: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let parts = key.cast_exact::<PyTuple>().ok().filter(|parts| parts.len() == 3)?;
        let (kind, pattern, flags) = (parts.get_item(0).ok()?, parts.get_item(1).ok()?, parts.get_item(2).ok()?);
        if !kind.is(pattern.get_type()) {
            return None;
        }
        let made = super::find(&pattern, &flags)?;
        if cache.len() >= MOST {
            cache.del_item(cache.iter().next()?.0).ok()?;
        }
        cache.set_item(key, &made).ok()?;
        Some(made)
    }
}

#[cfg(Py_3_12)]
mod version {
    use std::ptr;
    use std::sync::OnceLock;

    use parking_lot::Mutex;
    use pyo3::ffi;
    use pyo3::intern;
    use pyo3::prelude::*;

    use super::super::entry::{attached, entered, quietly};
    use super::super::{call, entry, function, monitoring, stack};

    /// Where the function is.
    pub const MODULE: &str = "re._compiler";

    unsafe extern "C" {
        /// PyO3 does not declare it.
        fn PyFunction_SetVectorcall(function: *mut ffi::PyFunctionObject, vectorcall: ffi::vectorcallfunc);
    }

    static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);
    /// How the interpreter calls the function.
    static PLAIN: OnceLock<ffi::vectorcallfunc> = OnceLock::new();

    /// The function, and what it was before.
    struct Taken {
        function: Py<PyAny>,
        code: Py<PyAny>,
        version: u32,
        plain: ffi::vectorcallfunc,
    }

    pub fn is_unmonitored(py: Python<'_>) -> bool {
        monitoring::tools(py).is_ok_and(|tools| tools == 0)
    }

    /// Has calls of the function come here first.
    pub fn intercept(py: Python<'_>) -> PyResult<()> {
        let Some(function) = super::attribute(py, "compile")? else { return Ok(()) };
        // SAFETY: the object is alive.
        let is_function = unsafe { ffi::Py_TYPE(function.as_ptr()) == &raw mut ffi::PyFunction_Type };
        if !is_function || TAKEN.lock().is_some() {
            return Ok(());
        }
        // A placeholder becomes the function that it stands for.
        let code = function.getattr(intern!(py, "__code__"))?.unbind();
        let fields = function.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: a live function, as checked.
        unsafe {
            let version = (*fields).func_version;
            let Some(plain) = (*fields).vectorcall else { return Ok(()) };
            let _ = PLAIN.set(plain);
            PyFunction_SetVectorcall(fields, call_compile);
            *TAKEN.lock() = Some(Taken { function: function.unbind(), code, version, plain });
        }
        Ok(())
    }

    /// Undoes `intercept`.
    pub fn restore(_: Python<'_>) {
        let Some(taken) = TAKEN.lock().take() else { return };
        let fields = taken.function.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: a function, which we keep alive; its version, where it had one, is right as long as its code is.
        unsafe {
            PyFunction_SetVectorcall(fields, taken.plain);
            let is_same = (*fields).func_code == taken.code.as_ptr();
            function::set_version(fields, (is_same && taken.version > 1).then_some(taken.version));
        }
    }

    /// Whether the function is the one that was taken, with the code that it had.
    fn is_intact(function: *mut ffi::PyObject) -> bool {
        // SAFETY: a function that is being called is alive.
        let code = unsafe { (*function.cast::<ffi::PyFunctionObject>()).func_code };
        let taken = TAKEN.lock();
        taken.as_ref().is_some_and(|taken| taken.function.as_ptr() == function && taken.code.as_ptr() == code)
    }

    /// `vectorcall` of the function.
    unsafe extern "C" fn call_compile(
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        kwnames: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: the interpreter calls this as it calls any function, with the GIL held; the arguments live for the
        // call, and are handed on as they are.
        unsafe {
            if ffi::PyVectorcall_NARGS(nargsf) == 2 && kwnames.is_null() && is_intact(function) {
                let found = attached(|py| {
                    let pattern = Bound::from_borrowed_ptr(py, *args);
                    let flags = Bound::from_borrowed_ptr(py, *args.add(1));
                    quietly(|| super::find(&pattern, &flags)).map(Bound::into_ptr)
                });
                if let Some(found) = found {
                    return found;
                }
            }
            let Some(&plain) = PLAIN.get() else { return entered(ptr::null_mut(), |_| Err(entry::internal())) };
            monitoring::unseen(function, || stack::nested(|| call::vectorcall(plain, function, args, nargsf, kwnames)))
        }
    }
}
