//! How long the file takes: opening, look-ups, checks, writing, cutting function bodies out, reading one of them.
//!
//! The files are real ones: `benches/micro.py` makes them, names their folder in `OVERLAY_FILES`, and compares what is
//! measured here with the same done by CPython. A measurement's "throughput" is how many bytes it is about; `memcpy` of
//! as many is the physical limit.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use criterion::{BenchmarkId, Criterion, Throughput};
use overlay_file::marshal::{Bodies, hollow};
use overlay_file::{Cache, Entry, Image, Kind, Overlay, Writer, write_atomic};

/// A module at the level `bodies`, and what `marshal` wrote of it before.
const MODULE: &str = "module";
/// A module of many functions of a dozen lines, at the level `bodies`.
const FUNCTIONS: &str = "functions";
/// Modules with so many declared overlays, each a function of a dozen lines.
const DECLARED: [&str; 3] = ["10", "1000", "10000"];

fn main() {
    let Some(folder) = env::var_os("OVERLAY_FILES") else {
        eprintln!("no files to measure with: `make bench-rust` makes them, and measures");
        process::exit(2);
    };
    let criterion = Criterion::default().sample_size(40).nresamples(10_000);
    let criterion = criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_millis(800));
    let mut bench = Bench { criterion: criterion.configure_from_args(), folder: folder.into(), sizes: BTreeSet::new() };
    bench.open();
    bench.look_up();
    bench.verify();
    bench.write();
    bench.hollow();
    bench.payload();
    bench.memcpy();
    bench.criterion.final_summary();
}

struct Bench {
    criterion: Criterion,
    folder: PathBuf,
    /// Of what is measured, in bytes.
    sizes: BTreeSet<usize>,
}

impl Bench {
    /// Opening by its path a file that the system's cache of pages holds. It is about all but the overlays' payloads.
    fn open(&mut self) {
        for name in [MODULE].into_iter().chain(DECLARED) {
            let path = self.path(name);
            let image = Image::open(&path).expect("an overlay file");
            let overlays: u64 = entries(&image).skip(1).map(|entry| entry.length).sum();
            let about = (image.file_len() - overlays) as usize;
            self.measure("open", name, about, |b| b.iter_with_large_drop(|| Image::open(&path)));
        }
        let path = self.path(MODULE);
        let bytes = fs::read(&path).expect("a file").len();
        self.measure("read", MODULE, bytes, |b| b.iter_with_large_drop(|| fs::read(&path)));
        let cache = Cache::new(8.try_into().expect("not zero"));
        let _kept = cache.open(&path).expect("an overlay file");
        self.measure("open again", MODULE, bytes, |b| b.iter_with_large_drop(|| cache.open(&path)));
    }

    /// Finding each of a file's names, by turns; and names that it does not have.
    fn look_up(&mut self) {
        for name in DECLARED {
            let image = self.image(name);
            let keys: Vec<Vec<u8>> = entries(&image).filter_map(|entry| Some(entry.name?.key.to_vec())).collect();
            let missing: Vec<Vec<u8>> = keys.iter().map(|key| [&key[1..], b"?"].concat()).collect();
            for (what, keys, there) in [("look-up", &keys, true), ("failing look-up", &missing, false)] {
                assert!(keys.iter().all(|key| image.find(key).is_some() == there));
                let mut turns = keys.iter().cycle();
                self.measure(what, name, keys[0].len(), |b| b.iter(|| image.find(turns.next()?)));
            }
        }
    }

    fn verify(&mut self) {
        for name in [MODULE].into_iter().chain(DECLARED) {
            let image = self.image(name);
            self.measure("verify", name, image.file_len() as usize, |b| {
                b.iter(|| image.verify().expect("nothing wrong"));
            });
        }
    }

    /// Writing the parts of a file to memory; and its bytes to the disk, as one that replaces another.
    fn write(&mut self) {
        for name in [MODULE].into_iter().chain(DECLARED) {
            let image = self.image(name);
            let parts = Parts::of(&image);
            let bytes = fs::read(self.path(name)).expect("a file");
            assert!(parts.write() == bytes);
            self.measure("write", name, bytes.len(), |b| b.iter_with_large_drop(|| parts.write()));
        }
        let bytes = fs::read(self.path(MODULE)).expect("a file");
        let path = self.folder.join("written");
        self.measure("write to disk", MODULE, bytes.len(), |b| {
            b.iter(|| write_atomic(&path, &bytes, 0o644).expect("room on the disk"));
        });
    }

    fn hollow(&mut self) {
        for name in [MODULE, FUNCTIONS] {
            let marshalled = fs::read(self.path(name).with_extension("marshal")).expect("a file");
            let image = self.image(name);
            let docstring_flag = image.identity() >= "cpython-314";
            let bodies = Bodies { first: 1, keep: &[], docstring_flag };
            let hollowed = hollow(&marshalled, bodies).expect("marshal data");
            assert!(image.payload(0).is_ok_and(|core| core == hollowed.core));
            self.measure("hollow", name, marshalled.len(), |b| {
                b.iter_with_large_drop(|| hollow(black_box(&marshalled), bodies));
            });
        }
    }

    /// Reading a function's body out of the mapped file, each by turns, with its checksum.
    fn payload(&mut self) {
        let image = self.image(FUNCTIONS);
        let bytes: u64 = entries(&image).skip(1).map(|entry| entry.length).sum();
        let count = image.len() - 1;
        let mut turns = (1..=count).cycle();
        self.measure("payload", FUNCTIONS, bytes as usize / count as usize, |b| {
            b.iter(|| image.payload(turns.next()?).ok());
        });
    }

    fn memcpy(&mut self) {
        for size in self.sizes.clone() {
            let from = vec![1u8; size];
            let mut to = vec![0u8; size];
            self.measure("memcpy", &size.to_string(), size, |b| {
                b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
            });
        }
    }

    fn measure(&mut self, what: &str, of: &str, about: usize, mut run: impl FnMut(&mut criterion::Bencher)) {
        self.sizes.insert(about);
        let mut group = self.criterion.benchmark_group(what);
        group.throughput(Throughput::Bytes(about as u64));
        group.bench_function(BenchmarkId::from_parameter(of), |b| run(b));
        group.finish();
    }

    fn image(&self, name: &str) -> Image {
        Image::open(&self.path(name)).expect("an overlay file")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name).with_extension("pyc")
    }
}

/// All that a writer is given for a file.
struct Parts<'a> {
    image: &'a Image,
    payloads: Vec<Vec<u8>>,
    needs: Vec<Vec<u32>>,
}

impl Parts<'_> {
    fn of(image: &Image) -> Parts<'_> {
        let payload = |number| image.payload(number).expect("a payload").into_owned();
        Parts {
            image,
            payloads: (0..image.len()).map(payload).collect(),
            needs: entries(image).map(|entry| entry.needs.collect()).collect(),
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut parts = entries(self.image).zip(&self.payloads).zip(&self.needs);
        let ((core, payload), needs) = parts.next().expect("there is always a core");
        let mut writer = Writer::new(Vec::new(), *self.image.header(), payload, needs, core.flags).expect("memory");
        for ((entry, payload), needs) in parts {
            let kind = entry.kind.unwrap_or(Kind::Body);
            let overlay = Overlay { kind, name: entry.name, payload, needs, flags: entry.flags };
            writer.overlay(&overlay).expect("an overlay");
        }
        writer.finish(self.image.identity(), self.image.flags()).expect("a file")
    }
}

fn entries(image: &Image) -> impl Iterator<Item = Entry<'_>> {
    (0..image.len()).filter_map(|number| image.entry(number))
}
