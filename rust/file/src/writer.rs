//! The writer: one pass from header to trailer, never back.

use std::collections::HashSet;
use std::io::Write;

use crate::checksum::checksum;
use crate::directory::{CORE, Contents, EntryRecord, NO_NAME, NamedEntry, small};
use crate::trailer::Trailer;
use crate::{FileError, HEADER_LEN, Name, Overlay};

/// Writes one overlay file. What is left unfinished has no trailer, and no reader takes it for a
/// file.
pub struct Writer<W: Write> {
    out: W,
    header: [u8; HEADER_LEN],
    position: u64,
    entries: Vec<EntryRecord>,
    needs: Vec<u32>,
    names: Vec<NamedEntry>,
    keys: HashSet<Box<[u8]>>,
}

impl<W: Write> Writer<W> {
    /// Writes the header and the core, which gets entry 0.
    pub fn new(
        mut out: W,
        header: [u8; HEADER_LEN],
        core: &[u8],
        needs: &[u32],
        flags: u32,
    ) -> Result<Self, FileError> {
        out.write_all(&header)?;
        let mut writer = Writer {
            out,
            header,
            position: HEADER_LEN as u64,
            entries: Vec::new(),
            needs: Vec::new(),
            names: Vec::new(),
            keys: HashSet::new(),
        };
        writer.entry(CORE, core, needs, flags)?;
        Ok(writer)
    }

    /// Writes an overlay; the number of its entry. Refused without a trace where its name is
    /// already taken.
    pub fn overlay(&mut self, overlay: &Overlay<'_>) -> Result<u32, FileError> {
        let is_taken = |name: Name<'_>| self.keys.contains(name.key);
        if overlay.name.is_some_and(is_taken) {
            return Err(FileError::DuplicateName);
        }
        let kind = overlay.kind as u8;
        let entry = self.entry(kind, overlay.payload, overlay.needs, overlay.flags)?;
        if let Some(Name { key, marshalled }) = overlay.name {
            self.keys.insert(key.into());
            let (key, marshalled) = (key.into(), marshalled.into());
            self.names.push(NamedEntry { entry, key, marshalled });
        }
        Ok(entry)
    }

    /// Writes directory and trailer. `identity` says which interpreter the payloads are for.
    pub fn finish(mut self, identity: &str, file_flags: u32) -> Result<W, FileError> {
        self.check_needs()?;
        let directory =
            Contents { identity, flags: file_flags, entries: self.entries, needs: &self.needs, names: self.names }
                .encode()?;
        self.out.write_all(&directory)?;
        let trailer = Trailer::encode(&self.header, self.position, &directory)?;
        self.out.write_all(&trailer)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, kind: u8, payload: &[u8], needs: &[u32], flags: u32) -> Result<u32, FileError> {
        let number = small(self.entries.len(), "entries")?;
        let length = payload.len() as u64;
        self.entries.push(EntryRecord {
            offset: self.position,
            length,
            checksum: checksum(payload),
            flags,
            name: NO_NAME,
            needs_start: small(self.needs.len(), "needs")?,
            needs_count: small(needs.len(), "needs")?,
            kind,
        });
        self.needs.extend_from_slice(needs);
        self.out.write_all(payload)?;
        self.position = self.position.checked_add(length).ok_or(FileError::TooLarge("file"))?;
        Ok(number)
    }

    /// Needs may point forward, so only now is it known whether they all lead to overlays.
    fn check_needs(&self) -> Result<(), FileError> {
        for (number, entry) in (0..).zip(&self.entries) {
            let needs = self.needs.iter().skip(entry.needs_start as usize);
            for &need in needs.take(entry.needs_count as usize) {
                if need == 0 || need as usize >= self.entries.len() {
                    return Err(FileError::BadNeed { entry: number, needs: need });
                }
            }
        }
        Ok(())
    }
}
