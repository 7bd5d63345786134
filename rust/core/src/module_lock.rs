//! The lock that serialises the loads of a module: re-entrant, and not waited for where that would be a deadlock, with
//! other such locks or with those of importlib.
//!
//! Where nobody else loads nothing of Python's runs here, so that no signal handler comes in between: its exception
//! would be lost, or leave the lock taken.

use std::collections::{HashMap, HashSet};
use std::ffi::c_ulong;
use std::process;
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::capi::call;
use crate::handles;

/// Seconds after which a thread that waits looks whether it waits for itself, as others may have begun to meanwhile: at
/// first, and in the end.
const PATIENCE: (f64, f64) = (0.01, 0.2);

/// A thread of a process.
type Waiter = (u32, c_ulong);

/// What each thread waits for.
static WAITING: LazyLock<Mutex<HashMap<Waiter, Arc<ModuleLock>>>> = LazyLock::new(Mutex::default);

#[derive(Default)]
pub struct ModuleLock(Mutex<Holder>);

#[derive(Default)]
struct Holder {
    process: u32,
    thread: c_ulong,
    depth: u32,
    /// Locks of Python's, held, each of which a thread waits for.
    waiters: Vec<Py<PyAny>>,
}

impl Holder {
    fn owner(&self) -> Option<c_ulong> {
        (self.depth > 0).then_some(self.thread)
    }
}

/// What has to be released.
pub struct Held {
    lock: Arc<ModuleLock>,
    process: u32,
}

impl ModuleLock {
    /// Frees a forked process of what threads hold that did not come along; whether the lock was one of another process.
    pub fn renew(&self) -> bool {
        let mut holder = self.0.lock();
        let process = process::id();
        let is_other = holder.process != process && holder.process != 0;
        if holder.process != process {
            // The parent's objects: never let go of, as letting go may run code.
            std::mem::forget(std::mem::replace(&mut *holder, Holder { process, ..Holder::default() }));
        }
        is_other
    }

    /// Waits for other threads' loads; `None` where that would be a deadlock. What a signal handler raises meanwhile
    /// comes out.
    pub fn acquire(self: &Arc<Self>, py: Python<'_>) -> PyResult<Option<Held>> {
        let this = handles::get(py)?.thread_ident(py)?;
        let mut wake = None;
        let mut patience = PATIENCE.0;
        loop {
            if let Some(held) = self.take(this) {
                return Ok(Some(held));
            }
            if self.is_waiting_for(py, this)? {
                return Ok(None);
            }
            let wake = match &wake {
                Some(wake) => wake,
                None => wake.insert(self.make_wake(py)?),
            };
            self.wait(this, wake, patience)?;
            patience = PATIENCE.1.min(patience * 2.0);
        }
    }

    fn take(self: &Arc<Self>, thread: c_ulong) -> Option<Held> {
        let mut holder = self.0.lock();
        if holder.owner().is_some_and(|owner| owner != thread) {
            return None;
        }
        holder.thread = thread;
        holder.depth += 1;
        Some(Held { lock: Arc::clone(self), process: holder.process })
    }

    fn make_wake<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let wake = handles::get(py)?.allocate_lock(py)?;
        wake.call_method0(intern!(py, "acquire"))?;
        Ok(wake)
    }

    /// Until the lock is free, or for so many seconds.
    fn wait(self: &Arc<Self>, this: c_ulong, wake: &Bound<'_, PyAny>, patience: f64) -> PyResult<()> {
        {
            let mut holder = self.0.lock();
            if !holder.waiters.iter().any(|waiter| waiter.is(wake)) {
                holder.waiters.push(wake.clone().unbind());
            }
        }
        let key = (process::id(), this);
        WAITING.lock().insert(key, Arc::clone(self));
        let acquire = wake.getattr(intern!(wake.py(), "acquire"));
        let result = acquire.and_then(|acquire| call::function(&acquire, (true, patience)));
        let waited = WAITING.lock().remove(&key);
        drop(waited);
        result.map(drop)
    }

    fn owner(&self) -> Option<c_ulong> {
        self.0.lock().owner()
    }

    /// Whether whoever holds this lock waits for `this` thread in the end.
    fn is_waiting_for(&self, py: Python<'_>, this: c_ulong) -> PyResult<bool> {
        let mut threads = Vec::from_iter(self.owner());
        let mut seen = HashSet::new();
        while let Some(thread) = threads.pop() {
            if thread == this {
                return Ok(true);
            }
            if seen.insert(thread) {
                let lock = WAITING.lock().get(&(process::id(), thread)).cloned();
                threads.extend(lock.and_then(|lock| lock.owner()));
                threads.extend(importing_threads(py, thread)?);
            }
        }
        Ok(false)
    }
}

impl Held {
    pub fn release(self, py: Python<'_>) {
        let waiters = {
            let mut holder = self.lock.0.lock();
            // After a fork within the load, and a load in the child, there is nothing left to give back.
            if holder.process == self.process {
                holder.depth -= 1;
            }
            if holder.depth > 0 { Vec::new() } else { std::mem::take(&mut holder.waiters) }
        };
        for waiter in waiters {
            // One that has stopped to wait has let go of it itself.
            let _ = waiter.bind(py).call_method0(intern!(py, "release"));
        }
    }
}

/// The threads that hold the import locks which this thread waits for: `importlib._bootstrap._blocking_on`.
fn importing_threads(py: Python<'_>, thread: c_ulong) -> PyResult<Vec<c_ulong>> {
    let blocking = handles::get(py)?.bootstrap.bind(py).getattr(intern!(py, "_blocking_on"))?;
    // From CPython 3.12 on its values are weak references to lists.
    let (blocking, is_weak) = match blocking.getattr_opt(intern!(py, "data"))? {
        Some(data) => (data, true),
        None => (blocking, false),
    };
    let Some(found) = blocking.cast::<PyDict>().ok().and_then(|all| all.get_item(thread).transpose()).transpose()?
    else {
        return Ok(Vec::new());
    };
    let found = if is_weak { found.call0()? } else { found };
    let locks = match found.cast::<PyList>() {
        Ok(locks) => locks.iter().collect(),
        Err(_) => vec![found],
    };
    let owner = |lock: &Bound<'_, PyAny>| lock.getattr(intern!(py, "owner")).ok()?.extract().ok();
    Ok(locks.iter().filter_map(owner).collect())
}
