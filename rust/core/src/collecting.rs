//! `install(gc="startup")`: no garbage is collected while the program imports.
//!
//! From the begin of an outermost import to its end the collector's first threshold is so high that it does not run;
//! then all that was made goes to the oldest generation. The collector itself is never disabled: a program may do that,
//! and we could not tell. `docs/garbage.md` says when start-up is over, and why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;

use crate::importing;

/// How many objects a process may move to the oldest generation uncollected: a few times what large programs import.
const BUDGET: i64 = 500_000;

/// CPython 3.12 freezes some hundred objects itself when it starts; a program freezes all there are, which are thousands.
const FROZEN_BY_CPYTHON: i64 = 1000;

/// Whether outermost imports are to be free of collections. Off, this is all that they look at.
static ON: AtomicBool = AtomicBool::new(false);

static STARTUP: Mutex<Startup> = Mutex::new(Startup { depth: 0, budget: BUDGET, raised: None });

static COLLECTOR: PyOnceLock<Collector> = PyOnceLock::new();

struct Startup {
    /// How many modules are being executed, by any thread, but for the program itself.
    depth: usize,
    /// How many objects may still be moved.
    budget: i64,
    raised: Option<Raised>,
}

/// The first threshold, which is raised.
struct Raised {
    before: i64,
    to: i64,
    canary: Canary,
}

/// From now on collects garbage while the program imports, or does not.
#[pyfunction]
pub fn collect_at_startup(py: Python<'_>, collect: bool) -> PyResult<()> {
    if !collect {
        COLLECTOR.get_or_try_init(py, || Collector::find(py))?;
    }
    ON.store(!collect, Ordering::Relaxed);
    let raised = if collect { STARTUP.lock().raised.take() } else { None };
    raised.map_or(Ok(()), |raised| raised.lower(py))
}

/// The execution of a module, without collections.
pub struct Pause<'py>(Python<'py>);

impl<'py> Pause<'py> {
    /// `None` where garbage is collected as usual: the program itself, run as a module, is no import.
    pub fn begin(module: &Bound<'py, PyAny>) -> Option<Self> {
        if !ON.load(Ordering::Relaxed) || is_program(module) {
            return None;
        }
        let py = module.py();
        let depth = {
            let mut startup = STARTUP.lock();
            startup.depth += 1;
            startup.depth
        };
        if depth == 1 {
            // What goes wrong here is none of the program's business.
            let _ = raise(py);
        }
        Some(Self(py))
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        let raised = {
            let mut startup = STARTUP.lock();
            if startup.depth == 1 { startup.raised.take() } else { None }
        };
        if let Some(raised) = raised {
            let _ = raised.end(self.0);
        }
        // Not before: a thread that begins meanwhile must not take our threshold for the program's.
        STARTUP.lock().depth -= 1;
    }
}

fn is_program(module: &Bound<'_, PyAny>) -> bool {
    let module = module.cast::<PyModule>();
    module.is_ok_and(|module| importing::is_program(&module.dict()).unwrap_or(false))
}

/// Raises the threshold, where the collector is as the program has found it.
fn raise(py: Python<'_>) -> PyResult<()> {
    let Some(collector) = COLLECTOR.get(py) else { return Ok(()) };
    let (before, to) = (collector.threshold(py)?, STARTUP.lock().budget);
    if before <= 0 || !collector.is_enabled(py)? {
        return Ok(());
    }
    if before >= to || collector.is_frozen(py)? {
        // Start-up is over.
        ON.store(false, Ordering::Relaxed);
        return Ok(());
    }
    collector.set_threshold(py, to)?;
    let canary = Canary::new(py)?;
    STARTUP.lock().raised = Some(Raised { before, to, canary });
    Ok(())
}

impl Raised {
    /// The import is over: what it made is there to stay.
    fn end(self, py: Python<'_>) -> PyResult<()> {
        let Some(collector) = COLLECTOR.get(py) else { return Ok(()) };
        self.canary.free();
        if collector.threshold(py)? != self.to {
            return Ok(());
        }
        let made = collector.count(py)?;
        // Where the collector would not have run, an import leaves no trace.
        if made > self.before && collector.is_enabled(py)? && !collector.is_frozen(py)? {
            collector.make_old(py)?;
            STARTUP.lock().budget -= made;
        }
        collector.set_threshold(py, self.before)
    }

