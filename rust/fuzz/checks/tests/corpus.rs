//! The kept corpus, without libFuzzer: what it has found once stays found.

use std::fs;
use std::path::Path;

use overlay_checks::{bundle, index, marshal, reader, round_trip, split};

/// Checks every input of a target.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let mut count = 0;
    for file in fs::read_dir(folder).expect("a corpus") {
        let path = file.expect("a file").path();
        println!("{}", path.display());
        check(&fs::read(path).expect("a file"));
        count += 1;
    }
    assert!(count > 20, "{count} inputs");
}

/// As they are, and with their checksums mended.
fn replay_sealed(target: &str, check: fn(&[u8]), seal: fn(&mut [u8], u32)) {
    replay(target, |bytes| {
        check(bytes);
        for spare in [0, 2, 4, 8] {
            let mut bytes = bytes.to_vec();
            seal(&mut bytes, spare);
            check(&bytes);
        }
    });
}

#[test]
fn the_reader() {
    replay_sealed("reader", reader::check, reader::seal);
}

#[test]
fn the_index() {
    replay_sealed("index", index::check, index::seal);
}

#[test]
fn the_bundle() {
    replay_sealed("bundle", bundle::check, bundle::seal);
}

#[test]
fn marshal_data() {
    replay("marshal", marshal::check);
}

#[test]
fn the_splitter() {
    replay("split", split::check);
}

#[test]
fn round_trips() {
    replay("round_trip", round_trip::check);
}
