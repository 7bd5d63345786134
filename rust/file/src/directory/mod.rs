//! The directory: where everything lies in the file, and which name is whose.
//!
//! It is kept as the bytes it was read as. They are checked once, whole; an entry is decoded when
//! it is asked for.

mod check;
mod encode;
mod head;
mod record;

pub(crate) use encode::{Contents, NamedEntry, small};
use head::{Head, Sections};
pub(crate) use record::{CORE, EntryRecord, NO_NAME};
use record::{ENTRY_LEN, NAME_LEN, NameRecord};

use std::ops::Range;

use crate::checksum::checksum;
use crate::fields::{Fields, record};
use crate::index;
use crate::source::Source;
use crate::trailer::Trailer;
use crate::{FileError, Kind, Name, Part};

/// One entry: where a payload lies and what it is. Entry 0 is the core.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// In the file.
    pub offset: u64,
    pub length: u64,
    pub checksum: u64,
    /// `None` for the core.
    pub kind: Option<Kind>,
    pub name: Option<Name<'a>>,
    /// The overlays that must be loaded with this one.
    pub needs: Needs<'a>,
    /// Opaque to the file layer.
    pub flags: u32,
}

/// Numbers of entries, as an iterator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Needs<'a>(&'a [u8]);

impl Iterator for Needs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut fields = Fields(self.0);
        let need = fields.u32();
        self.0 = fields.0;
        need
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Needs<'_> {
    fn len(&self) -> usize {
        self.0.len() / size_of::<u32>()
    }
}

pub(crate) struct Directory {
    bytes: Box<[u8]>,
    head: Head,
    sections: Sections,
}

impl Directory {
    /// Reads and checks the directory that `trailer` leads to, with one read.
    pub fn read(source: &dyn Source, trailer: &Trailer) -> Result<Directory, FileError> {
        let length = usize::try_from(trailer.directory_length).map_err(|_| FileError::Bounds("directory"))?;
        let bytes = source.read_at(trailer.directory_offset, length)?;
        if checksum(&bytes) != trailer.directory_checksum {
            return Err(FileError::Checksum(Part::Directory));
        }
        let head = Head::decode(&bytes).ok_or(FileError::Bounds("directory"))?;
        let sections = Sections::locate(&head, bytes.len()).ok_or(FileError::Bounds("directory"))?;
        let directory = Directory { bytes: bytes.into_owned().into_boxed_slice(), head, sections };
        directory.check(trailer.directory_offset)?;
        Ok(directory)
    }

    pub fn identity(&self) -> &str {
        std::str::from_utf8(self.section(&self.sections.identity)).unwrap_or_default()
    }

    pub fn flags(&self) -> u32 {
        self.head.flags
    }

    /// How many entries there are, the core included.
    pub fn len(&self) -> u32 {
        self.head.entry_count
    }

    /// Whether any overlay has a name.
    pub fn has_names(&self) -> bool {
        self.head.name_count > 0
    }

    pub fn has_overlays(&self) -> bool {
        self.len() > 1
    }

    pub fn entry(&self, number: u32) -> Option<Entry<'_>> {
        let bytes = record(self.section(&self.sections.entries), number, ENTRY_LEN)?;
        let entry = EntryRecord::decode(bytes)?;
        Some(Entry {
            offset: entry.offset,
            length: entry.length,
            checksum: entry.checksum,
            kind: Kind::from_byte(entry.kind),
            name: self.name_record(entry.name).and_then(|name| self.name(&name)),
            needs: self.needs(&entry)?,
            flags: entry.flags,
        })
    }

    /// The number of the entry with this key: one probe, whether there is one or not.
    pub fn find(&self, key: &[u8]) -> Option<u32> {
        let names = self.head.name_count as usize;
        let hash = index::hash(key, self.head.seed);
        let bucket = u32::try_from(index::bucket(hash, names)).ok()?;
        let displacements = self.section(&self.sections.displacements);
        let displacement = Fields(record(displacements, bucket, size_of::<u32>())?).u32()?;
        let slot = u32::try_from(index::slot(hash, displacement, names)).ok()?;
        let name = self.name_record(slot)?;
        (name.hash == hash && self.name(&name)?.key == key).then_some(name.entry)
    }

    fn name_record(&self, number: u32) -> Option<NameRecord> {
        let bytes = record(self.section(&self.sections.names), number, NAME_LEN)?;
        NameRecord::decode(bytes)
    }

    fn name(&self, record: &NameRecord) -> Option<Name<'_>> {
        let all = self.section(&self.sections.name_bytes);
        let mut fields = Fields(all.get(record.start as usize..)?);
        Some(Name {
            key: fields.bytes(record.key_length as usize)?,
            marshalled: fields.bytes(record.marshalled_length as usize)?,
        })
    }

    fn needs(&self, entry: &EntryRecord) -> Option<Needs<'_>> {
        let all = self.section(&self.sections.needs);
        let start = (entry.needs_start as usize).checked_mul(size_of::<u32>())?;
        let length = (entry.needs_count as usize).checked_mul(size_of::<u32>())?;
        all.get(start..start.checked_add(length)?).map(Needs)
    }

    fn section(&self, section: &Range<usize>) -> &[u8] {
        self.bytes.get(section.clone()).unwrap_or_default()
    }
}
