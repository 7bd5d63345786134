//! What the hot path needs from Python, looked up once.

use std::ffi::{OsString, c_ulong};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::capi::call;
use crate::level::Level;

/// Objects of the interpreter and of importlib that every import uses.
pub struct Handles {
    /// `importlib._bootstrap._call_with_frames_removed`: tracebacks leave out what runs below it.
    pub call_with_frames_removed: Py<PyAny>,
    /// `importlib._bootstrap`, which knows who waits for an import.
    pub bootstrap: Py<PyAny>,
    /// `_thread.__dict__`: libraries of green threads put functions of their own there.
    thread: Py<PyDict>,
    pub verbose_message: Py<PyAny>,
    pub fix_co_filename: Py<PyAny>,
    pub cache_from_source: Py<PyAny>,
    pub exec: Py<PyAny>,
    /// `sys.__dict__`, for what a program may change while it runs.
    pub sys: Py<PyDict>,
    pub magic: [u8; 4],
    /// `sys.implementation.cache_tag`: written to every file as the identity of its interpreter.
    pub cache_tag: String,
    /// `sys.version`'s first word.
    pub version: String,
    /// `-O`, `-OO`.
    pub optimize: u8,
    /// Of the cache files of each level.
    tags: [Tag; 2],
    /// What stands between a module's stem and the end of the name of CPython's own cache file.
    pub stock_suffix: String,
    /// `python -v`.
    pub verbose: bool,
}

/// How the cache files of a level are told from others.
pub struct Tag {
    /// PEP 488's: `overlay`, `overlay1`, `overlay2`, `overlaybodies`, ...
    pub optimization: String,
    /// What stands between a module's stem and the end of its cache file's name.
    pub cache_suffix: OsString,
}

impl Tag {
    fn new(level: Level, optimize: u8, cache_tag: &str) -> Self {
        let optimization = match optimize {
            0 => level.tag().to_owned(),
            optimize => format!("{}{optimize}", level.tag()),
        };
        Self { cache_suffix: format!(".{cache_tag}.opt-{optimization}.pyc").into(), optimization }
    }
}

static HANDLES: PyOnceLock<Handles> = PyOnceLock::new();

pub fn get(py: Python<'_>) -> PyResult<&Handles> {
    HANDLES.get_or_try_init(py, || Handles::find(py))
}

impl Handles {
    fn find(py: Python<'_>) -> PyResult<Self> {
        let sys = py.import("sys")?;
        // The modules behind importlib are there from the start; importing importlib itself would cost.
        let bootstrap = py.import("_frozen_importlib")?;
        let external = py.import("_frozen_importlib_external")?;
        let thread = py.import("_thread")?;
        let cache_tag: String = sys.getattr("implementation")?.getattr("cache_tag")?.extract()?;
        let flags = sys.getattr("flags")?;
        let optimize: u8 = flags.getattr("optimize")?.extract()?;
        Ok(Self {
            call_with_frames_removed: bootstrap.getattr("_call_with_frames_removed")?.unbind(),
            thread: thread.dict().unbind(),
            verbose_message: bootstrap.getattr("_verbose_message")?.unbind(),
            fix_co_filename: py.import("_imp")?.getattr("_fix_co_filename")?.unbind(),
            cache_from_source: external.getattr("cache_from_source")?.unbind(),
            exec: py.import("builtins")?.getattr("exec")?.unbind(),
            sys: sys.dict().unbind(),
            magic: external.getattr("MAGIC_NUMBER")?.extract()?,
            tags: [Level::Declared, Level::Bodies].map(|level| Tag::new(level, optimize, &cache_tag)),
            stock_suffix: match optimize {
                0 => format!(".{cache_tag}.pyc"),
                optimize => format!(".{cache_tag}.opt-{optimize}.pyc"),
            },
            cache_tag,
            version: Python::version_str().split(' ').next().unwrap_or_default().to_owned(),
            optimize,
            verbose: flags.getattr("verbose")?.extract::<i32>()? > 0,
            bootstrap: bootstrap.into_any().unbind(),
        })
    }

    /// A thread as importlib's locks know it.
    pub fn thread_ident(&self, py: Python<'_>) -> PyResult<c_ulong> {
        call::function(&self.thread.bind(py).as_any().get_item(intern!(py, "get_ident"))?, ())?.extract()
    }

    /// A lock as Python's own.
    pub fn allocate_lock<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.thread.bind(py).as_any().get_item(intern!(py, "allocate_lock"))?.call0()
    }

    /// How the cache files of the level are told from others.
    pub fn tag(&self, level: Level) -> &Tag {
        &self.tags[level as usize]
    }

    /// Says `message` under `python -v`, as importlib does; costs nothing otherwise.
    pub fn say(&self, py: Python<'_>, message: impl FnOnce() -> String) -> PyResult<()> {
        if self.verbose {
            self.verbose_message.call1(py, ("{}", message()))?;
        }
        Ok(())
    }
}
