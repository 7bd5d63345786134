//! Where the bytes of a file are: in memory, or still on disk. (Mapped ones have a file of their
//! own.)

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::FileError;

/// Bytes that can be read from any place.
#[expect(clippy::len_without_is_empty, reason = "empty or not, nobody asks")]
pub trait Source {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// The `len` bytes at `offset`, borrowed where they are private memory already.
    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError>;

    /// Gives back what memory can be had again from the file.
    fn release(&self) {}
}

/// A file that was read whole.
pub struct Memory(pub Vec<u8>);

impl Memory {
    pub(crate) fn read(file: &File, len: u64) -> Result<Memory, FileError> {
        let len = usize::try_from(len).map_err(|_| FileError::TooLarge("file"))?;
        let mut bytes = zeroed(len)?;
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Memory(bytes))
    }
}

impl Source for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError> {
        let start = within(self, offset, len)?;
        let bytes = self.0.get(start..).and_then(|rest| rest.get(..len));
        bytes.map(Cow::Borrowed).ok_or(FileError::Bounds("read"))
    }
}

/// An open file, read piece by piece.
pub struct OnDisk {
    file: File,
    len: u64,
}

impl OnDisk {
    pub fn new(file: File) -> Result<OnDisk, FileError> {
        let len = file.metadata()?.len();
        Ok(OnDisk { file, len })
    }

    pub(crate) fn with_len(file: File, len: u64) -> OnDisk {
        OnDisk { file, len }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Source for OnDisk {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError> {
        within(self, offset, len)?;
        let mut bytes = zeroed(len)?;
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(Cow::Owned(bytes))
    }
}

/// `offset` as an index, where the `len` bytes behind it are all there.
pub(crate) fn within(source: &dyn Source, offset: u64, len: usize) -> Result<usize, FileError> {
    let end = offset.checked_add(len as u64);
    if end.is_none_or(|end| end > source.len()) {
        return Err(FileError::Bounds("read"));
    }
    usize::try_from(offset).map_err(|_| FileError::Bounds("read"))
}

/// Room for `len` bytes, or an error where there is none: a file on disk may be larger than the
/// memory.
pub(crate) fn zeroed(len: usize) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| FileError::Memory)?;
    bytes.resize(len, 0);
    Ok(bytes)
}
