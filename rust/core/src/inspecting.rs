//! What `overlay-import inspect` shows of a file.

use std::fs;
use std::path::{Path, PathBuf};

use overlay_file::marshal::{self, Bodies, Hollow};
use overlay_file::{Image, Kind};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::capi::code;
use crate::freshness::SourceFile;
use crate::level::Level;
use crate::state::MUST_LOAD_SHIFT;
use crate::{bodies, cache_path as paths, freshness, handles, trust};

/// The cache file of a source file, for this interpreter and a level.
#[pyfunction]
pub fn cache_path(source: &Bound<'_, PyAny>, level: Level) -> PyResult<std::ffi::OsString> {
    Ok(paths::of(source, level)?.into_os_string())
}

/// Why the cache file `path` is not used for `source`; `None` where it is. Reads no payload but the core.
#[pyfunction]
pub fn why_unused(py: Python<'_>, path: PathBuf, source: PathBuf) -> PyResult<Option<String>> {
    let image = match Image::open(&path) {
        Ok(image) => image,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let source = SourceFile::new(source);
    if let Some(reason) = freshness::reason_against(py, handles::get(py)?, &image, &source)? {
        return Ok(Some(reason));
    }
    let reason = reason_against_writers(&path, &source);
    Ok(reason.or_else(|| image.payload(0).err().map(|error| error.to_string())))
}

/// Why the cache file `path` of `source`, ours or CPython's own, must not be believed; `None` where it may.
#[pyfunction]
pub fn why_untrusted(path: PathBuf, source: PathBuf) -> Option<String> {
    reason_against_writers(&path, &SourceFile::new(source))
}

fn reason_against_writers(path: &Path, source: &SourceFile) -> Option<String> {
    match fs::metadata(path) {
        Ok(file) => trust::reason_against_cache(&file, source),
        Err(error) => Some(error.to_string()),
    }
}

/// What a file holds: header, identity, length, and its entries (the core first), each with its checksum tried.
///
/// Raises `ValueError` for what is no overlay file.
#[pyfunction]
pub fn describe_file(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let image = Image::open(&path).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
    let same_python = image.header()[..4] == handles::get(py)?.magic;
    let entries = PyList::empty(py);
    for number in 0..image.len() {
        entries.append(describe_entry(py, &image, number, same_python)?)?;
    }
    let functions = match same_python && image.flags() == Level::Bodies.flag() {
        true => functions(py, &image)?,
        false => Vec::new(),
    };
    let file = PyDict::new(py);
    file.set_item("header", PyBytes::new(py, image.header()))?;
    file.set_item("identity", image.identity())?;
    file.set_item("flags", image.flags())?;
    file.set_item("bytes", image.file_len())?;
    file.set_item("entries", entries)?;
    file.set_item("functions", functions)?;
    Ok(file)
}

fn describe_entry<'py>(py: Python<'py>, image: &Image, number: u32, same_python: bool) -> PyResult<Bound<'py, PyDict>> {
    let described = PyDict::new(py);
    let Some(entry) = image.entry(number) else { return Ok(described) };
    let kind = match entry.kind {
        None => "core",
        Some(Kind::Code) => "code",
        Some(Kind::Constant) => "constant",
        Some(Kind::Body) => "body",
    };
    described.set_item("kind", kind)?;
    if let Some(name) = entry.name.filter(|_| same_python) {
        described.set_item("name", code::unmarshal(py, name.marshalled)?)?;
    }
    described.set_item("offset", entry.offset)?;
    described.set_item("bytes", entry.length)?;
    described.set_item("checksum", format!("{:016x}", entry.checksum))?;
    described.set_item("error", image.payload(number).err().map(|error| error.to_string()))?;
    if same_python {
        let needs = entry.needs.take((entry.flags >> MUST_LOAD_SHIFT) as usize);
        let names = needs.filter_map(|need| image.entry(need)?.name);
        described
            .set_item("with", names.map(|name| code::unmarshal(py, name.marshalled)).collect::<PyResult<Vec<_>>>()?)?;
    }
    Ok(described)
}

/// A function of the module: its qualified name, and the number of its body or why that is in the core.
type Function<'py> = (Bound<'py, PyString>, u32, Option<&'static str>);

/// The functions that the module's code makes. None where the core is damaged.
fn functions<'py>(py: Python<'py>, image: &Image) -> PyResult<Vec<Function<'py>>> {
    let Ok(core) = image.payload(0) else { return Ok(Vec::new()) };
    // What can be taken out of the core once more was kept there for another reason than its size.
    let rules = Bodies { first: image.len(), keep: &[], docstring_flag: cfg!(Py_3_14) };
    let Ok(Hollow { core, .. }) = marshal::hollow(&core, rules) else { return Ok(Vec::new()) };
    let functions = bodies::functions(&code::unmarshal(py, &core)?.cast_into()?)?;
    let described = functions.into_iter().map(|(name, number)| match number {
        Some(number) if number < image.len() => (name, number, None),
        Some(_) => (name, 0, Some("called while the module is imported")),
        None => (name, 0, Some("too small to gain from it")),
    });
    Ok(described.collect())
}
