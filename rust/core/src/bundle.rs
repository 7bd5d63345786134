//! The bundle in use: what it says of folders and modules, and whether that still holds.
//!
//! It is a snapshot of folders. Where a folder's time is what it was, the bundle knows which names are in it, so nobody
//! else is asked; where it is not, the folder is searched as ever. A module's code is taken where its source has the size
//! and the time that it had.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use overlay_file::bundle::{Bundle, Key, Module, Section, Settings, Stamp};
use overlay_file::{FileError, Image, bundle};
use parking_lot::{Mutex, RwLock};
use pyo3::prelude::*;
use pyo3::types::{PyCode, PyString, PyTuple};

use crate::capi::code;
use crate::compiled::{self, Store};
use crate::handles::Handles;
use crate::payloads::Payloads;
use crate::{level, trust};

/// What paths in a bundle are relative to. The last holds everything.
pub const ROOTS: [&str; 5] = ["stdlib", "prefix", "base_prefix", "bundle", "/"];

static IN_USE: RwLock<Option<Arc<Snapshot>>> = RwLock::new(None);

/// The bundle in use.
pub fn in_use() -> Option<Arc<Snapshot>> {
    IN_USE.read().clone()
}

/// Puts a bundle in use, or none.
pub fn replace(py: Python<'_>, snapshot: Option<Snapshot>) -> PyResult<()> {
    let snapshot = snapshot.map(Arc::new);
    let before = std::mem::replace(&mut *IN_USE.write(), snapshot.clone());
    drop(before);
    let compiled = snapshot.filter(|snapshot| snapshot.settings.has_compiled).map(Compiled);
    compiled::use_store(py, compiled.map(|compiled| Box::new(compiled) as Box<dyn Store>))
}

/// A bundle whose code this interpreter can run.
pub struct Snapshot {
    pub file: Arc<Bundle>,
    pub path: Py<PyString>,
    settings: Settings,
    roots: Roots,
    /// The folders asked for so far, by their paths; `None` for those that are not in the bundle.
    folders: Mutex<HashMap<Box<str>, Option<Arc<Folder>>>>,
    groups: Mutex<HashMap<u32, Group>>,
}

struct Folder {
    key: (u8, Box<str>),
    content: bundle::Folder,
}

/// What a folder has for a name.
pub enum Answer {
    /// A module with its file here; `package` is the folder of a package.
    Module {
        location: String,
        package: Option<String>,
        is_extension: bool,
    },
    Nothing,
    /// Something that is not in the bundle, or the folder has changed.
    Unknown,
}

/// The code of a module.
pub struct Code {
    pub module: Module,
    /// Where in the bundle its overlay file is.
    file: Range<u64>,
}

/// The cores of modules that are imported one after the other, as one of them was wanted. Each is there until its module
/// is executed: code that runs is not run twice.
struct Group {
    checksum: u64,
    cores: Vec<Option<Py<PyCode>>>,
}

/// What a bundle has for a source file.
pub enum Lookup {
    Fresh(Code),
    /// It had it, but the source has changed, or the record is damaged.
    Stale(String),
    Absent,
}

impl Snapshot {
    /// Opens a bundle; says why it cannot be used where it cannot.
    pub fn open(py: Python<'_>, handles: &Handles, path: &str) -> Result<Self, String> {
        let (file, metadata) = Bundle::open(Path::new(path)).map_err(|error| error.to_string())?;
        let settings = file.settings().map_err(|error| error.to_string())?;
        if let Some(reason) = trust::reason_against(&metadata) {
            return Err(reason);
        }
        if let Some(reason) = reason_against(handles, &settings) {
            return Err(reason);
        }
        if settings.flags != level::current().flag() {
            return Err("it was made for another level".to_owned());
        }
        let roots = Roots::now(py, handles, path, &settings.roots).map_err(|error| error.to_string())?;
        let path = PyString::new(py, path).unbind();
        Ok(Self { file: Arc::new(file), path, settings, roots, folders: Mutex::default(), groups: Mutex::default() })
    }

    /// What the folder, an absolute path, has for a module's own name.
    pub fn look(&self, folder: &str, name: &str) -> Answer {
        let Some(known) = self.unchanged(folder) else { return Answer::Unknown };
        if !known.content.may_have(name) {
            return Answer::Nothing;
        }
        let (root, path) = &known.key;
        let Ok(Some(found)) = self.file.get(&Key::module(*root, path, name)) else { return Answer::Unknown };
        let Ok(module) = Module::decode(found.value()) else { return Answer::Unknown };
        let base = [folder.trim_end_matches('/'), "/", name].concat();
        let is_extension = !module.suffix.is_empty();
        let (location, package) = match module.is_package {
            true => ([&base, "/__init__.py"].concat(), Some(base)),
            false => (base + if is_extension { &module.suffix } else { ".py" }, None),
        };
        let is_gone = || module.is_link && self.settings.checks && !Path::new(&location).is_file();
        if package.as_deref().is_some_and(|package| self.unchanged(package).is_none()) || is_gone() {
            return Answer::Unknown;
        }
        Answer::Module { location, package, is_extension }
    }

