//! Which bodies belong in the core: those that are used while modules are imported.
//!
//! A module that has just been compiled runs with all its bodies outside, and its file is written when it has run, with
//! those in the core that this took. When the outermost import is over, and the modules around have used more of them,
//! the file is written once more. Then, too, the pages of the files are given back that bodies were read from.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::bodies::{Bodies, Home};
use crate::bundle;
use crate::capi::call;
use crate::collecting::Pause;

/// Whether this process is watched for a bundle: it takes no code from files, so that it is seen what each module uses.
static TRAINING: AtomicBool = AtomicBool::new(false);

/// From now on every module is compiled from its source, and `overlay_import._compiler.on_trained` hears of it.
#[pyfunction]
pub fn start_training() {
    TRAINING.store(true, Ordering::Relaxed);
}

pub fn is_training() -> bool {
    TRAINING.load(Ordering::Relaxed)
}

static IMPORTS: Mutex<Imports> = Mutex::new(Imports { depth: 0, written: Vec::new(), read: Vec::new() });

struct Imports {
    /// How many modules are being executed, by any thread.
    depth: usize,
    written: Vec<Written>,
    /// Modules whose bodies have been read.
    read: Vec<Weak<Home>>,
}

/// A module whose file has been written in this import.
struct Written {
    finish: Py<PyAny>,
    bodies: Py<Bodies>,
    /// How many bodies it had used.
    used: usize,
}

/// Writes the file of a module: `finish` takes the numbers of the bodies that belong in the core.
pub fn module_has_run(finish: &Bound<'_, PyAny>, bodies: Option<&Bound<'_, Bodies>>) {
    let used = bodies.map(|bodies| bodies.get().learned()).unwrap_or_default();
    let count = used.len();
    // What goes wrong with the file is none of the program's business.
    let _ = call::function(finish, (used,));
    if let Some(bodies) = bodies {
        let (finish, bodies) = (finish.clone().unbind(), bodies.clone().unbind());
        IMPORTS.lock().written.push(Written { finish, bodies, used: count });
    }
}

/// Whether what is used now is used by an import, as far as anybody wants to know.
pub fn is_of_interest() -> bool {
    !is_training() || IMPORTS.lock().depth > 0
}

/// Notes that bodies were read from a module's file, whose pages are given back when the import is over.
pub fn has_read(home: &Arc<Home>) {
    if !home.is_read.load(Ordering::Relaxed) {
        let mut imports = IMPORTS.lock();
        if imports.depth > 0 {
            home.is_read.store(true, Ordering::Relaxed);
            imports.read.push(Arc::downgrade(home));
        }
    }
}

/// The execution of a module.
pub struct Import<'py> {
    py: Python<'py>,
    /// Ends when all else is done.
    _pause: Option<Pause<'py>>,
}

impl<'py> Import<'py> {
    pub fn begin(module: &Bound<'py, PyAny>) -> Self {
        IMPORTS.lock().depth += 1;
        Self { py: module.py(), _pause: Pause::begin(module) }
    }
}

impl Drop for Import<'_> {
    fn drop(&mut self) {
        let (written, read) = {
            let mut imports = IMPORTS.lock();
            imports.depth -= 1;
            if imports.depth > 0 {
                return;
            }
            (mem::take(&mut imports.written), mem::take(&mut imports.read))
        };
        for home in read.iter().filter_map(Weak::upgrade) {
            home.is_read.store(false, Ordering::Relaxed);
            home.release();
        }
        if let Some(bundle) = bundle::in_use() {
            bundle.file.release();
        }
        for mut module in written {
            let bodies = module.bodies.bind(self.py).get();
            let used = if is_training() { bodies.learned() } else { bodies.stop_learning() };
            let count = used.len();
            if count > module.used {
                let _ = call::function(module.finish.bind(self.py), (used,));
            }
            if is_training() {
                // The next import may use more of it.
                module.used = count;
                IMPORTS.lock().written.push(module);
            }
        }
    }
}
