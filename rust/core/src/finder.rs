//! The meta path finder: `PathFinder`'s answers, with our loader for source files.
//!
//! Native, so that an import costs little more and a trace of the program shows no frame of ours.

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyType};

use crate::bundle::{self, Snapshot};
use crate::capi::entry;
use crate::handles;
use crate::path_search::{Outcome, PathSearch};

/// The package whose modules do the loading and cannot be loaded by it.
const OURS: &str = "overlay_import";

/// Which modules are served: packages by name, each with its submodules.
#[derive(Default)]
struct Selection {
    include: Option<Vec<String>>,
    exclude: Vec<String>,
}

/// Stands right before `PathFinder`, finds what it finds, and gives source files our loader.
#[pyclass(frozen, module = "overlay_import._core")]
pub struct OverlayFinder {
    path_finder: Py<PyAny>,
    plain_loader: Py<PyType>,
    loader: Py<PyType>,
    selection: Mutex<Selection>,
    search: PathSearch,
}

#[pymethods]
impl OverlayFinder {
    #[new]
    fn new(path_finder: Bound<'_, PyAny>, plain_loader: Py<PyType>, loader: Py<PyType>) -> PyResult<Self> {
        let search = PathSearch::new(&path_finder, loader.bind(path_finder.py()).as_any())?;
        Ok(Self { path_finder: path_finder.unbind(), plain_loader, loader, selection: Mutex::default(), search })
    }

    /// Serves the packages of `include` (all where it is `None`) but for those of `exclude`.
    fn select(&self, include: Option<Vec<String>>, exclude: Vec<String>) {
        *self.selection.lock() = Selection { include, exclude };
    }

    /// Answers from the bundle in this file from now on; `None` takes the bundle away. Gives why it cannot be used.
    fn use_bundle(&self, py: Python<'_>, path: Option<Bound<'_, PyString>>) -> PyResult<Option<String>> {
        let Some(path) = path else { return bundle::replace(py, None).map(|()| None) };
        let Ok(path) = path.to_str() else {
            bundle::replace(py, None)?;
            return Ok(Some("its path is not valid UTF-8".to_owned()));
        };
        match Snapshot::open(py, handles::get(py)?, path) {
            Ok(snapshot) => {
                bundle::replace(py, Some(snapshot))?;
                Ok(None)
            }
            Err(reason) => {
                bundle::replace(py, None)?;
                Ok(Some(reason))
            }
        }
    }

    /// The spec of `PathFinder`, where that is in use; the loader of a selected source file is ours.
    #[pyo3(signature = (fullname, path=None, target=None))]
    fn find_spec<'py>(
        &self,
        fullname: &Bound<'py, PyString>,
        path: Option<Bound<'py, PyAny>>,
        target: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        entry::caught(|| self.find(fullname, path, target))
    }
}

impl OverlayFinder {
    fn find<'py>(
        &self,
        fullname: &Bound<'py, PyString>,
        path: Option<Bound<'py, PyAny>>,
        target: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = fullname.py();
        if !self.path_finder_is_used(py)? {
            return Ok(None);
        }
        let handles = handles::get(py)?;
        let finder = self.path_finder.bind(py);
        match self.search.find(handles, fullname, path.as_ref())? {
            Outcome::Found(place) => {
                let is_ours = place.loader_class.is(&self.plain_loader) && self.selects(fullname)?;
                let class = if is_ours { self.loader.bind(py).clone().into_any() } else { place.loader_class.clone() };
                return self.search.spec(handles, fullname, place, &class).map(Some);
            }
            Outcome::Missing => return Ok(None),
            Outcome::Unsure => {}
        }
        let spec = finder.call_method1(intern!(py, "find_spec"), (fullname, path, target))?;
        if spec.is_none() {
            return Ok(None);
        }
        let loader = spec.getattr(intern!(py, "loader"))?;
        if loader.get_type().is(&self.plain_loader) && self.selects(fullname)? {
            loader.setattr(intern!(py, "__class__"), &self.loader)?;
        }
        Ok(Some(spec))
    }

    /// A program that takes `PathFinder` away wants nothing found on the path.
    fn path_finder_is_used(&self, py: Python<'_>) -> PyResult<bool> {
        let meta_path = handles::get(py)?.sys.bind(py).get_item(intern!(py, "meta_path"))?;
        let finders = meta_path.map(Bound::cast_into::<PyList>);
        Ok(matches!(finders, Some(Ok(finders)) if finders.iter().any(|finder| finder.is(&self.path_finder))))
    }

    fn selects(&self, fullname: &Bound<'_, PyString>) -> PyResult<bool> {
        let Ok(name) = fullname.to_str() else { return Ok(false) };
        let selection = self.selection.lock();
        let any = |packages: &[String]| packages.iter().any(|package| is_within(name, package));
        let included = selection.include.as_deref().is_none_or(any);
        Ok(included && !any(&selection.exclude) && !is_within(name, OURS))
    }
}

fn is_within(name: &str, package: &str) -> bool {
    name.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
