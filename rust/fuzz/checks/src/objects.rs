//! Marshal data changed object by object: what a change of single bytes hardly ever gives is other objects in the right
//! places, and references to them.

use std::ops::Range;

const FLAG_REF: u8 = 0x80;

/// Puts an object, or a reference to one, in the place of another, or flags one. `None` where `bytes` are no marshal
/// data.
pub fn mutate(bytes: &[u8], seed: u32) -> Option<Vec<u8>> {
    let objects = objects(bytes)?;
    let pick = |shift: u32, among: usize| (seed.wrapping_mul(0x9E37_79B1) >> shift) as usize % among;
    let place = objects[pick(3, objects.len())].clone();
    let flagged = objects.iter().filter(|object| bytes[object.start] & FLAG_REF != 0).count();
    // The first objects are those that hold the others.
    let referred = pick(11, (1 << pick(19, 8)).min(flagged) + 1) as u32;
    let other = match seed % 4 {
        0 => bytes[objects[pick(11, objects.len())].clone()].to_vec(),
        1 => [&b"r"[..], &referred.to_le_bytes()].concat(),
        2 => [&[bytes[place.start] ^ FLAG_REF], &bytes[place.start + 1..place.end]].concat(),
        _ => [&b"\xa9\x02"[..], &bytes[place.clone()], b"r", &referred.to_le_bytes()].concat(),
    };
    Some([&bytes[..place.start], &other, &bytes[place.end..]].concat())
}

/// Where each object lies, in the order in which they start.
fn objects(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut objects: Vec<Range<usize>> = Vec::new();
    // Each with what is still missing of it.
    let mut open: Vec<(usize, Missing)> = Vec::new();
    let mut at = 0;
    loop {
        let (length, missing) = start(bytes.get(at..)?)?;
        objects.push(at..at + length);
        at += length;
        open.push((objects.len() - 1, missing));
        while let Some((object, missing)) = open.last_mut() {
            match missing {
                Missing::Objects(0) => {
                    objects[*object].end = at;
                    open.pop();
                    continue;
                }
                Missing::Objects(count) => *count -= 1,
                Missing::Code(children) => {
                    at += if *children == 2 { 4 } else { 0 };
                    *children -= 1;
                    if *children == 0 {
                        *missing = Missing::Objects(0);
                    }
                }
                Missing::Pairs if bytes.get(at) == Some(&b'0') => {
                    at += 1;
                    *missing = Missing::Objects(0);
                    continue;
                }
                Missing::Pairs => {}
            }
            break;
        }
        if open.is_empty() {
            return (at == bytes.len()).then_some(objects);
        }
    }
}

enum Missing {
    Objects(usize),
    /// Of a code object: its line number stands before the last two.
    Code(usize),
    Pairs,
}

/// How many bytes an object starts with, and which objects follow.
fn start(bytes: &[u8]) -> Option<(usize, Missing)> {
    let number = |at: usize| bytes.get(at..)?.first_chunk().map(|field| u32::from_le_bytes(*field) as usize);
    let sized = |size: usize| number(1).map(|count| (5 + count.min(bytes.len()) * size, Missing::Objects(0)));
    let (length, missing) = match bytes.first()? & !FLAG_REF {
        b'N' | b'F' | b'T' | b'S' | b'.' => (1, Missing::Objects(0)),
        b'i' | b'r' => (5, Missing::Objects(0)),
        b'g' => (9, Missing::Objects(0)),
        b'y' => (17, Missing::Objects(0)),
        b'l' => (5 + (number(1)? as i32).unsigned_abs().min(1 << 20) as usize * 2, Missing::Objects(0)),
        b's' | b'u' | b't' | b'a' | b'A' => sized(1)?,
        b'z' | b'Z' | b'f' => (2 + usize::from(*bytes.get(1)?), Missing::Objects(0)),
        b')' => (2, Missing::Objects((*bytes.get(1)?).into())),
        b'(' | b'[' | b'<' | b'>' => (5, Missing::Objects(number(1)?)),
        b'{' | b'}' => (1, Missing::Pairs),
        b':' => (1, Missing::Objects(3)),
        b'c' => (21, Missing::Code(10)),
        _ => return None,
    };
    (length <= bytes.len()).then_some((length, missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_seen() {
        let leaf = b"s\x01\0\0\0B";
        let code = [&b"c"[..], &[7; 20], &leaf.repeat(7), b"{NT0", b"line", leaf, b":NNN"].concat();
        let all = objects(&[&b"\xa9\x02"[..], &code, b"z\x02ab"].concat()).unwrap();
        assert_eq!(all.len(), 1 + 1 + 8 + 2 + 1 + 1 + 3 + 1);
        assert_eq!((all[0].clone(), all[1].clone()), (0..2 + code.len() + 4, 2..2 + code.len()));
        assert!(objects(b")\x01").is_none() && objects(b"NN").is_none());
    }

    #[test]
    fn what_is_changed_is_mostly_marshal_data() {
        let bytes = b"\xa9\x03z\x02ab(\x01\0\0\0N\xe9\x01\0\0\0";
        let changed: Vec<Vec<u8>> = (0..1000).map(|seed| mutate(bytes, seed << 7 | seed).unwrap()).collect();
        assert!(changed.iter().all(|bytes| objects(bytes).is_some()));
        assert!(changed.iter().filter(|changed| **changed != bytes).count() > 500);
    }
}
