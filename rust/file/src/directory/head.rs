//! The head of the directory, and the places of the sections behind it.

use std::ops::Range;

use super::record::{ENTRY_LEN, NAME_LEN};
use crate::fields::Fields;
use crate::index::bucket_count;

pub(crate) const HEAD_LEN: usize = 32;
const NUMBER_LEN: usize = 4;

/// The head: how much of everything there is.
///
/// | bytes | field | holds |
/// | --- | --- | --- |
/// | 8 | seed | of the hashed index |
/// | 4 | file flags | opaque: the level |
/// | 4 | identity length | bytes of the identity |
/// | 4 | entry count | entries, the core included |
/// | 4 | needs count | numbers in the table of needs |
/// | 4 | name count | name records |
/// | 4 | name length | bytes of all names |
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub seed: u64,
    pub flags: u32,
    pub identity_length: u32,
    pub entry_count: u32,
    pub needs_count: u32,
    pub name_count: u32,
    pub name_length: u32,
}

impl Head {
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.seed.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        out.extend(self.identity_length.to_le_bytes());
        out.extend(self.entry_count.to_le_bytes());
        out.extend(self.needs_count.to_le_bytes());
        out.extend(self.name_count.to_le_bytes());
        out.extend(self.name_length.to_le_bytes());
    }

    pub fn decode(bytes: &[u8]) -> Option<Head> {
        let mut fields = Fields(bytes);
        Some(Head {
            seed: fields.u64()?,
            flags: fields.u32()?,
            identity_length: fields.u32()?,
            entry_count: fields.u32()?,
            needs_count: fields.u32()?,
            name_count: fields.u32()?,
            name_length: fields.u32()?,
        })
    }
}

/// Where the sections lie in the directory, in their order.
///
/// | section | length |
/// | --- | --- |
/// | head | 32 |
/// | identity | identity length; UTF-8, for instance `cpython-313` |
/// | entries | 41 each |
/// | needs | 4 each: the number of an entry, never 0 |
/// | displacements | 4 for each bucket; there are name count / 4 of them, rounded up |
/// | name records | 24 each, in the order of their slots |
/// | name bytes | name length; for each name record in turn, the key and the marshalled name |
pub(crate) struct Sections {
    pub identity: Range<usize>,
    pub entries: Range<usize>,
    pub needs: Range<usize>,
    pub displacements: Range<usize>,
    pub names: Range<usize>,
    pub name_bytes: Range<usize>,
}

impl Sections {
    /// `None` unless the sections fill a directory of `length` bytes exactly.
    pub fn locate(head: &Head, length: usize) -> Option<Sections> {
        let mut end = HEAD_LEN;
        let mut section = |count: usize, size: usize| {
            let start = end;
            end = start.checked_add(count.checked_mul(size)?)?;
            Some(start..end)
        };
        let names = head.name_count as usize;
        let sections = Sections {
            identity: section(head.identity_length as usize, 1)?,
            entries: section(head.entry_count as usize, ENTRY_LEN)?,
            needs: section(head.needs_count as usize, NUMBER_LEN)?,
            displacements: section(bucket_count(names), NUMBER_LEN)?,
            names: section(names, NAME_LEN)?,
            name_bytes: section(head.name_length as usize, 1)?,
        };
        (sections.name_bytes.end == length).then_some(sections)
    }
}
