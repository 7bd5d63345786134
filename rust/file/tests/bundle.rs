//! Bundles: what was written is found, and what was damaged is not.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use common::sample;
use overlay_file::bundle::{Bundle, BundleWriter, Folder, Key, Module, Record, Section, Settings, Stamp};
use overlay_file::{FileError, Memory};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Records = BTreeMap<Vec<u8>, (Vec<u8>, Vec<u8>)>;

fn settings() -> Settings {
    Settings {
        identity: "cpython-313".into(),
        python: "3.13.0".into(),
        magic: [1, 2, 3, 4],
        optimize: 1,
        checks: true,
        has_compiled: true,
        flags: 7,
        roots: vec!["stdlib".into(), "/".into()],
    }
}

fn written(records: &Records) -> Vec<u8> {
    let records: Vec<Record<'_>> =
        records.iter().map(|(key, (value, rest))| Record { key: Key::compiled(key), value, rest }).collect();
    let mut bytes = Vec::new();
    BundleWriter::write(&mut bytes, &settings(), &records).unwrap();
    bytes
}

fn open(bytes: &[u8]) -> Result<Bundle, FileError> {
    Bundle::from_source(Box::new(Memory(bytes.to_vec())))
}

fn some_records() -> Records {
    let record = |number: u8| (vec![number; 3], (vec![number; 40], vec![number; 10]));
    (0..9).map(record).collect()
}

fn records() -> impl Strategy<Value = Records> {
    let bytes = || vec(any::<u8>(), 0..60);
    btree_map(vec(any::<u8>(), 0..12), (bytes(), bytes()), 0..60)
}

proptest! {
    #[test]
    fn what_was_written_is_found_and_nothing_else(records in records(), others in vec(vec(any::<u8>(), 0..12), 0..20)) {
        let bytes = written(&records);
        let bundle = open(&bytes).unwrap();
        prop_assert_eq!(bundle.settings().unwrap(), settings());
        prop_assert_eq!(bundle.len(), records.len());
        for (key, (value, rest)) in &records {
            let found = bundle.get(&Key::compiled(key)).unwrap().unwrap();
            prop_assert_eq!(found.value(), &value[..]);
            prop_assert_eq!(&bytes[found.rest.start as usize..found.rest.end as usize], &rest[..]);
        }
        for other in others {
            let found = bundle.get(&Key::compiled(&other)).unwrap();
            prop_assert_eq!(found.is_some(), records.contains_key(&other));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_give_what_was_written(records in records(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<Option<prop::sample::Index>>()) {
        let mut bytes = written(&records);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Ok(bundle) = open(&bytes) {
            for (key, (value, _)) in &records {
                if let Ok(Some(found)) = bundle.get(&Key::compiled(key)) {
                    prop_assert_eq!(found.value(), &value[..]);
                }
            }
            for found in bundle.records().flatten() {
                prop_assert!(found.key().first() == Some(&b'c'));
            }
        }
    }

    #[test]
    fn bytes_of_any_origin_are_no_bundle(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&bytes).is_err());
    }

    #[test]
    fn records_of_any_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Settings::decode(&bytes);
        if let Ok(module) = Module::decode(&bytes) {
            prop_assert_eq!(&module.encode()[1..], &bytes[1..]);
        }
        if let Ok(folder) = Folder::decode(&bytes) {
            prop_assert_eq!(folder.encode(), bytes);
        }
    }

    #[test]
    fn a_folder_has_the_names_before_the_first_dot(names in vec("[a-c_]{1,3}(\\.[a-c]{1,3}){0,2}", 0..20)) {
        let stamp = Stamp { seconds: 1_700_000_000, nanoseconds: 5 };
        let folder = Folder::new(stamp, names.iter().map(String::as_str));
        prop_assert_eq!(&Folder::decode(&folder.encode()).unwrap(), &folder);
        for name in &names {
            prop_assert!(folder.may_have(name.split('.').next().unwrap()));
        }
        prop_assert!(!folder.may_have("something else"));
    }
}

