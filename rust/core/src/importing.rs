//! `exec_module`: from a source path to an executed module. The hot path of the package.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};

use overlay_file::{Cache, Image, Memory};
use parking_lot::Mutex;
use pyo3::exceptions::PyImportError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyCode, PyDict, PyString};

use crate::bodies::{self, Bodies, Home};
use crate::bundle::{self, Lookup, Snapshot};
use crate::capi::function::Watching;
use crate::capi::{call, code, method, pending_dict, pending_module};
use crate::freshness::SourceFile;
use crate::handles::{self, Handles};
use crate::level::{self, Level};
use crate::payloads::Payloads;
use crate::recording::{Watch, What};
use crate::state::{self, Origin, State};
use crate::{cache_path, compiled, freshness, learning, load, public, trust};

/// Files whose directories stay mapped after the last module that uses them is gone.
const CACHED_FILES: NonZeroUsize = NonZeroUsize::new(128).unwrap();

static FILES: LazyLock<Cache> = LazyLock::new(|| Cache::new(CACHED_FILES));

/// A module's code, and where it came from.
struct Found<'py> {
    core: Bound<'py, PyCode>,
    /// Its overlay file, where there are overlays in it.
    file: Option<Overlays<'py>>,
    origin: Origin,
    /// Where the core has placeholders.
    bodies: Option<Bound<'py, Bodies>>,
    /// Writes the cache file, when it is known which bodies the core needs while it runs.
    finish: Option<Bound<'py, PyAny>>,
}

/// The overlays of a module.
struct Overlays<'py> {
    payloads: Payloads,
    has_bodies: bool,
    /// The same file, where there are overlays with names.
    image: Option<Arc<Image>>,
    path: Bound<'py, PyAny>,
}

impl<'py> Overlays<'py> {
    fn of(py: Python<'py>, image: Arc<Image>, path: &Path) -> PyResult<Option<Self>> {
        if image.len() == 1 {
            return Ok(None);
        }
        let path = path.as_os_str().into_pyobject(py)?.into_any();
        let named = Some(&image).filter(|image| image.has_names()).cloned();
        Ok(Some(Self { has_bodies: bodies::any(&image), payloads: image.into(), image: named, path }))
    }
}

impl<'py> Found<'py> {
    /// Makes what the placeholders in the core need, where it has some.
    fn prepare_bodies(
        &mut self,
        loader: &Bound<'py, PyAny>,
        dict: &Bound<'_, PyDict>,
        path: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = loader.py();
        let Some(file) = self.file.take() else { return Ok(()) };
        if file.has_bodies {
            let name = loader.getattr(intern!(py, "name"))?;
            let home = Home::new(dict, file.payloads, &name, path, &file.path, self.origin.clone());
            self.bodies = Some(Bodies::new(py, home, self.finish.is_some())?);
        }
        Ok(())
    }

    /// Runs the core in the module's namespace.
    fn exec(&self, handles: &Handles, dict: &Bound<'_, PyDict>) -> PyResult<()> {
        let result = match &self.bodies {
            Some(bodies) => self.exec_hollow(handles, dict, bodies),
            None => exec(handles, &self.core, dict),
        };
        if let Some(finish) = &self.finish {
            // Whether the module failed or not, as CPython does.
            learning::module_has_run(finish, self.bodies.as_ref());
        }
        result
    }

    fn exec_hollow(&self, handles: &Handles, dict: &Bound<'_, PyDict>, bodies: &Bound<'_, Bodies>) -> PyResult<()> {
        let watching = Watching::start(dict.py());
        let filling = Watch::start();
        bodies::fill(&self.core, bodies, watching.is_none())?;
        filling.stop(What::Unmarshal, bodies.get().source_path(dict.py()), None, 0);
        exec(handles, &self.core, dict)
    }
}

