//! Any bytes as a bundle: refused, or every record is right or an error, however it is come by.

use std::sync::Arc;

use overlay_file::bundle::{Bundle, Folder, Found, Key, Module, Section, Settings};
use overlay_file::{FileError, Memory};
use xxhash_rust::xxh3::xxh3_64;

use crate::budget;
use crate::reader::check_image;
pub use crate::sealing::seal_bundle as seal;

pub fn check(bytes: &[u8]) {
    if let Ok(bundle) = budget::within(bytes.len(), 8, || open(bytes)) {
        check_bundle(&Arc::new(bundle), bytes);
    }
}

pub fn open(bytes: &[u8]) -> Result<Bundle, FileError> {
    Bundle::from_source(Box::new(Memory(bytes.to_vec())))
}

fn check_bundle(bundle: &Arc<Bundle>, bytes: &[u8]) {
    assert_eq!(bundle.file_len(), bytes.len() as u64);
    if let Ok(settings) = bundle.settings() {
        assert_eq!(Settings::decode(&settings.encode()).unwrap(), settings);
    }
    let found: Vec<Found> = bundle.records().flatten().collect();
    assert_eq!(bundle.records().count(), bundle.len());
    // Backwards, so that no look-up reads on where the last has ended.
    for found in found.iter().rev() {
        assert!(found.rest.start <= found.rest.end && found.rest.end <= bytes.len() as u64);
        assert!(found.key().len() + found.value().len() + 28 == found.len() as usize);
        assert_eq!(found.value_checksum(), xxh3_64(found.value()));
        check_look_up(bundle, found);
        check_value(bundle, found, bytes);
    }
    for key in [Key::compiled(b"no such key"), Key::folder(200, ""), Key::group(u32::MAX), Key::module(0, "", "")] {
        if let Ok(Some(found)) = bundle.get(&key) {
            assert_eq!(found.key(), key.as_bytes());
        }
    }
    bundle.release();
}

/// A record is found by its key, unless another that is damaged stands before it.
fn check_look_up(bundle: &Bundle, found: &Found) {
    let Some(key) = key_of(found.key()) else { return };
    assert_eq!(key.as_bytes(), found.key());
    if let Ok(other) = bundle.get(&key) {
        let other = other.expect("a record");
        assert_eq!(other.key(), found.key());
        let twice = bundle.records().flatten().filter(|record| record.key() == found.key()).count() > 1;
        assert!(twice || other.value() == found.value() && other.rest == found.rest);
    }
}

/// A key of these bytes, if they are those of a key.
fn key_of(bytes: &[u8]) -> Option<Key> {
    let (kind, rest) = bytes.split_first()?;
    if *kind == b'c' {
        return Some(Key::compiled(rest));
    }
    if *kind == b'g' {
        return Some(Key::group(u32::from_le_bytes(rest.try_into().ok()?)));
    }
    let (root, path) = rest.split_first()?;
    let path = std::str::from_utf8(path).ok()?;
    match kind {
        b'f' => Some(Key::folder(*root, path)),
        b'm' => path.split_once('\0').map(|(folder, name)| Key::module(*root, folder, name)),
        _ => None,
    }
}

fn check_value(bundle: &Arc<Bundle>, found: &Found, bytes: &[u8]) {
    let value = found.value();
    if let Ok(folder) = Folder::decode(value) {
        assert_eq!(folder.encode(), value);
        assert!(folder.len() * 4 <= value.len());
        folder.may_have("any");
    }
    if let Ok(module) = Module::decode(value) {
        // The unused bits of the flags say nothing.
        assert_eq!(module.encode()[1..], value[1..]);
        let section = Section { bundle: Arc::clone(bundle), range: found.rest.clone(), checksum: module.checksum };
        let file = &bytes[found.rest.start as usize..found.rest.end as usize];
        if let Ok(image) = section.open() {
            assert_eq!(image.checksum(), module.checksum);
            check_image(&image, file);
        }
        let _ = Module::of(file);
    }
}
