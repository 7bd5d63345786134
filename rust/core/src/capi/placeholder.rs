//! Placeholders: code objects that stand in for a function's own until its first call.
//!
//! A placeholder is a copy of a template, which has never run, with the name, qualified name, docstring and file of the
//! function; `co_names` leads to the module's `Bodies`, and `co_firstlineno` is the number of the body. Its
//! `co_linetable` is the template's own, by which it is recognised. No program sees one: `function.__code__` gives the
//! real code (see `function`), and calls go by `first_call` or, on CPython 3.11, by the bytecode in `stub`.

use std::ffi::{CStr, c_int};
use std::mem::{offset_of, size_of};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCode, PyString, PyTuple};

use crate::bodies::Bodies;

/// The part of a code object that we read and write: `Include/cpython/code.h` of each version.
#[repr(C)]
pub struct CodeHead {
    ob_base: ffi::PyVarObject,
    co_consts: *mut ffi::PyObject,
    co_names: *mut ffi::PyObject,
    co_exceptiontable: *mut ffi::PyObject,
    co_flags: c_int,
    #[cfg(not(Py_3_12))]
    warmup_and_linearray_entry_size: [i16; 2],
    co_argcount: c_int,
    co_posonlyargcount: c_int,
    co_kwonlyargcount: c_int,
    co_stacksize: c_int,
    co_firstlineno: c_int,
    co_nlocalsplus: c_int,
    /// From 3.12 on `co_framesize`, `co_nlocals`; before that `co_nlocals`, `co_nplaincellvars`.
    between: [c_int; 2],
    co_ncellvars: c_int,
    co_nfreevars: c_int,
    #[cfg(Py_3_12)]
    pub co_version: u32,
    co_localsplusnames: *mut ffi::PyObject,
    co_localspluskinds: *mut ffi::PyObject,
    co_filename: *mut ffi::PyObject,
    co_name: *mut ffi::PyObject,
    co_qualname: *mut ffi::PyObject,
    co_linetable: *mut ffi::PyObject,
}

/// Members that Python shows, to compare our layout with.
const MEMBERS: [(&CStr, usize); 9] = [
    (c"co_consts", offset_of!(CodeHead, co_consts)),
    (c"co_names", offset_of!(CodeHead, co_names)),
    (c"co_exceptiontable", offset_of!(CodeHead, co_exceptiontable)),
    (c"co_flags", offset_of!(CodeHead, co_flags)),
    (c"co_firstlineno", offset_of!(CodeHead, co_firstlineno)),
    (c"co_filename", offset_of!(CodeHead, co_filename)),
    (c"co_name", offset_of!(CodeHead, co_name)),
    (c"co_qualname", offset_of!(CodeHead, co_qualname)),
    (c"co_linetable", offset_of!(CodeHead, co_linetable)),
];

/// `CO_NEWLOCALS`. Without `CO_OPTIMIZED` no specialised instruction takes the function for one that it can enter.
const FLAGS: c_int = 0x2;
/// `CO_HAS_DOCSTRING`, from CPython 3.14 on.
const HAS_DOCSTRING: c_int = if cfg!(Py_3_14) { 0x400_0000 } else { 0 };

static TEMPLATE: PyOnceLock<Template> = PyOnceLock::new();
/// The line table of the template and of all its copies, and of no other code.
static MARK: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

struct Template {
    code: Py<PyCode>,
    /// In bytes.
    size: usize,
    /// The constants of a function without a docstring.
    consts: Py<PyTuple>,
}

/// Makes placeholders possible. Fails where the interpreter's code objects are not as we know them.
pub fn prepare(py: Python<'_>) -> PyResult<()> {
    TEMPLATE.get_or_try_init(py, || Template::new(py)).map(drop)
}

impl Template {
    fn new(py: Python<'_>) -> PyResult<Self> {
        check_layout(py)?;
        let consts = Self::consts(py)?;
        let code = Self::code(&consts)?;
        let head: *mut CodeHead = code.as_ptr().cast();
        let kind = &raw const ffi::PyCode_Type;
        // A table of its own, equal to what was there: short bytes may be shared with other code.
        // SAFETY: the code object is alive, of the layout checked above, and nobody else's; the reference to the old
        // table is given back, that to the new one is taken over.
        let size = unsafe {
            let table = Bound::from_borrowed_ptr(py, (*head).co_linetable).cast_into::<PyBytes>()?;
            let own = PyBytes::new(py, &[table.as_bytes(), table.as_bytes()].concat());
            MARK.store(own.as_ptr(), Ordering::Relaxed);
            ffi::Py_DECREF((*head).co_linetable);
            (*head).co_linetable = own.into_ptr();
            (*head).co_flags = if cfg!(Py_3_12) { FLAGS } else { (*head).co_flags };
            let units = (*head).ob_base.ob_size as usize;
            (*kind).tp_basicsize as usize + units * (*kind).tp_itemsize as usize
        };
        Ok(Self { code: code.unbind(), size, consts: consts.unbind() })
    }

