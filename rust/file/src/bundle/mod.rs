//! The bundle: one file with the code of many modules, and a snapshot of the folders that they were
//! found in.
//!
//! ```text
//! records ... | rests ... | settings | slots | trailer
//! ```
//!
//! A record is what one look-up reads: its key, and a value (see `records`). What a value's owner
//! reads later, or never, is its rest. Records lie in the order in which a program asks for them,
//! so that one read serves many.
//!
//! A record:
//!
//! | bytes | field | holds |
//! | --- | --- | --- |
//! | 8 | checksum | of all that follows in the record |
//! | 8 | rest offset | where its rest starts |
//! | 8 | rest length | 0 where there is none |
//! | 4 | key length | |
//! | any | key | |
//! | any | value | up to the record's end |
//!
//! A slot, in the order of hashes and then of offsets:
//!
//! | bytes | field | holds |
//! | --- | --- | --- |
//! | 8 | hash | XXH3-64 of the key |
//! | 8 | offset | of the record |
//! | 4 | length | of the record |
//!
//! The trailer, at the very end:
//!
//! | bytes | field | holds |
//! | --- | --- | --- |
//! | 8 | checksum | of the 50 bytes that follow |
//! | 8 | file length | of the whole file |
//! | 8 | settings offset | where the last rest ends |
//! | 8 | settings length | |
//! | 8 | slots checksum | of settings and slots |
//! | 8 | version | 1 |
//! | 10 | magic | `93 4F 56 45 52 42 55 4E 44 4C`: a byte that is not ASCII, and `OVERBUNDL` |

mod records;
mod section;
mod writer;

use std::borrow::Cow;
use std::fs::Metadata;
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::checksum::checksum;
use crate::fields::Fields;
use crate::source::Source;
use crate::{FileError, Mapped, Memory, Part, regular};

pub use records::{Folder, Key, Module, Settings, Stamp};
pub use section::Section;
pub use writer::{BundleWriter, Record};

const MAGIC: [u8; 10] = *b"\x93OVERBUNDL";
const VERSION: u64 = 1;
const TRAILER_LEN: usize = 58;
const SLOT_LEN: usize = 20;
const RECORD_HEAD_LEN: usize = 28;

/// How much is read at once by who asks for one record after the other.
const WINDOW: usize = 128 * 1024;

/// How far on the next record may lie for that.
const GAP: u64 = 8 * 1024;

/// What may be read before memory is given back.
const MUCH: u64 = 512 * 1024;

/// An open bundle. It goes on with the file that it was opened from, whatever happens to the path.
pub struct Bundle {
    source: Box<dyn Source + Send + Sync>,
    settings: Vec<u8>,
    /// Checked: in order, each within the records.
    slots: Vec<Slot>,
    /// Of folders and modules, and of compiled sources: these lie apart, and are read by turns.
    windows: [Mutex<Window>; 2],
    /// How much was read since memory was given back.
    read: AtomicU64,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u64,
    offset: u64,
    length: u32,
}

/// The bytes that were read last.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Arc<Vec<u8>>,
}

/// Bytes of the bundle, in memory that nobody else changes.
struct Bytes {
    all: Arc<Vec<u8>>,
    range: Range<usize>,
}

/// A record whose checksum holds.
pub struct Found {
    bytes: Bytes,
    key: Range<usize>,
    /// Where in the file its rest lies.
    pub rest: Range<u64>,
}

impl Bundle {
    /// Opens and maps a bundle, and reads its settings and slots; gives also what the file system
    /// knows of the file.
    pub fn open(path: &Path) -> Result<(Bundle, Metadata), FileError> {
        let (file, metadata) = regular::open(path)?;
        let source: Box<dyn Source + Send + Sync> = match Mapped::new(&file, metadata.len()) {
            Ok(mapped) => Box::new(mapped),
            Err(_) => Box::new(Memory::read(&file, metadata.len())?),
        };
        Ok((Bundle::from_source(source)?, metadata))
    }

