//! Any bytes as marshal data: refused, or rewritten as marshal data again, at a cost in proportion to their number.

use overlay_file::marshal::{Bodies, Hollow, canonical, hollow, join};

use crate::budget;
pub use crate::objects::mutate;

/// Bytes of memory for each byte of the stream.
const FACTOR: usize = 1000;

pub fn check(bytes: &[u8]) {
    let Ok(once) = budget::within(bytes.len(), FACTOR, || canonical(bytes)) else {
        assert!(hollow(bytes, without(&[], false)).is_err() && join(&[bytes]).is_err());
        return;
    };
    check_size(once.len(), bytes.len());
    let again = budget::within(once.len(), FACTOR, || canonical(&once)).expect("marshal data");
    assert_eq!(again, once, "not the one form");
    check_hollow(bytes);
    check_join(bytes, &once);
}

fn without(keep: &[u32], docstring_flag: bool) -> Bodies<'_> {
    Bodies { first: 1, keep, docstring_flag }
}

/// References, of five bytes, may stand for what took only two.
fn check_size(found: usize, bytes: usize) {
    assert!(found <= 3 * bytes, "{found} bytes out of {bytes}");
}

fn check_hollow(bytes: &[u8]) {
    let all = hollow_of(bytes, without(&[], false));
    let flagged = hollow_of(bytes, without(&[], true));
    assert_eq!(all.bodies, flagged.bodies);
    let keep: Vec<u32> = (1..).take(all.bodies.len()).collect();
    let kept = hollow_of(bytes, without(&keep, false));
    assert!(kept.bodies.is_empty());
    let odd: Vec<u32> = keep.iter().copied().filter(|number| number % 2 == 1).collect();
    let half = hollow_of(bytes, without(&odd, false));
    assert_eq!(half.bodies.len(), all.bodies.len() / 2);
}

/// Core and bodies are each marshal data by themselves.
fn hollow_of(bytes: &[u8], bodies: Bodies<'_>) -> Hollow {
    let hollow = budget::within(bytes.len(), FACTOR, || hollow(bytes, bodies)).expect("marshal data");
    for part in hollow.bodies.iter().chain([&hollow.core]) {
        canonical(part).expect("marshal data");
    }
    hollow
}

/// A tuple of both, in which each is what it was.
fn check_join(bytes: &[u8], once: &[u8]) {
    let joined = budget::within(3 * bytes.len(), FACTOR, || join(&[bytes, once, b"N"])).expect("marshal data");
    assert!(joined.starts_with(b"(\x03\0\0\0") && joined.ends_with(b"N"));
    canonical(&joined).expect("marshal data");
}