/// `Loader.exec_module`: finds the module's code, fresh from its cache file or from its source, and runs it.
pub fn exec_module(loader: &Bound<'_, PyAny>, module: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = loader.py();
    let _import = learning::Import::begin(module);
    let handles = handles::get(py)?;
    let Ok(module) = module.cast::<PyModule>() else {
        return exec_eager(handles, loader, module);
    };
    let path = loader.getattr(intern!(py, "path"))?;
    let mut found = find(handles, loader, &path)?;
    let named = found.file.as_ref().and_then(|file| Some((Arc::clone(file.image.as_ref()?), file.path.clone())));
    found.prepare_bodies(loader, &module.dict(), &path)?;
    match named {
        Some((image, cache)) => exec_with_overlays(handles, loader, module, found, image, &path, cache),
        None => {
            method::make_plain(loader)?;
            exec_plain(handles, module, &found)
        }
    }?;
    compiled::module_has_run(module);
    Ok(())
}

/// The code of a module: from the bundle, else from its cache file, else from its source.
fn find<'py>(handles: &Handles, loader: &Bound<'py, PyAny>, path: &Bound<'py, PyAny>) -> PyResult<Found<'py>> {
    let not_bundled = match bundle::in_use() {
        Some(bundle) if !learning::is_training() => match from_bundle(handles, &bundle, path)? {
            Ok(found) => return Ok(found),
            Err(reason) => reason,
        },
        _ => String::new(),
    };
    let cache = cache_path::of(path, level::current())?;
    let mut found = match from_cache(handles, path, &cache)? {
        Ok(found) => found,
        Err(reason) => from_source(handles, loader, path, &cache, reason)?,
    };
    if !not_bundled.is_empty() {
        let reasons = [not_bundled, found.origin.reason];
        found.origin.reason =
            reasons.iter().filter(|reason| !reason.is_empty()).cloned().collect::<Vec<_>>().join("; ");
    }
    Ok(found)
}

/// A stand-in for a module, which has nothing to hang overlays on.
fn exec_eager(handles: &Handles, loader: &Bound<'_, PyAny>, module: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = loader.py();
    let name = module.getattr(intern!(py, "__name__"))?;
    let code = loader.call_method1(intern!(py, "get_code"), (&name,))?;
    if code.is_none() {
        return Err(PyImportError::new_err(format!(
            "cannot load module {} when get_code() returns None",
            name.repr()?
        )));
    }
    exec(handles, &code, &module.getattr(intern!(py, "__dict__"))?)
}

fn exec(handles: &Handles, code: &Bound<'_, PyAny>, dict: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = code.py();
    call::function(handles.call_with_frames_removed.bind(py), (&handles.exec, code, dict)).map(drop)
}

/// The code in the bundle, or why it is not taken from there: empty where it is not in it.
fn from_bundle<'py>(
    handles: &Handles,
    bundle: &Snapshot,
    path: &Bound<'py, PyAny>,
) -> PyResult<Result<Found<'py>, String>> {
    let py = path.py();
    let reading = Watch::start();
    let Some(source) = path.cast::<PyString>().ok().and_then(|path| path.to_str().ok()) else {
        return Ok(Err(String::new()));
    };
    let code = match bundle.code_of(source) {
        Lookup::Fresh(code) => code,
        Lookup::Stale(reason) => {
            handles.say(py, || format!("{source}: {reason}"))?;
            return Ok(Err(reason));
        }
        Lookup::Absent => return Ok(Err(String::new())),
    };
    let module = &code.module;
    let file = match module.has_names || module.has_bodies {
        true => match code.overlays(bundle) {
            Ok((payloads, image)) => {
                let path = bundle.path.bind(py).clone().into_any();
                Some(Overlays { payloads, has_bodies: module.has_bodies, image, path })
            }
            Err(error) => return Ok(Err(format!("the bundle is damaged: {error}"))),
        },
        false => None,
    };
    reading.stop(What::Read, path, None, module.core_length.into());
    let unmarshalling = Watch::start();
    let core = match code.core(bundle, path)? {
        Ok(core) => core,
        Err(error) => return Ok(Err(format!("the bundle is damaged: {error}"))),
    };
    unmarshalling.stop(What::Unmarshal, path, None, 0);
    handles.say(py, || format!("code of {source} from the bundle"))?;
    let origin = Origin { from: "bundle", reason: String::new() };
    Ok(Ok(Found { core, file, origin, bodies: None, finish: None }))
}

