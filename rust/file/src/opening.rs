//! From a path to an image, in two steps: up to the trailer, which tells files apart, and the rest.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::directory::Directory;
use crate::mapped::Mapped;
use crate::regular;
use crate::source::{Memory, OnDisk, Source};
use crate::trailer::Trailer;
use crate::{FileError, Image};

/// Up to this many bytes a file is read whole: faster than a mapping, and little memory.
const SMALL: u64 = 16 * 1024;

/// A file that is known to be an overlay file, by its trailer.
pub(crate) struct Opening {
    bytes: Bytes,
    trailer: Trailer,
    metadata: Metadata,
}

/// Says which file this is, and with which content. No clock in it: a file replaced within one tick
/// of the file system's has another inode or another trailer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint {
    inode: (u64, u64),
    trailer: u64,
}

enum Bytes {
    Whole(Memory),
    OnDisk(OnDisk),
}

impl Opening {
    pub fn start(path: &Path) -> Result<Opening, FileError> {
        let (file, metadata) = regular::open(path)?;
        let bytes = match metadata.len() {
            len @ ..=SMALL => Bytes::Whole(Memory::read(&file, len)?),
            len => Bytes::OnDisk(OnDisk::with_len(file, len)),
        };
        Ok(Opening { trailer: Trailer::read(bytes.source())?, metadata, bytes })
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint { inode: (self.metadata.dev(), self.metadata.ino()), trailer: self.trailer.checksum }
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub fn finish(self) -> Result<Image, FileError> {
        let directory = Directory::read(self.bytes.source(), &self.trailer)?;
        let mut core = None;
        let source: Box<dyn Source + Send + Sync> = match self.bytes {
            Bytes::Whole(memory) => Box::new(memory),
            Bytes::OnDisk(disk) if directory.has_overlays() => {
                core = Some(header_and_core(&disk, &directory)?);
                mapped_or_read(&disk)?
            }
            Bytes::OnDisk(disk) => Box::new(Memory::read(disk.file(), disk.len())?),
        };
        Ok(Image::new(source, self.trailer, directory, core))
    }
}

impl Bytes {
    fn source(&self) -> &dyn Source {
        match self {
            Bytes::Whole(memory) => memory,
            Bytes::OnDisk(disk) => disk,
        }
    }
}

/// The core is wanted at once, and reading it from the open file is ten times faster than letting
/// it be the first that touches the mapping.
fn header_and_core(disk: &OnDisk, directory: &Directory) -> Result<Vec<u8>, FileError> {
    let core = directory.entry(0).ok_or(FileError::NoSuchEntry(0))?;
    let end = core.offset.checked_add(core.length);
    let end = end.and_then(|end| usize::try_from(end).ok());
    let bytes = disk.read_at(0, end.ok_or(FileError::TooLarge("core"))?)?;
    Ok(bytes.into_owned())
}

/// A process may have no mapping left (`vm.max_map_count`), and a sandbox may forbid the copying.
fn mapped_or_read(disk: &OnDisk) -> Result<Box<dyn Source + Send + Sync>, FileError> {
    match Mapped::new(disk.file(), disk.len()) {
        Ok(mapped) => Ok(Box::new(mapped)),
        Err(_) => Ok(Box::new(Memory::read(disk.file(), disk.len())?)),
    }
}
