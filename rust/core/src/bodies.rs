//! The function bodies of one module: what its placeholders get their code from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};

use overlay_file::{Image, Kind};
use parking_lot::Mutex;
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PyString, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::capi::{code, placeholder};
use crate::state::Origin;
use crate::{errors, importing};

/// Where a module's bodies are, and which of them are loaded. Its placeholders hold it, so it lives as long as there is
/// a body to load.
#[pyclass(frozen, module = "overlay_import._core")]
pub struct Bodies {
    image: Arc<Image>,
    name: Py<PyAny>,
    source_path: Py<PyAny>,
    cache_path: Py<PyAny>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The code of placeholders that more than one function may have.
    shared: HashMap<u32, Py<PyWeakrefReference>>,
    /// Bodies loaded while the module itself is executed; `None` where nobody wants to know.
    learned: Option<Vec<u32>>,
    /// The module's entry in the registry.
    summary: Option<Arc<Summary>>,
}

/// What `status` says of the bodies of a living module.
pub struct Summary {
    dict: usize,
    pub image: Arc<Image>,
    pub source_path: Py<PyAny>,
    pub cache_path: Py<PyAny>,
    pub origin: Origin,
    loaded: AtomicU32,
    bytes_loaded: AtomicU64,
}

/// How many bodies there are, and their bytes in the file.
#[derive(Default)]
pub struct Sizes {
    pub loaded: u32,
    pub pending: u32,
    pub bytes_loaded: u64,
    pub bytes_pending: u64,
}

impl Summary {
    fn note(&self, body: u32) {
        self.loaded.fetch_add(1, Ordering::Relaxed);
        self.bytes_loaded.fetch_add(self.image.entry(body).map_or(0, |entry| entry.length), Ordering::Relaxed);
    }

    pub fn sizes(&self) -> Sizes {
        let entries = (1..self.image.len()).filter_map(|number| self.image.entry(number));
        let lengths: Vec<u64> =
            entries.filter(|entry| entry.kind == Some(Kind::Body)).map(|entry| entry.length).collect();
        // A body may be loaded more than once, for functions that come and go.
        let loaded = self.loaded.load(Ordering::Relaxed).min(lengths.len() as u32);
        let bytes: u64 = lengths.iter().sum();
        let bytes_loaded = self.bytes_loaded.load(Ordering::Relaxed).min(bytes);
        Sizes { loaded, pending: lengths.len() as u32 - loaded, bytes_loaded, bytes_pending: bytes - bytes_loaded }
    }
}

impl Drop for Summary {
    fn drop(&mut self) {
        let mut registry = REGISTRY.lock();
        if registry.get(&self.dict).is_some_and(|summary| summary.strong_count() == 0) {
            registry.remove(&self.dict);
        }
    }
}

/// The summaries of modules that have bodies to load, by their dicts.
static REGISTRY: LazyLock<Mutex<HashMap<usize, Weak<Summary>>>> = LazyLock::new(Mutex::default);

/// The summary of the module with this dict, where there is a body to load.
pub fn summary_of(dict: &Bound<'_, PyDict>) -> Option<Arc<Summary>> {
    REGISTRY.lock().get(&(dict.as_ptr() as usize))?.upgrade()
}

