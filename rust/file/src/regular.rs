//! Opening a path that must be a regular file, whatever it is.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::FileError;

/// Opens a regular file and tells what the file system knows of it.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), FileError> {
    let file = OpenOptions::new()
        .read(true)
        // A FIFO without a writer would hold up the open for ever, a terminal could become ours.
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(FileError::NotRegular),
    }
}