fn from_cache<'py>(handles: &Handles, path: &Bound<'py, PyAny>, cache: &Path) -> PyResult<Result<Found<'py>, String>> {
    let py = path.py();
    if learning::is_training() {
        return Ok(Err("a bundle is being trained".to_owned()));
    }
    let reading = Watch::start();
    let (image, file) = match FILES.open(cache) {
        Ok(opened) => opened,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if image.flags() != level::current().flag() {
        return Ok(Err("it was made for another level".to_owned()));
    }
    let source = SourceFile::new(path.extract()?);
    if let Some(reason) = freshness::reason_against(py, handles, &image, &source)? {
        return Ok(Err(reason));
    }
    if let Some(reason) = trust::reason_against_cache(cache, &file, &source) {
        return Ok(Err(reason));
    }
    let core = match image.payload(0) {
        Ok(core) => core,
        Err(error) => return Ok(Err(error.to_string())),
    };
    reading.stop(What::Read, path, None, core.len() as u64);
    handles.say(py, || format!("{} matches {}", cache.display(), source.path.display()))?;
    let unmarshalling = Watch::start();
    let core = code::unmarshal_code(py, &core, path)?;
    unmarshalling.stop(What::Unmarshal, path, None, 0);
    let origin = Origin { from: "cache", reason: String::new() };
    let file = Overlays::of(py, image, cache)?;
    Ok(Ok(Found { core, file, origin, bodies: None, finish: None }))
}

/// Takes the cache file away where the payload in it is bad, so that the next import makes a good one.
pub fn discard_bad_file(cache_path: &Bound<'_, PyAny>, entry: u32) {
    FILES.clear();
    let Ok(path) = cache_path.extract::<PathBuf>() else { return };
    // Another file may stand there by now, and whoever reads a bad one that cannot be removed is told again.
    if Image::open(&path).is_ok_and(|image| image.payload(entry).is_err_and(|error| error.is_damage())) {
        let _ = fs::remove_file(path);
    }
}

fn from_source<'py>(
    handles: &Handles,
    loader: &Bound<'py, PyAny>,
    path: &Bound<'py, PyAny>,
    cache: &Path,
    reason: String,
) -> PyResult<Found<'py>> {
    let py = loader.py();
    handles.say(py, || format!("overlay cache {} not used: {reason}", cache.display()))?;
    // Below importlib's frame, so that a SyntaxError's traceback begins where stock's does.
    let compile = public::function(py, "_compile_source")?;
    let made = call::function(handles.call_with_frames_removed.bind(py), (compile, loader, cache.as_os_str()))?;
    let (core, file, finish): Compiled<'py> = made.extract()?;
    let image = match file {
        Some(file) => Image::from_source(Box::new(Memory(file.as_bytes().to_vec()))).ok().map(Arc::new),
        None => None,
    };
    let origin = Origin { from: "source", reason };
    // A file yet to be finished is hollow: the core is the one in it.
    let core = match finish.as_ref().and(image.as_ref()).and_then(|image| image.payload(0).ok()) {
        Some(core) => code::unmarshal_code(py, &core, path)?,
        None => core,
    };
    let file = image.map_or(Ok(None), |image| Overlays::of(py, image, cache))?;
    Ok(Found { core, file, origin, bodies: None, finish })
}

/// What the compiler gives: the core, the file where the module is to run from it, and what writes it after that.
type Compiled<'py> = (Bound<'py, PyCode>, Option<Bound<'py, PyBytes>>, Option<Bound<'py, PyAny>>);

/// Compiles the loader's source and writes the cache file; gives the core and, where there are overlays, the file.
#[pyfunction]
pub fn _compile_source<'py>(loader: &Bound<'py, PyAny>, cache: PathBuf) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py();
    let result = match compiler(py) {
        Ok(Some(compiler)) => {
            let bodies = level::current() == Level::Bodies;
            call::function(&compiler.getattr("compile_and_cache")?, (loader, cache.into_os_string(), bodies))
        }
        // A program that hides modules from `import` may hide some that the compiler needs: it gets its own all the same.
        Ok(None) => stock_code(loader),
        Err(error) if error.is_instance_of::<PyImportError>(py) => stock_code(loader),
        Err(error) => Err(error),
    };
    result.inspect_err(|error| error.set_traceback(py, None))
}

