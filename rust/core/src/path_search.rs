//! What `PathFinder` and the `FileFinder`s do to find a module, without running their Python code.
//!
//! Whatever is out of the ordinary (an entry without a finder, one of another kind, a folder that has changed, a
//! namespace package, a class that somebody has patched) is left to them.

use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple};

use crate::bundle::{self, Answer};
use crate::handles::Handles;

/// The parts of importlib that are stood in for, as they are when the interpreter starts.
pub struct PathSearch {
    file_finder: Py<PyAny>,
    /// The functions behind `PathFinder.find_spec` and `FileFinder.find_spec`.
    originals: [Py<PyAny>; 2],
    module_spec: Py<PyAny>,
    source_loader: Py<PyAny>,
    /// `importlib.machinery.SOURCE_SUFFIXES`, to which a program may add.
    source_suffixes: Py<PyList>,
    /// What is in `sys.path_hooks` when the interpreter starts; nothing where that is not known.
    path_hooks: Vec<Py<PyAny>>,
    /// Whether paths are what Rust takes them for.
    is_utf8: bool,
}

/// Where a module is.
pub struct Place<'py> {
    pub loader_class: Bound<'py, PyAny>,
    location: Bound<'py, PyString>,
    /// The folder of a package.
    package: Option<Bound<'py, PyString>>,
}

pub enum Outcome<'py> {
    Found(Place<'py>),
    Missing,
    /// Ask importlib.
    Unsure,
}

impl PathSearch {
    pub fn new(path_finder: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = path_finder.py();
        let external = py.import("_frozen_importlib_external")?;
        let file_finder = external.getattr("FileFinder")?;
        let encoding: String = py.import("sys")?.call_method0("getfilesystemencoding")?.extract()?;
        let of_path_finder = path_finder.getattr("find_spec")?.getattr("__func__")?.unbind();
        Ok(Self {
            originals: [of_path_finder, file_finder.getattr("find_spec")?.unbind()],
            file_finder: file_finder.unbind(),
            source_loader: external.getattr("SourceFileLoader")?.unbind(),
            source_suffixes: external.getattr("SOURCE_SUFFIXES")?.cast_into::<PyList>()?.unbind(),
            path_hooks: first_path_hooks(py)?,
            module_spec: py.import("_frozen_importlib")?.getattr("ModuleSpec")?.unbind(),
            is_utf8: cfg!(target_os = "linux") && encoding == "utf-8",
        })
    }

