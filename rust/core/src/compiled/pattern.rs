//! Compiled regular expressions, as bytes: what `_sre.compile` needs beside the pattern's text.
//!
//! All numbers are little-endian `u32`:
//!
//! ```text
//! flags | groups | number of words | words | { group | length of its name | name } ...
//! ```

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use super::key::Text;

/// The flags of a pattern whose result depends on nothing but the pattern: `A`, `I`, `M`, `S`, `U` and `X`.
const PURE: u32 = 256 | 2 | 8 | 16 | 32 | 64;

/// Whether compiling a pattern with these flags prints nothing and asks no locale.
pub fn are_pure(flags: u32) -> bool {
    flags & !PURE == 0
}

/// Compiles the pattern, as `re._compiler.compile` does, into bytes; `None` where its flags say that it is not pure.
pub fn make(py: Python<'_>, pattern: Text<'_>, flags: u32) -> PyResult<Option<Vec<u8>>> {
    let compiler = py.import("re._compiler")?;
    let text = super::object(py, pattern)?;
    let parsed = py.import("re._parser")?.call_method1("parse", (text, flags))?;
    let words: Vec<u32> = compiler.call_method1("_code", (&parsed, flags))?.extract()?;
    let state = parsed.getattr("state")?;
    let flags = flags | state.getattr("flags")?.extract::<u32>()?;
    if !are_pure(flags) {
        return Ok(None);
    }
    let groups: u32 = state.getattr("groups")?.extract()?;
    let mut bytes = Vec::with_capacity(12 + 4 * words.len());
    for number in [flags, groups, u32::try_from(words.len())?].into_iter().chain(words) {
        bytes.extend(number.to_le_bytes());
    }
    for (name, group) in state.getattr("groupdict")?.cast::<PyDict>()? {
        let name = name.cast_into::<PyString>()?;
        bytes.extend(group.extract::<u32>()?.to_le_bytes());
        bytes.extend(u32::try_from(name.to_str()?.len())?.to_le_bytes());
        bytes.extend(name.to_str()?.as_bytes());
    }
    Ok(Some(bytes))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> PyResult<&'a [u8]> {
        let taken = self.0.split_at_checked(length);
        let (taken, rest) = taken.ok_or_else(|| PyValueError::new_err("a compiled pattern is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> PyResult<u32> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into()?))
    }
}

/// The arguments of `_sre.compile` for the pattern `text`, of which `bytes` is the compiled form.
pub fn arguments<'py>(text: &Bound<'py, PyAny>, bytes: &[u8]) -> PyResult<Bound<'py, PyTuple>> {
    let py = text.py();
    let mut reader = Reader(bytes);
    let flags = reader.number()?;
    let groups = reader.number()?;
    let words = usize::try_from(reader.number()?)?;
    let words = reader.take(words.checked_mul(4).ok_or_else(|| PyValueError::new_err("too many words"))?)?;
    let words = words.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    let by_name = PyDict::new(py);
    let mut by_number = vec![py.None().into_bound(py); usize::try_from(groups)?];
    while !reader.0.is_empty() {
        let group = reader.number()?;
        let length = usize::try_from(reader.number()?)?;
        let name = PyString::from_bytes(py, reader.take(length)?)?.into_any();
        by_name.set_item(&name, group)?;
        let place = by_number.get_mut(usize::try_from(group)?);
        *place.ok_or_else(|| PyValueError::new_err("no such group"))? = name;
    }
    let code = PyList::new(py, words)?;
    let last = groups.checked_sub(1).ok_or_else(|| PyValueError::new_err("no groups"))?;
    (text, flags, code, last, by_name, PyTuple::new(py, by_number)?).into_pyobject(py)
}
