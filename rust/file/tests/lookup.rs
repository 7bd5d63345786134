//! Ten thousand overlays.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Counting, HEADER, named};
use overlay_file::{Image, OnDisk, Writer};

const COUNT: u32 = 10_000;

fn key(number: u32) -> Vec<u8> {
    format!("name {number}").into_bytes()
}

fn payload(number: u32) -> Vec<u8> {
    number.to_string().repeat(5).into_bytes()
}

fn many() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), HEADER, b"core", &[], 0).unwrap();
    for number in 1..=COUNT {
        let overlay = writer.overlay(&named(&key(number), b"marshalled", &payload(number)));
        assert_eq!(overlay.unwrap(), number);
    }
    writer.finish("cpython-313", 0).unwrap()
}

#[test]
fn each_of_10_000_overlays_is_found_with_three_reads_of_an_unmapped_file() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, &many()).unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let disk = Counting(OnDisk::new(file).unwrap(), reads.clone());
    let image = Image::from_source(Box::new(disk)).unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 2);
    for number in 1..=COUNT {
        reads.store(2, Ordering::Relaxed);
        let found = image.find(&key(number)).unwrap();
        assert_eq!(found, number);
        assert_eq!(*image.payload(found).unwrap(), payload(number));
        assert_eq!(reads.load(Ordering::Relaxed), 3);
    }
}

#[test]
fn names_that_are_not_there_are_not_found() {
    let image = common::read(&many()).unwrap();
    assert!((0..COUNT).all(|number| image.find(format!("other {number}").as_bytes()).is_none()));
    assert_eq!(image.find(b""), None);
}

#[test]
fn every_name_of_10_000_is_in_order() {
    common::read(&many()).unwrap().verify().unwrap();
}
