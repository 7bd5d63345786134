//! Where the cache file of a source file lies: PEP 3147's folder, PEP 488's tag.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::handles::{self, Tag};
use crate::level::Level;

/// What `importlib.util.cache_from_source(source, optimization=...)` gives, without its cost where nothing is special.
pub fn of(source: &Bound<'_, PyAny>, level: Level) -> PyResult<PathBuf> {
    let py = source.py();
    let handles = handles::get(py)?;
    let prefix = handles.sys.bind(py).get_item("pycache_prefix")?;
    if prefix.is_some_and(|prefix| !prefix.is_none()) {
        let options = PyDict::new(py);
        options.set_item("optimization", &handles.tag(level).optimization)?;
        return handles.cache_from_source.call(py, (source,), Some(&options))?.extract(py);
    }
    Ok(beside(&source.extract::<PathBuf>()?, handles.tag(level)))
}

fn beside(source: &Path, tag: &Tag) -> PathBuf {
    let stem = source.file_stem().unwrap_or_else(|| OsStr::new(""));
    let mut name = OsString::with_capacity(stem.len() + tag.cache_suffix.len());
    name.push(stem);
    name.push(&tag.cache_suffix);
    let mut path = source.parent().unwrap_or_else(|| Path::new("")).join("__pycache__");
    path.push(name);
    path
}