    /// Looks for `fullname` in the folders of `path`, or of `sys.path`.
    pub fn find<'py>(
        &self,
        handles: &Handles,
        path_finder: &Bound<'py, PyAny>,
        fullname: &Bound<'py, PyString>,
        path: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Outcome<'py>> {
        let py = fullname.py();
        let sys = handles.sys.bind(py);
        let path = match path {
            Some(path) if !path.is_none() => Some(path.clone()),
            _ => sys.get_item(intern!(py, "path"))?,
        };
        let (Some(Ok(path)), Some(Ok(finders))) = (
            path.map(Bound::cast_into_exact::<PyList>),
            sys.get_item(intern!(py, "path_importer_cache"))?.map(Bound::cast_into_exact::<PyDict>),
        ) else {
            return Ok(Outcome::Unsure);
        };
        if !self.is_utf8 || handles.verbose || !self.is_original(path_finder, 0)? {
            return Ok(Outcome::Unsure);
        }
        let Ok(name) = fullname.to_str() else { return Ok(Outcome::Unsure) };
        let tail = name.rsplit_once('.').map_or(name, |(_, tail)| tail);
        let bundle = match bundle::in_use() {
            Some(bundle) if self.finds_sources(sys)? => Some(bundle),
            _ => None,
        };
        for entry in &path {
            let Some(entry) = folder_of(&entry) else { return Ok(Outcome::Unsure) };
            let finder = finders.get_item(&entry)?;
            if let Some(bundle) = bundle.as_ref().filter(|_| self.would_be_asked(finder.as_ref())) {
                match bundle.look(entry.to_str()?, tail) {
                    Answer::Module { location, package } => return Ok(self.bundled(py, &location, package.as_deref())),
                    Answer::Nothing => continue,
                    Answer::Unknown => {}
                }
            }
            let Some(finder) = finder else { return Ok(Outcome::Unsure) };
            if finder.is_none() {
                continue;
            }
            match self.find_in(&finder, tail)? {
                Outcome::Missing => {}
                outcome => return Ok(outcome),
            }
        }
        Ok(Outcome::Missing)
    }

    /// Whether folders are searched by `FileFinder`s, which take files that end in `.py`, and no others, for sources.
    fn finds_sources(&self, sys: &Bound<'_, PyDict>) -> PyResult<bool> {
        let py = sys.py();
        let Some(Ok(hooks)) = sys.get_item(intern!(py, "path_hooks"))?.map(Bound::cast_into_exact::<PyList>) else {
            return Ok(false);
        };
        let are_first = hooks.len() == self.path_hooks.len() && hooks.iter().zip(&self.path_hooks).all(|(a, b)| a.is(b));
        Ok(are_first && !self.path_hooks.is_empty() && self.source_suffixes.bind(py).len() == 1)
    }

    /// Whether a folder is searched by a `FileFinder` as it comes: by this one, or one that is yet to be made.
    fn would_be_asked(&self, finder: Option<&Bound<'_, PyAny>>) -> bool {
        finder.is_none_or(|finder| {
            finder.get_type().is(&self.file_finder)
                && self.is_original(finder, 1).unwrap_or(false)
                && self.takes_sources(finder).unwrap_or(false)
        })
    }

    /// Whether a `FileFinder` has the loaders that it comes with.
    fn takes_sources(&self, finder: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = finder.py();
        let loaders = finder.getattr(intern!(py, "_loaders"))?.cast_into_exact::<PyList>()?;
        let loaders = Loader::all(&loaders)?;
        let mut sources = loaders.iter().filter(|loader| !is_compiled(loader));
        let only = (sources.next(), sources.next());
        Ok(matches!(only, (Some(only), None) if only.class.is(&self.source_loader) && only.suffix == ".py"))
    }

    /// The place of a module in a bundle.
    fn bundled<'py>(&self, py: Python<'py>, location: &str, package: Option<&str>) -> Outcome<'py> {
        Outcome::Found(Place {
            loader_class: self.source_loader.bind(py).clone(),
            location: PyString::new(py, location),
            package: package.map(|package| PyString::new(py, package)),
        })
    }

    /// Whether `finder.find_spec` is the function that importlib has for it.
    fn is_original(&self, finder: &Bound<'_, PyAny>, which: usize) -> PyResult<bool> {
        let py = finder.py();
        let method = finder.getattr(intern!(py, "find_spec"))?;
        Ok(method.getattr_opt(intern!(py, "__func__"))?.is_some_and(|function| function.is(&self.originals[which])))
    }

    /// What `FileFinder.find_spec` does.
    fn find_in<'py>(&self, finder: &Bound<'py, PyAny>, tail: &str) -> PyResult<Outcome<'py>> {
        let py = finder.py();
        if !finder.get_type().is(&self.file_finder) || !self.is_original(finder, 1)? {
            return Ok(Outcome::Unsure);
        }
        let (path, cache, loaders) = (
            finder.getattr(intern!(py, "path"))?.cast_into_exact::<PyString>(),
            finder.getattr(intern!(py, "_path_cache"))?.cast_into_exact::<PySet>(),
            finder.getattr(intern!(py, "_loaders"))?.cast_into_exact::<PyList>(),
        );
        let (Ok(path), Ok(cache), Ok(loaders)) = (path, cache, loaders) else { return Ok(Outcome::Unsure) };
        let Some(folder) = path.to_str().ok().filter(|path| path.starts_with('/') && !path.contains('\0')) else {
            return Ok(Outcome::Unsure);
        };
        let seen: f64 = finder.getattr(intern!(py, "_path_mtime"))?.extract()?;
        if !fs::metadata(folder).is_ok_and(|metadata| mtime(&metadata) == seen) {
            return Ok(Outcome::Unsure);
        }
        let base = format!("{}/{tail}", folder.trim_end_matches('/'));
        let loaders = Loader::all(&loaders)?;
        if cache.contains(tail)? {
            for loader in &loaders {
                let location = format!("{base}/__init__{}", loader.suffix.to_str()?);
                if is_file(&location) {
                    return Ok(loader.place(&location, Some(&base)));
                }
            }
            if fs::metadata(&base).is_ok_and(|metadata| metadata.is_dir()) {
                return Ok(Outcome::Unsure);
            }
        }
        for loader in &loaders {
            let suffix = loader.suffix.to_str()?;
            if cache.contains(format!("{tail}{suffix}"))? {
                let location = format!("{base}{suffix}");
                if is_file(&location) {
                    return Ok(loader.place(&location, None));
                }
            }
        }
        Ok(Outcome::Missing)
    }

    /// What `spec_from_file_location` makes of the place of the module.
    pub fn spec<'py>(
        &self,
        handles: &Handles,
        fullname: &Bound<'py, PyString>,
        place: Place<'py>,
        loader_class: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = fullname.py();
        let loader = loader_class.call1((fullname, &place.location))?;
        let options = PyDict::new(py);
        options.set_item(intern!(py, "origin"), &place.location)?;
        let spec = self.module_spec.bind(py).call((fullname, loader), Some(&options))?;
        spec.setattr(intern!(py, "_set_fileattr"), true)?;
        if let Some(package) = place.package {
            spec.setattr(intern!(py, "submodule_search_locations"), PyList::new(py, [package])?)?;
        }
        if let Some(cached) = stock_cache(handles, py, place.location.to_str()?)? {
            spec.setattr(intern!(py, "_cached"), cached)?;
        }
        Ok(spec)
    }
}

