//! A sample file, and the places of its parts as `docs/format.md` gives them.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use overlay_file::{FileError, HEADER_LEN, Image, Kind, Memory, Name, Overlay, Source, Writer};
use xxhash_rust::xxh3::xxh3_64;

pub const HEADER: [u8; HEADER_LEN] = *b"\xa7\x0d\r\n\0\0\0\0timesize";
pub const TRAILER_LEN: usize = 66;
pub const HEAD_LEN: usize = 32;
pub const ENTRY_LEN: usize = 41;
pub const NAME_LEN: usize = 24;

pub fn named<'a>(key: &'a [u8], marshalled: &'a [u8], payload: &'a [u8]) -> Overlay<'a> {
    Overlay { kind: Kind::Code, name: Some(Name { key, marshalled }), payload, needs: &[], flags: 0 }
}

/// A core and three overlays, one of each kind, that need each other; `size` bytes of payload in
/// each.
pub fn sample_of(size: usize) -> Vec<u8> {
    let payload = |start: usize| -> Vec<u8> { (start..start + size).map(|n| n as u8).collect() };
    let mut writer = Writer::new(Vec::new(), HEADER, &payload(1), &[2], 7).unwrap();
    let code = Overlay { needs: &[2, 3], flags: 0xF1A6, ..named(b"lazy-area", b"marshalled lazy area", &[]) };
    let constant = named(b"answer", b"marshalled answer", &[]);
    let body = Overlay { kind: Kind::Body, name: None, needs: &[1], ..constant };
    for (number, overlay) in (1..).zip([code, Overlay { kind: Kind::Constant, ..constant }, body]) {
        let payload = payload(number * 50);
        let written = writer.overlay(&Overlay { payload: &payload, ..overlay });
        assert_eq!(written.unwrap() as usize, number);
    }
    writer.finish("cpython-313", 2).unwrap()
}

pub fn sample() -> Vec<u8> {
    sample_of(40)
}

pub fn read(bytes: &[u8]) -> Result<Image, FileError> {
    Image::from_source(Box::new(Memory(bytes.to_vec())))
}

pub fn payloads(image: &Image) -> Vec<Result<Vec<u8>, FileError>> {
    (0..image.len()).map(|number| image.payload(number).map(Cow::into_owned)).collect()
}

/// Every payload of a good file.
pub fn good_payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let image = read(bytes).unwrap();
    payloads(&image).into_iter().map(Result::unwrap).collect()
}

pub fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

pub fn trailer(bytes: &[u8]) -> usize {
    bytes.len() - TRAILER_LEN
}

pub fn directory(bytes: &[u8]) -> Range<usize> {
    let offset = trailer(bytes) + 32;
    let start = u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
    start as usize..trailer(bytes)
}

/// Makes both checksums true again after somebody has changed what they cover.
pub fn reseal(bytes: &mut [u8], directory: Range<usize>) {
    let trailer = trailer(bytes);
    let checksum = xxh3_64(&bytes[directory]).to_le_bytes();
    bytes[trailer + 48..trailer + 56].copy_from_slice(&checksum);
    let checksum = xxh3_64(&bytes[trailer + 8..]).to_le_bytes();
    bytes[trailer..trailer + 8].copy_from_slice(&checksum);
}

/// A source that counts how often it is read.
pub struct Counting<S>(pub S, pub std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl<S: Source> Source for Counting<S> {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, FileError> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.0.read_at(offset, len)
    }
}
