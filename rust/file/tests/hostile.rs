//! Files made by somebody who computes checksums: refused without a panic and without a large
//! allocation.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{ENTRY_LEN, HEAD_LEN, NAME_LEN, directory, payloads, read, reseal, sample, trailer};
use overlay_file::FileError::{self, Bounds, Length, Value};

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

macro_rules! refusals {
    ($($test:ident: $error:expr => $pattern:pat,)*) => {$(
        #[test]
        fn $test() {
            let error = $error;
            assert!(matches!(error, Some($pattern)), "{error:?}");
            assert!(LARGEST.load(Ordering::Relaxed) < 1 << 20);
        }
    )*};
}

refusals! {
    another_file_length_is_refused:
        with_trailer(24, 1 << 40) => Length { .. },
    a_directory_beyond_the_file_is_refused:
        with_trailer(32, 1 << 40) => Bounds("directory"),
    a_directory_whose_end_overflows_is_refused:
        with_trailer(32, u64::MAX) => Bounds("directory"),
    a_directory_of_endless_length_is_refused:
        with_trailer(40, u64::MAX) => Bounds("directory"),
    a_directory_of_no_length_is_refused:
        with_trailer(40, 0) => Bounds("directory"),
    an_endless_identity_is_refused:
        with_directory(12, &[255; 4]) => Bounds("directory"),
    endless_entries_are_refused:
        with_directory(16, &[255; 4]) => Bounds("directory"),
    no_entries_are_refused:
        with_directory(16, &[0; 4]) => Bounds("directory"),
    endless_needs_are_refused:
        with_directory(20, &[255; 4]) => Bounds("directory"),
    endless_names_are_refused:
        with_directory(24, &[255; 4]) => Bounds("directory"),
    endless_name_bytes_are_refused:
        with_directory(28, &[255; 4]) => Bounds("directory"),
    an_identity_that_is_no_text_is_refused:
        with_directory(IDENTITY, &[255]) => Value("identity"),
    a_core_elsewhere_is_refused:
        with_directory(entry(0, 0), &[17]) => Bounds("payload"),
    a_payload_over_another_is_refused:
        with_directory(entry(1, 0), &[16]) => Bounds("payload"),
    a_payload_of_endless_length_is_refused:
        with_directory(entry(1, 8), &[255; 8]) => Bounds("payload"),
    a_last_payload_that_is_too_short_is_refused:
        with_directory(entry(3, 8), &[39]) => Bounds("payload"),
    a_last_payload_that_is_too_long_is_refused:
        with_directory(entry(3, 8), &[41]) => Bounds("payload"),
    a_name_that_is_not_there_is_refused:
        with_directory(entry(1, 28), &[2, 0, 0, 0]) => Value("name"),
    a_name_that_nobody_has_is_refused:
        with_directory(entry(1, 28), &[255; 4]) => Value("name"),
    a_name_for_the_core_is_refused:
        with_directory(entry(0, 28), &[0; 4]) => Value("name"),
    a_name_of_two_entries_is_refused:
        with_directory(entry(3, 28), &[0; 4]) => Value("name"),
    needs_that_start_elsewhere_are_refused:
        with_directory(entry(1, 32), &[0]) => Bounds("payload"),
    too_many_needs_are_refused:
        with_directory(entry(3, 36), &[255; 4]) => Bounds("needs"),
    too_few_needs_are_refused:
        with_directory(entry(3, 36), &[0]) => Bounds("needs"),
    an_unknown_kind_is_refused:
        with_directory(entry(1, 40), &[4]) => Value("kind"),
    a_second_core_is_refused:
        with_directory(entry(1, 40), &[0]) => Value("kind"),
    a_core_that_is_a_body_is_refused:
        with_directory(entry(0, 40), &[3]) => Value("kind"),
    a_need_behind_the_last_entry_is_refused:
        with_directory(NEEDS, &[4]) => Value("need"),
    a_need_of_the_core_is_refused:
        with_directory(NEEDS, &[0]) => Value("need"),
    a_name_record_of_another_entry_is_refused:
        with_directory(name(0, 8), &[3]) => Value("name"),
    a_name_that_starts_elsewhere_is_refused:
        with_directory(name(0, 12), &[1]) => Bounds("name"),
    an_endless_key_is_refused:
        with_directory(name(1, 16), &[255; 4]) => Bounds("name"),
    an_endless_marshalled_name_is_refused:
        with_directory(name(1, 20), &[255; 4]) => Bounds("name"),
    a_name_that_ends_too_soon_is_refused:
        with_directory(name(1, 20), &[1]) => Bounds("name"),
}

#[test]
fn a_directory_that_starts_inside_the_header_is_refused() {
    let mut bytes = sample();
    let (trailer, end) = (trailer(&bytes), trailer(&bytes) as u64);
    bytes[trailer + 32..trailer + 40].copy_from_slice(&8u64.to_le_bytes());
    bytes[trailer + 40..trailer + 48].copy_from_slice(&(end - 8).to_le_bytes());
    reseal(&mut bytes, 8..trailer);
    assert!(matches!(read(&bytes), Err(Bounds("directory"))));
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
    assert!(matches!(image.verify(), Err(Value("index"))));
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