    pub fn from_source(source: Box<dyn Source + Send + Sync>) -> Result<Bundle, FileError> {
        let trailer = Trailer::read(&*source)?;
        let table_length = trailer.start.checked_sub(trailer.settings_offset).ok_or(FileError::Bounds("settings"))?;
        let table_length = usize::try_from(table_length).map_err(|_| FileError::TooLarge("slots"))?;
        let table = source.read_at(trailer.settings_offset, table_length)?;
        if checksum(&table) != trailer.table_checksum {
            return Err(FileError::Checksum(Part::Directory));
        }
        let settings_length = usize::try_from(trailer.settings_length).map_err(|_| FileError::Bounds("settings"))?;
        let (settings, slots) = table.split_at_checked(settings_length).ok_or(FileError::Bounds("settings"))?;
        let (settings, slots) = (settings.to_vec(), decode_slots(slots, trailer.settings_offset)?);
        drop(table);
        Ok(Bundle { source, settings, slots, windows: Default::default(), read: AtomicU64::new(0) })
    }

    /// What the writer said of the whole.
    pub fn settings(&self) -> Result<Settings, FileError> {
        Settings::decode(&self.settings)
    }

    pub fn file_len(&self) -> u64 {
        self.source.len()
    }

    /// How many records there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The record with this key. An error where it is damaged.
    pub fn get(&self, key: &Key) -> Result<Option<Found>, FileError> {
        let key = key.as_bytes();
        let hash = checksum(key);
        let first = self.slots.partition_point(|slot| slot.hash < hash);
        for slot in self.slots[first..].iter().take_while(|slot| slot.hash == hash) {
            let found = self.record(slot, usize::from(key.starts_with(b"c")))?;
            if found.key() == key {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All records, in the order of the file.
    pub fn records(&self) -> impl Iterator<Item = Result<Found, FileError>> {
        let mut slots: Vec<Slot> = self.slots.clone();
        slots.sort_by_key(|slot| slot.offset);
        slots.into_iter().map(|slot| self.record(&slot, 0))
    }

    /// Gives back memory, where much of the file was read.
    pub fn release(&self) {
        if self.read.load(Ordering::Relaxed) > MUCH {
            self.read.store(0, Ordering::Relaxed);
            for window in &self.windows {
                *window.lock() = Window::default();
            }
            self.source.release();
        }
    }

    fn read(&self, offset: u64, length: usize) -> Result<Cow<'_, [u8]>, FileError> {
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        self.source.read_at(offset, length)
    }

    fn record(&self, slot: &Slot, window: usize) -> Result<Found, FileError> {
        let bytes = self.bytes(slot.offset, slot.length as usize, window)?;
        let mut fields = Fields(&bytes);
        let damaged = || FileError::Checksum(Part::Payload(0));
        let sum = fields.u64().ok_or_else(damaged)?;
        if checksum(fields.0) != sum {
            return Err(damaged());
        }
        let (key, rest) = decode_head(&mut fields).ok_or(FileError::Bounds("record"))?;
        let (start, end) = rest;
        if start > end || end > self.source.len() {
            return Err(FileError::Bounds("rest"));
        }
        let found = Found { key: RECORD_HEAD_LEN..RECORD_HEAD_LEN + key, rest: start..end, bytes };
        // Another record may have come to stand in this one's place.
        match checksum(found.key()) == slot.hash {
            true => Ok(found),
            false => Err(damaged()),
        }
    }

    /// The bytes of the file from `offset` on. Who reads on where the last read ended gets them out of one large read.
    fn bytes(&self, offset: u64, length: usize, window: usize) -> Result<Bytes, FileError> {
        let mut window = self.windows[window].lock();
        let end = window.start + window.bytes.len() as u64;
        if let Some(skip) = offset.checked_sub(window.start).filter(|_| offset + length as u64 <= end) {
            let range = skip as usize..skip as usize + length;
            return Ok(Bytes { all: Arc::clone(&window.bytes), range });
        }
        let reads_on = (end..=end + GAP).contains(&offset);
        let left = usize::try_from(self.source.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = if reads_on { WINDOW.min(left).max(length) } else { length };
        let bytes = Arc::new(self.read(offset, wanted)?.into_owned());
        if length < WINDOW {
            *window = Window { start: offset, bytes: Arc::clone(&bytes) };
        }
        Ok(Bytes { all: bytes, range: 0..length })
    }
}

impl Found {
    pub fn key(&self) -> &[u8] {
        &self.bytes[self.key.clone()]
    }

    /// The bytes of the record.
    #[expect(clippy::len_without_is_empty, reason = "there is always a key")]
    pub fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub fn value_checksum(&self) -> u64 {
        checksum(self.value())
    }

    pub fn value(&self) -> &[u8] {
        &self.bytes[self.key.end..]
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.all.get(self.range.clone()).unwrap_or_default()
    }
}

/// The length of the key, and where the rest starts and ends.
fn decode_head(fields: &mut Fields<'_>) -> Option<(usize, (u64, u64))> {
    let (offset, length) = (fields.u64()?, fields.u64()?);
    let key = fields.u32()? as usize;
    fields.bytes(key)?;
    Some((key, (offset, offset.checked_add(length)?)))
}

fn decode_slots(bytes: &[u8], records_end: u64) -> Result<Vec<Slot>, FileError> {
    let mut fields = Fields(bytes);
    let mut slots = Vec::with_capacity(bytes.len() / SLOT_LEN);
    while let (Some(hash), Some(offset), Some(length)) = (fields.u64(), fields.u64(), fields.u32()) {
        slots.push(Slot { hash, offset, length });
    }
    let ends = |slot: &Slot| slot.offset.checked_add(slot.length.into());
    let inside = slots.iter().all(|slot| ends(slot).is_some_and(|end| end <= records_end));
    let ordered = slots.is_sorted_by_key(|slot| (slot.hash, slot.offset));
    match inside && ordered && bytes.len() % SLOT_LEN == 0 {
        true => Ok(slots),
        false => Err(FileError::Bounds("slots")),
    }
}

struct Trailer {
    start: u64,
    settings_offset: u64,
    settings_length: u64,
    table_checksum: u64,
}

impl Trailer {
    fn read(source: &dyn Source) -> Result<Trailer, FileError> {
        let length = source.len();
        let start = length.checked_sub(TRAILER_LEN as u64).ok_or(FileError::NoBundle)?;
        let bytes = source.read_at(start, TRAILER_LEN)?;
        if !bytes.ends_with(&MAGIC) {
            return Err(FileError::NoBundle);
        }
        let mut fields = Fields(&bytes);
        let sum = fields.u64();
        let covered = fields.0;
        let mut number = || fields.u64().unwrap_or_default();
        let (file_length, settings_offset, settings_length, table_checksum, version) =
            (number(), number(), number(), number(), number());
        if version != VERSION {
            return Err(FileError::UnknownVersion(version as u16));
        }
        if sum != Some(checksum(covered)) {
            return Err(FileError::Checksum(Part::Trailer));
        }
        if file_length != length {
            return Err(FileError::Length { found: length, written: file_length });
        }
        Ok(Trailer { start, settings_offset, settings_length, table_checksum })
    }

    fn encode(settings_offset: u64, settings: &[u8], slots: &[u8]) -> Result<Vec<u8>, FileError> {
        let table = [settings, slots].concat();
        let length = settings_offset.checked_add(table.len() as u64 + TRAILER_LEN as u64);
        let length = length.ok_or(FileError::TooLarge("file"))?;
        let numbers = [length, settings_offset, settings.len() as u64, checksum(&table), VERSION];
        let mut covered: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        covered.extend(MAGIC);
        Ok([&checksum(&covered).to_le_bytes(), &covered[..]].concat())
    }
}
