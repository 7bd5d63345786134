//! Writing a bundle, in one pass, and changing one.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::{Bundle, Key, RECORD_HEAD_LEN, Settings, Trailer};
use crate::checksum::checksum;
use crate::{FileError, OnDisk};

/// A record to be written: its value in two pieces, and its rest.
pub struct Record<'a> {
    pub key: Key,
    pub value: [&'a [u8]; 2],
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

impl Bundle {
    /// Gives a record of a bundle another value of the same length. Who reads it at that moment finds it damaged.
    pub fn amend(path: &Path, key: &Key, value: &[u8]) -> Result<(), FileError> {
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
        let bundle = Bundle::from_source(Box::new(OnDisk::new(file.try_clone()?)?))?;
        let found = bundle.get(key)?.filter(|found| found.value().len() == value.len());
        let found = found.ok_or(FileError::Bounds("record"))?;
        let record = Record { key: key.clone(), value: [value, &[]], rest: &[] };
        let mut bytes = Vec::new();
        record.write(&mut bytes, found.rest.start)?;
        Ok(file.write_all_at(&bytes, found.offset)?)
    }
}

impl Record<'_> {
    fn len(&self) -> u64 {
        let [first, second] = self.value;
        (RECORD_HEAD_LEN + self.key.as_bytes().len() + first.len() + second.len()) as u64
    }

    fn write(&self, out: &mut impl Write, rest_offset: u64) -> Result<(), FileError> {
        let key = self.key.as_bytes();
        let key_length = u32::try_from(key.len()).map_err(|_| FileError::TooLarge("key"))?;
        let [first, second] = self.value;
        let covered = [
            &rest_offset.to_le_bytes()[..],
            &(self.rest.len() as u64).to_le_bytes(),
            &key_length.to_le_bytes(),
            key,
            first,
            second,
        ]
        .concat();
        out.write_all(&checksum(&covered).to_le_bytes())?;
        out.write_all(&covered)?;
        Ok(())
    }
}
