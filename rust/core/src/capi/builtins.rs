//! `compile`, `exec` and `eval`: served from what is stored, where a call is an ordinary one.
//!
//! The objects in `builtins` stay what they are, hash and all. Two of their fields change: `vectorcall`, by which they
//! are called, and the definition, which becomes a copy with one flag more, `METH_COEXIST`, which means nothing for a
//! function. Specialised instructions call past `vectorcall`, but only functions with the very flags that they know.
//!
//! One thing differs, up to CPython 3.13: there a process ends as if by SIGINT once a `KeyboardInterrupt` has come out
//! of a string that `exec` or `eval` ran, even where the program caught it. Out of served code, it may be caught.

use std::ffi::{CStr, c_int, c_long};
use std::mem::offset_of;
use std::sync::OnceLock;
use std::{ptr, slice};

use parking_lot::Mutex;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyCode;

use super::entry::{entered, quietly};
use super::{call, code, entry};
use crate::compiled;
use crate::compiled::key::{self, Key, Kind, Text};

unsafe extern "C" {
    /// Adds the future flags of the running code; PyO3 does not declare it.
    fn PyEval_MergeCompilerFlags(flags: *mut ffi::PyCompilerFlags) -> c_int;
}

type Args = *const *mut ffi::PyObject;
type Object = *mut ffi::PyObject;

/// `PyCF_MASK`: what future statements switch on.
const FUTURE_FLAGS: c_int = 0x01fe_0000;
/// What the compiler is told of a source that `exec` and `eval` get.
const STRING: &[u8] = b"<string>";

/// How the interpreter calls each of the functions.
static PLAIN: [OnceLock<ffi::vectorcallfunc>; 3] = [const { OnceLock::new() }; 3];
const COMPILE: usize = 0;
const EXEC: usize = 1;
const EVAL: usize = 2;

struct Builtin {
    name: &'static str,
    place: usize,
    ours: ffi::vectorcallfunc,
    flags: c_int,
}

const BUILTINS: [Builtin; 3] = [
    Builtin { name: "compile", place: COMPILE, ours: call_compile, flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS },
    Builtin { name: "exec", place: EXEC, ours: call_exec, flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS },
    Builtin {
        name: "eval",
        place: EVAL,
        ours: call_eval,
        flags: if cfg!(Py_3_13) { ffi::METH_FASTCALL | ffi::METH_KEYWORDS } else { ffi::METH_FASTCALL },
    },
];

static TAKEN: Mutex<Vec<Taken>> = Mutex::new(Vec::new());

/// A function that we serve, and its own definition.
struct Taken {
    function: Py<PyAny>,
    definition: *mut ffi::PyMethodDef,
    plain: ffi::vectorcallfunc,
}

// SAFETY: the definition is one of the interpreter's, which live for ever.
unsafe impl Send for Taken {}

/// Has calls of the three come here first. Leaves alone what a program has put in their places.
pub fn intercept(py: Python<'_>) -> PyResult<()> {
    let module = py.import("builtins")?;
    let mut taken = TAKEN.lock();
    if !taken.is_empty() {
        return Ok(());
    }
    for builtin in &BUILTINS {
        let Ok(function) = module.getattr(builtin.name) else { continue };
        // SAFETY: the function is alive, and what it is made of is as expected, as `fields` has seen to.
        unsafe {
            let Some(fields) = fields(&function, builtin) else { continue };
            let Some(plain) = (*fields).vectorcall else { continue };
            let definition = (*fields).m_ml;
            let _ = PLAIN[builtin.place].set(plain);
            let ours = Box::leak(Box::new(ptr::read(definition)));
            ours.ml_flags |= ffi::METH_COEXIST;
            (*fields).m_ml = ours;
            (*fields).vectorcall = Some(builtin.ours);
            taken.push(Taken { function: function.unbind(), definition, plain });
        }
    }
    Ok(())
}

