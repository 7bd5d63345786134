//! Loading an overlay: once, by one thread, in the module's namespace.
//!
//! A lock serialises the loads of a module (`module_lock`): re-entrant, so that an overlay that comes back to itself sees
//! the half-loaded module, and aware of deadlocks, so that loads that cross each other or an import all finish. No Rust
//! lock is held while Python code runs.

use std::sync::Arc;

use overlay_file::{Image, Kind};
use pyo3::exceptions::{PyAttributeError, PyException};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyDict, PySet};

use crate::capi::{call, code};
use crate::public::Outcome;
use crate::recording::{Watch, What};
use crate::state::{self, ANNOTATES, DYNAMIC, MUST_LOAD_SHIFT, STARTS_PROGRAM, Stage, State};
use crate::{errors, importing, names};

/// Loads the overlay `entry` unless it is recorded as loaded, or again where `force` says so.
///
/// An exception of the overlay's code comes out as itself; an `AttributeError` wrapped in `OverlayError`.
pub fn load(dict: &Bound<'_, PyDict>, state: &Arc<State>, entry: u32, force: bool) -> PyResult<Outcome> {
    let py = dict.py();
    let held = state.acquire(py)?;
    // A reload may have ended while we waited.
    let is_gone = state.stage() == Stage::Gone;
    let result = if is_gone { Ok(Outcome::AlreadyLoaded) } else { load_once(dict, state, entry, force) };
    if let Some(held) = held {
        held.release(py);
    }
    if is_gone {
        return load_from_next(dict, state, entry, force);
    }
    result.map_err(|error| match error.is_instance_of::<PyAttributeError>(py) {
        true => errors::wrap(py, state, error),
        false => error,
    })
}

/// Loads what a reload has put in the overlay's place.
fn load_from_next(dict: &Bound<'_, PyDict>, state: &Arc<State>, entry: u32, force: bool) -> PyResult<Outcome> {
    let name = state.image.entry(entry).and_then(|entry| entry.name);
    let next = state::of_dict(dict.as_ptr()).filter(|next| next.stage() != Stage::Gone);
    match next.and_then(|next| Some((next.image.find(name?.key)?, next))) {
        Some((entry, next)) => load(dict, &next, entry, force),
        None => Ok(Outcome::AlreadyLoaded),
    }
}

/// Loads pending lazy overlays. A name that the program has bound itself stays as it is.
pub fn load_pending(dict: &Bound<'_, PyDict>, state: &Arc<State>, entries: Vec<u32>) -> PyResult<()> {
    for entry in entries {
        if !state.is_running(entry) && is_bound(dict, state, entry)? {
            state.settle(entry);
        } else {
            load(dict, state, entry, false)?;
        }
    }
    state.refresh(dict)
}

/// Whether the namespace has the name of a lazy overlay.
pub fn is_bound(dict: &Bound<'_, PyDict>, state: &State, entry: u32) -> PyResult<bool> {
    let attribute = names::lazy_attribute(&name_of(state, dict.py(), entry)?);
    attribute.map_or(Ok(false), |attribute| dict.contains(attribute))
}

/// Loads the pending lazy overlays that annotate names: a module answers with all of its annotations.
pub fn load_annotating(dict: &Bound<'_, PyDict>, state: &Arc<State>) -> PyResult<()> {
    let annotates = |&entry: &u32| state.image.entry(entry).is_some_and(|entry| entry.flags & ANNOTATES != 0);
    let pending = state.pending().into_iter().filter(annotates);
    pending.into_iter().try_for_each(|entry| load(dict, state, entry, false).map(drop))
}

/// Runs the overlays that start the program, as the whole file would when executed as `__main__`.
///
/// They run as long as the program does: so without the lock, which its threads need, and with their errors unwrapped.
pub fn start_program(dict: &Bound<'_, PyDict>, state: &Arc<State>) -> PyResult<()> {
    let starts = |&entry: &u32| state.image.entry(entry).is_some_and(|entry| entry.flags & STARTS_PROGRAM != 0);
    (1..state.image.len()).filter(starts).try_for_each(|entry| load_once(dict, state, entry, false).map(drop))
}

/// Loads overlays before their names are read: those that the module's code mentions, so that its global reads are fast
/// again, or all, before it evaluates who knows what.
///
/// Where one fails it stays pending, and its error comes out when its name is read; a `KeyboardInterrupt` does now.
pub fn load_ahead(dict: &Bound<'_, PyDict>, state: &Arc<State>, entries: Vec<u32>) -> PyResult<()> {
    let py = dict.py();
    for entry in entries {
        load(dict, state, entry, false).map(drop).or_else(|error| match error.is_instance_of::<PyException>(py) {
            true => Ok(()),
            false => Err(error),
        })?;
    }
    Ok(())
}

/// Loads what code has to find before (`before`) or right after it runs: names that its class bodies read.
///
/// A name that the program has bound itself in the meantime stays as it is.
pub fn load_needs(dict: &Bound<'_, PyDict>, state: &Arc<State>, entry: u32, before: bool) -> PyResult<()> {
    for need in must_load(&state.image, entry).into_iter().filter(|&need| (need < entry) == before) {
        if before && !state.is_running(need) && is_bound(dict, state, need)? {
            state.settle(need);
        } else {
            load(dict, state, need, false)?;
        }
    }
    Ok(())
}

