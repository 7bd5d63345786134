//! Writing a bundle, and saying what is in one.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufWriter, Write};
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use overlay_file::bundle::{Bundle, BundleWriter, Folder, Found, Key, Module, Record, Section, Settings, Stamp};
use overlay_file::{FileError, bundle_checksum, marshal, write_atomic_with};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::bundle::{self, ROOTS, Roots};
use crate::handles::{self, Handles};
use crate::level::Level;
use crate::trust;

/// A module as the builder hands it over: name, source, its time in nanoseconds, its size, the overlay file.
#[derive(FromPyObject)]
pub struct Given<'py>(String, String, i128, u64, Bound<'py, PyBytes>);

/// A record before it is written.
struct Made<'a> {
    key: Key,
    value: Vec<u8>,
    rest: &'a [u8],
}

/// A module whose core is yet to be put into a group.
struct Ungrouped {
    /// The number of its record.
    record: usize,
    module: Module,
    core: Vec<u8>,
}

/// So many bytes of cores make a group. Who imports one of its modules unmarshals them all: names that they share are
/// looked up once, but what is not wanted costs some milliseconds.
const GROUP: usize = 256 * 1024;

/// Writes a bundle. See `_core.pyi`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "each is a part of the bundle, and Python names them")]
#[pyo3(signature = (path, check, level, modules, folders, extensions=Vec::new(), compiled=Vec::new()))]
pub fn write_bundle(
    py: Python<'_>,
    path: &str,
    check: &str,
    level: Level,
    modules: Vec<Given<'_>>,
    folders: Vec<String>,
    extensions: Vec<(String, String)>,
    compiled: Vec<(Bound<'_, PyBytes>, Bound<'_, PyBytes>)>,
) -> PyResult<()> {
    let handles = handles::get(py)?;
    let checks = match check {
        "default" => true,
        "never" => false,
        other => return Err(PyValueError::new_err(format!("unknown check: {other}"))),
    };
    if !path.starts_with('/') {
        return Err(PyValueError::new_err(format!("not an absolute path: {path}")));
    }
    let settings = Settings { has_compiled: !compiled.is_empty(), ..settings(handles, checks, level) };
    let roots = Roots::now(py, handles, path, &settings.roots)?;
    let settings = if checks { settings } else { Settings { roots: names_of(&roots), ..settings } };
    let own = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut builder = Builder { roots, checks, own, ..Builder::default() };
    for folder in &folders {
        builder.folder(folder);
    }
    for Given(name, source, time, size, file) in &modules {
        let stamp = Stamp {
            seconds: i64::try_from(time.div_euclid(1_000_000_000))?,
            nanoseconds: time.rem_euclid(1_000_000_000) as u32,
        };
        builder.module(name, source, stamp, *size, file.as_bytes())?;
    }
    builder.end_group()?;
    for (name, path) in &extensions {
        builder.extension(name, path)?;
    }
    for (key, value) in &compiled {
        let key = Key::compiled(key.as_bytes());
        builder.records.push(Made { key, value: value.as_bytes().to_vec(), rest: &[] });
    }
    let records: Vec<Record<'_>> = builder
        .records
        .iter()
        .map(|made| Record { key: made.key.clone(), value: &made.value, rest: made.rest })
        .collect();
    py.detach(|| write(Path::new(path), &settings, &records)).map_err(|error| error_of(error, path))?;
    Ok(())
}