    /// The code for a source file, an absolute path.
    pub fn code_of(&self, source: &str) -> Lookup {
        let Some((folder, name, is_package)) = split(source) else { return Lookup::Absent };
        let Some((root, path)) = self.roots.of(folder) else { return Lookup::Absent };
        let found = match self.file.get(&Key::module(root, path, name)) {
            Ok(Some(found)) => found,
            Ok(None) => return Lookup::Absent,
            Err(error) => return Lookup::Stale(format!("the bundle is damaged: {error}")),
        };
        let module = match Module::decode(found.value()) {
            Ok(module) if module.is_package != is_package || !module.suffix.is_empty() => return Lookup::Absent,
            Ok(module) => module,
            Err(error) => return Lookup::Stale(format!("the bundle is damaged: {error}")),
        };
        if self.settings.flags != level::current().flag() {
            return Lookup::Stale("the bundle was made for another level".to_owned());
        }
        let changed = self.settings.checks.then(|| reason_against_source(&module, source)).flatten();
        match changed {
            Some(reason) => Lookup::Stale(format!("the bundle is not fresh: {reason}")),
            None => Lookup::Fresh(Code { module, file: found.rest }),
        }
    }

    /// The folder, where the bundle knows what is in it now.
    fn unchanged(&self, path: &str) -> Option<Arc<Folder>> {
        let folder = self.folder(path)?;
        let is_unchanged =
            || fs::metadata(path).is_ok_and(|now| reason_against_time(folder.content.stamp, &now).is_none());
        (!self.settings.checks || is_unchanged()).then_some(folder)
    }

    fn folder(&self, path: &str) -> Option<Arc<Folder>> {
        if let Some(folder) = self.folders.lock().get(path) {
            return folder.clone();
        }
        let folder = self.read_folder(path).map(Arc::new);
        self.folders.lock().insert(path.into(), folder.clone());
        folder
    }

    fn has_group(&self, number: u32, checksum: u64) -> bool {
        self.groups.lock().get(&number).is_some_and(|group| group.checksum == checksum)
    }

    fn read_group(&self, py: Python<'_>, number: u32, checksum: u64) -> PyResult<Result<Group, FileError>> {
        let found = match self.file.get(&Key::group(number)) {
            Ok(Some(found)) if found.value_checksum() == checksum => found,
            Ok(_) => return Ok(Err(FileError::Vanished)),
            Err(error) => return Ok(Err(error)),
        };
        let codes = code::unmarshal(py, found.value())?.cast_into::<PyTuple>()?;
        let cores = codes.iter().map(|code| Ok(Some(code.cast_into::<PyCode>()?.unbind()))).collect::<PyResult<_>>()?;
        Ok(Ok(Group { checksum, cores }))
    }

    fn read_folder(&self, path: &str) -> Option<Folder> {
        let (root, rest) = self.roots.of(path)?;
        let found = self.file.get(&Key::folder(root, rest)).ok()??;
        let content = bundle::Folder::decode(found.value()).ok()?;
        Some(Folder { key: (root, rest.into()), content })
    }
}

/// What the sources in a bundle compile to.
pub struct Compiled(pub Arc<Snapshot>);

impl Store for Compiled {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        // One that is damaged is compiled as ever.
        let found = self.0.file.get(&Key::compiled(key)).ok()??;
        Some(found.value().to_vec())
    }
}