    /// The threshold as it was, unless the program has set its own.
    fn lower(self, py: Python<'_>) -> PyResult<()> {
        let Some(collector) = COLLECTOR.get(py) else { return Ok(()) };
        self.canary.free();
        if collector.threshold(py)? == self.to {
            collector.set_threshold(py, self.before)?;
        }
        Ok(())
    }
}

/// Tells that the collector has run all the same: garbage that dies of it.
struct Canary(Slot);

type Slot = Arc<Mutex<Option<Py<Garbage>>>>;

/// An object whose only reference is its own.
#[pyclass(frozen, module = "overlay_import._core")]
struct Garbage(Slot);

impl Canary {
    fn new(py: Python<'_>) -> PyResult<Self> {
        let slot = Slot::default();
        let garbage = Py::new(py, Garbage(Arc::clone(&slot)))?;
        *slot.lock() = Some(garbage);
        Ok(Self(slot))
    }

    fn free(&self) {
        let garbage = self.0.lock().take();
        drop(garbage);
    }
}

#[pymethods]
impl Garbage {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.lock().as_ref().map_or(Ok(()), |itself| visit.call(itself))
    }

    /// The collector runs: it goes on as the program has set it.
    fn __clear__(&self) {
        let Some(itself) = self.0.lock().take() else { return };
        let raised = {
            let mut startup = STARTUP.lock();
            let is_ours = startup.raised.as_ref().is_some_and(|raised| Arc::ptr_eq(&raised.canary.0, &self.0));
            if is_ours { startup.raised.take() } else { None }
        };
        if let Some(raised) = raised {
            let _ = Python::attach(|py| raised.lower(py));
        }
        drop(itself);
    }
}

/// The functions of module `gc`, as they were when we were installed.
struct Collector {
    isenabled: Py<PyAny>,
    get_threshold: Py<PyAny>,
    set_threshold: Py<PyAny>,
    get_count: Py<PyAny>,
    get_freeze_count: Py<PyAny>,
    freeze: Py<PyAny>,
    unfreeze: Py<PyAny>,
}

impl Collector {
    fn find(py: Python<'_>) -> PyResult<Self> {
        let gc = py.import("gc")?;
        let function = |name| gc.getattr(name).map(Bound::unbind);
        Ok(Self {
            isenabled: function("isenabled")?,
            get_threshold: function("get_threshold")?,
            set_threshold: function("set_threshold")?,
            get_count: function("get_count")?,
            get_freeze_count: function("get_freeze_count")?,
            freeze: function("freeze")?,
            unfreeze: function("unfreeze")?,
        })
    }

    fn is_enabled(&self, py: Python<'_>) -> PyResult<bool> {
        self.isenabled.bind(py).call0()?.is_truthy()
    }

    /// How many objects may be made before the collector runs.
    fn threshold(&self, py: Python<'_>) -> PyResult<i64> {
        first(self.get_threshold.bind(py))
    }

    /// The other thresholds stay as they are.
    fn set_threshold(&self, py: Python<'_>, threshold: i64) -> PyResult<()> {
        self.set_threshold.bind(py).call1((threshold,)).map(drop)
    }

    /// How many objects were made, less those freed, since it last ran.
    fn count(&self, py: Python<'_>) -> PyResult<i64> {
        first(self.get_count.bind(py))
    }

    /// Whether the program has frozen what there is. Counts all that is frozen.
    fn is_frozen(&self, py: Python<'_>) -> PyResult<bool> {
        let frozen: i64 = self.get_freeze_count.bind(py).call0()?.extract()?;
        Ok(frozen > FROZEN_BY_CPYTHON)
    }

    /// Moves every object to the oldest generation.
    fn make_old(&self, py: Python<'_>) -> PyResult<()> {
        self.freeze.bind(py).call0()?;
        self.unfreeze.bind(py).call0().map(drop)
    }
}

/// The youngest generation's of the numbers that the function gives.
fn first(function: &Bound<'_, PyAny>) -> PyResult<i64> {
    function.call0()?.cast::<PyTuple>()?.get_borrowed_item(0)?.extract()
}
