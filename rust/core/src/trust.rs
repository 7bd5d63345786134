//! Whose files are believed. A checksum is no signature: whoever can write a file of code can have any code run.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

use crate::freshness::SourceFile;

const GROUP: u32 = 0o020;
const OTHERS: u32 = 0o002;

static ALL: AtomicBool = AtomicBool::new(false);

/// Whether bundles and cache files are believed that other users can write, from now on.
#[pyfunction]
pub fn trust_others(trust: bool) {
    ALL.store(trust, Ordering::Relaxed);
}

/// Why a file's code must not be run: somebody else than this user and root can write it.
pub fn reason_against(file: &Metadata) -> Option<String> {
    if trusts_all() || has_safe_mode(file) && has_safe_owner(file) {
        return None;
    }
    Some(match has_safe_mode(file) {
        false => format!("others can write it (mode {:04o})", file.mode() & 0o7777),
        true => format!("it belongs to another user (number {})", file.uid()),
    })
}

/// The same for the cache file of a source. Whoever can write the source needs no cache file to have his code run.
pub fn reason_against_cache(file: &Metadata, source: &SourceFile) -> Option<String> {
    if trusts_all() {
        return None;
    }
    // Nothing is asked of the system where the source's owner wrote the file, as nearly always.
    if has_safe_mode(file) && source.known().is_some_and(|source| source.uid() == file.uid()) {
        return None;
    }
    let reason = reason_against(file)?;
    match source.metadata() {
        Ok(source) if is_as_safe_as(source, file) => None,
        _ => Some(reason),
    }
}

/// Whether nobody can write the file but those who can write its source, and root and this user.
fn is_as_safe_as(source: &Metadata, file: &Metadata) -> bool {
    let anyone_writes_source = source.mode() & OTHERS != 0;
    let group_writes_source = anyone_writes_source || source.mode() & GROUP != 0 && source.gid() == file.gid();
    (source.uid() == file.uid() || has_safe_owner(file))
        && (file.mode() & OTHERS == 0 || anyone_writes_source)
        && (file.mode() & GROUP == 0 || group_writes_source)
}

fn trusts_all() -> bool {
    ALL.load(Ordering::Relaxed)
}

fn has_safe_mode(file: &Metadata) -> bool {
    file.mode() & (GROUP | OTHERS) == 0
}

fn has_safe_owner(file: &Metadata) -> bool {
    // SAFETY: the call has no conditions.
    file.uid() == 0 || file.uid() == unsafe { libc::geteuid() }
}
