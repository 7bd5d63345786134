//! `sys.monitoring` and first calls.
//!
//! An instrumented call takes whatever it has to call through `vectorcall` for a C function, and reports its end as
//! `C_RETURN` or `C_RAISE`: of a first call, too, which no program shall notice.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use super::entry::{attached, quietly};

/// Tools that programs can use; the interpreter's own two look at what was called themselves.
const TOOLS: u8 = 6;

struct Monitoring {
    get_tool: Py<PyAny>,
    register_callback: Py<PyAny>,
    c_return: Py<PyAny>,
    c_raise: Py<PyAny>,
}

fn monitoring(py: Python<'_>) -> PyResult<&Monitoring> {
    static MONITORING: PyOnceLock<Monitoring> = PyOnceLock::new();
    MONITORING.get_or_try_init(py, || {
        let module = py.import("sys")?.getattr("monitoring")?;
        let events = module.getattr("events")?;
        Ok(Monitoring {
            get_tool: module.getattr("get_tool")?.unbind(),
            register_callback: module.getattr("register_callback")?.unbind(),
            c_return: events.getattr("C_RETURN")?.unbind(),
            c_raise: events.getattr("C_RAISE")?.unbind(),
        })
    })
}

/// Makes a first call of `function`, or one that looks like it, whose end no tool notices.
///
/// # Safety
///
/// The GIL is held, and the function is alive.
pub unsafe fn unseen(function: *mut ffi::PyObject, call: impl FnOnce() -> *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: as above.
    unsafe {
        // Where they cannot be asked for, there are none.
        let tools = attached(|py| quietly(|| tools(py).ok())).unwrap_or_default();
        let result = call();
        if tools != 0 {
            attached(|py| {
                quietly(|| {
                    leave_unseen(py, tools, function, result);
                    Some(())
                })
            });
        }
        result
    }
}

/// The tools in use, a bit for each.
pub fn tools(py: Python<'_>) -> PyResult<u8> {
    let monitoring = monitoring(py)?;
    let mut tools = 0;
    for tool in 0..TOOLS {
        if !monitoring.get_tool.bind(py).call1((tool,))?.is_none() {
            tools |= 1 << tool;
        }
    }
    Ok(tools)
}

/// Keeps the end of the first call of `function`, with this result, from the tools.
#[cold]
fn leave_unseen(py: Python<'_>, tools: u8, function: *mut ffi::PyObject, result: *mut ffi::PyObject) {
    let raised = PyErr::take(py);
    // SAFETY: the function is alive: it has just been called.
    let function = unsafe { Bound::from_borrowed_ptr(py, function) };
    for tool in (0..TOOLS).filter(|tool| tools & 1 << tool != 0) {
        // A tool that has gone in the meantime has no callback to be kept from.
        let _ = skip_once(&function, tool, result.is_null());
    }
    if let Some(raised) = raised {
        raised.restore(py);
    }
}

/// Has the tool's callback stand aside for one event: that of `function`.
fn skip_once(function: &Bound<'_, PyAny>, tool: u8, is_raise: bool) -> PyResult<()> {
    let py = function.py();
    let callback = register(tool, is_raise, py.None().bind(py))?;
    if callback.is_none() {
        return Ok(());
    }
    let (function, callback) = (function.clone().unbind(), callback.unbind());
    let skip = PyCFunction::new_closure(py, None, None, move |args, _| -> PyResult<Py<PyAny>> {
        let py = args.py();
        register(tool, is_raise, callback.bind(py))?;
        // A bound method here is one that was called as such, as at the end of `with`: stock reports that, too.
        match args.get_item(2)?.is(&function) {
            true => Ok(py.None()),
            false => Ok(callback.bind(py).call1(args)?.unbind()),
        }
    })?;
    register(tool, is_raise, &skip).map(drop)
}

/// Registers a callback for the end of C calls; gives the one before.
fn register<'py>(tool: u8, is_raise: bool, callback: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = callback.py();
    let monitoring = monitoring(py)?;
    let event = if is_raise { &monitoring.c_raise } else { &monitoring.c_return };
    monitoring.register_callback.bind(py).call1((tool, event, callback))
}
