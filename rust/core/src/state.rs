//! What we know of each module that has overlays, and the registry that finds it by the module's dict.
//!
//! A module's dict outlives the module where functions still hold it, and it is what a global read has in hand: so the
//! address of the dict is the key, and an entry goes when the dict does (see `capi::pending_dict`) or, where nothing
//! can ask for a lazy name any more, when the module does.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};

use overlay_file::Image;
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyString, PyWeakrefMethods, PyWeakrefReference};

use crate::capi::{pending_dict, pending_module};
use crate::module_lock::{Held, ModuleLock};
use crate::{errors, names};

/// File-entry flag: the overlay's name is `('lazy', attribute)`.
pub const LAZY: u32 = 1;
/// File-entry flag: the code may ask for globals by other means than their names (`eval`, `globals()`).
pub const DYNAMIC: u32 = 2;
/// File-entry flag: the code annotates names of the module.
pub const ANNOTATES: u32 = 4;
/// File-entry flag: the lazy overlay imports a module of its own name.
pub const IMPORTS_NAMESAKE: u32 = 8;
/// File-entry flag: the code asks whether its module is the program (`if __name__ == "__main__"`).
pub const STARTS_PROGRAM: u32 = 16;
/// The upper bits of the file-entry flags count how many of an entry's needs, the first ones, must be loaded with it:
/// names that class bodies read, that the code deletes or binds itself. The others are only read by its functions.
pub const MUST_LOAD_SHIFT: u32 = 8;

static REGISTRY: LazyLock<Mutex<HashMap<usize, Arc<State>>>> = LazyLock::new(Mutex::default);

/// Where a module's code came from.
#[derive(Clone)]
pub struct Origin {
    /// `"cache"` or `"source"`.
    pub from: &'static str,
    /// Why the cache file was not used; empty when it was.
    pub reason: String,
}

pub struct State {
    pub image: Arc<Image>,
    pub name: Py<PyAny>,
    pub source_path: Py<PyAny>,
    pub cache_path: Py<PyAny>,
    pub origin: Origin,
    module: Py<PyWeakrefReference>,
    lock: Arc<ModuleLock>,
    progress: Mutex<Progress>,
    /// While a reload runs the core: the state of the overlays that were there before, which answers misses until then.
    before: Mutex<Option<Arc<State>>>,
}

/// What a reload has made of a state.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Serving,
    /// It answers misses while the new core runs, and what it loads is not recorded: the record is the new one's.
    Leaving,
    /// There is another in its place.
    Gone,
}

#[derive(Default)]
struct Progress {
    /// A bit for each entry: a lazy overlay that a miss no longer loads.
    settled: Vec<u64>,
    pending: usize,
    running: Vec<(u32, ThreadId)>,
    /// Lazy overlays whose names are read by code that has run.
    mentioned: Vec<u32>,
    /// The dict was handed out: any key of it may be asked for.
    exposed: bool,
    slow_reads: u32,
    eager: Option<String>,
    stage: Stage,
    /// What was loaded while leaving.
    unrecorded: Vec<u32>,
}

impl Progress {
    fn is_settled(&self, entry: u32) -> bool {
        self.settled.get(entry as usize / 64).is_none_or(|word| word >> (entry % 64) & 1 == 1)
    }

    fn wants_watch(&self) -> bool {
        // The new core of a reload may read anything that is still there.
        let is_asked = self.exposed || self.stage == Stage::Leaving;
        self.pending > 0 && (is_asked || self.mentioned.iter().any(|&entry| !self.is_settled(entry)))
    }
}

impl State {
    pub fn new(
        module: &Bound<'_, PyModule>,
        image: Arc<Image>,
        name: Py<PyAny>,
        source_path: Py<PyAny>,
        cache_path: Py<PyAny>,
        origin: Origin,
    ) -> PyResult<Self> {
        let dict = module.dict().as_ptr() as usize;
        let callback = PyCFunction::new_closure(module.py(), None, None, move |_, _| module_died(dict))?;
        let pending = (1..image.len()).filter(|&entry| is_lazy(&image, entry)).count();
        let progress = Progress { settled: vec![0; image.len() as usize / 64 + 1], pending, ..Progress::default() };
        Ok(Self {
            module: PyWeakrefReference::new_with(module, callback)?.unbind(),
            image,
            name,
            source_path,
            cache_path,
            origin,
            lock: Arc::default(),
            progress: Mutex::new(progress),
            before: Mutex::default(),
        })
    }