    #[cfg(Py_3_12)]
    fn code<'py>(consts: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyCode>> {
        let py = consts.py();
        // SAFETY: the names are static; the result is a new reference or null with an exception.
        unsafe {
            let code: *mut ffi::PyCodeObject = ffi::PyCode_NewEmpty(c"".as_ptr(), c"placeholder".as_ptr(), 0);
            Ok(Bound::from_owned_ptr_or_err(py, code.cast())?.cast_into::<PyCode>()?)
        }
    }

    #[cfg(not(Py_3_12))]
    fn code<'py>(consts: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyCode>> {
        super::stub::code(consts)
    }

    /// The constants of a placeholder without a docstring, which would come first.
    fn consts(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        #[cfg(Py_3_12)]
        return PyTuple::new(py, [py.None()]);
        #[cfg(not(Py_3_12))]
        return PyTuple::new(py, [py.None().into_bound(py), super::stub::handler(py)?]);
    }
}

fn check_layout(py: Python<'_>) -> PyResult<()> {
    let unknown = || PySystemError::new_err("the code objects of this interpreter are not as expected");
    for (name, offset) in MEMBERS {
        // SAFETY: the table of a static type, which ends in an entry without a name.
        let found = unsafe {
            let mut member = ffi::PyCode_Type.tp_members;
            while !(*member).name.is_null() && CStr::from_ptr((*member).name) != name {
                member = member.add(1);
            }
            !(*member).name.is_null() && (*member).offset as usize == offset
        };
        if !found {
            return Err(unknown());
        }
    }
    #[cfg(Py_3_12)]
    {
        let code = || Template::code(&PyTuple::empty(py));
        let (first, second) = (code()?, code()?);
        // SAFETY: both are code objects, which begin with these fields. Each gets the next version when it is made.
        let versions = unsafe { [first, second].map(|code| (*code.as_ptr().cast::<CodeHead>()).co_version) };
        if versions[0] == 0 || versions[0].checked_add(1) != Some(versions[1]) {
            return Err(unknown());
        }
    }
    let _ = py;
    Ok(())
}

/// What a placeholder shows of the function.
pub struct Face<'a, 'py> {
    pub name: &'a Bound<'py, PyString>,
    pub qualname: &'a Bound<'py, PyString>,
    /// Where there is a docstring: a tuple that begins with it, whose second item is nobody's.
    pub consts: Option<&'a Bound<'py, PyTuple>>,
    pub filename: &'a Bound<'py, PyAny>,
    /// A tuple of the module's `Bodies`.
    pub bodies: &'a Bound<'py, PyTuple>,
    /// The number of its body.
    pub body: u32,
}

/// A placeholder for a function.
pub fn make<'py>(face: &Face<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
    let py = face.name.py();
    let template = TEMPLATE.get_or_try_init(py, || Template::new(py))?;
    let consts = match face.consts {
        Some(consts) => {
            #[cfg(Py_3_12)]
            set_const(consts, 1, py.None().into_bound(py));
            #[cfg(not(Py_3_12))]
            set_const(consts, 1, super::stub::handler(py)?);
            consts.clone()
        }
        None => template.consts.bind(py).clone(),
    };
    let original: *mut CodeHead = template.code.as_ptr().cast();
    // SAFETY: the copy is a new object of the template's size. The template has never run, so all that it owns is in the
    // fields set or shared below, each with a reference of its own; caches, monitoring data, weak references are null.
    unsafe {
        let copy = ffi::PyObject_NewVar::<CodeHead>(&raw mut ffi::PyCode_Type, (*original).ob_base.ob_size);
        if copy.is_null() {
            return Err(PyErr::fetch(py));
        }
        let start = size_of::<ffi::PyVarObject>();
        ptr::copy_nonoverlapping(original.cast::<u8>().add(start), copy.cast::<u8>().add(start), template.size - start);
        for shared in
            [(*copy).co_exceptiontable, (*copy).co_localsplusnames, (*copy).co_localspluskinds, (*copy).co_linetable]
        {
            ffi::Py_INCREF(shared);
        }
        (*copy).co_consts = consts.into_ptr();
        (*copy).co_names = face.bodies.clone().into_ptr();
        (*copy).co_filename = face.filename.clone().into_ptr();
        (*copy).co_name = face.name.clone().into_ptr();
        (*copy).co_qualname = face.qualname.clone().into_ptr();
        (*copy).co_firstlineno = face.body as c_int;
        if face.consts.is_some() {
            (*copy).co_flags |= HAS_DOCSTRING;
        }
        #[cfg(Py_3_12)]
        {
            // A function without a version is not entered past its `vectorcall`.
            (*copy).co_version = 0;
        }
        Ok(Bound::from_owned_ptr(py, copy.cast()))
    }
}

/// Whether `code` is a placeholder.
///
/// # Safety
///
/// `code` is a live code object.
#[inline]
pub unsafe fn is(code: *mut ffi::PyObject) -> bool {
    // SAFETY: as above.
    unsafe { (*code.cast::<CodeHead>()).co_linetable == MARK.load(Ordering::Relaxed) }
}