#[test]
fn a_bundle_cut_off_at_any_length_is_refused() {
    let bytes = written(&some_records());
    for length in 0..bytes.len() {
        assert!(open(&bytes[..length]).is_err(), "{length} bytes");
    }
    assert!(open(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_changed_bit_is_noticed() {
    let good = written(&some_records());
    let rests = 9 * 10;
    let records_end = 9 * (28 + 4 + 40);
    for byte in 0..good.len() {
        let mut bytes = good.clone();
        bytes[byte] ^= 4;
        let opened = open(&bytes);
        if byte >= records_end + rests {
            assert!(opened.is_err(), "byte {byte}");
        } else if byte < records_end {
            let damaged = opened.unwrap().records().filter(Result::is_err).count();
            assert_eq!(damaged, 1, "byte {byte}");
        } else {
            // Of what has checksums of its own.
            assert!(opened.unwrap().records().all(|record| record.is_ok()));
        }
    }
}

#[test]
fn a_record_in_the_place_of_another_is_damaged() {
    let mut bytes = written(&some_records());
    let length = 28 + 4 + 40;
    bytes.copy_within(..length, length);
    let bundle = open(&bytes).unwrap();
    let get = |number: u8| bundle.get(&Key::compiled(&[number; 3])).map(|found| found.is_some());
    assert!(matches!((get(0), get(1), get(2)), (Ok(true), Err(FileError::Checksum(_)), Ok(true))));
    assert_eq!(bundle.records().filter(Result::is_err).count(), 1);
}

#[test]
fn the_same_key_twice_is_refused() {
    let record = || Record { key: Key::compiled(b"key"), value: b"value", rest: b"" };
    let error = BundleWriter::write(&mut Vec::new(), &settings(), &[record(), record()]);
    assert!(matches!(error, Err(FileError::DuplicateName)));
}

#[test]
fn an_overlay_file_in_a_bundle_is_read_as_one_by_itself() {
    let file = sample();
    let (module, core) = Module::of(&file).unwrap();
    let fields = Module { name: "module".into(), is_package: true, core: (1, 2, 3), ..module }.encode();
    let key = Key::module(1, "some/folder", "module");
    let before = Record { key: Key::folder(1, "some/folder"), value: &[7; 100], rest: &[8; 100] };
    let record = Record { key: key.clone(), value: &fields, rest: &file };
    let mut bytes = Vec::new();
    BundleWriter::write(&mut bytes, &settings(), &[before, record]).unwrap();
    let path = tempfile::tempdir().unwrap().keep().join("a.overlays");
    fs::write(&path, &bytes).unwrap();
    let bundle = Arc::new(Bundle::open(&path).unwrap().0);
    let found = bundle.get(&key).unwrap().unwrap();
    let module = Module::decode(found.value()).unwrap();
    assert!(module.is_package && !module.is_link && module.name == "module" && module.core == (1, 2, 3));
    let section = |checksum| Section { bundle: Arc::clone(&bundle), range: found.rest.clone(), checksum };
    let image = section(module.checksum).open().unwrap();
    image.verify().unwrap();
    let alone = common::read(&file).unwrap();
    assert_eq!(core, *alone.payload(0).unwrap());
    for number in 0..alone.len() {
        assert_eq!(image.payload(number).unwrap(), alone.payload(number).unwrap());
    }
    // As if another overlay file had come to stand in the same place.
    assert!(matches!(section(module.checksum + 1).open(), Err(FileError::Vanished)));
    // Cut off while it is in use.
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    bundle.get(&Key::folder(1, "some/folder")).map(drop).unwrap_or_default();
    assert!(section(module.checksum).open().is_err());
}

#[test]
fn times_that_say_nothing_are_known() {
    let at = |seconds, nanoseconds| Stamp { seconds, nanoseconds };
    assert!(!at(0, 0).tells() && !at(1, 0).tells() && !at(315_532_800, 0).tells());
    assert!(at(1_700_000_000, 0).tells());
    assert!(at(5, 6).is_still(at(5, 6)));
    assert!(at(5, 6).is_still(at(5, 0)));
    assert!(!at(5, 6).is_still(at(5, 7)) && !at(5, 6).is_still(at(6, 6)) && !at(5, 0).is_still(at(5, 6)));
}
