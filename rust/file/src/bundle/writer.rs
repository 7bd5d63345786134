//! Writing a bundle, in one pass.

use std::io::Write;

use super::{Key, RECORD_HEAD_LEN, Settings, Trailer};
use crate::FileError;
use crate::checksum::checksum;

/// A record to be written.
pub struct Record<'a> {
    pub key: Key,
    pub value: &'a [u8],
    pub rest: &'a [u8],
}

/// Writes bundles.
pub struct BundleWriter;

impl BundleWriter {
    /// Writes the records, in this order, and all that belongs to them. No two may have the same key.
    pub fn write(out: &mut impl Write, settings: &Settings, records: &[Record<'_>]) -> Result<(), FileError> {
        let mut keys: Vec<&[u8]> = records.iter().map(|record| record.key.as_bytes()).collect();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(FileError::DuplicateName);
        }
        let mut rest_offset: u64 = records.iter().map(Record::len).sum();
        let mut offset = 0;
        let mut slots = Vec::with_capacity(records.len());
        for record in records {
            let length = u32::try_from(record.len()).map_err(|_| FileError::TooLarge("record"))?;
            record.write(out, rest_offset)?;
            slots.push((checksum(record.key.as_bytes()), offset, length));
            rest_offset += record.rest.len() as u64;
            offset += u64::from(length);
        }
        for record in records {
            out.write_all(record.rest)?;
        }
        slots.sort_unstable();
        let slots: Vec<u8> = slots
            .iter()
            .flat_map(|(hash, offset, length)| {
                [&hash.to_le_bytes()[..], &offset.to_le_bytes(), &length.to_le_bytes()].concat()
            })
            .collect();
        let settings = settings.encode();
        out.write_all(&settings)?;
        out.write_all(&slots)?;
        out.write_all(&Trailer::encode(rest_offset, &settings, &slots)?)?;
        Ok(())
    }
}

impl Record<'_> {
    fn len(&self) -> u64 {
        (RECORD_HEAD_LEN + self.key.as_bytes().len() + self.value.len()) as u64
    }

    fn write(&self, out: &mut impl Write, rest_offset: u64) -> Result<(), FileError> {
        let key = self.key.as_bytes();
        let key_length = u32::try_from(key.len()).map_err(|_| FileError::TooLarge("key"))?;
        let covered = [
            &rest_offset.to_le_bytes()[..],
            &(self.rest.len() as u64).to_le_bytes(),
            &key_length.to_le_bytes(),
            key,
            self.value,
        ]
        .concat();
        out.write_all(&checksum(&covered).to_le_bytes())?;
        out.write_all(&covered)?;
        Ok(())
    }
}