    pub fn stage(&self) -> Stage {
        self.progress.lock().stage
    }

    /// Goes on, as the reload failed; gives what was loaded meanwhile.
    pub fn stay(&self) -> Vec<u32> {
        let mut progress = self.progress.lock();
        progress.stage = Stage::Serving;
        std::mem::take(&mut progress.unrecorded)
    }

    /// The overlays of `before` answer misses until `take_over`.
    pub fn come_after(&self, before: Arc<State>) {
        before.progress.lock().stage = Stage::Leaving;
        *self.before.lock() = Some(before);
    }

    /// From now on this state answers. To be called with the lock of the one before.
    pub fn take_over(&self) {
        let before = self.before.lock().take();
        if let Some(before) = before {
            before.progress.lock().stage = Stage::Gone;
        }
    }

    /// Whether what is loaded is to be recorded; notes it where not.
    pub fn records(&self, entry: u32) -> bool {
        let mut progress = self.progress.lock();
        let records = progress.stage != Stage::Leaving;
        if !records {
            progress.unrecorded.push(entry);
        }
        records
    }

    /// The module's name in quotes, for a message.
    pub fn quoted_name(&self, py: Python<'_>) -> String {
        errors::quoted(self.name.bind(py))
    }

    /// Waits for other threads' loads of the module; `None` where that would be a deadlock.
    ///
    /// A forked process begins anew: the thread that held the lock did not come along, nor will what it began end.
    pub fn acquire(&self, py: Python<'_>) -> PyResult<Option<Held>> {
        if self.lock.renew() {
            let this = thread::current().id();
            self.progress.lock().running.retain(|&(_, thread)| thread == this);
        }
        self.lock.acquire(py)
    }

    /// The entry of the lazy overlay that a miss of `attribute` should load.
    pub fn pending_entry(&self, attribute: &Bound<'_, PyAny>) -> Option<u32> {
        let attribute = attribute.cast::<PyString>().ok()?;
        let entry = self.image.find(&names::lazy_key(&names::utf8(attribute).ok()?))?;
        (!self.progress.lock().is_settled(entry)).then_some(entry)
    }

    /// Lazy overlays that a miss would still load, in the order of the file.
    pub fn pending(&self) -> Vec<u32> {
        let progress = self.progress.lock();
        if progress.pending == 0 {
            return Vec::new();
        }
        (1..self.image.len()).filter(|&entry| is_lazy(&self.image, entry) && !progress.is_settled(entry)).collect()
    }

    /// Those that a look at the whole namespace asks for: all, but from within an overlay only the ones above it, as
    /// further names are not there yet when its code runs in an eager import.
    pub fn pending_in_view(&self) -> Vec<u32> {
        let this = thread::current().id();
        let running =
            self.progress.lock().running.iter().rfind(|&&(_, thread)| thread == this).map(|&(entry, _)| entry);
        let mut pending = self.pending();
        pending.retain(|&entry| running.is_none_or(|running| entry < running));
        pending
    }

    /// A miss no longer loads this overlay: it was loaded, or its name was bound to something else.
    pub fn settle(&self, entry: u32) {
        let mut progress = self.progress.lock();
        if is_lazy(&self.image, entry) && !progress.is_settled(entry) {
            progress.settled[entry as usize / 64] |= 1 << (entry % 64);
            progress.pending -= 1;
        }
    }

    pub fn is_running(&self, entry: u32) -> bool {
        self.progress.lock().running.iter().any(|&(other, _)| other == entry)
    }

    pub fn begin(&self, entry: u32) {
        self.progress.lock().running.push((entry, thread::current().id()));
    }

