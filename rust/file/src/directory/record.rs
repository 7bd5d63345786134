//! The two records of fixed size that the directory's tables consist of.

use crate::fields::Fields;

pub(crate) const ENTRY_LEN: usize = 41;
pub(crate) const NAME_LEN: usize = 24;
/// In the `name` field of an entry: it has none.
pub(crate) const NO_NAME: u32 = u32::MAX;
/// In the `kind` field of entry 0, and only there.
pub(crate) const CORE: u8 = 0;

/// An entry of the directory: where a payload lies and what it is.
///
/// | bytes | field | holds |
/// | --- | --- | --- |
/// | 8 | offset | of the payload in the file: where the one before ends, 16 for the core |
/// | 8 | length | of the payload |
/// | 8 | checksum | of the payload |
/// | 4 | flags | opaque |
/// | 4 | name | number of its name record, `FF FF FF FF` for none |
/// | 4 | needs start | its first need in the table of needs: where those of the entry before end |
/// | 4 | needs count | how many needs it has |
/// | 1 | kind | 0 core, 1 code to run, 2 constant to hand out, 3 body |
#[derive(Clone, Copy, Debug)]
pub(crate) struct EntryRecord {
    pub offset: u64,
    pub length: u64,
    pub checksum: u64,
    pub flags: u32,
    pub name: u32,
    pub needs_start: u32,
    pub needs_count: u32,
    pub kind: u8,
}

impl EntryRecord {
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.offset.to_le_bytes());
        out.extend(self.length.to_le_bytes());
        out.extend(self.checksum.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        out.extend(self.name.to_le_bytes());
        out.extend(self.needs_start.to_le_bytes());
        out.extend(self.needs_count.to_le_bytes());
        out.push(self.kind);
    }

    pub fn decode(bytes: &[u8]) -> Option<EntryRecord> {
        let mut fields = Fields(bytes);
        Some(EntryRecord {
            offset: fields.u64()?,
            length: fields.u64()?,
            checksum: fields.u64()?,
            flags: fields.u32()?,
            name: fields.u32()?,
            needs_start: fields.u32()?,
            needs_count: fields.u32()?,
            kind: fields.u8()?,
        })
    }
}

/// A name record: which entry has the name, and where its bytes are.
///
/// | bytes | field | holds |
/// | --- | --- | --- |
/// | 8 | hash | of the key, with the directory's seed |
/// | 4 | entry | number of the entry that has the name |
/// | 4 | start | of the key in the name bytes: where the name before ends |
/// | 4 | key length | bytes of the key |
/// | 4 | marshalled length | bytes of the marshalled name, which follows its key |
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameRecord {
    pub hash: u64,
    pub entry: u32,
    pub start: u32,
    pub key_length: u32,
    pub marshalled_length: u32,
}

impl NameRecord {
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.hash.to_le_bytes());
        out.extend(self.entry.to_le_bytes());
        out.extend(self.start.to_le_bytes());
        out.extend(self.key_length.to_le_bytes());
        out.extend(self.marshalled_length.to_le_bytes());
    }

    pub fn decode(bytes: &[u8]) -> Option<NameRecord> {
        let mut fields = Fields(bytes);
        Some(NameRecord {
            hash: fields.u64()?,
            entry: fields.u32()?,
            start: fields.u32()?,
            key_length: fields.u32()?,
            marshalled_length: fields.u32()?,
        })
    }
}
