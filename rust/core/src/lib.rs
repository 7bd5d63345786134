//! `overlay_import._core`: the native half. It owns bytes, code objects and misses; Python speaks the import protocol.
//!
//! The way of an import: `capi::method` (the loader's `exec_module`) calls `importing`, which finds the cache file
//! (`cache_path`), asks whether it stands for its source (`freshness`), runs the core, and leaves a `state` behind that
//! `capi::pending_module` and `capi::pending_dict` ask on a miss; `load` then runs the overlay. Where a bundle is in use
//! (`bundle`), the finder (`finder`, `path_search`) and `importing` ask it first, and so does what compiles source strings
//! (`compiled`).

use pyo3::prelude::*;

mod bodies;
mod bundle;
mod bundling;
mod cache_path;
mod capi;
mod collecting;
mod compiled;
mod compiling;
mod errors;
mod finder;
mod freshness;
mod handles;
mod importing;
mod inspecting;
mod learning;
mod level;
mod load;
mod module_lock;
mod names;
mod path_search;
mod payloads;
mod public;
mod recording;
mod state;
mod trust;

/// The native half of overlay_import. Private: its face is the package's.
#[pymodule]
mod _core {
    use pyo3::prelude::*;
    use pyo3::types::PyType;

    #[pymodule_export]
    use crate::bundling::{describe_bundle, write_bundle};
    #[pymodule_export]
    use crate::collecting::collect_at_startup;
    #[pymodule_export]
    use crate::compiled::{make_compiled, set_compiled, start_recording_compiled, stop_recording_compiled};
    #[pymodule_export]
    use crate::compiling::{build_file, compile_script, may_declare, split_source, write_file};
    #[pymodule_export]
    use crate::finder::OverlayFinder;
    #[pymodule_export]
    use crate::importing::_compile_source;
    #[pymodule_export]
    use crate::inspecting::{cache_path, cached_flags, describe_file, read_trusted, why_unused};
    #[pymodule_export]
    use crate::learning::start_training;
    #[pymodule_export]
    use crate::level::set_level;
    #[pymodule_export]
    use crate::public::{get_overlay, load_overlay, module_status};
    #[pymodule_export]
    use crate::recording::{start_recording, stop_recording};
    #[pymodule_export]
    use crate::trust::trust_others;

    /// In an entry's flags: the overlay's name is `('lazy', attribute)`.
    #[pymodule_export]
    const LAZY: u32 = crate::state::LAZY;
    /// In an entry's flags: the code may ask for globals by other means than their names.
    #[pymodule_export]
    const DYNAMIC: u32 = crate::state::DYNAMIC;
    /// In an entry's flags: the code annotates names of the module.
    #[pymodule_export]
    const ANNOTATES: u32 = crate::state::ANNOTATES;
    /// In an entry's flags: the lazy overlay imports a module of its own name.
    #[pymodule_export]
    const IMPORTS_NAMESAKE: u32 = crate::state::IMPORTS_NAMESAKE;
    /// In an entry's flags: the code asks whether its module is the program.
    #[pymodule_export]
    const STARTS_PROGRAM: u32 = crate::state::STARTS_PROGRAM;
    /// The bits of an entry's flags from here on count the needs, from the first, that must be loaded with it.
    #[pymodule_export]
    const MUST_LOAD_SHIFT: u32 = crate::state::MUST_LOAD_SHIFT;

    /// Gives a loader class its native `exec_module`.
    #[pyfunction]
    fn exec_module_of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
        crate::capi::method::exec_module(class)
    }

    /// Makes modules that have overlays answer `load_overlay` and `__overlays_available__`.
    #[pyfunction]
    fn add_module_attributes(py: Python<'_>) -> PyResult<()> {
        crate::capi::module_attributes::add(py)
    }

    /// Undoes `add_module_attributes`, unless a living module needs them.
    #[pyfunction]
    fn remove_module_attributes(py: Python<'_>) -> PyResult<()> {
        crate::capi::module_attributes::remove(py)
    }

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::capi::interpreter::refuse_others(module.py())?;
        // Before the first import is ours to run: what is looked up must not come through our own hook.
        crate::handles::get(module.py())?;
        module.add("_C_API", crate::capi::capsule::new(module.py())?)
    }
}