    pub fn end(&self, entry: u32) {
        let running = &mut self.progress.lock().running;
        if let Some(place) = running.iter().rposition(|&(other, _)| other == entry) {
            running.swap_remove(place);
        }
    }

    /// Code that is about to run reads these lazy names.
    pub fn mention(&self, entries: impl Iterator<Item = u32>, dynamic: bool) {
        let mut progress = self.progress.lock();
        progress.exposed |= dynamic;
        for entry in entries {
            if !progress.is_settled(entry) && !progress.mentioned.contains(&entry) {
                progress.mentioned.push(entry);
            }
        }
    }

    /// The module's dict was handed out.
    pub fn expose(&self) {
        self.progress.lock().exposed = true;
    }

    /// Lazy overlays that the module's own code reads and that are not loaded.
    pub fn pending_mentions(&self) -> Vec<u32> {
        let progress = self.progress.lock();
        progress.mentioned.iter().copied().filter(|&entry| !progress.is_settled(entry)).collect()
    }

    /// Counts a read that the pending dict made slow; true when there were so many that loading is the cheaper way.
    pub fn count_slow_read(&self) -> bool {
        let mut progress = self.progress.lock();
        progress.slow_reads = progress.slow_reads.saturating_add(1);
        progress.slow_reads == SLOW_READS && !progress.exposed
    }

    /// Says why the module's lazy overlays were loaded at once.
    pub fn set_eager(&self, reason: &str) {
        self.progress.lock().eager = Some(reason.to_owned());
    }

    pub fn eager(&self) -> Option<String> {
        self.progress.lock().eager.clone()
    }

    pub fn module<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyModule>> {
        self.module.bind(py).upgrade_as::<PyModule>().ok().flatten()
    }

    /// Makes the module's class and its dict's type what the pending overlays ask for: plain when there are none.
    pub fn refresh(&self, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let before = self.before.lock().clone();
        if let Some(before) = before {
            return before.refresh(dict);
        }
        let (stage, pending, watch) = {
            let progress = self.progress.lock();
            (progress.stage, progress.pending, progress.wants_watch())
        };
        if stage == Stage::Gone {
            return Ok(());
        }
        pending_dict::set(dict, watch)?;
        match self.module(dict.py()) {
            Some(module) if pending == 0 => pending_module::make_plain(&module)?,
            Some(_) => {}
            None if !watch => forget(dict.as_ptr() as usize),
            None => {}
        }
        Ok(())
    }
}

/// Slow reads of a module after which what its code mentions is loaded, so that they become fast: about 25 ms of them.
const SLOW_READS: u32 = 100_000;

pub fn is_lazy(image: &Image, entry: u32) -> bool {
    image.entry(entry).is_some_and(|entry| entry.flags & LAZY != 0)
}

/// The state of the module with this dict.
pub fn of_dict(dict: *mut pyo3::ffi::PyObject) -> Option<Arc<State>> {
    REGISTRY.lock().get(&(dict as usize)).cloned()
}

pub fn of_module(module: &Bound<'_, PyModule>) -> Option<Arc<State>> {
    of_dict(module.dict().as_ptr())
}

/// The state that answers misses of the module with this dict.
pub fn answering(dict: *mut pyo3::ffi::PyObject) -> Option<Arc<State>> {
    let mut state = of_dict(dict)?;
    loop {
        let before = state.before.lock().clone();
        match before {
            Some(before) => state = before,
            None => return Some(state),
        }
    }
}

pub fn register(dict: &Bound<'_, PyDict>, state: Arc<State>) {
    // What was there is dropped after the lock is free: dropping it may run code.
    let before = REGISTRY.lock().insert(dict.as_ptr() as usize, state);
    drop(before);
}

pub fn forget(dict: usize) {
    let before = REGISTRY.lock().remove(&dict);
    drop(before);
}

/// The number of modules that we keep a state for.
pub fn count() -> usize {
    REGISTRY.lock().len()
}

fn module_died(dict: usize) {
    if of_dict(dict as *mut _).is_some_and(|state| !state.progress.lock().wants_watch()) {
        forget(dict);
    }
}
