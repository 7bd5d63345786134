//! Whether a cache file still stands for its source, and if not, why: PEP 552's rules.

use std::cell::OnceCell;
use std::fs::{self, Metadata};
use std::io;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use overlay_file::Image;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyBytesMethods};

use crate::handles::Handles;

/// A source file; the system is asked for what it knows of it once, and only where that is needed.
pub struct SourceFile {
    pub path: PathBuf,
    metadata: OnceCell<io::Result<Metadata>>,
}

impl SourceFile {
    pub fn new(path: PathBuf) -> Self {
        Self { path, metadata: OnceCell::new() }
    }

    pub fn metadata(&self) -> Result<&Metadata, &io::Error> {
        self.metadata.get_or_init(|| fs::metadata(&self.path)).as_ref()
    }

    /// What the system was asked for already.
    pub fn known(&self) -> Option<&Metadata> {
        self.metadata.get()?.as_ref().ok()
    }
}

/// `None` where the file is fresh; otherwise the reason why it is not.
pub fn reason_against(
    py: Python<'_>,
    handles: &Handles,
    image: &Image,
    source: &SourceFile,
) -> PyResult<Option<String>> {
    let (magic, rest) = image.header().split_at(4);
    let identity = image.identity();
    if magic != handles.magic || identity != handles.cache_tag {
        return Ok(Some(format!("it was made by another Python ({identity})")));
    }
    let (flags, stamp) = rest.split_at(4);
    match flags {
        [0, 0, 0, 0] => Ok(reason_against_stamp(stamp, source)),
        [1, 0, 0, 0] => check_hash(py, handles, stamp, source, "always"),
        [3, 0, 0, 0] => match check_mode(py)?.as_str() {
            "never" => Ok(None),
            _ => check_hash(py, handles, stamp, source, "default"),
        },
        _ => Ok(Some("its flags are unknown".to_owned())),
    }
}

/// The eight bytes of a timestamp header: seconds and size, each modulo 2**32.
fn stamp_of(metadata: &Metadata) -> io::Result<[u8; 8]> {
    let seconds = match metadata.modified()?.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs(),
        // As Python's int() of a negative float: towards zero.
        Err(before) => before.duration().as_secs().wrapping_neg(),
    };
    let mut stamp = [0; 8];
    stamp[..4].copy_from_slice(&(seconds as u32).to_le_bytes());
    stamp[4..].copy_from_slice(&(metadata.len() as u32).to_le_bytes());
    Ok(stamp)
}

fn reason_against_stamp(stamp: &[u8], source: &SourceFile) -> Option<String> {
    let refused = |error: &io::Error| Some(format!("the source cannot be asked for its time: {error}"));
    match source.metadata().map(stamp_of) {
        Ok(Ok(now)) if now == stamp => None,
        Ok(Ok(now)) if now[..4] == stamp[..4] => Some("the source's size changed".to_owned()),
        Ok(Ok(_)) => Some("the source's modification time changed".to_owned()),
        Ok(Err(error)) => refused(&error),
        Err(error) => refused(error),
    }
}

fn check_mode(py: Python<'_>) -> PyResult<String> {
    py.import("_imp")?.getattr("check_hash_based_pycs")?.extract()
}

/// Compares the source's hash, unless the mode of `python --check-hash-based-pycs` is below `from`.
fn check_hash(
    py: Python<'_>,
    handles: &Handles,
    stamp: &[u8],
    source: &SourceFile,
    from: &str,
) -> PyResult<Option<String>> {
    if from == "always" && check_mode(py)? != "always" {
        return Ok(None);
    }
    let bytes = match fs::read(&source.path) {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Some(format!("the source cannot be read: {error}"))),
    };
    let magic = u32::from(u16::from_le_bytes([handles.magic[0], handles.magic[1]])) | 0x0a0d_0000;
    let hash = py.import("_imp")?.getattr("source_hash")?.call1((magic, PyBytes::new(py, &bytes)))?;
    let same = hash.cast::<PyBytes>()?.as_bytes() == stamp;
    Ok((!same).then(|| "the source's hash changed".to_owned()))
}