/// The fields of a builtin function; `None` where anything is not as it is in the interpreters that we know.
fn fields(function: &Bound<'_, PyAny>, builtin: &Builtin) -> Option<*mut ffi::PyCFunctionObject> {
    // SAFETY: the object is alive, its fields are looked at when it is known to be a builtin function, and the name of
    // such a function is a C string.
    unsafe {
        let kind = &raw mut ffi::PyCFunction_Type;
        if ffi::Py_TYPE(function.as_ptr()) != kind
            || (*kind).tp_vectorcall_offset != offset_of!(ffi::PyCFunctionObject, vectorcall) as isize
        {
            return None;
        }
        let fields = function.as_ptr().cast::<ffi::PyCFunctionObject>();
        let definition = &*(*fields).m_ml;
        let name = CStr::from_ptr(definition.ml_name);
        let plain = *PLAIN[builtin.place].get_or_init(|| (*fields).vectorcall.unwrap_or(builtin.ours));
        let is_plain = (*fields).vectorcall.is_some_and(|vectorcall| ptr::fn_addr_eq(vectorcall, plain));
        (name.to_bytes() == builtin.name.as_bytes() && definition.ml_flags == builtin.flags && is_plain)
            .then_some(fields)
    }
}

/// Undoes `intercept`.
pub fn restore(py: Python<'_>) {
    for taken in TAKEN.lock().drain(..) {
        let fields = taken.function.as_ptr().cast::<ffi::PyCFunctionObject>();
        // SAFETY: a builtin function, as it was when it was taken, which we keep alive.
        unsafe {
            (*fields).m_ml = taken.definition;
            (*fields).vectorcall = Some(taken.plain);
        }
        taken.function.drop_ref(py);
    }
}

unsafe extern "C" fn call_exec(function: Object, args: Args, nargsf: usize, kwnames: Object) -> Object {
    // SAFETY: handed on as it comes.
    unsafe { run(EXEC, Kind::Exec, function, args, nargsf, kwnames) }
}

unsafe extern "C" fn call_eval(function: Object, args: Args, nargsf: usize, kwnames: Object) -> Object {
    // SAFETY: handed on as it comes.
    unsafe { run(EVAL, Kind::Eval, function, args, nargsf, kwnames) }
}

/// `exec` or `eval`: as if it had been given the code object that is stored for its source.
///
/// # Safety
///
/// The arguments are those of a vectorcall of the function, and the GIL is held.
unsafe fn run(place: usize, kind: Kind, function: Object, args: Args, nargsf: usize, kwnames: Object) -> Object {
    let work = |py: Python<'_>| {
        // SAFETY: as above; the arguments live for the call.
        unsafe {
            let &plain = PLAIN[place].get().ok_or_else(entry::internal)?;
            let given = arguments(args, nargsf);
            let found = match given.first() {
                Some(&source) if is_text(source) && kwnames.is_null() => quietly(|| code_to_run(py, kind, given)),
                _ => None,
            };
            let Some((code, source)) = found else {
                return Ok(call::vectorcall(plain, function, args, nargsf, kwnames));
            };
            if call::audit_compile(source.bytes, intern!(py, "<string>")) < 0 {
                return Ok(ptr::null_mut());
            }
            let mut with_code = [ptr::null_mut(); 3];
            with_code[..given.len()].copy_from_slice(given);
            with_code[0] = code.as_ptr();
            Ok(call::vectorcall(plain, function, with_code.as_ptr(), given.len(), ptr::null_mut()))
        }
    };
    // SAFETY: the interpreter calls this with the GIL held.
    unsafe { entered(ptr::null_mut(), work) }
}

