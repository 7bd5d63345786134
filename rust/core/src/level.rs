//! The level of laziness that is in use.

use std::sync::atomic::{AtomicBool, Ordering};

use overlay_file::marshal;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::capi::function;
use crate::handles;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Declared = 0,
    Bodies = 1,
}

impl Level {
    /// In the name of a cache file.
    pub fn tag(self) -> &'static str {
        match self {
            Level::Declared => "overlay",
            Level::Bodies => "overlaybodies",
        }
    }

    /// In the directory of a file: 0, or the form of the markers that stand for function bodies.
    pub fn flag(self) -> u32 {
        match self {
            Level::Declared => 0,
            Level::Bodies => marshal::MARKERS,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Level {
    type Error = PyErr;

    fn extract(name: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match name.extract::<&str>()? {
            "declared" => Ok(Level::Declared),
            "bodies" => Ok(Level::Bodies),
            other => Err(PyValueError::new_err(format!("unknown level: {other}"))),
        }
    }
}

static BODIES: AtomicBool = AtomicBool::new(false);

pub fn current() -> Level {
    if BODIES.load(Ordering::Relaxed) { Level::Bodies } else { Level::Declared }
}

/// What is lazy in modules imported from now on.
///
/// Raises `SystemError` where the interpreter is not as we know it: the level is then `declared`.
#[pyfunction]
pub fn set_level(py: Python<'_>, level: Level) -> PyResult<()> {
    BODIES.store(false, Ordering::Relaxed);
    if level == Level::Bodies {
        function::prepare(handles::get(py)?.call_with_frames_removed.bind(py))?;
        BODIES.store(true, Ordering::Relaxed);
    }
    Ok(())
}
