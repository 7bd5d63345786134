//! Overlay names: the canonical bytes that decide, as Python's `==` does, whether two names are one.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyComplex, PyFloat, PyFrozenSet, PyInt, PyString, PyTuple};

/// Tuples deeper than this name no overlay: CPython's parser takes no more parentheses.
const DEPTH: usize = 200;

/// The key of `('lazy', attribute)`.
pub fn lazy_key(attribute: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(attribute.len() + 32);
    open_tuple(2, &mut key);
    push_sized(b's', b"lazy", &mut key);
    push_sized(b's', attribute, &mut key);
    key
}

/// The canonical bytes of `name`: equal exactly where the names are equal in Python.
///
/// `None` for an object that no overlay can be named by; `TypeError` for an unhashable one.
pub fn key(name: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    name.hash()?;
    let mut key = Vec::new();
    Ok(push(name, DEPTH, &mut key)?.then_some(key))
}

/// The attribute that a name of the form `('lazy', attribute)` stands for.
pub fn lazy_attribute<'py>(name: &Bound<'py, PyAny>) -> Option<Bound<'py, PyString>> {
    let pair = name.cast_exact::<PyTuple>().ok()?;
    if pair.len() != 2 {
        return None;
    }
    let marker = pair.get_item(0).ok()?.cast_into::<PyString>().ok()?;
    if marker.to_str().ok()? != "lazy" {
        return None;
    }
    pair.get_item(1).ok()?.cast_into().ok()
}

/// The UTF-8 of a string, lone surrogates included.
pub fn utf8(text: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    match text.to_str() {
        Ok(text) => Ok(text.as_bytes().to_vec()),
        Err(_) => {
            let encoded = text.call_method1("encode", ("utf-8", "surrogatepass"))?;
            Ok(encoded.cast_into::<PyBytes>()?.as_bytes().to_vec())
        }
    }
}

fn push(name: &Bound<'_, PyAny>, depth: usize, key: &mut Vec<u8>) -> PyResult<bool> {
    if depth == 0 {
        return Ok(false);
    }
    if name.is_none() {
        key.push(b'N');
    } else if name.is(name.py().Ellipsis()) {
        key.push(b'E');
    } else if let Ok(text) = name.cast::<PyString>() {
        push_sized(b's', &utf8(text)?, key);
    } else if let Ok(bytes) = name.cast::<PyBytes>() {
        push_sized(b'b', bytes.as_bytes(), key);
    } else if name.is_instance_of::<PyInt>() {
        push_int(name, key)?;
    } else if let Ok(float) = name.cast::<PyFloat>() {
        push_float(float, key)?;
    } else if let Ok(complex) = name.cast::<PyComplex>() {
        push_complex(complex, key)?;
    } else if let Ok(items) = name.cast::<PyTuple>() {
        open_tuple(items.len(), key);
        for item in items {
            if !push(&item, depth - 1, key)? {
                return Ok(false);
            }
        }
    } else if let Ok(items) = name.cast::<PyFrozenSet>() {
        return push_frozenset(items, depth, key);
    } else {
        return Ok(false);
    }
    Ok(true)
}

fn open_tuple(len: usize, key: &mut Vec<u8>) {
    key.push(b't');
    key.extend_from_slice(&(len as u64).to_le_bytes());
}

fn push_sized(tag: u8, bytes: &[u8], key: &mut Vec<u8>) {
    key.push(tag);
    key.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    key.extend_from_slice(bytes);
}

fn push_int(number: &Bound<'_, PyAny>, key: &mut Vec<u8>) -> PyResult<()> {
    // SAFETY: `number` is a live int, and PyNumber_ToBase gives a new reference or null with an exception.
    let digits = unsafe { Bound::from_owned_ptr_or_err(number.py(), ffi::PyNumber_ToBase(number.as_ptr(), 16))? };
    push_sized(b'i', digits.cast::<PyString>()?.to_str()?.as_bytes(), key);
    Ok(())
}

fn push_float(float: &Bound<'_, PyFloat>, key: &mut Vec<u8>) -> PyResult<()> {
    let value = float.value();
    if value.is_finite() && value.fract() == 0.0 {
        return push_int(&float.call_method0("__int__")?, key);
    }
    push_sized(b'd', &value.to_bits().to_le_bytes(), key);
    Ok(())
}

fn push_complex(complex: &Bound<'_, PyComplex>, key: &mut Vec<u8>) -> PyResult<()> {
    let (real, imaginary) = (complex.real(), complex.imag());
    if imaginary == 0.0 {
        return push_float(&PyFloat::new(complex.py(), real), key);
    }
    // -0.0 equals 0.0; adding it gives the positive one.
    let bits = [(real + 0.0).to_bits(), (imaginary + 0.0).to_bits()];
    push_sized(b'c', &bits.map(u64::to_le_bytes).concat(), key);
    Ok(())
}

fn push_frozenset(items: &Bound<'_, PyFrozenSet>, depth: usize, key: &mut Vec<u8>) -> PyResult<bool> {
    let mut keys = Vec::with_capacity(items.len());
    for item in items {
        let mut item_key = Vec::new();
        if !push(&item, depth - 1, &mut item_key)? {
            return Ok(false);
        }
        keys.push(item_key);
    }
    keys.sort_unstable();
    push_sized(b'f', &keys.concat(), key);
    Ok(true)
}
