//! What `PathFinder` and the `FileFinder`s do to find a module, without running their Python code.
//!
//! Whatever is out of the ordinary (an entry without a finder, one of another kind, a folder that has changed, a
//! namespace package, a class that somebody has patched) is left to them.

use std::env;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PySet, PyString, PyTuple, PyType};

use crate::bundle::{self, Answer, Snapshot};
use crate::capi::class::{self, Watched};
use crate::handles::Handles;

/// The parts of importlib that are stood in for, as they are when the interpreter starts.
pub struct PathSearch {
    path_finder: Watched,
    file_finder: Watched,
    module_spec: Watched,
    extension_loader: Py<PyType>,
    /// Of all source files, and ours.
    source_loaders: [Watched; 2],
    /// Suffixes and loaders of the `FileFinder`s that are made now, as in `FileFinder._loaders`.
    known_loaders: PyOnceLock<Vec<[Py<PyAny>; 2]>>,
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
    /// `loader` is ours, for source files.
    pub fn new(path_finder: &Bound<'_, PyAny>, loader: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = path_finder.py();
        let external = py.import("_frozen_importlib_external")?;
        let encoding: String = py.import("sys")?.call_method0("getfilesystemencoding")?.extract()?;
        Ok(Self {
            path_finder: Watched::new(path_finder.clone())?,
            file_finder: Watched::new(external.getattr("FileFinder")?)?,
            source_loaders: [Watched::new(external.getattr("SourceFileLoader")?)?, Watched::new(loader.clone())?],
            extension_loader: external.getattr("ExtensionFileLoader")?.cast_into()?.unbind(),
            known_loaders: PyOnceLock::new(),
            source_suffixes: external.getattr("SOURCE_SUFFIXES")?.cast_into::<PyList>()?.unbind(),
            path_hooks: first_path_hooks(py)?,
            module_spec: Watched::new(py.import("_frozen_importlib")?.getattr("ModuleSpec")?)?,
            is_utf8: cfg!(target_os = "linux") && encoding == "utf-8",
        })
    }

    /// Looks for `fullname` in the folders of `path`, or of `sys.path`.
    pub fn find<'py>(
        &self,
        handles: &Handles,
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
        if !self.is_utf8 || handles.verbose || !self.path_finder.is_unchanged(py) {
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
            let mut finder = finders.get_item(&entry)?;
            if let Some(bundle) = &bundle {
                match self.ask(bundle, &entry, finder.as_ref(), tail)? {
                    Answer::Unknown => {}
                    answer => {
                        if finder.is_none() {
                            finder = self.make_finder(&entry, &finders);
                        }
                        match answer {
                            // The path hook does not take the folder, so nobody would search it.
                            _ if finder.is_none() => {}
                            Answer::Module { location, package, is_extension } => {
                                let class =
                                    if is_extension { &self.extension_loader } else { &self.source_loaders[0].class };
                                return Ok(place(class.bind(py).as_any(), &location, package.as_deref()));
                            }
                            _ => continue,
                        }
                    }
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
        let are_first =
            hooks.len() == self.path_hooks.len() && hooks.iter().zip(&self.path_hooks).all(|(a, b)| a.is(b));
        Ok(are_first && !self.path_hooks.is_empty() && self.source_suffixes.bind(py).len() == 1)
    }

    /// What the bundle has in a folder, where a `FileFinder` as it comes would search that: this one, or one yet to be
    /// made.
    fn ask(
        &self,
        bundle: &Snapshot,
        entry: &Bound<'_, PyString>,
        finder: Option<&Bound<'_, PyAny>>,
        tail: &str,
    ) -> PyResult<Answer> {
        let Ok(folder) = entry.to_str() else { return Ok(Answer::Unknown) };
        let is_usual = match finder {
            Some(finder) => self.is_usual(finder, entry)?,
            None => self.file_finder.is_unchanged(entry.py()),
        };
        Ok(if is_usual { bundle.look(folder, tail) } else { Answer::Unknown })
    }

    /// The finder for a folder, put where importlib keeps them: a program finds the same there, whoever found its
    /// modules.
    fn make_finder<'py>(
        &self,
        entry: &Bound<'py, PyString>,
        finders: &Bound<'py, PyDict>,
    ) -> Option<Bound<'py, PyAny>> {
        // The zip importer, which would be asked first, takes no folders.
        let finder = self.path_hooks.last()?.bind(entry.py()).call1((entry,)).ok()?;
        finders.set_item(entry, &finder).ok()?;
        Some(finder)
    }

    /// Whether a finder is the one that importlib makes for this folder.
    fn is_usual(&self, finder: &Bound<'_, PyAny>, entry: &Bound<'_, PyString>) -> PyResult<bool> {
        let py = finder.py();
        let Some(own) = self.fields(finder)? else { return Ok(false) };
        let (Some(path), Some(Ok(loaders))) = (
            own.get_item(intern!(py, "path"))?,
            own.get_item(intern!(py, "_loaders"))?.map(Bound::cast_into_exact::<PyList>),
        ) else {
            return Ok(false);
        };
        Ok((path.is(entry) || path.eq(entry)?) && self.takes_sources(&loaders)?)
    }

