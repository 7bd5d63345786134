//! Whose files are believed. A checksum is no signature: whoever can write a file of code can have any code run.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
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
pub fn reason_against_cache(path: &Path, file: &Metadata, source: &SourceFile) -> Option<String> {
    if trusts_all() {
        return None;
    }
    // Nothing is asked of the system where the source's owner wrote the file, as nearly always.
    if has_safe_mode(file) && source.known().is_some_and(|source| source.uid() == file.uid()) {
        return None;
    }
    let reason = reason_against(file)?;
    match source.metadata() {
        Ok(metadata) if is_as_safe_as(metadata, &source.path, path, file) => None,
        _ => Some(reason),
    }
}

/// Whether nobody can write the file, or has written it, but those who can write its source, and root and this user.
fn is_as_safe_as(source: &Metadata, source_path: &Path, path: &Path, file: &Metadata) -> bool {
    let has_owner = source.uid() == file.uid() || has_safe_owner(file);
    if has_owner && has_safe_mode(file) {
        return true;
    }
    // Who gets at the one must get at the other: a folder of caches elsewhere may be open to more people.
    let folder = path.parent().filter(|folder| folder.parent() == source_path.parent());
    let Some(folder) = folder else { return false };
    if source.mode() & OTHERS != 0 {
        return true;
    }
    let is_of_group = source.mode() & GROUP != 0 && source.gid() == file.gid();
    let is_a_members = || is_closed(folder) && folder.parent().is_some_and(is_closed);
    is_of_group && file.mode() & OTHERS == 0 && (has_owner || is_a_members())
}

/// Whether only its owner and its group can make files in a folder, which may give them its group.
fn is_closed(folder: &Path) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::metadata(folder).is_ok_and(|folder| folder.mode() & OTHERS == 0)
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