/// An entry of `FileFinder._loaders`.
struct Loader<'py> {
    suffix: Bound<'py, PyString>,
    class: Bound<'py, PyAny>,
}

impl<'py> Loader<'py> {
    fn all(loaders: &Bound<'py, PyList>) -> PyResult<Vec<Self>> {
        let loader = |pair: Bound<'py, PyAny>| {
            let pair = pair.cast_into::<PyTuple>()?;
            Ok(Self { suffix: pair.get_item(0)?.cast_into()?, class: pair.get_item(1)? })
        };
        loaders.iter().map(loader).collect()
    }

    fn place(&self, location: &str, package: Option<&str>) -> Outcome<'py> {
        let py = self.class.py();
        Outcome::Found(Place {
            loader_class: self.class.clone(),
            location: PyString::new(py, location),
            package: package.map(|package| PyString::new(py, package)),
        })
    }
}

/// The `cached` of a spec, which importlib would work out as soon as the module is made (up to CPython 3.14).
fn stock_cache(handles: &Handles, py: Python<'_>, location: &str) -> PyResult<Option<String>> {
    let prefix = handles.sys.bind(py).get_item(intern!(py, "pycache_prefix"))?;
    if cfg!(Py_3_15) || prefix.is_some_and(|prefix| !prefix.is_none()) {
        return Ok(None);
    }
    let parts = location.strip_suffix(".py").and_then(|stem| stem.rsplit_once('/'));
    let parts = parts.filter(|(folder, stem)| !folder.is_empty() && !stem.is_empty());
    Ok(parts.map(|(folder, stem)| format!("{folder}/__pycache__/{stem}{}", handles.stock_suffix)))
}

/// Whether these are an extension module's files, or a compiled module's: the folder of a bundled one has none of them.
fn is_compiled(loader: &Loader<'_>) -> bool {
    loader.suffix.to_str().is_ok_and(|suffix| suffix.ends_with(".so") || suffix == ".pyc")
}

/// What is in `sys.path_hooks`, where that is the zip importer and the hook that makes `FileFinder`s.
fn first_path_hooks(py: Python<'_>) -> PyResult<Vec<Py<PyAny>>> {
    let hooks = py.import("sys")?.getattr("path_hooks")?.cast_into::<PyList>()?;
    let names: Vec<Option<String>> =
        hooks.iter().map(|hook| hook.getattr("__qualname__").and_then(|name| name.extract()).ok()).collect();
    let names: Vec<&str> = names.iter().map(|name| name.as_deref().unwrap_or_default()).collect();
    match names.as_slice() {
        ["zipimporter", "FileFinder.path_hook.<locals>.path_hook_for_FileFinder"] => {
            Ok(hooks.iter().map(Bound::unbind).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// The folder that an entry of `sys.path` stands for.
fn folder_of<'py>(entry: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
    let entry = entry.cast_exact::<PyString>().ok()?;
    if entry.len().ok()? > 0 {
        return Some(entry.clone());
    }
    Some(PyString::new(entry.py(), env::current_dir().ok()?.to_str()?))
}

fn is_file(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// `os.stat(path).st_mtime`.
fn mtime(metadata: &Metadata) -> f64 {
    metadata.mtime() as f64 + 1e-9 * metadata.mtime_nsec() as f64
}