    /// Whether a `FileFinder` has the loaders that it comes with.
    fn takes_sources(&self, loaders: &Bound<'_, PyList>) -> PyResult<bool> {
        let py = loaders.py();
        if self.known_loaders.get(py).is_some_and(|known| are_same(loaders, known).unwrap_or(false)) {
            return Ok(true);
        }
        let all = Loader::all(loaders)?;
        let mut sources = all.iter().filter(|loader| !is_compiled(loader));
        let only = (sources.next(), sources.next());
        let source_loader = &self.source_loaders[0].class;
        let is_usual = matches!(only, (Some(only), None) if only.class.is(source_loader) && only.suffix == ".py");
        if is_usual {
            let known = all.into_iter().map(|loader| [loader.suffix.into_any().unbind(), loader.class.unbind()]);
            let _ = self.known_loaders.set(py, known.collect());
        }
        Ok(is_usual)
    }

    /// The attributes of a `FileFinder` that does what importlib has it do.
    fn fields<'py>(&self, finder: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let py = finder.py();
        if !finder.get_type().is(&self.file_finder.class) || !self.file_finder.is_unchanged(py) {
            return Ok(None);
        }
        let own = finder.getattr(intern!(py, "__dict__"))?.cast_into_exact::<PyDict>()?;
        Ok(if own.contains(intern!(py, "find_spec"))? { None } else { Some(own) })
    }

    /// What `FileFinder.find_spec` does.
    fn find_in<'py>(&self, finder: &Bound<'py, PyAny>, tail: &str) -> PyResult<Outcome<'py>> {
        let py = finder.py();
        if self.fields(finder)?.is_none() {
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
                    return Ok(place(&loader.class, &location, Some(&base)));
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
                    return Ok(place(&loader.class, &location, None));
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
        let Place { location, package, .. } = place;
        let loader = self.loader(fullname, &location, loader_class)?;
        let cached = stock_cache(handles, py, location.to_str()?)?;
        let folders = package.map(|package| PyList::new(py, [package])).transpose()?;
        if !self.module_spec.is_unchanged(py) {
            let options = PyDict::new(py);
            options.set_item(intern!(py, "origin"), &location)?;
            let spec = self.module_spec.class.bind(py).call((fullname, loader), Some(&options))?;
            spec.setattr(intern!(py, "_set_fileattr"), true)?;
            if let Some(folders) = folders {
                spec.setattr(intern!(py, "submodule_search_locations"), folders)?;
            }
            if let Some(cached) = cached {
                spec.setattr(intern!(py, "_cached"), cached)?;
            }
            return Ok(spec);
        }
        // What `ModuleSpec.__init__` does, in the same order.
        let spec = class::blank(self.module_spec.class.bind(py))?;
        spec.setattr(intern!(py, "name"), fullname)?;
        spec.setattr(intern!(py, "loader"), loader)?;
        spec.setattr(intern!(py, "origin"), location)?;
        spec.setattr(intern!(py, "loader_state"), py.None())?;
        spec.setattr(intern!(py, "submodule_search_locations"), folders)?;
        spec.setattr(intern!(py, "_uninitialized_submodules"), PyList::empty(py))?;
        spec.setattr(intern!(py, "_set_fileattr"), true)?;
        spec.setattr(intern!(py, "_cached"), cached)?;
        Ok(spec)
    }

    /// `loader_class(fullname, location)`.
    fn loader<'py>(
        &self,
        fullname: &Bound<'py, PyString>,
        location: &Bound<'py, PyString>,
        loader_class: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = fullname.py();
        let known = self.source_loaders.iter().find(|known| loader_class.is(&known.class));
        let Some(known) = known.filter(|known| known.is_unchanged(py)) else {
            return loader_class.call1((fullname, location));
        };
        // What `FileLoader.__init__` does.
        let loader = class::blank(known.class.bind(py))?;
        loader.setattr(intern!(py, "name"), fullname)?;
        loader.setattr(intern!(py, "path"), location)?;
        Ok(loader)
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
}

fn place<'py>(loader_class: &Bound<'py, PyAny>, location: &str, package: Option<&str>) -> Outcome<'py> {
    let py = loader_class.py();
    Outcome::Found(Place {
        loader_class: loader_class.clone(),
        location: PyString::new(py, location),
        package: package.map(|package| PyString::new(py, package)),
    })
}

/// The `cached` of a spec, which importlib would work out as soon as the module is made (up to CPython 3.14).
fn stock_cache(handles: &Handles, py: Python<'_>, location: &str) -> PyResult<Option<String>> {
    let prefix = handles.sys.bind(py).get_item(intern!(py, "pycache_prefix"))?;
    if cfg!(Py_3_15) || prefix.is_some_and(|prefix| !prefix.is_none()) {
        return Ok(None);
    }
    let parts = location.strip_suffix(".py").and_then(|stem| stem.rsplit_once('/'));
    let parts = parts.filter(|(folder, stem)| !folder.is_empty() && !stem.is_empty());
    Ok(parts.map(|(folder, stem)| [folder, "/__pycache__/", stem, &handles.stock_suffix].concat()))
}

/// Whether these are the very objects in `FileFinder._loaders`.
fn are_same(loaders: &Bound<'_, PyList>, known: &[[Py<PyAny>; 2]]) -> PyResult<bool> {
    if loaders.len() != known.len() {
        return Ok(false);
    }
    for (pair, [suffix, class]) in loaders.iter().zip(known) {
        let pair = pair.cast_into_exact::<PyTuple>()?;
        if !pair.get_borrowed_item(0)?.is(suffix) || !pair.get_borrowed_item(1)?.is(class) {
            return Ok(false);
        }
    }
    Ok(true)
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