/// What all placeholders of a module have in `co_names`. The garbage collector need not look at it: it leads to nothing
/// but strings.
pub fn names_of<'py>(bodies: &Bound<'py, Bodies>) -> PyResult<Bound<'py, PyTuple>> {
    let names = PyTuple::new(bodies.py(), [bodies])?;
    for object in [bodies.as_ptr(), names.as_ptr()] {
        // SAFETY: both are alive; what is tracked is an object of the collector's, and may be taken out.
        unsafe {
            if ffi::PyObject_GC_IsTracked(object) == 1 {
                ffi::PyObject_GC_UnTrack(object.cast());
            }
        }
    }
    Ok(names)
}

/// Where the body of a placeholder is: the module's bodies, and the number.
pub fn body<'py>(placeholder: &Bound<'py, PyCode>) -> PyResult<(Bound<'py, Bodies>, u32)> {
    let head: *mut CodeHead = placeholder.as_ptr().cast();
    // SAFETY: a live code object.
    let number = unsafe { (*head).co_firstlineno };
    Ok((names(placeholder).get_item(0)?.cast_into::<Bodies>()?, number as u32))
}

fn names<'py>(code: &Bound<'py, PyCode>) -> Bound<'py, PyTuple> {
    let head: *mut CodeHead = code.as_ptr().cast();
    // SAFETY: a live code object, whose `co_names` is a tuple.
    unsafe { Bound::from_borrowed_ptr(code.py(), (*head).co_names).cast_into_unchecked() }
}

/// The code that a function of this placeholder has got.
pub fn shared<'py>(placeholder: &Bound<'py, PyCode>) -> Option<Bound<'py, PyCode>> {
    // No exception for the ordinary case: PyO3 would not let go of it before it is called the next time.
    let names = Some(names(placeholder)).filter(|names| names.len() == 2)?;
    names.get_item(1).ok()?.cast_into().ok()
}

/// Leaves the code to the next function that has the same placeholder, where there may be one.
pub fn share<'py>(
    placeholder: &Bound<'py, PyCode>,
    bodies: &Bound<'py, Bodies>,
    code: &Bound<'py, PyCode>,
) -> PyResult<()> {
    let head: *mut CodeHead = placeholder.as_ptr().cast();
    // SAFETY: the placeholder is alive.
    if unsafe { ffi::Py_REFCNT(placeholder.as_ptr()) } <= OWN_REFERENCES {
        return Ok(());
    }
    let names = PyTuple::new(placeholder.py(), [bodies.as_any(), code.as_any()])?;
    // SAFETY: the placeholder is alive, and only we look at its `co_names`; the old reference is given back.
    unsafe {
        let before = (*head).co_names;
        (*head).co_names = names.into_ptr();
        ffi::Py_DECREF(before);
    }
    Ok(())
}

/// Of a placeholder with one function, while that gets its code.
const OWN_REFERENCES: ffi::Py_ssize_t = 2;

/// The constants of a code object.
pub fn consts<'py>(code: &Bound<'py, PyCode>) -> Bound<'py, PyTuple> {
    let head: *mut CodeHead = code.as_ptr().cast();
    // SAFETY: a live code object, whose `co_consts` is a tuple.
    unsafe { Bound::from_borrowed_ptr(code.py(), (*head).co_consts).cast_into_unchecked() }
}

/// Puts `value` in the place of a constant. Only for code that has not run.
pub fn set_const(consts: &Bound<'_, PyTuple>, place: usize, value: Bound<'_, PyAny>) {
    let place = place as ffi::Py_ssize_t;
    // SAFETY: the tuple belongs to code that was just unmarshalled and has not run, so nobody has read it; the place is
    // within it, as the caller found a constant there. The old reference is given back after the new one stands.
    unsafe {
        let before = ffi::PyTuple_GET_ITEM(consts.as_ptr(), place);
        ffi::PyTuple_SET_ITEM(consts.as_ptr(), place, value.into_ptr());
        ffi::Py_DECREF(before);
    }
}

/// Gives code that was just unmarshalled, and all code in it, its file.
pub fn set_filename(code: &Bound<'_, PyCode>, filename: &Bound<'_, PyAny>) {
    let head: *mut CodeHead = code.as_ptr().cast();
    // SAFETY: a live code object that nobody else has seen; the reference to the old name is given back.
    unsafe {
        let before = (*head).co_filename;
        (*head).co_filename = filename.clone().into_ptr();
        ffi::Py_DECREF(before);
    }
    for inner in consts(code).iter_borrowed() {
        if let Ok(inner) = inner.cast_exact::<PyCode>() {
            set_filename(&inner, filename);
        }
    }
}

/// Whether this is the code of a class body or of a scope like it, not of a function.
pub fn runs_at_once(code: &Bound<'_, PyCode>) -> bool {
    const OPTIMIZED: c_int = 0x1;
    let head: *mut CodeHead = code.as_ptr().cast();
    // SAFETY: a live code object, whose name is a string.
    let (flags, name) = unsafe {
        let name = Bound::from_borrowed_ptr(code.py(), (*head).co_name).cast_into_unchecked::<PyString>();
        ((*head).co_flags, name)
    };
    flags & OPTIMIZED == 0 || name.to_str().is_ok_and(|name| name.starts_with('<') && name != "<lambda>")
}
