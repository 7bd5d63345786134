//! What a compiled source or pattern is kept under: everything that its result depends on, as bytes.
//!
//! Keys are compared whole, so no two inputs can be taken for each other. Numbers are little-endian:
//!
//! ```text
//! kind u8 | sys.hexversion u32 | source is bytes u8 | settings u8 | flags u32 | length of file name u32 | file name | source
//! ```

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::capi::code;

const FIXED: usize = 15;
/// In the settings, above the level of optimization: code has no columns (`-X no_debug_ranges`).
const NO_COLUMNS: u8 = 4;

/// What is compiled, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    Exec = b'x',
    Eval = b'e',
    Single = b's',
    Pattern = b'p',
}

impl Kind {
    /// A mode of `compile`, or a pattern.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Exec => "exec",
            Kind::Eval => "eval",
            Kind::Single => "single",
            Kind::Pattern => "pattern",
        }
    }

    pub fn from_mode(mode: &[u8]) -> Option<Self> {
        [Kind::Exec, Kind::Eval, Kind::Single].into_iter().find(|kind| kind.name().as_bytes() == mode)
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Kind::Exec, Kind::Eval, Kind::Single, Kind::Pattern].into_iter().find(|&kind| kind as u8 == byte)
    }
}

/// A source text: a `str`, in UTF-8, or `bytes`.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub is_bytes: bool,
    pub bytes: &'a [u8],
}

/// The parts of a key.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    pub kind: Kind,
    pub source: Text<'a>,
    /// `co_filename`; empty for a pattern.
    pub filename: &'a [u8],
    /// The compiler's, or those that the pattern is given.
    pub flags: u32,
    /// 0 for a pattern.
    pub optimize: u8,
}

/// Settings of the interpreter that change what is compiled.
struct Interpreter {
    hexversion: u32,
    has_columns: bool,
    optimize: u8,
}

fn interpreter(py: Python<'_>) -> PyResult<&Interpreter> {
    static INTERPRETER: PyOnceLock<Interpreter> = PyOnceLock::new();
    INTERPRETER.get_or_try_init(py, || {
        let code = code::compile(c"a", &PyString::new(py, "<string>"))?;
        let mut has_columns = false;
        for position in code.call_method0("co_positions")?.try_iter()? {
            let (_, _, _, end_column): (Py<PyAny>, Py<PyAny>, Py<PyAny>, Option<u32>) = position?.extract()?;
            has_columns |= end_column.is_some_and(|column| column > 0);
        }
        let sys = py.import("sys")?;
        Ok(Interpreter {
            hexversion: sys.getattr("hexversion")?.extract()?,
            has_columns,
            optimize: sys.getattr("flags")?.getattr("optimize")?.extract()?,
        })
    })
}

/// Looks up once what keys need to know of the interpreter.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
    interpreter(py).map(drop)
}

/// The interpreter's own level of optimization, at most 2.
pub fn optimize(py: Python<'_>) -> Option<u8> {
    Some(interpreter(py).ok()?.optimize.min(2))
}

impl<'a> Key<'a> {
    /// The key's bytes; `None` for a file name of which the length cannot be written.
    pub fn encode(&self, py: Python<'_>) -> Option<Vec<u8>> {
        let interpreter = interpreter(py).ok()?;
        let has_settings = self.kind != Kind::Pattern;
        let no_columns = if has_settings && !interpreter.has_columns { NO_COLUMNS } else { 0 };
        let mut bytes = Vec::with_capacity(FIXED + self.filename.len() + self.source.bytes.len());
        bytes.push(self.kind as u8);
        bytes.extend(interpreter.hexversion.to_le_bytes());
        bytes.push(u8::from(self.source.is_bytes));
        bytes.push(self.optimize | no_columns);
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(u32::try_from(self.filename.len()).ok()?.to_le_bytes());
        bytes.extend(self.filename);
        bytes.extend(self.source.bytes);
        Some(bytes)
    }

    /// The parts of a key; `None` for one that is not this interpreter's.
    pub fn decode(py: Python<'_>, bytes: &'a [u8]) -> PyResult<Option<Self>> {
        let parts = Self::parts(bytes).ok_or_else(|| PyValueError::new_err("this is no key of a compiled source"))?;
        let same = parts.encode(py).is_some_and(|ours| ours == bytes);
        Ok(same.then_some(parts))
    }

    fn parts(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_at_checked(FIXED)?;
        let number = |at: usize| Some(u32::from_le_bytes(fixed.get(at..at + 4)?.try_into().ok()?));
        let (filename, source) = rest.split_at_checked(usize::try_from(number(11)?).ok()?)?;
        Some(Self {
            kind: Kind::from_byte(fixed[0])?,
            source: Text { is_bytes: fixed[5] != 0, bytes: source },
            filename,
            flags: number(7)?,
            optimize: fixed[6] & (NO_COLUMNS - 1),
        })
    }
}
