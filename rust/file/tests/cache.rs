//! The cache never serves a file that is not there any more.

mod common;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use common::{HEADER, good_payloads, named, sample, sample_of};
use overlay_file::{Cache, Image, Writer, write_atomic};
use tempfile::TempDir;

fn cache(capacity: usize) -> Cache {
    Cache::new(NonZeroUsize::new(capacity).unwrap())
}

fn file(folder: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    write_atomic(&path, bytes, 0o644).unwrap();
    path
}

#[test]
fn a_file_is_opened_once() {
    let folder = TempDir::new().unwrap();
    let cache = cache(4);
    for size in [40, 40_000] {
        let path = file(&folder, "file", &sample_of(size));
        assert!(Arc::ptr_eq(&cache.open(&path).unwrap().0, &cache.open(&path).unwrap().0));
    }
}

#[test]
fn what_the_cache_puts_out_stays_usable_as_long_as_it_is_held() {
    let folder = TempDir::new().unwrap();
    let cache = cache(2);
    let bytes = sample_of(40_000);
    let paths = ["a", "b", "c"].map(|name| file(&folder, name, &bytes));
    let held = cache.open(&paths[0]).unwrap().0;
    let gone = Arc::downgrade(&cache.open(&paths[1]).unwrap().0);
    let kept = cache.open(&paths[2]).unwrap().0;
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(*held.payload(3).unwrap(), good_payloads(&bytes)[3]);
    assert!(gone.upgrade().is_some());
    let again = cache.open(&paths[0]).unwrap().0;
    assert!(!Arc::ptr_eq(&again, &held));
    assert!(gone.upgrade().is_none());
    assert!(Arc::ptr_eq(&cache.open(&paths[2]).unwrap().0, &kept));
}

#[test]
fn a_file_without_overlays_is_not_kept() {
    let folder = TempDir::new().unwrap();
    for size in [10, 100_000] {
        let writer = Writer::new(Vec::new(), HEADER, &vec![1; size], &[], 0).unwrap();
        let path = file(&folder, "file", &writer.finish("", 0).unwrap());
        let image = cache(4).open(&path).unwrap().0;
        assert_eq!(Arc::strong_count(&image), 1);
        assert_eq!(image.payload(0).unwrap().len(), size);
    }
}

#[test]
fn a_replaced_file_is_never_served_even_within_one_tick_of_the_clock() {
    let folder = TempDir::new().unwrap();
    let cache = cache(100);
    for round in 0..200u32 {
        for size in [10, 40_000] {
            let payload = round.to_le_bytes().repeat(size);
            let mut writer = Writer::new(Vec::new(), HEADER, b"core", &[], 0).unwrap();
            writer.overlay(&named(b"key", b"name", &payload)).unwrap();
            let path = file(&folder, "file", &writer.finish("", 0).unwrap());
            assert_eq!(*cache.open(&path).unwrap().0.payload(1).unwrap(), payload);
        }
    }
}

#[test]
fn a_file_whose_cached_image_was_cut_off_is_served_again_once_it_is_restored() {
    let folder = TempDir::new().unwrap();
    let cache = cache(4);
    let bytes = sample_of(40_000);
    let path = file(&folder, "file", &bytes);
    cache.open(&path).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_len(10).unwrap();
    assert!(cache.open(&path).is_err());
    let path = file(&folder, "file", &bytes);
    cache.open(&path).unwrap().0.verify().unwrap();
}

#[test]
fn a_cleared_cache_holds_nothing() {
    let folder = TempDir::new().unwrap();
    let cache = cache(4);
    let image = cache.open(&file(&folder, "file", &sample())).unwrap().0;
    assert_eq!(Arc::strong_count(&image), 2);
    cache.clear();
    assert_eq!(Arc::strong_count(&image), 1);
}

#[test]
fn threads_share_images_and_the_cache() {
    fn shared<T: Send + Sync>(_: &T) {}
    let folder = TempDir::new().unwrap();
    let cache = cache(2);
    shared::<Cache>(&cache);
    shared::<Image>(&common::read(&sample()).unwrap());
    let bytes = sample_of(40_000);
    let paths = ["a", "b", "c"].map(|name| file(&folder, name, &bytes));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for round in 0..100 {
                    cache.open(&paths[round % 3]).unwrap().0.payload(1).unwrap();
                }
            });
        }
    });
}
