//! What must hold in a directory before anything in it is used: everything lies where it must,
//! nothing overlaps.

use super::Directory;
use super::record::{CORE, ENTRY_LEN, EntryRecord, NAME_LEN, NO_NAME, NameRecord};
use crate::fields::Fields;
use crate::{FileError, HEADER_LEN, Kind};

impl Directory {
    /// One pass over each table. `payload_end` is where the directory starts in the file.
    pub(super) fn check(&self, payload_end: u64) -> Result<(), FileError> {
        if std::str::from_utf8(self.section(&self.sections.identity)).is_err() {
            return Err(FileError::Value("identity"));
        }
        self.check_entries(payload_end)?;
        self.check_needs()?;
        self.check_names()
    }

    /// The payloads follow each other without a gap, and so do the needs; the core comes first, and
    /// only there.
    fn check_entries(&self, payload_end: u64) -> Result<(), FileError> {
        let (mut offset, mut needs, mut named) = (HEADER_LEN as u64, 0u32, 0u32);
        let table = self.section(&self.sections.entries);
        for (number, bytes) in (0..).zip(table.chunks_exact(ENTRY_LEN)) {
            let entry = EntryRecord::decode(bytes).ok_or(FileError::Bounds("entry"))?;
            if entry.offset != offset || entry.needs_start != needs {
                return Err(FileError::Bounds("payload"));
            }
            offset = offset.checked_add(entry.length).ok_or(FileError::Bounds("payload"))?;
            needs = needs.checked_add(entry.needs_count).ok_or(FileError::Bounds("needs"))?;
            named += self.check_name_of(number, &entry)?;
        }
        if offset != payload_end || table.is_empty() {
            return Err(FileError::Bounds("payload"));
        }
        if needs != self.head.needs_count {
            return Err(FileError::Bounds("needs"));
        }
        if named != self.head.name_count {
            return Err(FileError::Value("name"));
        }
        Ok(())
    }

    /// Whether the entry has a name (1) or not (0): one whose record leads back to it.
    fn check_name_of(&self, number: u32, entry: &EntryRecord) -> Result<u32, FileError> {
        let is_core = entry.kind == CORE;
        if is_core != (number == 0) || !is_core && Kind::from_byte(entry.kind).is_none() {
            return Err(FileError::Value("kind"));
        }
        if entry.name == NO_NAME {
            return Ok(0);
        }
        match self.name_record(entry.name) {
            Some(name) if name.entry == number && !is_core => Ok(1),
            _ => Err(FileError::Value("name")),
        }
    }

    fn check_needs(&self) -> Result<(), FileError> {
        let mut needs = Fields(self.section(&self.sections.needs));
        while let Some(need) = needs.u32() {
            if need == 0 || need >= self.len() {
                return Err(FileError::Value("need"));
            }
        }
        Ok(())
    }

    /// The names follow each other without a gap.
    fn check_names(&self) -> Result<(), FileError> {
        let mut end = 0u32;
        let table = self.section(&self.sections.names);
        for bytes in table.chunks_exact(NAME_LEN) {
            let name = NameRecord::decode(bytes).ok_or(FileError::Bounds("name"))?;
            if name.start != end {
                return Err(FileError::Bounds("name"));
            }
            end = end
                .checked_add(name.key_length)
                .and_then(|end| end.checked_add(name.marshalled_length))
                .ok_or(FileError::Bounds("name"))?;
        }
        if end != self.head.name_length {
            return Err(FileError::Bounds("name"));
        }
        Ok(())
    }
}
