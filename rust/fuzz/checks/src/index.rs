//! Any bytes as the directory of an overlay file, and any names looked up in it.

use overlay_file::Image;

use crate::reader::{check_image, open};
use crate::sealing::{seal_names, u32_at, u64_at};

/// More payload than this is not laid out.
const MOST: usize = 64 * 1024;

/// Mends the names' hashes. (What else has a checksum `check` makes around the directory.)
pub fn seal(bytes: &mut [u8], _spare: u32) {
    seal_names(bytes);
}

pub fn check(directory: &[u8]) {
    let Some(file) = file_with(directory) else { return };
    let Ok(image) = open(&file) else { return };
    check_image(&image, &file);
    for number in 0..image.len() {
        if let Some(name) = image.entry(number).and_then(|entry| entry.name) {
            check_neighbours(&image, name.key);
        }
    }
    for length in 0..directory.len().min(20) {
        check_look_up(&image, &directory[..length]);
        check_look_up(&image, &directory[directory.len() - length..]);
    }
}

/// A file with this directory, behind as many empty bytes of payloads as its entries ask for.
fn file_with(directory: &[u8]) -> Option<Vec<u8>> {
    let entries = 32usize.checked_add(u32_at(directory, 12)?)?;
    let lengths = (0..u32_at(directory, 16)?).map_while(|number| u64_at(directory, entries + number * 41 + 8));
    let payloads = lengths.fold(0usize, usize::saturating_add);
    let mut file = vec![0; payloads.checked_add(16).filter(|length| *length <= MOST)?];
    file.extend(directory);
    let mut trailer = [0; 66];
    trailer[32..40].copy_from_slice(&(16 + payloads as u64).to_le_bytes());
    file.extend(trailer);
    // The names' hashes are the input's, and so are offsets and checksums of payloads.
    crate::sealing::seal_file(&mut file, 4 | 8);
    Some(file)
}

/// Names that are nearly those that are there.
fn check_neighbours(image: &Image, key: &[u8]) {
    check_look_up(image, &[key, b"\0"].concat());
    for length in 0..key.len().min(20) {
        check_look_up(image, &key[..length]);
    }
    if let Some((last, rest)) = key.split_last() {
        check_look_up(image, &[rest, &[last ^ 1]].concat());
    }
}

/// What is found has the name; what is not found is not there, unless the index lies.
fn check_look_up(image: &Image, key: &[u8]) {
    let key_of = |number| image.entry(number).and_then(|entry| entry.name).map(|name| name.key);
    match image.find(key) {
        Some(found) => assert!(found > 0 && key_of(found) == Some(key)),
        None => assert!((0..image.len()).all(|number| key_of(number) != Some(key)) || image.verify().is_err()),
    }
}
