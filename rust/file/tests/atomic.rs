//! Atomic writing: all or nothing, and nothing left behind.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use overlay_file::write_atomic;
use tempfile::TempDir;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_bytes_are_there_with_the_mode_and_no_temporary_file_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    write_atomic(&path, b"bytes", 0o600).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(files(folder.path()), [path]);
}

#[test]
fn a_file_that_is_there_is_replaced_and_not_written_to() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, b"old").unwrap();
    let old = fs::File::open(&path).unwrap();
    write_atomic(&path, b"new", 0o644).unwrap();
    assert_eq!(io::read_to_string(old).unwrap(), "old");
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn a_symlink_is_replaced_and_its_target_left_alone() {
    let folder = TempDir::new().unwrap();
    let (link, target) = (folder.path().join("link"), folder.path().join("target"));
    fs::write(&target, b"target").unwrap();
    symlink(&target, &link).unwrap();
    write_atomic(&link, b"new", 0o644).unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"target");
    assert!(fs::symlink_metadata(&link).unwrap().is_file());
}

#[test]
fn a_name_of_the_greatest_length_can_be_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x".repeat(255));
    write_atomic(&path, b"bytes", 0o644).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
}

#[test]
fn a_directory_in_the_way_is_an_error_that_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("folder");
    fs::create_dir(&path).unwrap();
    assert!(write_atomic(&path, b"bytes", 0o644).is_err());
    assert_eq!(files(folder.path()), [path]);
}

#[test]
fn a_missing_or_read_only_folder_is_an_error() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("missing/file");
    assert!(write_atomic(&missing, b"bytes", 0o644).is_err());
    let path = folder.path().to_owned();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o555)).unwrap();
    let refused = std::thread::spawn(move || {
        // SAFETY: changes who this thread is to the file system, and nothing else; root may write
        // everywhere.
        unsafe { libc::setfsuid(65534) };
        write_atomic(&path.join("file"), b"bytes", 0o644)
    });
    let error = refused.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert!(files(folder.path()).is_empty());
}

#[test]
fn temporary_files_of_killed_processes_are_not_in_the_way() {
    let folder = TempDir::new().unwrap();
    for call in 0..50 {
        let stale = format!(".overlay-{}-{call}.tmp", std::process::id());
        fs::write(folder.path().join(stale), b"stale").unwrap();
    }
    let path = folder.path().join("file");
    write_atomic(&path, b"bytes", 0o644).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"bytes");
    assert_eq!(files(folder.path()).len(), 51);
}

#[test]
fn threads_that_write_the_same_file_leave_one_of_them_whole() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    std::thread::scope(|scope| {
        for byte in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..50 {
                    write_atomic(path, &[byte; 10_000], 0o644).unwrap();
                    let seen = fs::read(path).unwrap();
                    assert!(seen.len() == 10_000 && seen.iter().all(|other| *other == seen[0]));
                }
            });
        }
    });
    assert_eq!(files(folder.path()), [path]);
}

/// Mounts a file system of 64 KiB for the calling thread alone; an error where that is forbidden.
fn mount_small_disk(at: &Path) -> io::Result<()> {
    let checked = |result| match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    let at = CString::new(at.as_os_str().as_bytes()).unwrap();
    let private = libc::MS_REC | libc::MS_PRIVATE;
    let null = std::ptr::null();
    // SAFETY: gives this thread mounts of its own; no memory is involved.
    checked(unsafe { libc::unshare(libc::CLONE_FS | libc::CLONE_NEWNS) })?;
    // SAFETY: the strings are C strings, and null means "none".
    checked(unsafe { libc::mount(null, c"/".as_ptr(), null, private, null.cast()) })?;
    let (tmpfs, size) = (c"tmpfs".as_ptr(), c"size=64k".as_ptr());
    // SAFETY: as above; all strings outlive the call.
    checked(unsafe { libc::mount(tmpfs, at.as_ptr(), tmpfs, 0, size.cast()) })
}

#[test]
fn a_full_disk_leaves_no_file_and_no_temporary_file() {
    let folder = TempDir::new().unwrap();
    let at = folder.path().to_owned();
    let test = std::thread::spawn(move || {
        if let Err(error) = mount_small_disk(&at) {
            return eprintln!("not tested, no mount allowed: {error}");
        }
        let path = at.join("file");
        let error = write_atomic(&path, &[1; 100_000], 0o644).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(files(&at).is_empty());
        write_atomic(&path, &[1; 30_000], 0o644).unwrap();
        write_atomic(&path, &[2; 60_000], 0o644).unwrap_err();
        assert_eq!(files(&at).len(), 1);
        assert_eq!(fs::metadata(&path).unwrap().size(), 30_000);
    });
    test.join().unwrap();
}