fn write(path: &Path, settings: &Settings, records: &[Record<'_>]) -> Result<(), FileError> {
    write_atomic_with(path, 0o644, |file| {
        let mut out = BufWriter::new(file);
        BundleWriter::write(&mut out, settings, records)?;
        Ok(out.flush()?)
    })
}

fn error_of(error: FileError, path: &str) -> PyErr {
    match error {
        FileError::Io(error) => match error.raw_os_error() {
            // As Python's own functions raise it.
            Some(number) => {
                let text = error.to_string();
                let text = text.split(" (os error").next().unwrap_or_default();
                PyOSError::new_err((number, text.to_owned(), path.to_owned()))
            }
            None => error.into(),
        },
        error => PyValueError::new_err(error.to_string()),
    }
}

fn settings(handles: &Handles, checks: bool, level: Level) -> Settings {
    Settings {
        identity: handles.cache_tag.clone(),
        python: handles.version.clone(),
        magic: handles.magic,
        optimize: handles.optimize,
        checks,
        has_compiled: false,
        flags: level.flag(),
        roots: ROOTS.map(str::to_owned).to_vec(),
    }
}

/// The names of the roots. What nobody checks must not be found in another environment, so there they say where the
/// interpreter's own are.
fn names_of(roots: &Roots) -> Vec<String> {
    let own = |name: &&str| !matches!(*name, "bundle" | "/");
    let named = |(number, name): (u8, &str)| match roots.place(number).filter(|_| own(&name)) {
        Some(place) => format!("{name}={place}"),
        None => name.to_owned(),
    };
    (0..).zip(ROOTS).map(named).collect()
}

#[derive(Default)]
struct Builder<'a> {
    roots: Roots,
    /// The bundle's folder.
    own: &'a str,
    checks: bool,
    records: Vec<Made<'a>>,
    group: Vec<Ungrouped>,
    groups: u32,
    keys: HashSet<Vec<u8>>,
    /// What is in each folder.
    names: HashMap<String, HashSet<String>>,
}

impl<'a> Builder<'a> {
    /// Adds a folder; not one that is not there.
    fn folder(&mut self, path: &str) {
        let Some((root, rest)) = self.roots.of(path).filter(|_| path.starts_with('/')) else { return };
        let key = Key::folder(root, rest);
        if !self.keys.insert(key.as_bytes().to_vec()) {
            return;
        }
        let Some((stamp, names)) = scan(path) else { return };
        // What is not looked at need have no time, so that equal folders give equal bundles.
        let stamp = if self.checks { stamp } else { Stamp::default() };
        let value = Folder::new(stamp, names.iter().map(String::as_str)).encode();
        self.names.insert(path.to_owned(), names);
        if path == self.own && self.checks {
            // The bundle's coming changes its time, so it will have to be searched.
            return;
        }
        self.records.push(Made { key, value, rest: &[] });
    }

    /// The key of a module, whose folder comes before it; `None` where there is such a module already.
    fn new_key(&mut self, folder: &str, name: &str) -> Result<Option<Key>, &'static str> {
        let (root, path) = self.roots.of(folder).ok_or("in no root")?;
        self.folder(folder);
        if !self.names.contains_key(folder) {
            return Err("its folder cannot be read");
        }
        let key = Key::module(root, path, name);
        Ok(self.keys.insert(key.as_bytes().to_vec()).then_some(key))
    }

    /// Adds the place of an extension module.
    fn extension(&mut self, name: &str, path: &str) -> PyResult<()> {
        let invalid = |what: &str| PyValueError::new_err(format!("{path}: {what}"));
        let (folder, file) = path.rsplit_once('/').ok_or_else(|| invalid("no path of a module"))?;
        let (own_name, suffix) = file.split_once('.').ok_or_else(|| invalid("no path of a module"))?;
        if self.checks && may_become_package(folder, own_name) {
            return Ok(());
        }
        let Some(key) = self.new_key(folder, own_name).map_err(invalid)? else { return Ok(()) };
        let suffix = format!(".{suffix}");
        let value = Module { suffix, is_link: is_link(path), name: name.to_owned(), ..Module::default() }.encode();
        self.records.push(Made { key, value, rest: &[] });
        Ok(())
    }

    fn module(&mut self, name: &str, source: &str, stamp: Stamp, size: u64, file: &'a [u8]) -> PyResult<()> {
        let invalid = |what: &str| PyValueError::new_err(format!("{source}: {what}"));
        let (folder, own_name, is_package) = bundle::split(source).ok_or_else(|| invalid("no path of a module"))?;
        if self.checks && !is_package && may_become_package(folder, own_name) {
            return Ok(());
        }
        let Some(key) = self.new_key(folder, own_name).map_err(invalid)? else { return Ok(()) };
        let (module, core) = Module::of(file).map_err(|error| invalid(&error.to_string()))?;
        let stamp = if self.checks { stamp } else { Stamp::default() };
        let module = Module { is_package, is_link: is_link(source), stamp, size, name: name.to_owned(), ..module };
        self.group.push(Ungrouped { record: self.records.len(), module, core });
        self.records.push(Made { key, value: Vec::new(), rest: file });
        if is_package {
            self.folder(source.strip_suffix("/__init__.py").unwrap_or(source));
        }
        match self.group.iter().map(|module| module.core.len()).sum::<usize>() {
            ..GROUP => Ok(()),
            _ => self.end_group(),
        }
    }

    /// Adds the group of the modules that have none, behind them: it is read after the first of their records.
    fn end_group(&mut self) -> PyResult<()> {
        let group = mem::take(&mut self.group);
        let cores: Vec<&[u8]> = group.iter().map(|module| &*module.core).collect();
        let value = marshal::join(&cores).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let checksum = bundle_checksum(&value);
        for (index, Ungrouped { record, module, .. }) in (0..).zip(group) {
            self.records[record].value = Module { core: (self.groups, index, checksum), ..module }.encode();
        }
        self.records.push(Made { key: Key::group(self.groups), value, rest: &[] });
        self.groups += 1;
        Ok(())
    }
}