/// The compiler; `None` for the modules that it imports itself while this thread imports it, and where it never comes.
fn compiler(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyAny>>> {
    static COMPILER: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static IMPORTING: Mutex<Vec<(u32, ThreadId)>> = Mutex::new(Vec::new());
    if COMPILER.get(py).is_none() {
        let this = (process::id(), thread::current().id());
        // In a forked process nobody ends the import that another thread of its parent had begun.
        if IMPORTING.lock().iter().any(|&other| other == this || other.0 != this.0) {
            return Ok(None);
        }
        IMPORTING.lock().push(this);
        let imported = py.import("overlay_import._compiler");
        IMPORTING.lock().retain(|&other| other != this);
        let _ = COMPILER.set(py, imported?.into_any().unbind());
    }
    Ok(COMPILER.get(py).map(|compiler| compiler.bind(py)))
}

fn stock_code<'py>(loader: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = loader.py();
    let code = loader.call_method1(intern!(py, "get_code"), (loader.getattr(intern!(py, "name"))?,))?;
    Ok((code, py.None(), py.None()).into_pyobject(py)?.into_any())
}

fn exec_plain(handles: &Handles, module: &Bound<'_, PyModule>, found: &Found<'_>) -> PyResult<()> {
    let dict = module.dict();
    let previous = Suspended::new(module, &dict, None)?;
    let result = found.exec(handles, &dict);
    match (result, previous) {
        (Err(error), Some(previous)) => {
            previous.restore(module, &dict)?;
            Err(error)
        }
        (result, _) => result,
    }
}

fn exec_with_overlays(
    handles: &Handles,
    loader: &Bound<'_, PyAny>,
    module: &Bound<'_, PyModule>,
    found: Found<'_>,
    image: Arc<Image>,
    path: &Bound<'_, PyAny>,
    cache: Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = module.py();
    let dict = module.dict();
    // An earlier run has bound names, and submodules that the core imports bind theirs.
    let may_be_bound = dict.contains(intern!(py, "__builtins__"))? || dict.contains(intern!(py, "__path__"))?;
    let previous = Suspended::new(module, &dict, Some(&image))?;
    let name = loader.getattr(intern!(py, "name"))?;
    let origin = found.origin.clone();
    let state = State::new(module, image, name.unbind(), path.clone().unbind(), cache.unbind(), origin)?;
    let state = Arc::new(state);
    if let Some(previous) = &previous {
        state.come_after(Arc::clone(&previous.state));
    }
    // From here on: the core itself may load overlays.
    state::register(&dict, Arc::clone(&state));
    let ready = match &previous {
        Some(previous) => load_read_by_classes(&dict, &previous.state, &state.image),
        None => Ok(()),
    };
    let ready = ready.and_then(|()| state.refresh(&dict));
    let result = ready.and_then(|()| found.exec(handles, &dict));
    let result = result.and_then(|()| take_over(py, &state, previous.as_ref()));
    let result = result.and_then(|()| activate(module, &dict, &state));
    if let Err(error) = result {
        match previous {
            Some(previous) => previous.restore(module, &dict)?,
            None => deactivate(module, &dict)?,
        }
        return Err(error);
    }
    if may_be_bound {
        load_bound(&dict, &state, previous.and_then(|previous| previous.record))?;
    }
    match is_program(&dict)? {
        true => load::start_program(&dict, &state),
        false => Ok(()),
    }
}

pub fn is_program(dict: &Bound<'_, PyDict>) -> PyResult<bool> {
    dict.get_item(intern!(dict.py(), "__name__"))?.map_or(Ok(false), |name| name.eq(intern!(dict.py(), "__main__")))
}

/// The new core has run. What other threads are loading of the old overlays is waited for: the new ones have the last word.
fn take_over(py: Python<'_>, state: &State, previous: Option<&Suspended<'_>>) -> PyResult<()> {
    let Some(previous) = previous else { return Ok(()) };
    let held = previous.state.acquire(py)?;
    state.take_over();
    if let Some(held) = held {
        held.release(py);
    }
    Ok(())
}

