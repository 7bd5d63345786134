//! What `overlay-import inspect` shows of a file.

use std::fs::{File, Metadata};
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use overlay_file::marshal::{self, Bodies, Hollow};
use overlay_file::{Cache, FileError, Image, Kind};
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
    let (image, file) = match open(&path) {
        Ok(opened) => opened,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let source = SourceFile::new(source);
    if let Some(reason) = freshness::reason_against(py, handles::get(py)?, &image, &source)? {
        return Ok(Some(reason));
    }
    let reason = trust::reason_against_cache(&path, &file, &source);
    Ok(reason.or_else(|| image.payload(0).err().map(|error| error.to_string())))
}

/// The header's flags of the cache file `path` of `source`: PEP 552's. `None` where it is damaged, or not to be believed.
#[pyfunction]
pub fn cached_flags(path: PathBuf, source: PathBuf) -> Option<u32> {
    let (image, file) = open(&path).ok()?;
    let flags = image.header()[4..8].try_into().ok().map(u32::from_le_bytes);
    flags.filter(|_| trust::reason_against_cache(&path, &file, &SourceFile::new(source)).is_none())
}

/// An image, and what the file system knows of that very file.
fn open(path: &Path) -> Result<(Arc<Image>, Metadata), FileError> {
    Cache::new(NonZeroUsize::MIN).open(path)
}

/// What is in CPython's own cache file `path` of `source`; `None` where that is not to be believed.
///
/// Raises `OSError` where it cannot be read.
#[pyfunction]
pub fn read_trusted<'py>(py: Python<'py>, path: PathBuf, source: PathBuf) -> PyResult<Option<Bound<'py, PyBytes>>> {
    // Nothing holds up the opening, as a FIFO would; and what was looked at is what is read.
    let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(&path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || trust::reason_against_cache(&path, &metadata, &SourceFile::new(source)).is_some() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(PyBytes::new(py, &bytes)))
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
