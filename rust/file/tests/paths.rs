//! Paths that do not lead to an overlay file are refused at once.

mod common;

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use common::{sample, write};
use overlay_file::{FileError, Image};
use tempfile::TempDir;

fn refusal(path: &Path) -> FileError {
    Image::open(path).err().expect("refused")
}

fn io_kind(error: &FileError) -> Option<ErrorKind> {
    match error {
        FileError::Io(error) => Some(error.kind()),
        _ => None,
    }
}

#[test]
fn a_missing_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let error = refusal(&folder.path().join("missing"));
    assert_eq!(io_kind(&error), Some(ErrorKind::NotFound));
}

#[test]
fn a_directory_is_refused() {
    let folder = TempDir::new().unwrap();
    assert!(matches!(refusal(folder.path()), FileError::NotRegular));
}

#[test]
fn a_fifo_that_nobody_writes_to_is_refused_without_waiting() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("fifo");
    let name = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the name is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    assert!(matches!(refusal(&path), FileError::NotRegular));
}

#[test]
fn a_device_is_refused() {
    let error = refusal(Path::new("/dev/zero"));
    assert!(matches!(error, FileError::NotRegular));
}

#[test]
fn a_symlink_loop_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("loop");
    symlink(&path, &path).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, FileError::Io(_)), "{error:?}");
}

#[test]
fn a_symlink_to_a_file_is_followed() {
    let folder = TempDir::new().unwrap();
    let (link, file) = (folder.path().join("link"), folder.path().join("file"));
    write(&file, &sample());
    symlink(&file, &link).unwrap();
    Image::open(&link).unwrap().verify().unwrap();
}

#[test]
fn an_unreadable_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    write(&path, &sample());
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let refused = std::thread::spawn(move || {
        // SAFETY: changes who this thread is to the file system, and nothing else; root may read
        // everything.
        unsafe { libc::setfsuid(65534) };
        refusal(&path)
    });
    let error = refused.join().unwrap();
    assert_eq!(io_kind(&error), Some(ErrorKind::PermissionDenied));
}

#[test]
fn an_empty_file_and_a_short_one_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    for length in [0, 1, 16, 81] {
        write(&path, &vec![0; length]);
        assert!(matches!(refusal(&path), FileError::TooShort { .. }));
    }
}