impl Code {
    /// The module's core, which nobody else has.
    pub fn core<'py>(
        &self,
        snapshot: &Snapshot,
        path: &Bound<'py, PyAny>,
    ) -> PyResult<Result<Bound<'py, PyCode>, FileError>> {
        let py = path.py();
        let (number, index, checksum) = self.module.core;
        if !snapshot.has_group(number, checksum) {
            match snapshot.read_group(py, number, checksum)? {
                Ok(group) => {
                    let before = snapshot.groups.lock().insert(number, group);
                    drop(before);
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        let taken =
            snapshot.groups.lock().get_mut(&number).and_then(|group| group.cores.get_mut(index as usize)?.take());
        let core = match taken {
            Some(core) => core.into_bound(py),
            // The module is executed once more.
            None => match self.section(snapshot).open().and_then(|image| Ok(image.payload(0)?.into_owned())) {
                Ok(core) => code::unmarshal(py, &core)?.cast_into()?,
                Err(error) => return Ok(Err(error)),
            },
        };
        code::name_file(&core, path)?;
        Ok(Ok(core))
    }

    /// The module's overlay file; opened, where there are overlays with names.
    pub fn overlays(&self, snapshot: &Snapshot) -> Result<(Payloads, Option<Arc<Image>>), FileError> {
        let payloads = Payloads::from(self.section(snapshot));
        let image = self.module.has_names.then(|| payloads.image().cloned()).transpose()?;
        Ok((payloads, image))
    }

    fn section(&self, snapshot: &Snapshot) -> Section {
        Section { bundle: Arc::clone(&snapshot.file), range: self.file.clone(), checksum: self.module.checksum }
    }
}

/// Folder, own name of the module, and whether it is a package, by the path of its source.
pub fn split(source: &str) -> Option<(&str, &str, bool)> {
    let (folder, stem) = source.strip_suffix(".py")?.rsplit_once('/')?;
    let (folder, name, is_package) = match stem {
        "__init__" => folder.rsplit_once('/').map(|(folder, name)| (folder, name, true))?,
        name => (folder, name, false),
    };
    let folder = if folder.is_empty() { "/" } else { folder };
    (source.starts_with('/') && !name.is_empty()).then_some((folder, name, is_package))
}

/// Where the roots of a bundle are for this interpreter.
#[derive(Default)]
pub struct Roots(Vec<(u8, String)>);

impl Roots {
    /// `names` are those in the bundle at `path`, each perhaps with `=` and the only place where it counts.
    pub fn now(py: Python<'_>, handles: &Handles, path: &str, names: &[String]) -> PyResult<Self> {
        let mut roots = Vec::new();
        for (number, name) in (0..).zip(names) {
            let (name, expected) = match name.split_once('=') {
                Some((name, expected)) => (name, Some(expected)),
                None => (name.as_str(), None),
            };
            let attribute = match name {
                "stdlib" => "_stdlib_dir",
                "prefix" | "base_prefix" => name,
                "bundle" => {
                    roots.push((number, path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()));
                    continue;
                }
                "/" => {
                    roots.push((number, String::new()));
                    continue;
                }
                _ => continue,
            };
            let place = handles.sys.bind(py).get_item(attribute)?;
            let place = place.and_then(|place| place.extract::<String>().ok()).filter(|place| place.starts_with('/'));
            let place = place.map(|place| place.trim_end_matches('/').to_owned());
            let place = place.filter(|place| expected.is_none_or(|expected| expected == place));
            roots.extend(place.map(|place| (number, place)));
        }
        Ok(Self(roots))
    }

    /// The root that a path lies in, the innermost, and the way from there.
    pub fn of<'a>(&self, path: &'a str) -> Option<(u8, &'a str)> {
        let mut best: Option<(usize, u8, &str)> = None;
        for (number, root) in &self.0 {
            let Some(rest) = path.strip_prefix(root.as_str()) else { continue };
            let is_inside = rest.is_empty() || rest.starts_with('/');
            if is_inside && best.is_none_or(|(length, ..)| root.len() > length) {
                best = Some((root.len(), *number, rest));
            }
        }
        best.map(|(_, number, rest)| (number, rest.strip_prefix('/').unwrap_or(rest)))
    }

    /// Where a root is.
    pub fn place(&self, number: u8) -> Option<&str> {
        self.0.iter().find(|(other, _)| *other == number).map(|(_, place)| place.as_str())
    }
}

/// Why a bundle is not for this interpreter.
pub fn reason_against(handles: &Handles, settings: &Settings) -> Option<String> {
    if settings.identity != handles.cache_tag || settings.magic != handles.magic || settings.python != handles.version {
        return Some(format!("it was made by another Python ({}, {})", settings.identity, settings.python));
    }
    let option = match settings.optimize {
        0 => "no -O",
        1 => "-O",
        _ => "-OO",
    };
    (settings.optimize != handles.optimize).then(|| format!("it was made with {option}"))
}

pub fn stamp_of(metadata: &Metadata) -> Stamp {
    Stamp { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() as u32 }
}

/// Why a source is not the one that the module was made from.
pub fn reason_against_source(module: &Module, source: &str) -> Option<String> {
    match fs::metadata(source) {
        Ok(metadata) if metadata.len() != module.size => Some("the source's size changed".to_owned()),
        Ok(metadata) => reason_against_time(module.stamp, &metadata).map(|changed| format!("the source's {changed}")),
        Err(error) => Some(format!("the source cannot be asked for its time: {error}")),
    }
}

/// Why the time of a file or folder is not what it was, as the end of a sentence.
pub fn reason_against_time(then: Stamp, now: &Metadata) -> Option<String> {
    if !then.tells() {
        return Some("modification time says nothing".to_owned());
    }
    (!then.is_still(stamp_of(now))).then(|| "modification time changed".to_owned())
}
