//! The function bodies of one module: what its placeholders get their code from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use overlay_file::{FileError, Image, Kind};
use parking_lot::Mutex;
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyString, PyTuple};

use crate::capi::{code, placeholder};
use crate::payloads::Payloads;
use crate::recording::{Watch, What};
use crate::state::Origin;
use crate::{errors, importing, learning};

/// Where a module's bodies come from. Its placeholders hold it, so it lives as long as there is a body to load.
#[pyclass(frozen, module = "overlay_import._core")]
pub struct Bodies {
    home: Arc<Home>,
    /// Bodies loaded while modules are imported; `None` where nobody wants to know.
    learned: Mutex<Option<Vec<u32>>>,
}

/// The module of the bodies and its file, and what is loaded of it.
pub struct Home {
    /// The address of the module's dict.
    dict: usize,
    payloads: Payloads,
    pub name: Py<PyAny>,
    pub source_path: Py<PyAny>,
    pub cache_path: Py<PyAny>,
    pub origin: Origin,
    loaded: AtomicU32,
    bytes_loaded: AtomicU64,
    /// Whether bodies have been read in the import that is going on.
    pub is_read: AtomicBool,
}

/// How many bodies there are, and their bytes in the file.
#[derive(Default)]
pub struct Sizes {
    pub loaded: u32,
    pub pending: u32,
    pub bytes_loaded: u64,
    pub bytes_pending: u64,
}

/// The homes of modules that have bodies to load, by their dicts: for `status`.
static REGISTRY: LazyLock<Mutex<HashMap<usize, Weak<Home>>>> = LazyLock::new(Mutex::default);

impl Home {
    pub fn new(
        dict: &Bound<'_, PyDict>,
        payloads: Payloads,
        name: &Bound<'_, PyAny>,
        source_path: &Bound<'_, PyAny>,
        cache_path: &Bound<'_, PyAny>,
        origin: Origin,
    ) -> Arc<Self> {
        let home = Arc::new(Self {
            dict: dict.as_ptr() as usize,
            payloads,
            name: name.clone().unbind(),
            source_path: source_path.clone().unbind(),
            cache_path: cache_path.clone().unbind(),
            origin,
            loaded: AtomicU32::new(0),
            bytes_loaded: AtomicU64::new(0),
            is_read: AtomicBool::new(false),
        });
        let before = REGISTRY.lock().insert(home.dict, Arc::downgrade(&home));
        drop(before);
        home
    }

    /// The home of the module with this dict, where there is a body to load.
    pub fn of(dict: &Bound<'_, PyDict>) -> Option<Arc<Self>> {
        REGISTRY.lock().get(&(dict.as_ptr() as usize))?.upgrade()
    }

    /// The module's overlay file.
    pub fn image(&self) -> Result<&Arc<Image>, FileError> {
        self.payloads.image()
    }

    /// Gives back memory that reading has taken.
    pub fn release(&self) {
        self.payloads.release();
    }

    /// Counts a body that has been loaded; gives its bytes in the file.
    fn note(&self, body: u32) -> u64 {
        let bytes = self.image().ok().and_then(|image| image.entry(body)).map_or(0, |entry| entry.length);
        self.loaded.fetch_add(1, Ordering::Relaxed);
        self.bytes_loaded.fetch_add(bytes, Ordering::Relaxed);
        bytes
    }

    pub fn sizes(&self) -> Sizes {
        let Ok(image) = self.image() else { return Sizes::default() };
        let entries = (1..image.len()).filter_map(|number| image.entry(number));
        let lengths: Vec<u64> =
            entries.filter(|entry| entry.kind == Some(Kind::Body)).map(|entry| entry.length).collect();
        // A body may be loaded more than once, for functions that come and go.
        let loaded = self.loaded.load(Ordering::Relaxed).min(lengths.len() as u32);
        let bytes: u64 = lengths.iter().sum();
        let bytes_loaded = self.bytes_loaded.load(Ordering::Relaxed).min(bytes);
        Sizes { loaded, pending: lengths.len() as u32 - loaded, bytes_loaded, bytes_pending: bytes - bytes_loaded }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let mut registry = REGISTRY.lock();
        if registry.get(&self.dict).is_some_and(|home| home.strong_count() == 0) {
            registry.remove(&self.dict);
        }
    }
}

