//! How long a bundle takes to find one record among many.
//!
//! The bundle is made here, in the folder that `benches/micro.py` names in `OVERLAY_FILES`: as many modules as a large
//! program has, in folders of a hundred, each with a record of 300 bytes. What a look-up is about is that record, or
//! the key of one that is not there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use criterion::{BenchmarkId, Criterion, Throughput};
use overlay_file::bundle::{Bundle, BundleWriter, Key, Record, Settings};

const MODULES: usize = 20_000;
const IN_A_FOLDER: usize = 100;
/// Of a record's value.
const VALUE_LEN: usize = 240;
/// What the record has around its value, and its key.
const RECORD_LEN: usize = VALUE_LEN + 28 + 32;

fn main() {
    let Some(folder) = env::var_os("OVERLAY_FILES") else {
        eprintln!("no folder for a bundle: `make bench-rust` makes one, and measures");
        process::exit(2);
    };
    let path = PathBuf::from(folder).join("bundle");
    write(&path);
    let (bundle, _) = Bundle::open(&path).expect("a bundle");
    let criterion = Criterion::default().sample_size(40).nresamples(10_000);
    let criterion = criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(800));
    let mut criterion = criterion.configure_from_args();
    look_up(&mut criterion, &bundle, "bundle look-up", "module", RECORD_LEN, true);
    look_up(&mut criterion, &bundle, "failing bundle look-up", "nowhere", 32, false);
    open(&mut criterion, &path);
    criterion.final_summary();
    fs::remove_file(path).expect("the bundle");
}

/// Finding each module, in an order in which no two neighbours follow each other.
fn look_up(criterion: &mut Criterion, bundle: &Bundle, what: &str, stem: &str, about: usize, there: bool) {
    let keys: Vec<Key> = shuffled().map(|number| key(stem, number)).collect();
    for key in &keys {
        let found = bundle.get(key).expect("nothing damaged");
        assert_eq!(found.map(|record| record.len() as usize), there.then_some(about));
    }
    let mut turns = keys.iter().cycle();
    measure(criterion, what, about, |b| b.iter(|| bundle.get(turns.next()?).ok()));
}

/// Opening it: its settings and slots are read and checked.
fn open(criterion: &mut Criterion, path: &Path) {
    let slots = MODULES * 20;
    measure(criterion, "open bundle", slots, |b| b.iter_with_large_drop(|| Bundle::open(path).expect("a bundle")));
}

fn measure(criterion: &mut Criterion, what: &str, about: usize, mut run: impl FnMut(&mut criterion::Bencher)) {
    let mut group = criterion.benchmark_group(what);
    group.throughput(Throughput::Bytes(about as u64));
    group.bench_function(BenchmarkId::from_parameter("bundle"), |b| run(b));
    group.finish();
}

fn write(path: &Path) {
    let value = [7u8; VALUE_LEN];
    let record = |number| Record { key: key("module", number), value: [&value, &[]], rest: &[] };
    let records: Vec<Record<'_>> = (0..MODULES).map(record).collect();
    let settings = Settings {
        identity: "cpython-313".into(),
        python: "3.13.0".into(),
        magic: [0; 4],
        optimize: 0,
        checks: true,
        flags: 0,
        roots: vec!["prefix".into()],
    };
    let mut file = File::create(path).expect("a folder to write in");
    BundleWriter::write(&mut file, &settings, &records).expect("room on the disk");
}

/// 32 bytes long.
fn key(stem: &str, number: usize) -> Key {
    Key::module(0, &format!("lib/folder_{:03}", number / IN_A_FOLDER), &format!("{stem:_<7}_{number:05}"))
}

/// Each number below `MODULES` once: 7919 is a prime that does not divide it.
fn shuffled() -> impl Iterator<Item = usize> {
    (0..MODULES).map(|number| number * 7919 % MODULES)
}
