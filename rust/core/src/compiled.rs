//! What programs compile while they start, kept from one run to the next: the sources that `compile`, `exec` and `eval`
//! get (dataclasses, named tuples, forward references), and regular expressions.
//!
//! Nothing here changes what a program sees: `capi::builtins` and `capi::patterns` ask for an ordinary call, with all
//! that its result depends on in the key, and go the usual way where there is none.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use overlay_file::marshal;
use parking_lot::{Mutex, RwLock};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCode, PyDict, PyString};

use crate::capi::{builtins, patterns};

pub mod key;
pub mod pattern;

use key::{Key, Kind, Text};

/// Longer sources are compiled as ever: they are programs, and few.
pub const LONGEST_SOURCE: usize = 200_000;
/// `sys.set_int_max_str_digits` can make an error of a number that is no shorter.
const LONG_NUMBER: usize = 640;

/// Where compiled sources come from.
pub trait Store: Send + Sync {
    /// The value under a key, as `make_compiled` gives it. Runs no Python.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
}

/// Whether calls come here.
static ACTIVE: AtomicBool = AtomicBool::new(false);
static STORE: RwLock<Option<Box<dyn Store>>> = RwLock::new(None);
static RECORDED: Mutex<Option<Recorded>> = Mutex::new(None);

/// The keys that were asked for, in the order of their first use.
#[derive(Default)]
struct Recorded {
    seen: HashSet<Vec<u8>>,
    keys: Vec<Vec<u8>>,
}

/// Takes compiled sources from `store` from now on, or from nowhere.
pub fn use_store(py: Python<'_>, store: Option<Box<dyn Store>>) -> PyResult<()> {
    let before = std::mem::replace(&mut *STORE.write(), store);
    drop(before);
    apply(py)
}

/// A module has been executed: `re` may only now be there to be served.
pub fn module_has_run(module: &Bound<'_, PyModule>) {
    if ACTIVE.load(Ordering::Relaxed) && module.name().is_ok_and(|name| name == patterns::MODULE) {
        // Where that fails, patterns are parsed as ever.
        let _ = patterns::intercept(module.py());
    }
}

fn apply(py: Python<'_>) -> PyResult<()> {
    let active = STORE.read().is_some() || RECORDED.lock().is_some();
    ACTIVE.store(active, Ordering::Relaxed);
    if active {
        key::prepare(py)?;
        builtins::intercept(py)?;
        patterns::intercept(py)
    } else {
        builtins::restore(py);
        patterns::restore(py);
        Ok(())
    }
}

/// What is stored for an ordinary call.
pub fn find(py: Python<'_>, key: &Key<'_>) -> Option<Vec<u8>> {
    if key.source.bytes.len() > LONGEST_SOURCE {
        return None;
    }
    let bytes = key.encode(py)?;
    record(key, &bytes);
    STORE.read().as_ref()?.get(&bytes)
}

fn record(key: &Key<'_>, bytes: &[u8]) {
    let mut recorded = RECORDED.lock();
    let Some(recorded) = recorded.as_mut() else { return };
    if !recorded.seen.contains(bytes) && !is_file(key.filename) {
        recorded.seen.insert(bytes.to_vec());
        recorded.keys.push(bytes.to_vec());
    }
}

/// The sources of modules and scripts are kept by others.
fn is_file(filename: &[u8]) -> bool {
    filename.contains(&b'/') && std::str::from_utf8(filename).is_ok_and(|name| std::path::Path::new(name).is_file())
}

/// Notes the keys of all that is compiled from now on.
#[pyfunction]
pub fn start_recording_compiled(py: Python<'_>) -> PyResult<()> {
    RECORDED.lock().get_or_insert_default();
    apply(py)
}

/// The keys that were noted, in the order of their first use; notes no more.
#[pyfunction]
pub fn stop_recording_compiled(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let recorded = RECORDED.lock().take().unwrap_or_default();
    apply(py)?;
    Ok(recorded.keys.iter().map(|key| PyBytes::new(py, key)).collect())
}

impl Store for HashMap<Vec<u8>, Vec<u8>> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        HashMap::get(self, key).cloned()
    }
}

/// Takes compiled sources from this dict from now on; `None`: from nowhere. For tests.
#[pyfunction]
pub fn set_compiled(py: Python<'_>, entries: Option<Bound<'_, PyDict>>) -> PyResult<()> {
    let Some(entries) = entries else { return use_store(py, None) };
    let mut store = HashMap::with_capacity(entries.len());
    for (key, value) in entries {
        store.insert(key.extract::<&[u8]>()?.to_vec(), value.extract::<&[u8]>()?.to_vec());
    }
    use_store(py, Some(Box::new(store)))
}

/// Compiles what the key says; `None` where that fails or warns, and for the key of another interpreter.
#[pyfunction]
pub fn make_compiled<'py>(py: Python<'py>, key: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let Some(key) = Key::decode(py, key)? else { return Ok(None) };
    let made = with_warnings_as_errors(py, || match key.kind {
        Kind::Pattern => pattern::make(py, key.source, key.flags),
        _ => make_code(py, &key),
    });
    match made {
        Ok(made) => Ok(made.map(|value| PyBytes::new(py, &value))),
        Err(error) if error.is_instance_of::<PyException>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_code(py: Python<'_>, key: &Key<'_>) -> PyResult<Option<Vec<u8>>> {
    if has_long_number(key.source.bytes) {
        return Ok(None);
    }
    let filename = PyString::from_bytes(py, key.filename)?;
    let arguments = (object(py, key.source)?, filename, key.kind.name(), key.flags, true, key.optimize);
    let code = py.import("builtins")?.call_method1("compile", arguments)?.cast_into::<PyCode>()?;
    let dumped = py.import("marshal")?.call_method1("dumps", (code,))?.cast_into::<PyBytes>()?;
    Ok(marshal::canonical(dumped.as_bytes()).ok())
}

fn has_long_number(source: &[u8]) -> bool {
    source.split(|byte| !byte.is_ascii_digit() && *byte != b'_').any(|digits| digits.len() >= LONG_NUMBER)
}

/// The text as the program had it.
fn object<'py>(py: Python<'py>, text: Text<'_>) -> PyResult<Bound<'py, PyAny>> {
    Ok(match text.is_bytes {
        true => PyBytes::new(py, text.bytes).into_any(),
        false => PyString::from_bytes(py, text.bytes)?.into_any(),
    })
}

fn with_warnings_as_errors<T>(py: Python<'_>, run: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    let warnings = py.import("warnings")?;
    let context = warnings.call_method0("catch_warnings")?;
    context.call_method0("__enter__")?;
    let result = warnings.call_method1("simplefilter", ("error",)).and_then(|_| run());
    context.call_method1("__exit__", (py.None(), py.None(), py.None()))?;
    result
}
