//! Golden files hold the format. Write them anew, after a change that is meant, with
//! `OVERLAY_GOLDEN=write cargo test -p overlay-file --test golden`.

mod common;

use std::path::PathBuf;

use common::{HEADER, sample};
use overlay_file::{Image, Writer};

fn check(name: &str, bytes: &[u8]) -> Image {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name].iter().collect();
    if std::env::var_os("OVERLAY_GOLDEN").is_some_and(|wish| wish == "write") {
        common::write(&path, bytes);
    }
    let golden = std::fs::read(&path).unwrap();
    assert!(golden == bytes, "the writer does not give {name}");
    Image::open(&path).unwrap()
}

#[test]
fn the_file_with_overlays() {
    let image = check("overlays.bin", &sample());
    image.verify().unwrap();
    assert_eq!((image.len(), image.flags()), (4, 2));
    assert_eq!(image.identity(), "cpython-313");
    assert_eq!(image.find(b"answer"), Some(2));
    assert_eq!(image.entry(1).unwrap().needs.collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn the_file_with_a_core_alone() {
    let writer = Writer::new(Vec::new(), HEADER, b"core code", &[], 0).unwrap();
    let image = check("core.bin", &writer.finish("cpython-313", 1).unwrap());
    image.verify().unwrap();
    assert_eq!(*image.payload(0).unwrap(), *b"core code");
}
