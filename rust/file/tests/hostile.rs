//! Files made by somebody who computes checksums: refused without a panic and without a large
//! allocation.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{ENTRY_LEN, HEAD_LEN, NAME_LEN, directory, payloads, read, reseal, sample, trailer};
use overlay_file::FileError;

struct Recording;
static LARGEST: AtomicUsize = AtomicUsize::new(0);
#[global_allocator]
static ALLOCATOR: Recording = Recording;

// SAFETY: every call goes to the system's allocator with the caller's own arguments.
unsafe impl GlobalAlloc for Recording {
    // SAFETY: as `GlobalAlloc` asks of the caller.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: passed on as it came.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: as `GlobalAlloc` asks of the caller.
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on as it came.
        unsafe { System.dealloc(pointer, layout) }
    }
}

// Where the fields of the sample stand in its directory.
const IDENTITY: usize = HEAD_LEN;
const ENTRIES: usize = IDENTITY + "cpython-313".len();
const NEEDS: usize = ENTRIES + 4 * ENTRY_LEN;
const NAMES: usize = NEEDS + 4 * 4 + 4;

const fn entry(number: usize, field: usize) -> usize {
    ENTRIES + number * ENTRY_LEN + field
}

const fn name(number: usize, field: usize) -> usize {
    NAMES + number * NAME_LEN + field
}

/// The error for the sample with other bytes at a place in its directory.
fn with_directory(place: usize, field: &[u8]) -> Option<FileError> {
    let mut bytes = sample();
    let directory = directory(&bytes);
    let place = directory.start + place;
    assert_ne!(&bytes[place..place + field.len()], field);
    bytes[place..place + field.len()].copy_from_slice(field);
    reseal(&mut bytes, directory);
    read(&bytes).err()
}

/// The error for the sample with another number at a place in its trailer.
fn with_trailer(place: usize, field: u64) -> Option<FileError> {
    let mut bytes = sample();
    let (trailer, directory) = (trailer(&bytes), directory(&bytes));
    bytes[trailer + place..trailer + place + 8].copy_from_slice(&field.to_le_bytes());
    reseal(&mut bytes, directory);
    read(&bytes).err()
}

macro_rules! refused {
    ($test:ident: $error:expr, $pattern:pat) => {
        #[test]
        fn $test() {
            let error = $error;
            assert!(matches!(error, Some($pattern)), "{error:?}");
            assert!(LARGEST.load(Ordering::Relaxed) < 1 << 20);
        }
    };
}

