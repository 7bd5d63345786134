//! Writing a file so that nobody ever sees half of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names tried before giving up: others are taken only where an earlier process of the same number
/// was killed.
const NAMES: u32 = 100;

/// Puts `bytes` at `path`, whole or not at all: a temporary file beside it is renamed over it.
/// `mode` is the new file's, less the umask. Nothing is left behind on an error.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write_atomic_with(path, mode, |file| file.write_all(bytes))
}

/// As [`write_atomic`]; `write` writes the content.
pub fn write_atomic_with<E: From<io::Error>>(
    path: &Path,
    mode: u32,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    let (mut file, temporary) = create_beside(path, mode)?;
    write(&mut file)?;
    drop(file);
    Ok(temporary.rename(path)?)
}

fn create_beside(path: &Path, mode: u32) -> io::Result<(File, Temporary)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).custom_flags(libc::O_NOFOLLOW);
    for _ in 0..NAMES {
        let temporary = path.with_file_name(fresh_name());
        match options.open(&temporary) {
            Ok(file) => return Ok((file, Temporary(Some(temporary)))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A name that no other call has: short, as the target's may be of the greatest length already.
fn fresh_name() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    format!(".overlay-{}-{call}.tmp", process::id())
}

/// A temporary file, removed unless it was renamed.
struct Temporary(Option<PathBuf>);

impl Temporary {
    fn rename(mut self, path: &Path) -> io::Result<()> {
        if let Some(temporary) = &self.0 {
            fs::rename(temporary, path)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(temporary) = &self.0 {
            // The error that led here is the one to report.
            let _ = fs::remove_file(temporary);
        }
    }
}
