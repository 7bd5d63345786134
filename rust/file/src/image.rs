//! The image: an open overlay file, its trailer and directory checked.

use std::borrow::Cow;
use std::path::Path;

use parking_lot::Mutex;

use crate::checksum::checksum;
use crate::directory::{Directory, Entry};
use crate::opening::Opening;
use crate::source::Source;
use crate::trailer::Trailer;
use crate::{FileError, HEADER_LEN, Part};

/// An overlay file to read from. It goes on with the bytes it was opened with, whatever happens to
/// the path.
pub struct Image {
    source: Box<dyn Source + Send + Sync>,
    trailer: Trailer,
    directory: Directory,
    /// Header and core, where they were read when the file was opened; the first to ask takes them.
    core: Mutex<Option<Vec<u8>>>,
}

#[expect(clippy::len_without_is_empty, reason = "there is always a core")]
impl Image {
    /// Opens a file: small ones and such without overlays are read whole, others mapped.
    pub fn open(path: &Path) -> Result<Image, FileError> {
        Opening::start(path)?.finish()
    }

    /// Reads trailer and directory, with one read each, and leaves the rest where it is.
    pub fn from_source(source: Box<dyn Source + Send + Sync>) -> Result<Image, FileError> {
        let trailer = Trailer::read(&*source)?;
        let directory = Directory::read(&*source, &trailer)?;
        Ok(Image::new(source, trailer, directory, None))
    }

    pub(crate) fn new(
        source: Box<dyn Source + Send + Sync>,
        trailer: Trailer,
        directory: Directory,
        core: Option<Vec<u8>>,
    ) -> Image {
        Image { source, trailer, directory, core: Mutex::new(core) }
    }

    /// The PEP 552 header, as the trailer repeats it.
    pub fn header(&self) -> &[u8; HEADER_LEN] {
        &self.trailer.header
    }

    /// The interpreter that the payloads are for, for instance `cpython-313`.
    pub fn identity(&self) -> &str {
        self.directory.identity()
    }

    /// The flags of the file, opaque to the file layer.
    pub fn flags(&self) -> u32 {
        self.directory.flags()
    }

    /// Of the trailer: through the checksums in it, it stands for the whole file.
    pub fn checksum(&self) -> u64 {
        self.trailer.checksum
    }

    pub fn file_len(&self) -> u64 {
        self.trailer.file_length
    }

    /// How many entries there are, the core included.
    pub fn len(&self) -> u32 {
        self.directory.len()
    }

    /// Whether any overlay has a name: others are function bodies.
    pub fn has_names(&self) -> bool {
        self.directory.has_names()
    }

    pub fn entry(&self, number: u32) -> Option<Entry<'_>> {
        self.directory.entry(number)
    }

    /// The number of the entry whose name has this key.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        self.directory.find(key)
    }

    /// The payload of an entry, in memory that nobody else can change, its checksum verified there.
    /// With the core the header at the start of the file is verified too.
    pub fn payload(&self, number: u32) -> Result<Cow<'_, [u8]>, FileError> {
        let entry = self.entry(number).ok_or(FileError::NoSuchEntry(number))?;
        let length = usize::try_from(entry.length).map_err(|_| FileError::TooLarge("payload"))?;
        let bytes = match number {
            0 => self.core(length)?,
            _ => self.source.read_at(entry.offset, length)?,
        };
        match checksum(&bytes) == entry.checksum {
            true => Ok(bytes),
            false => Err(FileError::Checksum(Part::Payload(number))),
        }
    }

    /// Gives back the pages of the file that reading has mapped, and those around them: they count as the process's own.
    pub fn release(&self) {
        self.source.release();
    }

    /// Reads and checks everything: every payload, and that every name is found under its key.
    pub fn verify(&self) -> Result<(), FileError> {
        for number in 0..self.len() {
            self.payload(number)?;
            let name = self.entry(number).and_then(|entry| entry.name);
            if name.is_some_and(|name| self.find(name.key) != Some(number)) {
                return Err(FileError::Value("index"));
            }
        }
        Ok(())
    }

    /// The core, read together with the header before it.
    fn core(&self, length: usize) -> Result<Cow<'_, [u8]>, FileError> {
        let taken = self.core.lock().take();
        let bytes = match taken {
            Some(bytes) => Cow::Owned(bytes),
            None => self.source.read_at(0, HEADER_LEN.saturating_add(length))?,
        };
        match bytes.starts_with(self.header()) {
            true => Ok(without_header(bytes)),
            false => Err(FileError::Checksum(Part::Header)),
        }
    }
}

fn without_header(bytes: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(HEADER_LEN..).unwrap_or_default()),
        Cow::Owned(mut bytes) => {
            bytes.drain(..HEADER_LEN.min(bytes.len()));
            Cow::Owned(bytes)
        }
    }
}
