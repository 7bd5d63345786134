//! The directory as the writer puts it into the file.

use super::head::Head;
use super::record::{EntryRecord, NameRecord};
use crate::FileError;
use crate::index::Index;

/// Everything the directory says, collected while the payloads were written.
pub(crate) struct Contents<'a> {
    pub identity: &'a str,
    pub flags: u32,
    pub entries: Vec<EntryRecord>,
    pub needs: &'a [u32],
    pub names: Vec<NamedEntry>,
}

/// The name of one entry.
pub(crate) struct NamedEntry {
    pub entry: u32,
    pub key: Box<[u8]>,
    pub marshalled: Box<[u8]>,
}

impl Contents<'_> {
    pub fn encode(mut self) -> Result<Vec<u8>, FileError> {
        let keys: Vec<&[u8]> = self.names.iter().map(|name| &*name.key).collect();
        let index = Index::build(&keys).ok_or(FileError::TooLarge("index"))?;
        let (records, name_bytes) = self.names_by_slot(&index)?;
        let mut out = Vec::new();
        Head {
            seed: index.seed,
            flags: self.flags,
            identity_length: small(self.identity.len(), "identity")?,
            entry_count: small(self.entries.len(), "entries")?,
            needs_count: small(self.needs.len(), "needs")?,
            name_count: small(records.len(), "names")?,
            name_length: small(name_bytes.len(), "names")?,
        }
        .encode(&mut out);
        out.extend(self.identity.bytes());
        for entry in &self.entries {
            entry.encode(&mut out);
        }
        let numbers = self.needs.iter().chain(&index.displacements);
        out.extend(numbers.flat_map(|number| number.to_le_bytes()));
        for record in &records {
            record.encode(&mut out);
        }
        out.extend(name_bytes);
        Ok(out)
    }

    /// The name records and the name bytes, both in the order of the slots; tells each entry its
    /// record.
    fn names_by_slot(&mut self, index: &Index) -> Result<(Vec<NameRecord>, Vec<u8>), FileError> {
        let mut records = Vec::with_capacity(self.names.len());
        let mut bytes = Vec::new();
        for (slot, key) in (0..).zip(&index.slots) {
            let name = &self.names[*key as usize];
            records.push(NameRecord {
                hash: index.hashes[*key as usize],
                entry: name.entry,
                start: small(bytes.len(), "names")?,
                key_length: small(name.key.len(), "name")?,
                marshalled_length: small(name.marshalled.len(), "name")?,
            });
            bytes.extend_from_slice(&name.key);
            bytes.extend_from_slice(&name.marshalled);
            self.entries[name.entry as usize].name = slot;
        }
        Ok((records, bytes))
    }
}

/// A count or length as the directory stores it. The largest `u32` is kept for "none".
pub(crate) fn small(value: usize, what: &'static str) -> Result<u32, FileError> {
    u32::try_from(value).ok().filter(|value| *value < u32::MAX).ok_or(FileError::TooLarge(what))
}
