//! The trailer: the last 66 bytes of the file, and the first that are read.
//!
//! | bytes | field | holds |
//! | --- | --- | --- |
//! | 8 | checksum | of the 58 bytes that follow |
//! | 16 | header | what stands at the start of the file |
//! | 8 | file length | of the whole file, trailer included |
//! | 8 | directory offset | where the last payload ends |
//! | 8 | directory length | up to the trailer |
//! | 8 | directory checksum | of all bytes of the directory |
//! | 2 | version | 1 |
//! | 8 | magic | `93 4F 56 45 52 4C 41 59`: a byte that is not ASCII, and `OVERLAY` |
//!
//! Version and magic stand last in every version of the format. The header is repeated so that what
//! is read from the end of the file needs nothing from its start; the two are compared when the
//! core is read.

use crate::checksum::checksum;
use crate::fields::Fields;
use crate::source::Source;
use crate::{FileError, HEADER_LEN, Part};

pub(crate) const MAGIC: [u8; 8] = *b"\x93OVERLAY";
pub(crate) const VERSION: u16 = 1;
pub(crate) const TRAILER_LEN: usize = 66;
const CHECKSUM_LEN: usize = 8;

pub(crate) struct Trailer {
    /// Of the trailer itself; through the other checksums it stands for the whole file.
    pub checksum: u64,
    pub header: [u8; HEADER_LEN],
    pub file_length: u64,
    pub directory_offset: u64,
    pub directory_length: u64,
    pub directory_checksum: u64,
}

impl Trailer {
    /// The bytes of the trailer of a file whose directory starts at `payload_end`.
    pub fn encode(header: &[u8; HEADER_LEN], payload_end: u64, directory: &[u8]) -> Result<Vec<u8>, FileError> {
        let directory_length = directory.len() as u64;
        let file_length = payload_end
            .checked_add(directory_length)
            .and_then(|length| length.checked_add(TRAILER_LEN as u64))
            .ok_or(FileError::TooLarge("file"))?;
        let mut covered = header.to_vec();
        covered.extend(file_length.to_le_bytes());
        covered.extend(payload_end.to_le_bytes());
        covered.extend(directory_length.to_le_bytes());
        covered.extend(checksum(directory).to_le_bytes());
        covered.extend(VERSION.to_le_bytes());
        covered.extend(MAGIC);
        Ok([&checksum(&covered).to_le_bytes(), &covered[..]].concat())
    }

    /// Reads and checks the trailer of `source`, with one read.
    pub fn read(source: &dyn Source) -> Result<Trailer, FileError> {
        let length = source.len();
        let start = length
            .checked_sub(TRAILER_LEN as u64)
            .filter(|start| *start >= HEADER_LEN as u64)
            .ok_or(FileError::TooShort { length })?;
        let bytes = source.read_at(start, TRAILER_LEN)?;
        check_version(&bytes)?;
        let trailer = Trailer::decode(&bytes).ok_or(FileError::Bounds("trailer"))?;
        trailer.check(&bytes, length)?;
        Ok(trailer)
    }

    fn decode(bytes: &[u8]) -> Option<Trailer> {
        let mut fields = Fields(bytes);
        Some(Trailer {
            checksum: fields.u64()?,
            header: fields.array()?,
            file_length: fields.u64()?,
            directory_offset: fields.u64()?,
            directory_length: fields.u64()?,
            directory_checksum: fields.u64()?,
        })
    }

    fn check(&self, bytes: &[u8], length: u64) -> Result<(), FileError> {
        let covered = bytes.get(CHECKSUM_LEN..).unwrap_or_default();
        if checksum(covered) != self.checksum {
            return Err(FileError::Checksum(Part::Trailer));
        }
        if self.file_length != length {
            return Err(FileError::Length { found: length, written: self.file_length });
        }
        let end = self
            .directory_offset
            .checked_add(self.directory_length)
            .and_then(|end| end.checked_add(TRAILER_LEN as u64));
        if self.directory_offset < HEADER_LEN as u64 || end != Some(length) {
            return Err(FileError::Bounds("directory"));
        }
        Ok(())
    }
}

/// Before anything else of a trailer is believed: is it one, and of this version?
fn check_version(bytes: &[u8]) -> Result<(), FileError> {
    let rest = bytes.strip_suffix(&MAGIC).ok_or(FileError::BadMagic)?;
    let version = rest.last_chunk().ok_or(FileError::BadMagic)?;
    match u16::from_le_bytes(*version) {
        VERSION => Ok(()),
        version => Err(FileError::UnknownVersion(version)),
    }
}
