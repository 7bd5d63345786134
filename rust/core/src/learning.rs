//! Which bodies belong in the core: those that are used while modules are imported.
//!
//! A module that has just been compiled runs with all its bodies outside, and its file is written when it has run, with
//! those in the core that this took. When the outermost import is over, and the modules around have used more of them,
//! the file is written once more.

use parking_lot::Mutex;
use pyo3::prelude::*;

use crate::bodies::Bodies;
use crate::capi::call;

static IMPORTS: Mutex<Imports> = Mutex::new(Imports { depth: 0, written: Vec::new() });

struct Imports {
    /// How many modules are being executed, by any thread.
    depth: usize,
    written: Vec<Written>,
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

/// The execution of a module.
pub struct Import<'py>(Python<'py>);

impl<'py> Import<'py> {
    pub fn begin(py: Python<'py>) -> Self {
        IMPORTS.lock().depth += 1;
        Self(py)
    }
}

impl Drop for Import<'_> {
    fn drop(&mut self) {
        let written = {
            let mut imports = IMPORTS.lock();
            imports.depth -= 1;
            match imports.depth {
                0 => std::mem::take(&mut imports.written),
                _ => return,
            }
        };
        for module in written {
            let used = module.bodies.bind(self.0).get().stop_learning();
            if used.len() > module.used {
                let _ = call::function(module.finish.bind(self.0), (used,));
            }
        }
    }
}
