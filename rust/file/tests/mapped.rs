//! What happens to a file while its image is alive: the old bytes or a clear error, never a signal.

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use common::{good_payloads, payloads, sample_of, write};
use overlay_file::{FileError, Image, write_atomic};
use tempfile::TempDir;

/// Payloads of many pages each, so that they lie apart.
const SIZE: usize = 50_000;

fn open() -> (TempDir, PathBuf, Image) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    write(&path, &sample_of(SIZE));
    let image = Image::open(&path).unwrap();
    (folder, path, image)
}

fn mappings_of(path: &std::path::Path) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())).count()
}

#[test]
fn a_large_file_with_overlays_is_mapped_and_one_without_is_not() {
    let (folder, path, image) = open();
    assert_eq!(mappings_of(&path), 1);
    drop(image);
    assert_eq!(mappings_of(&path), 0);
    let core_alone = overlay_file::Writer::new(Vec::new(), common::HEADER, &[1; 50_000], &[], 0);
    let path = folder.path().join("core");
    write(&path, &core_alone.unwrap().finish("", 0).unwrap());
    let _image = Image::open(&path).unwrap();
    assert_eq!(mappings_of(&path), 0);
}

#[test]
fn a_replaced_file_goes_on_with_its_old_bytes() {
    let (_folder, path, image) = open();
    write_atomic(&path, b"something else", 0o644).unwrap();
    image.verify().unwrap();
}

#[test]
fn a_deleted_file_goes_on_with_its_bytes() {
    let (_folder, path, image) = open();
    fs::remove_file(&path).unwrap();
    image.verify().unwrap();
}

#[test]
fn a_file_cut_off_in_place_at_any_page_gives_right_bytes_or_an_error() {
    let good = good_payloads(&sample_of(SIZE));
    let whole = sample_of(SIZE).len();
    for length in (0..whole).rev().step_by(1777).chain([0]) {
        let (_folder, path, image) = open();
        File::options().write(true).open(&path).unwrap().set_len(length as u64).unwrap();
        for (payload, good) in payloads(&image).into_iter().zip(&good) {
            match payload {
                Ok(payload) => assert!(payload == *good),
                Err(error) => assert!(matches!(error, FileError::Vanished | FileError::Checksum(_)), "{error:?}"),
            }
        }
    }
    let (_folder, path, image) = open();
    File::create(&path).unwrap();
    assert!(matches!(image.payload(1), Err(FileError::Vanished)));
}

#[test]
fn a_file_overwritten_in_place_gives_right_bytes_or_an_error() {
    let good = good_payloads(&sample_of(SIZE));
    let payload_end = 4 * SIZE + 16;
    for start in [0, 100, SIZE + 16, 2 * SIZE, payload_end] {
        let (_folder, path, image) = open();
        let file = File::options().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, &[0xA5; 5000], start as u64).unwrap();
        // The core was read when the file was opened; the second time it comes from the mapping.
        for round in 0..2 {
            let read = payloads(&image);
            assert!(round == 0 || read.iter().any(Result::is_err) == (start < payload_end));
            for (payload, good) in read.into_iter().zip(&good) {
                match payload {
                    Ok(payload) => assert!(payload == *good),
                    Err(error) => assert!(matches!(error, FileError::Checksum(_)), "{error:?}"),
                }
            }
        }
    }
}

#[test]
fn a_file_that_grows_in_place_goes_on() {
    let (_folder, path, image) = open();
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(&[1; 100_000]).unwrap();
    image.verify().unwrap();
}