/// The overlays that must be loaded with an entry.
pub fn must_load(image: &Image, entry: u32) -> Vec<u32> {
    let Some(found) = image.entry(entry) else { return Vec::new() };
    found.needs.take((found.flags >> MUST_LOAD_SHIFT) as usize).collect()
}

/// Notes which lazy names the code of `entry` reads, before it runs.
pub fn note_mentions(state: &State, entry: u32) {
    if let Some(found) = state.image.entry(entry) {
        state.mention(found.needs, found.flags & DYNAMIC != 0);
    }
}

pub fn is_named(state: &State, entry: u32) -> bool {
    state.image.entry(entry).is_some_and(|entry| entry.name.is_some())
}

/// The name of an overlay, as the source gave it.
pub fn name_of<'py>(state: &State, py: Python<'py>, entry: u32) -> PyResult<Bound<'py, PyAny>> {
    match state.image.entry(entry).and_then(|entry| entry.name) {
        Some(name) => code::unmarshal(py, name.marshalled),
        None => Ok(py.None().into_bound(py)),
    }
}

/// What is stored under the name: a code object, or a constant.
pub fn stored<'py>(py: Python<'py>, state: &State, entry: u32) -> PyResult<Bound<'py, PyAny>> {
    let payload = state.image.payload(entry).map_err(|error| {
        importing::discard_bad_file(state.cache_path.bind(py), entry);
        errors::unreadable(py, state.name.bind(py), &state.cache_path, &error)
    })?;
    match state.image.entry(entry).and_then(|entry| entry.kind) {
        Some(Kind::Constant) => code::unmarshal(py, &payload),
        _ => code::unmarshal_code(py, &payload, state.source_path.bind(py)).map(Bound::into_any),
    }
}

/// The overlays recorded as loaded, which a program may change.
pub fn record<'py>(dict: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, PySet>>> {
    let found = dict.get_item(intern!(dict.py(), "__overlays__"))?;
    Ok(found.and_then(|found| found.cast_into::<PySet>().ok()))
}

fn is_recorded(dict: &Bound<'_, PyDict>, name: &Bound<'_, PyAny>) -> PyResult<bool> {
    match record(dict)? {
        Some(record) => record.contains(name),
        None => Ok(false),
    }
}

fn load_once(dict: &Bound<'_, PyDict>, state: &Arc<State>, entry: u32, force: bool) -> PyResult<Outcome> {
    let name = name_of(state, dict.py(), entry)?;
    if state.is_running(entry) || (!force && is_recorded(dict, &name)?) {
        return Ok(Outcome::AlreadyLoaded);
    }
    let loading = Watch::start_for_caller(dict.py());
    state.begin(entry);
    let result = run(dict, state, entry, &name);
    state.end(entry);
    result?;
    let bytes = state.image.entry(entry).map_or(0, |entry| entry.length);
    loading.stop(What::Overlay, state.source_path.bind(dict.py()), Some(&name), bytes);
    state.settle(entry);
    state.refresh(dict)?;
    Ok(Outcome::Loaded)
}

fn run(dict: &Bound<'_, PyDict>, state: &Arc<State>, entry: u32, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = dict.py();
    let stored = stored(py, state, entry)?;
    note_mentions(state, entry);
    state.refresh(dict)?;
    load_needs(dict, state, entry, true)?;
    match stored.cast_into() {
        Ok(code) => run_code(dict, &code)?,
        Err(constant) => bind_constant(dict, name, constant.into_inner())?,
    }
    if state.records(entry) {
        record_loaded(dict, name)?;
    }
    load_needs(dict, state, entry, false)
}

/// From CPython 3.14 on, code with module annotations binds an `__annotate__`: the core's must not be lost.
fn run_code(dict: &Bound<'_, PyDict>, code: &Bound<'_, PyCode>) -> PyResult<()> {
    let py = dict.py();
    if cfg!(not(Py_3_14)) {
        return call::code(code, dict);
    }
    let name = intern!(py, "__annotate__");
    let before = dict.get_item(name)?.filter(|before| !before.is_none());
    let result = call::code(code, dict);
    let Some(after) = dict.get_item(name)?.filter(|after| before.as_ref().is_none_or(|before| !before.is(after)))
    else {
        return result;
    };
    if let Some(before) = before {
        let merge = || errors::public(py, "merge_annotate")?.call1((&before, after));
        dict.set_item(name, if result.is_ok() { merge()? } else { before })?;
    }
    // What the module has answered so far, as its own setter of `__annotate__` drops it.
    let answered = intern!(py, "__annotations__");
    if dict.contains(answered)? {
        dict.del_item(answered)?;
    }
    result
}

/// A constant is handed out under its lazy name; under any other name there is nothing to run.
fn bind_constant(dict: &Bound<'_, PyDict>, name: &Bound<'_, PyAny>, constant: Bound<'_, PyAny>) -> PyResult<()> {
    match names::lazy_attribute(name) {
        Some(attribute) => dict.set_item(attribute, constant),
        None => Ok(()),
    }
}

pub fn record_loaded(dict: &Bound<'_, PyDict>, name: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = dict.py();
    match record(dict)? {
        Some(record) => record.add(name),
        None => dict.set_item(intern!(py, "__overlays__"), PySet::new(py, [name])?),
    }
}