/// Whether a file is there by way of a symbolic link.
fn is_link(path: &str) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Whether something beside a module is, or leads to, a folder of its name: an `__init__.py` in there would change no
/// folder that the module is searched in.
fn may_become_package(folder: &str, name: &str) -> bool {
    let path = Path::new(folder).join(name);
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir() || metadata.is_symlink())
}

/// Whether there may be a module in the file or folder of this name.
fn may_hold_module(name: &str) -> bool {
    match name.rsplit_once('.') {
        None => true,
        Some((stem, suffix)) => !stem.is_empty() && matches!(suffix, "py" | "pyc" | "so"),
    }
}

/// The file system's clock, where its times have nanoseconds, and where they have not.
const TICK: Duration = Duration::from_millis(20);
const TICK_OF_WHOLE_SECONDS: Duration = Duration::from_secs(2);

/// A folder's time, and the names in it. A time that is too young says nothing: what changes the folder within the same
/// tick of the file system's clock leaves it as it is.
fn scan(path: &str) -> Option<(Stamp, HashSet<String>)> {
    let stamp = bundle::stamp_of(&fs::metadata(path).ok()?);
    let mut names = HashSet::new();
    for entry in fs::read_dir(path).ok()? {
        // Names that are no text are no modules.
        let name = entry.ok()?.file_name().into_string();
        names.extend(name.ok().filter(|name| may_hold_module(name)));
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos() as i128;
    let age = now - (i128::from(stamp.seconds) * 1_000_000_000 + i128::from(stamp.nanoseconds));
    let tick = if stamp.nanoseconds == 0 { TICK_OF_WHOLE_SECONDS } else { TICK };
    Some((if age > tick.as_nanos() as i128 { stamp } else { Stamp::default() }, names))
}

/// What a bundle holds, and what of it is stale. See `_core.pyi`.
#[pyfunction]
#[pyo3(signature = (path, verify=false))]
pub fn describe_bundle<'py>(py: Python<'py>, path: &str, verify: bool) -> PyResult<Bound<'py, PyDict>> {
    let handles = handles::get(py)?;
    let invalid = |error: FileError| error_of(error, path);
    let (file, metadata) = Bundle::open(Path::new(path)).map_err(invalid)?;
    let settings = file.settings().map_err(|error| PyValueError::new_err(error.to_string()))?;
    let roots = Roots::now(py, handles, path, &settings.roots)?;
    let describing = Describing { py, roots, checks: settings.checks, verify, file: file.into() };
    let (modules, folders) = (PyList::empty(py), PyList::empty(py));
    let mut compiled = 0;
    for found in describing.file.records() {
        match found {
            Ok(found) => match found.key().first() {
                Some(b'm') => modules.append(describing.module(&found)?)?,
                Some(b'f') => folders.append(describing.folder(&found)?)?,
                Some(b'c') => compiled += 1,
                _ => {}
            },
            Err(error) => modules.append(describing.damaged(&error)?)?,
        }
    }
    let reason = trust::reason_against(&metadata).or_else(|| bundle::reason_against(handles, &settings));
    let level = if settings.flags == 0 { "declared" } else { "bodies" };
    let places: Vec<(&String, Option<&str>)> =
        (0..).zip(&settings.roots).map(|(number, name)| (name, describing.roots.place(number))).collect();
    let described = PyDict::new(py);
    described.set_item("identity", &settings.identity)?;
    described.set_item("python", &settings.python)?;
    described.set_item("level", level)?;
    described.set_item("check", if settings.checks { "default" } else { "never" })?;
    described.set_item("bytes", describing.file.file_len())?;
    described.set_item("reason", reason)?;
    described.set_item("roots", places)?;
    described.set_item("modules", modules)?;
    described.set_item("folders", folders)?;
    described.set_item("compiled", compiled)?;
    Ok(described)
}

