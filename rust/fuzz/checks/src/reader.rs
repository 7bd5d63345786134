//! Any bytes as an overlay file: refused, or whatever can be asked of it is answered, in bounds and without contradiction.

use std::collections::HashSet;
use std::fs::File;
use std::io::Write;

use overlay_file::{FileError, HEADER_LEN, Image, Mapped, Memory, OnDisk, Source};
use xxhash_rust::xxh3::xxh3_64;

use crate::budget;
pub use crate::sealing::seal_file as seal;

pub fn check(bytes: &[u8]) {
    let image = budget::within(bytes.len(), 4, || open(bytes));
    if let Ok(image) = &image {
        budget::within(bytes.len(), 64, || check_image(image, bytes));
    }
    // Files cost system calls: of those that are refused one in 16 is tried.
    if image.is_ok() || xxh3_64(bytes) % 16 == 0 {
        check_on_disk(&image, bytes);
    }
}

pub fn open(bytes: &[u8]) -> Result<Image, FileError> {
    Image::from_source(Box::new(Memory(bytes.to_vec())))
}

/// `bytes` are those of the whole file.
pub fn check_image(image: &Image, bytes: &[u8]) {
    assert_eq!(image.file_len(), bytes.len() as u64);
    assert!(bytes.ends_with(b"\x93OVERLAY"));
    let mut end = HEADER_LEN as u64;
    let mut keys = HashSet::new();
    for number in 0..image.len() {
        let entry = image.entry(number).expect("an entry");
        assert_eq!(entry.kind.is_none(), number == 0);
        assert_eq!(entry.offset, end);
        assert!(entry.needs.into_iter().all(|need| (1..image.len()).contains(&need)));
        end += entry.length;
        assert!(end <= bytes.len() as u64);
        check_payload(image, number, bytes);
        if let Some(name) = entry.name {
            assert!(number > 0);
            check_name(image, number, name.key, keys.insert(name.key));
        }
    }
    assert_eq!(image.has_names(), !keys.is_empty());
    assert!(image.entry(image.len()).is_none() && image.payload(image.len()).is_err());
    for absent in [&b"no such name"[..], &bytes[..HEADER_LEN], b""] {
        assert!(keys.contains(absent) || image.find(absent).is_none());
    }
    check_verdict(image, bytes);
}

/// Right bytes or none.
fn check_payload(image: &Image, number: u32, bytes: &[u8]) {
    let entry = image.entry(number).expect("an entry");
    let written = &bytes[entry.offset as usize..(entry.offset + entry.length) as usize];
    let holds = xxh3_64(written) == entry.checksum;
    let starts_well = number > 0 || bytes.starts_with(image.header());
    match image.payload(number) {
        Ok(payload) => assert!(holds && starts_well && *payload == *written),
        Err(FileError::Checksum(_)) => assert!(!holds || !starts_well),
        Err(other) => panic!("{other}"),
    }
}

/// A name leads to its own entry, to another of the same name, or, where the index lies, nowhere.
fn check_name(image: &Image, number: u32, key: &[u8], is_first: bool) {
    match image.find(key) {
        Some(found) if found == number => {}
        Some(found) => {
            let other = image.entry(found).and_then(|entry| entry.name).expect("a name");
            assert_eq!(other.key, key);
            assert!(image.verify().is_err());
        }
        None => assert!(image.verify().is_err()),
    }
    assert!(is_first || image.verify().is_err(), "a name twice");
}

fn check_verdict(image: &Image, bytes: &[u8]) {
    let payloads = (0..image.len()).all(|number| image.payload(number).is_ok());
    let names = (0..image.len()).all(|number| {
        let name = image.entry(number).and_then(|entry| entry.name);
        name.is_none_or(|name| image.find(name.key) == Some(number))
    });
    assert_eq!(image.verify().is_ok(), payloads && names, "{} bytes", bytes.len());
}

/// From a file, read or mapped, comes what comes from memory.
fn check_on_disk(image: &Result<Image, FileError>, bytes: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("room for a file");
    assert_same(image, Image::open(file.path()));
    let disk = OnDisk::new(file.reopen().expect("a handle")).expect("a file");
    assert_same(image, Image::from_source(Box::new(disk)));
    if let Ok(mapped) = mapped(file.as_file(), bytes.len()) {
        assert_same(image, Image::from_source(mapped));
    }
}

fn mapped(file: &File, length: usize) -> Result<Box<dyn Source + Send + Sync>, FileError> {
    Ok(Box::new(Mapped::new(file, length as u64)?))
}

fn assert_same(one: &Result<Image, FileError>, other: Result<Image, FileError>) {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            for number in 0..one.len() {
                let [one, other] = [one, &other].map(|image| image.payload(number));
                assert_eq!(format!("{one:?}"), format!("{other:?}"));
            }
        }
        (Err(one), Err(other)) => assert_eq!(one.to_string(), other.to_string()),
        (one, _) => panic!("opened: {} in memory, {} on disk", one.is_ok(), one.is_err()),
    }
}
