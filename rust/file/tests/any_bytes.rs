//! Any bytes, of whatever origin: refused, or exactly what was written.

mod common;

use std::collections::BTreeMap;

use common::{HEADER, named, payloads, read};
use overlay_file::bundle::{Bundle, BundleWriter, Key, Record, Settings};
use overlay_file::{Memory, Writer};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

type Bytes = Vec<u8>;
/// Overlays by the keys of their names, or records by their keys.
type Written = BTreeMap<Bytes, Bytes>;

/// What becomes of a file.
#[derive(Clone, Debug)]
enum Damage {
    None,
    Replaced(Bytes),
    Cut(Index),
    Flipped(Vec<(Index, u8)>),
    /// Up to a place it is another file; from another place on, itself.
    Spliced(Index, Index),
    /// Bytes come or go in the middle.
    Shifted(Index, Index, Bytes),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<Index>;
    prop_oneof![
        Just(Damage::None),
        vec(any::<u8>(), 0..400).prop_map(Damage::Replaced),
        place().prop_map(Damage::Cut),
        vec((place(), 1..=255u8), 1..5).prop_map(Damage::Flipped),
        (place(), place()).prop_map(|(to, from)| Damage::Spliced(to, from)),
        (place(), place(), vec(any::<u8>(), 0..20)).prop_map(|(to, from, bytes)| Damage::Shifted(to, from, bytes)),
    ]
}

impl Damage {
    fn of(&self, file: &[u8], other: &[u8]) -> Bytes {
        let mut bytes = file.to_vec();
        match self {
            Damage::None => {}
            Damage::Replaced(bytes) => return bytes.clone(),
            Damage::Cut(end) => bytes.truncate(end.index(file.len())),
            Damage::Flipped(flips) => flips.iter().for_each(|(at, bits)| *at.get_mut(&mut bytes) ^= bits),
            Damage::Spliced(to, from) => {
                bytes = [&other[..to.index(other.len() + 1)], &file[from.index(file.len())..]].concat();
            }
            Damage::Shifted(to, from, between) => {
                bytes = [&file[..to.index(file.len())], between, &file[from.index(file.len())..]].concat();
            }
        }
        bytes
    }
}

fn contents() -> impl Strategy<Value = Written> {
    btree_map(vec(any::<u8>(), 0..10), vec(any::<u8>(), 0..60), 0..20)
}

fn file(core: &[u8], overlays: &Written) -> Bytes {
    let mut writer = Writer::new(Vec::new(), HEADER, core, &[], 0).unwrap();
    for (key, payload) in overlays {
        writer.overlay(&named(key, b"marshalled", payload)).unwrap();
    }
    writer.finish("cpython-313", 0).unwrap()
}

fn bundle(python: &str, records: &Written) -> Bytes {
    let records: Vec<Record<'_>> =
        records.iter().map(|(key, value)| Record { key: Key::compiled(key), value, rest: value }).collect();
    let mut bytes = Vec::new();
    BundleWriter::write(&mut bytes, &settings(python), &records).unwrap();
    bytes
}

fn settings(python: &str) -> Settings {
    Settings {
        identity: "cpython-313".into(),
        python: python.into(),
        magic: [1, 2, 3, 4],
        optimize: 0,
        checks: true,
        has_compiled: true,
        flags: 1,
        roots: vec!["stdlib".into()],
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn as_an_overlay_file_they_are_refused_or_what_was_written(
        core in vec(any::<u8>(), 0..60),
        overlays in contents(),
        others in contents(),
        damage in damage(),
    ) {
        let good = file(&core, &overlays);
        let bytes = damage.of(&good, &file(b"another core", &others));
        let image = read(&bytes);
        prop_assert!(image.is_ok() || bytes != good);
        if let Ok(image) = image {
            prop_assert_eq!(image.len() as usize, overlays.len() + 1);
            for (payload, written) in payloads(&image).into_iter().zip([&core].into_iter().chain(overlays.values())) {
                prop_assert!(payload.is_err() || payload.unwrap() == *written);
            }
            for (number, key) in (1..).zip(overlays.keys()) {
                prop_assert_eq!(image.find(key), Some(number));
            }
            prop_assert!(others.keys().all(|key| overlays.contains_key(key) || image.find(key).is_none()));
            prop_assert_eq!(image.verify().is_ok(), bytes == good);
        }
    }

    #[test]
    fn as_a_bundle_they_are_refused_or_what_was_written(
        records in contents(),
        others in contents(),
        damage in damage(),
    ) {
        let good = bundle("3.13.0", &records);
        let bytes = damage.of(&good, &bundle("3.13.1", &others));
        let bundle = Bundle::from_source(Box::new(Memory(bytes.clone())));
        prop_assert!(bundle.is_ok() || bytes != good);
        if let Ok(bundle) = bundle {
            prop_assert_eq!(bundle.settings().unwrap(), settings("3.13.0"));
            prop_assert_eq!(bundle.len(), records.len());
            for (key, value) in &records {
                if let Ok(found) = bundle.get(&Key::compiled(key)) {
                    let found = found.unwrap();
                    prop_assert_eq!(found.value(), &value[..]);
                    // The rest has checksums of its own: here only its length is known.
                    prop_assert_eq!(found.rest.end - found.rest.start, value.len() as u64);
                }
            }
            for key in others.keys().filter(|key| !records.contains_key(*key)) {
                prop_assert!(!matches!(bundle.get(&Key::compiled(key)), Ok(Some(_))));
            }
        }
    }
}
