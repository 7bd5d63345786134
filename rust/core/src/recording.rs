//! What is read and loaded, when, and by what line: for `overlay-import report`. Off until a process asks for it.

use std::ffi::{c_int, c_ulong};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::PyCode;

use crate::capi::frame;

static IS_ON: AtomicBool = AtomicBool::new(false);
static EVENTS: Mutex<Vec<Event>> = Mutex::new(Vec::new());

/// Something that took time for the module of a source file.
struct Event {
    what: What,
    source: Py<PyAny>,
    /// The name of an overlay, or the code of a body.
    overlay: Option<Py<PyAny>>,
    /// The code that touched the overlay, and its line.
    by: Option<(Py<PyCode>, c_int)>,
    thread: c_ulong,
    start: Instant,
    end: Instant,
    bytes: u64,
}

#[derive(Clone, Copy)]
pub enum What {
    Read,
    Unmarshal,
    Body,
    Overlay,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Read => "read",
            What::Unmarshal => "unmarshal",
            What::Body => "body",
            What::Overlay => "overlay",
        }
    }
}

/// A clock for one event; it stands still while nothing is recorded.
pub struct Watch<'py> {
    start: Option<Instant>,
    by: Option<(Bound<'py, PyCode>, c_int)>,
}

impl<'py> Watch<'py> {
    /// Starts a clock.
    pub fn start() -> Self {
        Self { start: IS_ON.load(Ordering::Relaxed).then(Instant::now), by: None }
    }

    /// Starts a clock for an overlay that the running Python code touches.
    pub fn start_for_caller(py: Python<'py>) -> Self {
        let watch = Self::start();
        let by = watch.start.and_then(|_| frame::current(py));
        Self { by, ..watch }
    }

    /// The event is over.
    pub fn stop(self, what: What, source: &Bound<'py, PyAny>, overlay: Option<&Bound<'py, PyAny>>, bytes: u64) {
        let Some(start) = self.start else { return };
        EVENTS.lock().push(Event {
            what,
            source: source.clone().unbind(),
            overlay: overlay.cloned().map(Bound::unbind),
            by: self.by.map(|(code, line)| (code.unbind(), line)),
            thread: frame::thread(source.py()),
            start,
            end: Instant::now(),
            bytes,
        });
    }
}

/// Records from now on.
#[pyfunction]
pub fn start_recording() {
    IS_ON.store(true, Ordering::Relaxed);
}

/// An event, with its start and end in nanoseconds before now.
type Row = (&'static str, Py<PyAny>, Option<Py<PyAny>>, Option<(Py<PyCode>, c_int)>, c_ulong, u128, u128, u64);

/// What was recorded; records no more.
#[pyfunction]
pub fn stop_recording() -> Vec<Row> {
    IS_ON.store(false, Ordering::Relaxed);
    let events = mem::take(&mut *EVENTS.lock());
    let now = Instant::now();
    let ago = |time: Instant| now.duration_since(time).as_nanos();
    let row = |event: Event| {
        let Event { what, source, overlay, by, thread, start, end, bytes } = event;
        (what.name(), source, overlay, by, thread, ago(start), ago(end), bytes)
    };
    events.into_iter().map(row).collect()
}