impl Bodies {
    pub fn new(py: Python<'_>, home: Arc<Home>, learn: bool) -> PyResult<Bound<'_, Self>> {
        Bound::new(py, Self { home, learned: Mutex::new(learn.then(Vec::new)) })
    }

    /// The code of a placeholder, which is one of ours, and whether it is new: functions that share a placeholder share
    /// their code.
    pub fn code_of<'py>(placeholder: &Bound<'py, PyCode>) -> PyResult<(Bound<'py, PyCode>, bool)> {
        if let Some(code) = placeholder::shared(placeholder) {
            return Ok((code, false));
        }
        let loading = Watch::start_for_caller(placeholder.py());
        let (bodies, number) = placeholder::body(placeholder)?;
        let code = bodies.get().read(placeholder.py(), number)?;
        // Another thread may have been as far.
        if let Some(code) = placeholder::shared(placeholder) {
            return Ok((code, false));
        }
        placeholder::share(placeholder, &bodies, &code)?;
        let bytes = bodies.get().home.note(number);
        loading.stop(What::Body, bodies.get().source_path(placeholder.py()), Some(&code), bytes);
        if let Some(learned) = bodies.get().learned.lock().as_mut().filter(|_| learning::is_of_interest()) {
            learned.push(number);
        }
        Ok((code, true))
    }

    fn read<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyCode>> {
        let home = &self.home;
        let payload = home.image().and_then(|image| image.payload(number)).map_err(|error| {
            importing::discard_bad_file(home.cache_path.bind(py), number);
            errors::unreadable(py, home.name.bind(py), &home.cache_path, &error)
        })?;
        learning::has_read(home);
        let code = code::unmarshal(py, &payload)?.cast_into::<PyCode>()?;
        placeholder::set_filename(&code, home.source_path.bind(py));
        Ok(code)
    }

    /// The module's source file.
    pub fn source_path<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.home.source_path.bind(py)
    }

    /// The bodies loaded so far.
    pub fn learned(&self) -> Vec<u32> {
        self.learned.lock().clone().unwrap_or_default()
    }

    /// The bodies loaded up to now; those loaded later are of no interest.
    pub fn stop_learning(&self) -> Vec<u32> {
        self.learned.lock().take().unwrap_or_default()
    }
}

/// Whether a file has function bodies: they come last.
pub fn any(image: &Image) -> bool {
    image.entry(image.len() - 1).is_some_and(|entry| entry.kind == Some(Kind::Body))
}

/// Puts a placeholder, or the real code where `eager` says so, in the place of each marker in the core's constants.
pub fn fill<'py>(core: &Bound<'py, PyCode>, bodies: &Bound<'py, Bodies>, eager: bool) -> PyResult<()> {
    let py = core.py();
    let names = placeholder::names_of(bodies)?;
    let filename = bodies.get().source_path(py);
    let mut scopes = vec![core.clone()];
    while let Some(scope) = scopes.pop() {
        let consts = placeholder::consts(&scope);
        for place in 0..consts.len() {
            let value = consts.get_borrowed_item(place)?;
            if let Ok(inner) = value.cast_exact::<PyCode>() {
                scopes.push(inner.to_owned());
            } else if let Some(marker) = Marker::of(&value) {
                let code = match eager {
                    true => bodies.get().read(py, marker.body)?.into_any(),
                    false => placeholder::make(&placeholder::Face {
                        name: &marker.name,
                        qualname: &marker.qualname,
                        consts: marker.consts.as_ref(),
                        filename,
                        bodies: &names,
                        body: marker.body,
                    })?,
                };
                placeholder::set_const(&consts, place, code);
            }
        }
    }
    Ok(())
}

/// The functions that hollow code makes: their qualified names, and the numbers of their bodies.
pub fn functions<'py>(core: &Bound<'py, PyCode>) -> PyResult<Vec<(Bound<'py, PyString>, Option<u32>)>> {
    let mut functions = Vec::new();
    let mut scopes = vec![core.clone()];
    while let Some(scope) = scopes.pop() {
        for value in placeholder::consts(&scope) {
            if let Some(marker) = Marker::of(&value) {
                functions.push((marker.qualname, Some(marker.body)));
            } else if let Ok(inner) = value.cast_into_exact::<PyCode>() {
                match placeholder::runs_at_once(&inner) {
                    true => scopes.push(inner),
                    false => functions.push((inner.getattr("co_qualname")?.cast_into()?, None)),
                }
            }
        }
    }
    Ok(functions)
}

/// What stands among the constants of the core for a function's code: see `overlay_file::marshal::hollow`.
struct Marker<'py> {
    body: u32,
    name: Bound<'py, PyString>,
    qualname: Bound<'py, PyString>,
    /// The marker itself, where it begins with a docstring.
    consts: Option<Bound<'py, PyTuple>>,
}

impl<'py> Marker<'py> {
    fn of(value: &Bound<'py, PyAny>) -> Option<Self> {
        let fields = value.cast_exact::<PyTuple>().ok()?;
        if fields.len() != 5 || !fields.get_borrowed_item(1).ok()?.is(value.py().get_type::<PyStopIteration>()) {
            return None;
        }
        Some(Self {
            body: fields.get_borrowed_item(2).ok()?.extract().ok()?,
            name: fields.get_item(3).ok()?.cast_into().ok()?,
            qualname: fields.get_item(4).ok()?.cast_into().ok()?,
            consts: Some(fields).filter(|fields| fields.get_borrowed_item(0).is_ok_and(|doc| !doc.is_none())).cloned(),
        })
    }
}