refused!(another_file_length: with_trailer(24, 1 << 40), FileError::Length { .. });
refused!(a_directory_beyond_the_file: with_trailer(32, 1 << 40), FileError::Bounds("directory"));
refused!(a_directory_whose_end_overflows: with_trailer(32, u64::MAX), FileError::Bounds("directory"));
refused!(a_directory_of_endless_length: with_trailer(40, u64::MAX), FileError::Bounds("directory"));
refused!(a_directory_of_no_length: with_trailer(40, 0), FileError::Bounds("directory"));
refused!(an_endless_identity: with_directory(12, &[255; 4]), FileError::Bounds("directory"));
refused!(endless_entries: with_directory(16, &[255; 4]), FileError::Bounds("directory"));
refused!(no_entries: with_directory(16, &[0; 4]), FileError::Bounds("directory"));
refused!(endless_needs: with_directory(20, &[255; 4]), FileError::Bounds("directory"));
refused!(endless_names: with_directory(24, &[255; 4]), FileError::Bounds("directory"));
refused!(endless_name_bytes: with_directory(28, &[255; 4]), FileError::Bounds("directory"));
refused!(an_identity_that_is_no_text: with_directory(IDENTITY, &[255]), FileError::Value("identity"));
refused!(a_core_elsewhere: with_directory(entry(0, 0), &[17]), FileError::Bounds("payload"));
refused!(a_payload_over_another: with_directory(entry(1, 0), &[16]), FileError::Bounds("payload"));
refused!(a_payload_of_endless_length: with_directory(entry(1, 8), &[255; 8]), FileError::Bounds("payload"));
refused!(a_last_payload_that_is_too_short: with_directory(entry(3, 8), &[39]), FileError::Bounds("payload"));
refused!(a_last_payload_that_is_too_long: with_directory(entry(3, 8), &[41]), FileError::Bounds("payload"));
refused!(a_name_that_is_not_there: with_directory(entry(1, 28), &[2, 0, 0, 0]), FileError::Value("name"));
refused!(a_name_that_nobody_has: with_directory(entry(1, 28), &[255; 4]), FileError::Value("name"));
refused!(a_name_for_the_core: with_directory(entry(0, 28), &[0; 4]), FileError::Value("name"));
refused!(a_name_of_two_entries: with_directory(entry(3, 28), &[0; 4]), FileError::Value("name"));
refused!(needs_that_start_elsewhere: with_directory(entry(1, 32), &[0]), FileError::Bounds("payload"));
refused!(too_many_needs: with_directory(entry(3, 36), &[255; 4]), FileError::Bounds("needs"));
refused!(too_few_needs: with_directory(entry(3, 36), &[0]), FileError::Bounds("needs"));
refused!(an_unknown_kind: with_directory(entry(1, 40), &[4]), FileError::Value("kind"));
refused!(a_second_core: with_directory(entry(1, 40), &[0]), FileError::Value("kind"));
refused!(a_core_that_is_a_body: with_directory(entry(0, 40), &[3]), FileError::Value("kind"));
refused!(a_need_behind_the_last_entry: with_directory(NEEDS, &[4]), FileError::Value("need"));
refused!(a_need_of_the_core: with_directory(NEEDS, &[0]), FileError::Value("need"));
refused!(a_name_record_of_another_entry: with_directory(name(0, 8), &[3]), FileError::Value("name"));
refused!(a_name_that_starts_elsewhere: with_directory(name(0, 12), &[1]), FileError::Bounds("name"));
refused!(an_endless_key: with_directory(name(1, 16), &[255; 4]), FileError::Bounds("name"));
refused!(an_endless_marshalled_name: with_directory(name(1, 20), &[255; 4]), FileError::Bounds("name"));
refused!(a_name_that_ends_too_soon: with_directory(name(1, 20), &[1]), FileError::Bounds("name"));

#[test]
fn a_directory_that_starts_inside_the_header() {
    let mut bytes = sample();
    let (trailer, end) = (trailer(&bytes), trailer(&bytes) as u64);
    bytes[trailer + 32..trailer + 40].copy_from_slice(&8u64.to_le_bytes());
    bytes[trailer + 40..trailer + 48].copy_from_slice(&(end - 8).to_le_bytes());
    reseal(&mut bytes, 8..trailer);
    assert!(matches!(read(&bytes), Err(FileError::Bounds("directory"))));
}

#[test]
fn an_unknown_version_is_named() {
    let mut bytes = sample();
    let (version, directory) = (bytes.len() - 10, directory(&bytes));
    bytes[version] = 2;
    reseal(&mut bytes, directory);
    assert!(matches!(read(&bytes), Err(FileError::UnknownVersion(2))));
}

#[test]
fn an_index_that_hides_a_name_is_found_by_verify() {
    let mut bytes = sample();
    let directory = directory(&bytes);
    bytes[directory.start + name(0, 0)] ^= 1;
    reseal(&mut bytes, directory);
    let image = read(&bytes).unwrap();
    assert!(matches!(image.verify(), Err(FileError::Value("index"))));
}

#[test]
fn no_byte_of_directory_or_trailer_can_cause_a_panic() {
    let good = sample();
    let directory = directory(&good);
    for place in directory.start..good.len() {
        for value in [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF] {
            let mut bytes = good.clone();
            bytes[place] = value;
            reseal(&mut bytes, directory.clone());
            if let Ok(image) = read(&bytes) {
                payloads(&image);
                let _ = image.verify();
                let _ = image.find(b"answer");
            }
        }
    }
    assert!(LARGEST.load(Ordering::Relaxed) < 1 << 20);
}
