//! A mapped file: it keeps the bytes of a replaced or deleted file, and costs no file descriptor.
//!
//! Touching a page of a file that was cut off kills the process (SIGBUS), and bytes that somebody
//! else may change must not be borrowed. So nothing here reads through the mapping: the kernel
//! copies, and reports a missing page as an error.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{LazyLock, Once};

use memmap2::{Mmap, MmapOptions, UncheckedAdvice};

use crate::FileError;
use crate::source::{Source, within, zeroed};

/// A file mapped privately. Its bytes are copied out, never borrowed.
pub struct Mapped(Mmap);

impl Mapped {
    /// Maps the first `len` bytes of the file. An error where they cannot be mapped, or where a
    /// sandbox forbids all ways to copy from a mapping.
    pub fn new(file: &File, len: u64) -> Result<Mapped, FileError> {
        static CAN_COPY: LazyLock<bool> = LazyLock::new(|| copy_out(&1, &mut [0]).is_ok());
        if !*CAN_COPY {
            return Err(FileError::Io(io::ErrorKind::Unsupported.into()));
        }
        let len = usize::try_from(len).map_err(|_| FileError::TooLarge("file"))?;
        // SAFETY: the file may change or shrink under the mapping, so no reference into it is ever
        // made: `read_at` hands its address to the kernel and nothing else looks at it.
        let map = unsafe { MmapOptions::new().len(len).map_copy_read_only(file)? };
        Ok(Mapped(map))
    }
}

impl Source for Mapped {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError> {
        let start = within(self, offset, len)?;
        let mut bytes = zeroed(len)?;
        copy_out(self.0.as_ptr().wrapping_add(start), &mut bytes)?;
        Ok(Cow::Owned(bytes))
    }

    fn release(&self) {
        // SAFETY: a private mapping that nobody writes to: what is read again comes from the file again.
        let _ = unsafe { self.0.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}

/// Fills `into` from our own address `from`, through the kernel.
fn copy_out(from: *const u8, into: &mut [u8]) -> Result<(), FileError> {
    let copied = match with_process_vm_readv(from, into) {
        Err(error) if error.raw_os_error() != Some(libc::EFAULT) => with_proc_mem(from, into),
        copied => copied,
    };
    copied.map_err(|error| match error.raw_os_error() {
        Some(libc::EFAULT | libc::EIO) => FileError::Vanished,
        _ => FileError::from(error),
    })
}

/// The number of this process, without a system call each time. In a child that did not come about by `fork` it is the
/// parent's, which has the same mapping, or is gone: then there is the other way.
#[cfg(target_os = "linux")]
fn own_number() -> libc::pid_t {
    static NUMBER: AtomicI32 = AtomicI32::new(0);
    static ONCE: Once = Once::new();

    extern "C" fn forget() {
        NUMBER.store(0, Ordering::Relaxed);
    }

    match NUMBER.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: the handler stores a number and does nothing else; the other call has no conditions.
            let number = unsafe {
                ONCE.call_once(|| _ = libc::pthread_atfork(None, None, Some(forget)));
                libc::getpid()
            };
            NUMBER.store(number, Ordering::Relaxed);
            number
        }
        number => number,
    }
}

#[cfg(target_os = "linux")]
fn with_process_vm_readv(from: *const u8, into: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < into.len() {
        let rest = &mut into[done..];
        let local = libc::iovec { iov_base: rest.as_mut_ptr().cast(), iov_len: rest.len() };
        let remote = libc::iovec { iov_base: from.wrapping_add(done).cast_mut().cast(), iov_len: rest.len() };
        // SAFETY: `local` is writable memory of its length, borrowed for the call; `remote` is only
        // read, by the kernel, which checks each page of it.
        let count = unsafe { libc::process_vm_readv(own_number(), &local, 1, &remote, 1, 0) };
        match usize::try_from(count) {
            Err(_) => return Err(io::Error::last_os_error()),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => done += count,
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn with_process_vm_readv(_from: *const u8, _into: &mut [u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The way that is left where a sandbox forbids `process_vm_readv`.
fn with_proc_mem(from: *const u8, into: &mut [u8]) -> io::Result<()> {
    File::open("/proc/self/mem")?.read_exact_at(into, from as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Copy = fn(*const u8, &mut [u8]) -> io::Result<()>;
    const WAYS: [Copy; 2] = [with_process_vm_readv, with_proc_mem];

    #[test]
    fn both_ways_copy_the_bytes() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        for copy in WAYS {
            let mut copied = vec![0; bytes.len()];
            copy(bytes.as_ptr(), &mut copied).unwrap();
            assert!(copied == bytes);
        }
    }

    #[test]
    fn both_ways_report_a_page_that_is_cut_off() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 20).unwrap();
        let mapped = Mapped::new(&file, 1 << 20).unwrap();
        file.set_len(0).unwrap();
        for copy in WAYS {
            let error = copy(mapped.0.as_ptr(), &mut [0; 100]).unwrap_err();
            assert!(matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EIO)), "{error}");
        }
        assert!(matches!(mapped.read_at(5000, 10), Err(FileError::Vanished)));
    }
}