impl Bodies {
    pub fn new<'py>(
        image: Arc<Image>,
        name: &Bound<'py, PyAny>,
        source_path: &Bound<'py, PyAny>,
        cache_path: &Bound<'py, PyAny>,
        learn: bool,
    ) -> PyResult<Bound<'py, Self>> {
        let progress = Progress { learned: learn.then(Vec::new), ..Progress::default() };
        Bound::new(
            name.py(),
            Self {
                image,
                name: name.clone().unbind(),
                source_path: source_path.clone().unbind(),
                cache_path: cache_path.clone().unbind(),
                progress: Mutex::new(progress),
            },
        )
    }

    /// The code of the body `number`, and whether it is new: where it `may_be_shared`, all who ask get one.
    pub fn code<'py>(slf: &Bound<'py, Self>, number: u32, may_be_shared: bool) -> PyResult<(Bound<'py, PyCode>, bool)> {
        let (py, bodies) = (slf.py(), slf.get());
        if let Some(code) = bodies.shared(py, number).filter(|_| may_be_shared) {
            return Ok((code, false));
        }
        let code = bodies.read(py, number)?;
        if may_be_shared {
            // Another thread may have been as far.
            if let Some(code) = bodies.shared(py, number) {
                return Ok((code, false));
            }
            let weak = PyWeakrefReference::new(&code)?.unbind();
            let before = bodies.progress.lock().shared.insert(number, weak);
            drop(before);
        }
        let mut progress = bodies.progress.lock();
        if let Some(summary) = &progress.summary {
            summary.note(number);
        }
        if let Some(learned) = &mut progress.learned {
            learned.push(number);
        }
        Ok((code, true))
    }

    fn shared<'py>(&self, py: Python<'py>, number: u32) -> Option<Bound<'py, PyCode>> {
        let weak = self.progress.lock().shared.get(&number)?.clone_ref(py);
        weak.bind(py).upgrade()?.cast_into().ok()
    }

    fn read<'py>(&self, py: Python<'py>, number: u32) -> PyResult<Bound<'py, PyCode>> {
        let payload = self.image.payload(number).map_err(|error| {
            importing::discard_bad_file(self.cache_path.bind(py), number);
            errors::corrupt(py, self.name.bind(py), &self.cache_path, &error)
        })?;
        let code = code::unmarshal(py, &payload)?.cast_into::<PyCode>()?;
        placeholder::set_filename(&code, self.source_path.bind(py));
        Ok(code)
    }

    /// The module has been executed: the bodies that it needed for that.
    pub fn stop_learning(&self) -> Vec<u32> {
        self.progress.lock().learned.take().unwrap_or_default()
    }

    /// Lets `status` find what is loaded of the module with this dict.
    pub fn register(&self, dict: &Bound<'_, PyDict>, origin: Origin) {
        let py = dict.py();
        let dict = dict.as_ptr() as usize;
        let summary = Arc::new(Summary {
            dict,
            image: Arc::clone(&self.image),
            source_path: self.source_path.clone_ref(py),
            cache_path: self.cache_path.clone_ref(py),
            origin,
            loaded: AtomicU32::new(0),
            bytes_loaded: AtomicU64::new(0),
        });
        let before = REGISTRY.lock().insert(dict, Arc::downgrade(&summary));
        drop(before);
        self.progress.lock().summary = Some(summary);
    }
}

/// Whether a file has function bodies: they come last.
pub fn any(image: &Image) -> bool {
    image.entry(image.len() - 1).is_some_and(|entry| entry.kind == Some(Kind::Body))
}

/// Puts a placeholder, or the real code where `eager` says so, in the place of each marker in the core's constants.
pub fn fill<'py>(core: &Bound<'py, PyCode>, bodies: &Bound<'py, Bodies>, eager: bool) -> PyResult<()> {
    let py = core.py();
    let names = PyTuple::new(py, [bodies])?;
    let filename = bodies.get().source_path.bind(py);
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
                        doc: &marker.doc,
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
    doc: Bound<'py, PyAny>,
}

impl<'py> Marker<'py> {
    fn of(value: &Bound<'py, PyAny>) -> Option<Self> {
        let fields = value.cast_exact::<PyTuple>().ok()?;
        if fields.len() != 5 || !fields.get_borrowed_item(0).ok()?.is(value.py().get_type::<PyStopIteration>()) {
            return None;
        }
        Some(Self {
            body: fields.get_borrowed_item(1).ok()?.extract().ok()?,
            name: fields.get_item(2).ok()?.cast_into().ok()?,
            qualname: fields.get_item(3).ok()?.cast_into().ok()?,
            doc: fields.get_item(4).ok()?,
        })
    }
}