/// `compile`: a new code object, out of what is stored for the source.
unsafe extern "C" fn call_compile(function: Object, args: Args, nargsf: usize, kwnames: Object) -> Object {
    let work = |py: Python<'_>| {
        // SAFETY: the arguments are those of a vectorcall, and live for the call.
        unsafe {
            let &plain = PLAIN[COMPILE].get().ok_or_else(entry::internal)?;
            let given = arguments(args, nargsf);
            let found = match given.first() {
                Some(&source) if is_text(source) => quietly(|| compiled_code(py, args, given, kwnames)),
                _ => None,
            };
            let Some((code, source, filename)) = found else {
                return Ok(call::vectorcall(plain, function, args, nargsf, kwnames));
            };
            if call::audit_compile(source.bytes, &filename) < 0 {
                return Ok(ptr::null_mut());
            }
            Ok(code.into_ptr())
        }
    };
    // SAFETY: the interpreter calls this as it calls any function, with the GIL held.
    unsafe { entered(ptr::null_mut(), work) }
}

unsafe fn arguments<'a>(args: Args, nargsf: usize) -> &'a [Object] {
    // SAFETY: the caller has the arguments of a vectorcall.
    unsafe {
        let count = ffi::PyVectorcall_NARGS(nargsf);
        if count > 0 { slice::from_raw_parts(args, count as usize) } else { &[] }
    }
}

unsafe fn is_text(object: Object) -> bool {
    // SAFETY: the caller has a live object.
    unsafe { ffi::PyUnicode_CheckExact(object) != 0 || ffi::PyBytes_CheckExact(object) != 0 }
}

/// The code for an ordinary call of `exec` or `eval`, and the source as the compiler would get it.
unsafe fn code_to_run<'py, 'a>(
    py: Python<'py>,
    kind: Kind,
    given: &'a [Object],
) -> Option<(Bound<'py, PyCode>, Text<'a>)> {
    // SAFETY: the caller has the live arguments of the call, and there is at least one.
    unsafe {
        if given.len() > 3 || !are_namespaces(&given[1..]) {
            return None;
        }
        let mut source = text(py, given[0])?;
        if kind == Kind::Eval {
            let blanks = source.bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            source.bytes = &source.bytes[blanks..];
        }
        let key = Key { kind, source, filename: STRING, flags: flags(0, true), optimize: key::optimize(py)? };
        Some((find(py, &key)?, source))
    }
}

/// Whether these are globals and locals that a call accepts.
unsafe fn are_namespaces(given: &[Object]) -> bool {
    // SAFETY: the caller has live objects.
    unsafe {
        let is_none = |object: Object| object == ffi::Py_None();
        let globals = given.first().is_none_or(|&globals| is_none(globals) || ffi::PyDict_Check(globals) != 0);
        let locals = given.get(1).is_none_or(|&locals| is_none(locals) || ffi::PyMapping_Check(locals) != 0);
        let needs_frame = given.first().is_none_or(|&globals| is_none(globals));
        globals && locals && !(needs_frame && ffi::PyEval_GetGlobals().is_null())
    }
}

/// A source as UTF-8 or bytes, with a null byte behind; `None` where it is neither.
unsafe fn text<'a>(py: Python<'_>, object: Object) -> Option<Text<'a>> {
    // SAFETY: the caller has a live object, which is of the type that is asked for; its text lives as long.
    unsafe {
        let mut length = 0;
        let is_bytes = ffi::PyBytes_CheckExact(object) != 0;
        let start = if is_bytes {
            length = ffi::PyBytes_Size(object);
            ffi::PyBytes_AsString(object).cast_const()
        } else if ffi::PyUnicode_CheckExact(object) != 0 {
            ffi::PyUnicode_AsUTF8AndSize(object, &mut length)
        } else {
            return None;
        };
        if start.is_null() {
            drop(PyErr::take(py));
            return None;
        }
        Some(Text { is_bytes, bytes: slice::from_raw_parts(start.cast::<u8>(), length as usize) })
    }
}

/// What `PyEval_MergeCompilerFlags` makes of the flags, where the call inherits.
fn flags(given: c_int, inherits: bool) -> u32 {
    let mut flags = ffi::PyCompilerFlags { cf_flags: given, cf_feature_version: 0 };
    if inherits {
        // SAFETY: the GIL is held wherever this is asked, and the flags are ours.
        unsafe { PyEval_MergeCompilerFlags(&mut flags) };
    }
    (flags.cf_flags & FUTURE_FLAGS) as u32
}