/// The core has run: from now on a miss loads what is pending.
fn activate(module: &Bound<'_, PyModule>, dict: &Bound<'_, PyDict>, state: &Arc<State>) -> PyResult<()> {
    load::note_mentions(state, 0);
    if !state.pending().is_empty() && !pending_module::make_pending(module)? {
        state.set_eager("the module has a class of its own");
        load::load_pending(dict, state, state.pending())?;
    }
    state.refresh(dict)?;
    load::load_needs(dict, state, 0, false)
}

fn deactivate(module: &Bound<'_, PyModule>, dict: &Bound<'_, PyDict>) -> PyResult<()> {
    pending_module::make_plain(module)?;
    pending_dict::set(dict, false)?;
    state::forget(dict.as_ptr() as usize);
    Ok(())
}

/// What a module had before `importlib.reload` began to execute it anew.
struct Suspended<'py> {
    state: Arc<State>,
    record: Option<Bound<'py, PyAny>>,
}

impl<'py> Suspended<'py> {
    /// Makes room for the overlays of `next`. Until its core has run, those that were there still answer.
    fn new(module: &Bound<'py, PyModule>, dict: &Bound<'py, PyDict>, next: Option<&Image>) -> PyResult<Option<Self>> {
        let Some(state) = state::of_dict(dict.as_ptr()) else { return Ok(None) };
        load_left_behind(dict, &state, next);
        if next.is_none() {
            deactivate(module, dict)?;
        }
        let name = intern!(module.py(), "__overlays__");
        let record = dict.get_item(name)?;
        if record.is_some() {
            dict.del_item(name)?;
        }
        Ok(Some(Self { state, record }))
    }

    /// The new code failed: the module goes on with what it had.
    fn restore(self, module: &Bound<'py, PyModule>, dict: &Bound<'py, PyDict>) -> PyResult<()> {
        if let Some(record) = self.record {
            dict.set_item(intern!(module.py(), "__overlays__"), record)?;
        }
        state::register(dict, Arc::clone(&self.state));
        for entry in self.state.stay() {
            load::record_loaded(dict, &load::name_of(&self.state, dict.py(), entry)?)?;
        }
        if !self.state.pending().is_empty() {
            pending_module::make_pending(module)?;
        }
        self.state.refresh(dict)
    }
}

/// Loads the pending names that the reloaded module no longer has: a reload removes no name.
fn load_left_behind(dict: &Bound<'_, PyDict>, state: &Arc<State>, next: Option<&Image>) {
    for entry in state.pending() {
        let name = state.image.entry(entry).and_then(|entry| entry.name);
        if name.is_some_and(|name| next.is_none_or(|next| next.find(name.key).is_none())) {
            // One that fails stays away; the new code is what the program asked for.
            let _ = load::load(dict, state, entry, false);
        }
    }
}

/// Loads the pending names that class bodies of the next core read: they look past every hook.
fn load_read_by_classes(dict: &Bound<'_, PyDict>, state: &Arc<State>, next: &Image) -> PyResult<()> {
    let keys = load::must_load(next, 0).into_iter().filter_map(|need| Some(next.entry(need)?.name?.key));
    let mut pending = state.pending();
    let found: Vec<_> = keys.filter_map(|key| state.image.find(key)).collect();
    pending.retain(|entry| found.contains(entry));
    load::load_ahead(dict, state, pending)
}

/// Loads the lazy names that are bound already, or were loaded before a reload: the overlay has the last word.
fn load_bound(dict: &Bound<'_, PyDict>, state: &Arc<State>, record: Option<Bound<'_, PyAny>>) -> PyResult<()> {
    for entry in state.pending() {
        let name = load::name_of(state, dict.py(), entry)?;
        let was_loaded = record.as_ref().map_or(Ok(false), |record| record.contains(&name))?;
        if was_loaded || load::is_bound(dict, state, entry)? {
            load::load(dict, state, entry, false)?;
        }
    }
    Ok(())
}
