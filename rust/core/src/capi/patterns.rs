//! `re._compiler.compile`: regular expressions that are stored need not be parsed.
//!
//! The function stays what it is; only its `vectorcall` changes. CPython 3.11 calls Python functions past it, so there
//! all patterns are compiled.

#[cfg(not(Py_3_12))]
mod version {
    use pyo3::prelude::*;

    pub fn intercept(_: Python<'_>) -> PyResult<()> {
        Ok(())
    }

    pub fn restore(_: Python<'_>) {}
}

#[cfg(Py_3_12)]
mod version {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr;
    use std::sync::OnceLock;

    use parking_lot::Mutex;
    use pyo3::exceptions::PySystemError;
    use pyo3::ffi;
    use pyo3::intern;
    use pyo3::prelude::*;
    use pyo3::types::{PyBytes, PyDict, PyInt, PyString};

    use super::super::{call, function, monitoring, stack};
    use crate::compiled;
    use crate::compiled::key::{Key, Kind, Text};
    use crate::compiled::pattern;

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
        sre_compile: Py<PyAny>,
        /// `sys.gettrace` and `sys.getprofile`.
        observers: [Py<PyAny>; 2],
    }

    impl Taken {
        fn new(function: Bound<'_, PyAny>) -> PyResult<Option<Self>> {
            let py = function.py();
            // A placeholder becomes the function that it stands for.
            let code = function.getattr(intern!(py, "__code__"))?.unbind();
            let sys = py.import("sys")?;
            let observers = [sys.getattr("gettrace")?.unbind(), sys.getattr("getprofile")?.unbind()];
            let sre_compile = py.import("_sre")?.getattr("compile")?.unbind();
            let fields = function.as_ptr().cast::<ffi::PyFunctionObject>();
            // SAFETY: the caller has a live function.
            let (version, plain) = unsafe { ((*fields).func_version, (*fields).vectorcall) };
            let function = function.unbind();
            Ok(plain.map(|plain| Self { function, code, version, plain, sre_compile, observers }))
        }
    }

    /// Has calls of the function come here first, once `re` is there, and is the interpreter's.
    pub fn intercept(py: Python<'_>) -> PyResult<()> {
        let modules = py.import("sys")?.getattr("modules")?.cast_into::<PyDict>()?;
        let Some(module) = modules.get_item("re._compiler")? else { return Ok(()) };
        let Ok(function) = module.getattr("compile") else { return Ok(()) };
        // SAFETY: the object is alive.
        if TAKEN.lock().is_some() || unsafe { ffi::Py_TYPE(function.as_ptr()) != &raw mut ffi::PyFunction_Type } {
            return Ok(());
        }
        if let Some(taken) = Taken::new(function)? {
            let _ = PLAIN.set(taken.plain);
            // SAFETY: a live function, as checked.
            unsafe { PyFunction_SetVectorcall(taken.function.as_ptr().cast(), call_compile) };
            *TAKEN.lock() = Some(taken);
        }
        Ok(())
    }

    /// Undoes `intercept`.
    pub fn restore(_: Python<'_>) {
        let Some(taken) = TAKEN.lock().take() else { return };
        let function = taken.function.as_ptr().cast::<ffi::PyFunctionObject>();
        // SAFETY: a function, which we keep alive; its version is right as long as its code is the same.
        unsafe {
            PyFunction_SetVectorcall(function, taken.plain);
            let is_same = (*function).func_code == taken.code.as_ptr();
            function::set_version(function, (is_same && taken.version > 1).then_some(taken.version));
        }
    }

    unsafe extern "C" fn call_compile(
        function: *mut ffi::PyObject,
        args: *const *mut ffi::PyObject,
        nargsf: usize,
        kwnames: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject {
        // SAFETY: the interpreter calls this as it calls any function, with the GIL held; the arguments live for the
        // call, and are handed on as they are.
        unsafe {
            let py = Python::assume_attached();
            let count = ffi::PyVectorcall_NARGS(nargsf);
            if count == 2 && kwnames.is_null() {
                let pattern = Bound::from_borrowed_ptr(py, *args);
                let flags = Bound::from_borrowed_ptr(py, *args.add(1));
                let found = catch_unwind(AssertUnwindSafe(|| find(function, &pattern, &flags)));
                if let Ok(Some(found)) = found {
                    return found.into_ptr();
                }
            }
            let Some(&plain) = PLAIN.get() else {
                PySystemError::new_err("overlay_import failed internally").restore(py);
                return ptr::null_mut();
            };
            let tools = monitoring::tools(py).unwrap_or_default();
            let result = stack::nested(|| call::vectorcall(plain, function, args, nargsf, kwnames));
            if tools != 0 {
                monitoring::leave_unseen(py, tools, function, result);
            }
            result
        }
    }

    /// The pattern that is stored for an ordinary call.
    fn find<'py>(
        function: *mut ffi::PyObject,
        pattern: &Bound<'py, PyAny>,
        flags: &Bound<'py, PyAny>,
    ) -> Option<Bound<'py, PyAny>> {
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
        let sre_compile = unobserved(py, function)?;
        let arguments = pattern::arguments(pattern, &value).ok()?;
        sre_compile.bind(py).call1(arguments).ok()
    }

    /// `_sre.compile`, where nobody would see that the function does not run.
    fn unobserved(py: Python<'_>, function: *mut ffi::PyObject) -> Option<Py<PyAny>> {
        let (sre_compile, observers) = {
            let taken = TAKEN.lock();
            let taken = taken.as_ref().filter(|taken| taken.function.as_ptr() == function)?;
            let fields = function.cast::<ffi::PyFunctionObject>();
            // SAFETY: the function is being called, so it is alive.
            if unsafe { (*fields).func_code != taken.code.as_ptr() } {
                return None;
            }
            (taken.sre_compile.clone_ref(py), taken.observers.each_ref().map(|observer| observer.clone_ref(py)))
        };
        let nobody = observers.iter().all(|observer| observer.bind(py).call0().is_ok_and(|set| set.is_none()));
        (nobody && monitoring::tools(py).is_ok_and(|tools| tools == 0)).then_some(sre_compile)
    }
}

pub use version::*;
