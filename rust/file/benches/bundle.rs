//! How long a bundle takes to find one record among many.
//!
//! The bundle is made here, in the folder that `benches/micro.py` names in `OVERLAY_FILES`: as many modules as a large
//! program has, in folders of a hundred, each with a record of 300 bytes. What a look-up is about is that record, or
//! the key of one that is not there; `memcpy` of as many is the physical limit.

use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use criterion::{Bencher, BenchmarkId, Criterion, Throughput};
use overlay_file::bundle::{Bundle, BundleWriter, Key, Record, Settings};

const BUNDLE: &str = "bundle";
const MODULES: usize = 20_000;
const IN_A_FOLDER: usize = 100;
const KEY_LEN: usize = 30;
const VALUE_LEN: usize = 242;
/// With what stands before the key.
const RECORD_LEN: usize = 28 + KEY_LEN + VALUE_LEN;
const SLOTS_LEN: usize = MODULES * 20;

fn main() {
    let Some(folder) = env::var_os("OVERLAY_FILES") else {
        eprintln!("no folder for a bundle: `make bench-rust` makes one, and measures");
        process::exit(2);
    };
    let path = PathBuf::from(folder).join(BUNDLE);
    write(&path);
    let (bundle, _) = Bundle::open(&path).expect("a bundle");
    let criterion = Criterion::default().sample_size(40).nresamples(10_000);
    let criterion = criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(800));
    let mut criterion = criterion.configure_from_args();
    look_up(&mut criterion, &bundle, "bundle look-up, in order", keys("module", 0..MODULES), Some(RECORD_LEN));
    look_up(&mut criterion, &bundle, "bundle look-up, at random", keys("module", shuffled()), Some(RECORD_LEN));
    look_up(&mut criterion, &bundle, "failing bundle look-up", keys("nowhere", shuffled()), None);
    open(&mut criterion, &path);
    memcpy(&mut criterion);
    criterion.final_summary();
    fs::remove_file(path).expect("the bundle");
}

/// Finding each of the keys, by turns. Its record is that long, or it has none.
fn look_up(criterion: &mut Criterion, bundle: &Bundle, what: &str, keys: Vec<Key>, record: Option<usize>) {
    for key in &keys {
        let found = bundle.get(key).expect("nothing damaged");
        assert_eq!(found.map(|found| found.len() as usize), record);
    }
    let mut turns = keys.iter().cycle();
    measure(criterion, what, BUNDLE, record.unwrap_or(KEY_LEN), |b| b.iter(|| bundle.get(turns.next()?).ok()));
}

/// Opening it: its settings and slots are read and checked.
fn open(criterion: &mut Criterion, path: &Path) {
    let opening = || Bundle::open(path).expect("a bundle");
    measure(criterion, "open bundle", BUNDLE, SLOTS_LEN, |b| b.iter_with_large_drop(opening));
}

fn memcpy(criterion: &mut Criterion) {
    for size in [KEY_LEN, RECORD_LEN, SLOTS_LEN] {
        let (from, mut to) = (vec![1u8; size], vec![0u8; size]);
        measure(criterion, "memcpy", &size.to_string(), size, |b| {
            b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
        });
    }
}

fn measure(criterion: &mut Criterion, what: &str, of: &str, about: usize, mut run: impl FnMut(&mut Bencher)) {
    let mut group = criterion.benchmark_group(what);
    group.throughput(Throughput::Bytes(about as u64));
    group.bench_function(BenchmarkId::from_parameter(of), |b| run(b));
    group.finish();
}

fn write(path: &Path) {
    let value = [7u8; VALUE_LEN];
    let record = |number| Record { key: key("module", number), value: &value, rest: &[] };
    let records: Vec<Record<'_>> = (0..MODULES).map(record).collect();
    let settings = Settings {
        identity: "cpython-313".into(),
        python: "3.13.0".into(),
        magic: [0; 4],
        optimize: 0,
        checks: true,
        flags: 0,
        has_compiled: false,
        roots: vec!["prefix".into()],
    };
    let mut file = File::create(path).expect("a folder to write in");
    BundleWriter::write(&mut file, &settings, &records).expect("room on the disk");
}

fn keys(stem: &str, numbers: impl Iterator<Item = usize>) -> Vec<Key> {
    numbers.map(|number| key(stem, number)).collect()
}

/// `KEY_LEN` bytes.
fn key(stem: &str, number: usize) -> Key {
    Key::module(0, &format!("lib/folder_{:03}", number / IN_A_FOLDER), &format!("{stem:_<7}_{number:05}"))
}

/// Each number below `MODULES` once, no two neighbours near each other: 7919 is a prime that does not divide it.
fn shuffled() -> impl Iterator<Item = usize> {
    (0..MODULES).map(|number| number * 7919 % MODULES)
}
