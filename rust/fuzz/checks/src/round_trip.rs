//! Whatever is written is read again; after any change it is refused, or still the same.

use std::collections::{BTreeMap, HashSet};

use arbitrary::{Arbitrary, Unstructured};
use overlay_file::bundle::{Bundle, BundleWriter, Key, Record, Settings};
use overlay_file::{Image, Kind, Name, Overlay, Writer};

use crate::{bundle, reader};

type Bytes = Vec<u8>;

#[derive(Arbitrary, Debug)]
enum Case {
    File(FileCase),
    Bundle(BundleCase),
}

#[derive(Arbitrary, Debug)]
struct FileCase {
    header: [u8; 16],
    core: Bytes,
    identity: String,
    flags: u32,
    overlays: Vec<Written>,
    change: Change,
}

#[derive(Arbitrary, Debug)]
struct Written {
    kind: Lot,
    name: Option<(Bytes, Bytes)>,
    payload: Bytes,
    needs: Vec<u8>,
    flags: u32,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Lot {
    Code,
    Constant,
    Body,
}

#[derive(Arbitrary, Debug)]
struct BundleCase {
    identity: String,
    python: String,
    magic: [u8; 4],
    optimize: u8,
    checks: bool,
    has_compiled: bool,
    flags: u32,
    roots: Vec<String>,
    records: BTreeMap<Bytes, (Bytes, Bytes)>,
    change: Change,
}

/// What befalls the file: places are taken modulo its length.
#[derive(Arbitrary, Debug)]
enum Change {
    Flip(u16, u8),
    Cut(u16),
    Insert(u16, u8),
    /// The bytes of one place at another.
    Copy(u16, u16, u8),
}

pub fn check(bytes: &[u8]) {
    match Case::arbitrary(&mut Unstructured::new(bytes)) {
        Ok(Case::File(case)) => check_file(&case),
        Ok(Case::Bundle(case)) => check_bundle(&case),
        Err(_) => {}
    }
}

impl Change {
    fn of(&self, bytes: &[u8]) -> Bytes {
        let place = |place: u16| usize::from(place) % bytes.len();
        let mut changed = bytes.to_vec();
        match *self {
            Change::Flip(at, bits) => changed[place(at)] ^= bits,
            Change::Cut(at) => changed.truncate(place(at)),
            Change::Insert(at, byte) => changed.insert(place(at), byte),
            Change::Copy(from, to, length) => {
                let (from, to) = (place(from), place(to));
                let length = usize::from(length).min(bytes.len() - from.max(to));
                changed.copy_within(from..from + length, to);
            }
        }
        changed
    }
}

fn check_file(case: &FileCase) {
    let overlays = without_doubles(&case.overlays);
    let bytes = written(case, &overlays);
    assert_eq!(bytes, written(case, &overlays), "not the same twice");
    let image = reader::open(&bytes).expect("what was written");
    image.verify().expect("what was written");
    assert_eq!(image.header(), &case.header);
    assert_eq!((image.identity(), image.flags()), (&*case.identity, case.flags));
    assert_eq!(image.len() as usize, overlays.len() + 1);
    assert_eq!(*image.payload(0).unwrap(), case.core);
    for (number, overlay) in (1..).zip(&overlays) {
        assert_same(&image, number, overlay, overlays.len());
    }
    check_changed_file(&bytes, &case.change.of(&bytes));
}

/// Each name once.
fn without_doubles(overlays: &[Written]) -> Vec<&Written> {
    let mut names = HashSet::new();
    overlays.iter().filter(|overlay| overlay.name.as_ref().is_none_or(|(key, _)| names.insert(key.clone()))).collect()
}

fn kind_of(lot: Lot) -> Kind {
    match lot {
        Lot::Code => Kind::Code,
        Lot::Constant => Kind::Constant,
        Lot::Body => Kind::Body,
    }
}

fn needs_of(overlay: &Written, count: usize) -> Vec<u32> {
    overlay.needs.iter().map(|&need| u32::from(need) % count as u32 + 1).collect()
}

fn written(case: &FileCase, overlays: &[&Written]) -> Bytes {
    let mut writer = Writer::new(Vec::new(), case.header, &case.core, &[], 0).unwrap();
    for (number, overlay) in (1..).zip(overlays) {
        let needs = needs_of(overlay, overlays.len());
        let name = overlay.name.as_ref().map(|(key, marshalled)| Name { key, marshalled });
        let Written { payload, flags, .. } = overlay;
        let overlay = Overlay { kind: kind_of(overlay.kind), name, payload, needs: &needs, flags: *flags };
        assert_eq!(writer.overlay(&overlay).unwrap(), number);
        assert!(overlay.name.is_none() || writer.overlay(&overlay).is_err());
    }
    writer.finish(&case.identity, case.flags).unwrap()
}

fn assert_same(image: &Image, number: u32, overlay: &Written, count: usize) {
    let entry = image.entry(number).expect("an entry");
    assert_eq!((entry.kind, entry.flags), (Some(kind_of(overlay.kind)), overlay.flags));
    assert_eq!(entry.needs.collect::<Vec<_>>(), needs_of(overlay, count));
    assert_eq!(*image.payload(number).unwrap(), overlay.payload);
    let name = entry.name.map(|name| (name.key.to_vec(), name.marshalled.to_vec()));
    assert_eq!(name, overlay.name);
    if let Some((key, _)) = &overlay.name {
        assert_eq!(image.find(key), Some(number));
    }
}

fn check_changed_file(good: &[u8], changed: &[u8]) {
    let image = reader::open(good).unwrap();
    if let Ok(other) = reader::open(changed) {
        assert_eq!(other.checksum(), image.checksum());
        assert_eq!(other.verify().is_ok(), good == changed);
        for number in 0..image.len() {
            let payload = other.payload(number);
            assert!(payload.is_err() || payload.unwrap() == image.payload(number).unwrap());
        }
    }
}

fn check_bundle(case: &BundleCase) {
    let settings = Settings {
        identity: case.identity.clone(),
        python: case.python.clone(),
        magic: case.magic,
        optimize: case.optimize,
        checks: case.checks,
        has_compiled: case.has_compiled,
        flags: case.flags,
        roots: case.roots.clone(),
    };
    let records = case.records.iter().map(|(key, (value, rest))| Record { key: Key::compiled(key), value, rest });
    let records: Vec<Record<'_>> = records.collect();
    let mut bytes = Vec::new();
    BundleWriter::write(&mut bytes, &settings, &records).unwrap();
    let bundle = bundle::open(&bytes).expect("what was written");
    assert_eq!(bundle.settings().unwrap(), settings);
    assert_eq!(bundle.len(), records.len());
    for record in &records {
        let found = bundle.get(&record.key).unwrap().expect("a record");
        assert_eq!((found.key(), found.value()), (record.key.as_bytes(), record.value));
        assert_eq!(&bytes[found.rest.start as usize..found.rest.end as usize], record.rest);
    }
    let absent = Key::compiled(b"no such key");
    assert_eq!(bundle.get(&absent).unwrap().is_some(), case.records.contains_key(&b"no such key"[..]));
    check_changed_bundle(&bundle, &records, &case.change.of(&bytes), settings);
}

fn check_changed_bundle(good: &Bundle, records: &[Record<'_>], changed: &[u8], settings: Settings) {
    let Ok(other) = bundle::open(changed) else { return };
    assert_eq!(other.settings().unwrap(), settings);
    assert_eq!(other.len(), good.len());
    for record in records {
        if let Ok(found) = other.get(&record.key) {
            let found = found.expect("a record");
            assert_eq!((found.key(), found.value()), (record.key.as_bytes(), record.value));
        }
    }
}