struct Describing<'py> {
    py: Python<'py>,
    roots: Roots,
    checks: bool,
    verify: bool,
    file: Arc<Bundle>,
}

impl<'py> Describing<'py> {
    /// The path that a key stands for now, and what follows the NUL in it.
    fn place<'a>(&self, found: &'a Found) -> Option<(String, &'a str)> {
        let (root, rest) = found.key().get(1..)?.split_first()?;
        let rest = std::str::from_utf8(rest).ok()?;
        let (path, name) = rest.split_once('\0').unwrap_or((rest, ""));
        let place = self.roots.place(*root)?;
        Some((if path.is_empty() { place.to_owned() } else { format!("{place}/{path}") }, name))
    }

    fn module(&self, found: &Found) -> PyResult<Bound<'py, PyDict>> {
        let described = PyDict::new(self.py);
        let module = match Module::decode(found.value()) {
            Ok(module) => module,
            Err(error) => return self.damaged(&error),
        };
        let is_extension = !module.suffix.is_empty();
        let source = self.place(found).map(|(folder, name)| match module.is_package {
            true => format!("{folder}/{name}/__init__.py"),
            false if is_extension => format!("{folder}/{name}{}", module.suffix),
            false => format!("{folder}/{name}.py"),
        });
        let stale = match &source {
            Some(path) if is_extension => (!Path::new(path).is_file()).then(|| "it is not there".to_owned()),
            Some(source) if self.checks => bundle::reason_against_source(&module, source),
            Some(_) => None,
            None => Some("its root is not known here".to_owned()),
        };
        let (bundle, range) = (Arc::clone(&self.file), found.rest.clone());
        let image = Section { bundle, range, checksum: module.checksum }.open();
        let error = (self.verify && !is_extension).then(|| image.and_then(|image| image.verify()).err()).flatten();
        described.set_item("name", &module.name)?;
        described.set_item("source", source)?;
        described.set_item("package", module.is_package)?;
        described.set_item("extension", is_extension)?;
        described.set_item("core", module.core_length)?;
        described.set_item("bytes", found.len() + (found.rest.end - found.rest.start))?;
        described.set_item("mtime", module.stamp.seconds)?;
        described.set_item("size", module.size)?;
        described.set_item("stale", stale)?;
        described.set_item("error", error.map(|error| error.to_string()))?;
        Ok(described)
    }

    fn folder(&self, found: &Found) -> PyResult<Bound<'py, PyDict>> {
        let described = PyDict::new(self.py);
        let folder = Folder::decode(found.value()).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let path = self.place(found).map(|(path, _)| if path.is_empty() { "/".to_owned() } else { path });
        let stale = match &path {
            Some(path) if self.checks => match fs::metadata(path) {
                Ok(now) => bundle::reason_against_time(folder.stamp, &now).map(|changed| format!("its {changed}")),
                Err(error) => Some(format!("it cannot be asked for its time: {error}")),
            },
            Some(_) => None,
            None => Some("its root is not known here".to_owned()),
        };
        described.set_item("path", path)?;
        described.set_item("names", folder.len())?;
        described.set_item("stale", stale)?;
        Ok(described)
    }

    /// A record that cannot be read.
    fn damaged(&self, error: &FileError) -> PyResult<Bound<'py, PyDict>> {
        let described = PyDict::new(self.py);
        for key in ["name", "source", "package", "extension", "core", "bytes", "mtime", "size", "stale"] {
            described.set_item(key, self.py.None())?;
        }
        described.set_item("error", error.to_string())?;
        Ok(described)
    }
}
