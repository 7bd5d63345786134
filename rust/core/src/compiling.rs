//! What the compiler, in Python, asks of the native half: the split, the bytes of a file, the file on the disk.

use std::ffi::CString;
use std::path::PathBuf;

use overlay_file::marshal::{self, Hollow};
use overlay_file::{Kind, Name, Overlay, Writer, write_atomic};
use overlay_split::{Grammar, Item, SplitError, blank_statements, imported_elsewhere};
use pyo3::exceptions::{PySyntaxError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCode, PyString, PyTuple};

use crate::capi::code;
use crate::level::Level;

/// The code object of a script, as `python FILE` makes it. Raises `ValueError` for a source with null bytes.
#[pyfunction]
pub fn compile_script<'py>(source: &[u8], path: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyCode>> {
    code::compile(&CString::new(source)?, path)
}

/// Whether the source can declare an overlay at all: false is certain, true is worth a look.
#[pyfunction]
pub fn may_declare(source: &[u8]) -> bool {
    overlay_split::may_declare(source)
}

fn grammar(py: Python<'_>) -> Grammar {
    let version = py.version_info();
    Grammar { nested_fstrings: version >= (3, 12), tstrings: version >= (3, 14) }
}

fn syntax_error(py: Python<'_>, error: SplitError, path: &Bound<'_, PyAny>) -> PyErr {
    let place = (path, error.line, error.column, error.text, error.line, error.end_column);
    match place.into_pyobject(py) {
        Ok(place) => PySyntaxError::new_err((error.message, place.unbind())),
        Err(error) => error,
    }
}

/// The parts of a source: `(eager, core, overlays)`, or `None` where nothing is declared (or the source is no Python).
///
/// `eager` is the whole source without its overlay statements, or `None` where it has none of them. `core` is
/// `(text, imports)`, with the names in it that other parts import. Each overlay is
/// `(item, line, declaration, text, imports)`, where `text` begins in the line below. An item is a string for an
/// identifier, `(literal,)` for the text of a literal, a list for a tuple, or a constant.
///
/// Raises `SyntaxError` at the first declaration that is not one.
#[pyfunction]
pub fn split_source<'py>(
    source: &Bound<'py, PyString>,
    path: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let py = source.py();
    // A lone surrogate cannot be encoded, so no file has it; the compiler says what is wrong.
    let Ok(text) = source.to_str() else { return Ok(None) };
    let split = overlay_split::split(text, grammar(py)).map_err(|error| syntax_error(py, error, path))?;
    let Some(split) = split else { return Ok(None) };
    let eager = split.has_statements.then(|| blank_statements(text, &split));
    let mut imports = imported_elsewhere(text, &split).into_iter().map(Vec::from_iter);
    let core = (&text[split.core.start..split.core.end], imports.next());
    let overlays = split.overlays.iter().zip(imports).map(|(declared, imports)| {
        let declaration = &text[declared.declaration.clone()];
        let body = &text[declared.text.start..declared.text.end];
        (item(py, &declared.name)?, declared.line, declaration, body, imports).into_pyobject(py)
    });
    let overlays = overlays.collect::<PyResult<Vec<_>>>()?;
    Ok(Some((eager, core, overlays).into_pyobject(py)?))
}

fn item<'py>(py: Python<'py>, name: &Item) -> PyResult<Bound<'py, PyAny>> {
    Ok(match name {
        Item::Identifier(identifier) => identifier.into_pyobject(py)?.into_any(),
        Item::Literal(text) => (text,).into_pyobject(py)?.into_any(),
        Item::None => py.None().into_bound(py),
        Item::True => true.into_pyobject(py)?.to_owned().into_any(),
        Item::False => false.into_pyobject(py)?.to_owned().into_any(),
        Item::Tuple(items) => {
            items.iter().map(|name| item(py, name)).collect::<PyResult<Vec<_>>>()?.into_pyobject(py)?.into_any()
        }
    })
}

/// An overlay as the compiler hands it over: its name, the name's marshalled bytes, payload, kind, needs, flags.
#[derive(FromPyObject)]
pub struct Made<'py>(Bound<'py, PyAny>, Bound<'py, PyBytes>, Bound<'py, PyBytes>, String, Vec<u32>, u32);

/// The bytes of an overlay file: deterministic, whatever reference counts marshal saw.
///
/// With `keep`, function bodies are taken out of the core, but for those in it: numbers of entries in a file that keeps
/// none.
#[pyfunction]
#[pyo3(signature = (header, core, overlays, keep=None))]
pub fn build_file<'py>(
    py: Python<'py>,
    header: &Bound<'py, PyBytes>,
    core: (Bound<'py, PyBytes>, Vec<u32>, u32),
    overlays: Vec<Made<'py>>,
    keep: Option<Vec<u32>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let invalid = |error: overlay_file::FileError| PyValueError::new_err(error.to_string());
    let header: [u8; 16] = header.as_bytes().try_into()?;
    let (core, needs, flags) = core;
    let level = if keep.is_some() { Level::Bodies } else { Level::Declared };
    let hollow = match keep {
        Some(keep) => {
            let first = u32::try_from(overlays.len() + 1)?;
            let bodies = marshal::Bodies { first, keep: &keep, docstring_flag: cfg!(Py_3_14) };
            marshal::hollow(core.as_bytes(), bodies)
        }
        None => marshal::canonical(core.as_bytes()).map(|core| Hollow { core, bodies: Vec::new() }),
    };
    let Hollow { core, bodies } = hollow.map_err(invalid)?;
    let mut writer = Writer::new(Vec::new(), header, &core, &needs, flags).map_err(invalid)?;
    for Made(name, marshalled, payload, kind, needs, flags) in overlays {
        let kind = match kind.as_str() {
            "code" => Kind::Code,
            "constant" => Kind::Constant,
            other => return Err(PyValueError::new_err(format!("unknown kind of overlay: {other}"))),
        };
        let key =
            crate::names::key(&name)?.ok_or_else(|| PyValueError::new_err("this object cannot name an overlay"))?;
        let marshalled = marshal::canonical(marshalled.as_bytes()).map_err(invalid)?;
        let payload = marshal::canonical(payload.as_bytes()).map_err(invalid)?;
        let name = Some(Name { key: &key, marshalled: &marshalled });
        writer.overlay(&Overlay { kind, name, payload: &payload, needs: &needs, flags }).map_err(invalid)?;
    }
    for body in &bodies {
        let body = Overlay { kind: Kind::Body, name: None, payload: body, needs: &[], flags: 0 };
        writer.overlay(&body).map_err(invalid)?;
    }
    let bytes = writer.finish(&crate::handles::get(py)?.cache_tag, level.flag()).map_err(invalid)?;
    Ok(PyBytes::new(py, &bytes))
}

/// Writes a file so that its readers see all of it or what was there before.
#[pyfunction]
pub fn write_file(py: Python<'_>, path: PathBuf, bytes: &[u8], mode: u32) -> PyResult<()> {
    py.detach(|| write_atomic(&path, bytes, mode))?;
    Ok(())
}