fn find<'py>(py: Python<'py>, key: &Key<'_>) -> Option<Bound<'py, PyCode>> {
    let marshalled = compiled::find(py, key)?;
    code::unmarshal(py, &marshalled).ok()?.cast_into().ok()
}

/// The arguments of `compile`.
struct Compile {
    source: Object,
    filename: Object,
    mode: Object,
    flags: Object,
    dont_inherit: Object,
    optimize: Object,
}

impl Compile {
    /// `None` for what is not ordinary: other keyword arguments than the last three, or too few.
    unsafe fn read(args: Args, given: &[Object], kwnames: Object) -> Option<Self> {
        // SAFETY: the caller has the live arguments of a vectorcall: behind the positional ones come as many as
        // `kwnames`, a tuple of strings or null, has names.
        unsafe {
            let mut found = [ptr::null_mut(); 6];
            found.get_mut(..given.len())?.copy_from_slice(given);
            let named = if kwnames.is_null() { 0 } else { ffi::PyTuple_GET_SIZE(kwnames) };
            for index in 0..named {
                let name = ffi::PyTuple_GET_ITEM(kwnames, index);
                let is = |other: &CStr| ffi::PyUnicode_CompareWithASCIIString(name, other.as_ptr()) == 0;
                let place = [c"flags", c"dont_inherit", c"optimize"].into_iter().position(is)? + 3;
                if !found[place].is_null() {
                    return None;
                }
                found[place] = *args.add(given.len() + index as usize);
            }
            let [source, filename, mode, flags, dont_inherit, optimize] = found;
            (!mode.is_null()).then_some(Self { source, filename, mode, flags, dont_inherit, optimize })
        }
    }
}

/// The number in an `int`, or the default where there is none; `None` for anything else.
unsafe fn number(py: Python<'_>, object: Object, default: c_long) -> Option<c_long> {
    // SAFETY: the caller has a live object or null.
    unsafe {
        if object.is_null() {
            return Some(default);
        }
        if ffi::PyLong_CheckExact(object) == 0 {
            return None;
        }
        let number = ffi::PyLong_AsLong(object);
        if number == -1 && PyErr::take(py).is_some() { None } else { Some(number) }
    }
}

/// A new code object for an ordinary call of `compile`, and what its audit event names.
unsafe fn compiled_code<'py, 'a>(
    py: Python<'py>,
    args: Args,
    given: &'a [Object],
    kwnames: Object,
) -> Option<(Bound<'py, PyCode>, Text<'a>, Bound<'py, PyAny>)> {
    // SAFETY: the caller has the live arguments of a vectorcall.
    unsafe {
        let call = Compile::read(args, given, kwnames)?;
        let (filename, mode) = (text(py, call.filename)?, text(py, call.mode)?);
        if filename.is_bytes || mode.is_bytes {
            return None;
        }
        let given_flags = c_int::try_from(number(py, call.flags, 0)?).ok()?;
        if given_flags & !FUTURE_FLAGS != 0 {
            return None;
        }
        let dont_inherit = match call.dont_inherit {
            object if object == ffi::Py_True() => 1,
            object if object == ffi::Py_False() => 0,
            object => number(py, object, 0)?,
        };
        let optimize = match number(py, call.optimize, -1)? {
            -1 => key::optimize(py)?,
            level @ 0..=2 => level as u8,
            _ => return None,
        };
        let source = text(py, call.source)?;
        let kind = Kind::from_mode(mode.bytes)?;
        let flags = flags(given_flags, dont_inherit == 0);
        let key = Key { kind, source, filename: filename.bytes, flags, optimize };
        Some((find(py, &key)?, source, Bound::from_borrowed_ptr(py, call.filename)))
    }
}
