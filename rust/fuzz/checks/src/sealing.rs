//! Mended fields: what somebody writes who knows the format. `docs/format.md` gives the places.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

const HEADER_LEN: usize = 16;
const HEAD_LEN: usize = 32;
const ENTRY_LEN: usize = 41;
const NAME_LEN: usize = 24;
const TRAILER_LEN: usize = 66;
const RECORD_HEAD_LEN: usize = 28;
const SLOT_LEN: usize = 20;
const BUNDLE_TRAILER_LEN: usize = 58;

pub fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field) as usize)
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<usize> {
    let field = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u64::from_le_bytes(*field)).ok()
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn sub(bytes: &[u8], start: usize, length: usize) -> Option<&[u8]> {
    bytes.get(start..start.checked_add(length)?)
}

/// Mends an overlay file from the inside out: its payloads' checksums, its names' hashes, its lengths. Each bit of
/// `spare` leaves one kind of field alone.
pub fn seal_file(bytes: &mut [u8], spare: u32) {
    let Some(trailer) = bytes.len().checked_sub(TRAILER_LEN) else { return };
    bytes[trailer + 56..].copy_from_slice(b"\x01\0\x93OVERLAY");
    let start = u64_at(bytes, trailer + 32).filter(|start| (HEADER_LEN..=trailer).contains(start));
    let start = start.unwrap_or(trailer.min(HEADER_LEN));
    if spare & 1 == 0 {
        put(bytes, trailer + 24, trailer as u64 + TRAILER_LEN as u64);
        put(bytes, trailer + 32, start as u64);
        put(bytes, trailer + 40, (trailer - start) as u64);
    }
    if spare & 2 == 0 && trailer >= HEADER_LEN {
        bytes.copy_within(..HEADER_LEN, trailer + 8);
    }
    if spare & 4 == 0 {
        seal_entries(bytes, start, trailer);
    }
    if spare & 8 == 0 {
        seal_names(&mut bytes[start..trailer]);
    }
    put(bytes, trailer + 48, xxh3_64(&bytes[start..trailer]));
    put(bytes, trailer, xxh3_64(&bytes[trailer + 8..]));
}

/// The offset and the checksum of each payload.
fn seal_entries(bytes: &mut [u8], directory: usize, trailer: usize) -> Option<()> {
    let first = directory + HEAD_LEN + u32_at(bytes, directory + 12)?;
    let mut offset = HEADER_LEN;
    for number in 0..u32_at(bytes, directory + 16)? {
        let entry = first + number * ENTRY_LEN;
        if entry + ENTRY_LEN > trailer {
            break;
        }
        let length = u64_at(bytes, entry + 8)?;
        let sum = sub(bytes, offset, length).map(xxh3_64)?;
        put(bytes, entry, offset as u64);
        put(bytes, entry + 16, sum);
        offset += length;
    }
    Some(())
}

/// The hash of each name.
pub fn seal_names(directory: &mut [u8]) -> Option<()> {
    let seed = u64_at(directory, 0)? as u64;
    let [identity, entries, needs, names] = [12, 16, 20, 24].map(|at| u32_at(directory, at));
    let (entries, needs, names) = (entries?, needs?, names?);
    let records = HEAD_LEN + identity? + entries * ENTRY_LEN + (needs + names.div_ceil(4)) * 4;
    let texts = records + names * NAME_LEN;
    for number in 0..names {
        let record = records + number * NAME_LEN;
        let (start, length) = (u32_at(directory, record + 12)?, u32_at(directory, record + 16)?);
        let hash = xxh3_64_with_seed(sub(directory, texts + start, length)?, seed);
        put(directory, record, hash);
    }
    Some(())
}

/// Mends a bundle from the inside out, as far as its slots lead to records.
pub fn seal_bundle(bytes: &mut [u8], spare: u32) {
    let Some(trailer) = bytes.len().checked_sub(BUNDLE_TRAILER_LEN) else { return };
    bytes[trailer + 40..].copy_from_slice(b"\x01\0\0\0\0\0\0\0\x93OVERBUNDL");
    let table = u64_at(bytes, trailer + 16).filter(|table| *table <= trailer).unwrap_or(trailer);
    let slots = u64_at(bytes, trailer + 24).and_then(|settings| table.checked_add(settings));
    let slots = slots.filter(|slots| *slots <= trailer).unwrap_or(trailer);
    if spare & 1 == 0 {
        put(bytes, trailer + 8, trailer as u64 + BUNDLE_TRAILER_LEN as u64);
        put(bytes, trailer + 16, table as u64);
        put(bytes, trailer + 24, (slots - table) as u64);
    }
    if spare & 2 == 0 {
        for slot in (slots..trailer.saturating_sub(SLOT_LEN - 1)).step_by(SLOT_LEN) {
            seal_record(bytes, slot, table, spare);
        }
    }
    if spare & 8 == 0 {
        sort_slots(&mut bytes[slots..trailer]);
    }
    put(bytes, trailer + 32, xxh3_64(&bytes[table..trailer]));
    put(bytes, trailer, xxh3_64(&bytes[trailer + 8..]));
}

/// The checksum of the record that a slot leads to, and the hash in the slot; the file in its rest, too.
fn seal_record(bytes: &mut [u8], slot: usize, end: usize, spare: u32) -> Option<()> {
    let (start, length) = (u64_at(bytes, slot + 8)?, u32_at(bytes, slot + 16)?);
    let record = start..start.checked_add(length)?;
    let key = sub(bytes.get(record.clone())?, RECORD_HEAD_LEN, u32_at(bytes, start + 24)?)?;
    if record.end > end {
        return None;
    }
    let hash = xxh3_64(key);
    let rest = u64_at(bytes, start + 8)?..u64_at(bytes, start + 8)?.checked_add(u64_at(bytes, start + 16)?)?;
    if spare & 4 == 0 && !rest.is_empty() && rest.start >= record.end && rest.end <= end {
        seal_file(&mut bytes[rest], spare >> 4);
    }
    put(bytes, slot, hash);
    let sum = xxh3_64(&bytes[record.start + 8..record.end]);
    put(bytes, start, sum);
    Some(())
}

fn sort_slots(slots: &mut [u8]) {
    let mut sorted: Vec<Vec<u8>> = slots.chunks_exact(SLOT_LEN).map(<[u8]>::to_vec).collect();
    sorted.sort_by_key(|slot| (u64_at(slot, 0), u64_at(slot, 8)));
    slots[..sorted.len() * SLOT_LEN].copy_from_slice(&sorted.concat());
}
