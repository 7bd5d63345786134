//! Bytes that are lost or changed by accident: the checksums tell.

mod common;

use common::{directory, good_payloads, payloads, read, sample, trailer};
use overlay_file::{FileError, Part};

#[test]
fn a_file_cut_off_at_any_length_is_refused() {
    let bytes = sample();
    for length in 0..bytes.len() {
        assert!(read(&bytes[..length]).is_err(), "{length} bytes");
    }
}

#[test]
fn a_file_with_bytes_behind_its_end_is_refused() {
    let mut bytes = sample();
    bytes.push(0);
    assert!(matches!(read(&bytes), Err(FileError::BadMagic)));
    let twice = [sample(), sample()].concat();
    assert!(matches!(read(&twice), Err(FileError::Length { .. })));
}

#[test]
fn a_changed_bit_of_directory_or_trailer_is_refused_at_once() {
    let good = sample();
    for byte in directory(&good).start..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[byte] ^= 1 << bit;
            assert!(read(&bytes).is_err(), "bit {bit} of byte {byte}");
        }
    }
}

#[test]
fn a_changed_bit_of_a_payload_is_refused_there_and_only_there() {
    let good = sample();
    let expected = good_payloads(&good);
    for byte in 16..directory(&good).start {
        let hit = (byte - 16) / 40;
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[byte] ^= 1 << bit;
            let image = read(&bytes).unwrap();
            assert!(image.verify().is_err());
            for (number, payload) in payloads(&image).into_iter().enumerate() {
                match payload {
                    Ok(payload) => assert!(number != hit && payload == expected[number]),
                    Err(FileError::Checksum(Part::Payload(n))) => assert_eq!(n as usize, hit),
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
}

#[test]
fn a_changed_header_is_refused_with_the_core_and_overlays_still_read() {
    let good = sample();
    let expected = good_payloads(&good);
    for byte in 0..16 {
        let mut bytes = good.clone();
        bytes[byte] ^= 1;
        let image = read(&bytes).unwrap();
        assert!(matches!(image.payload(0), Err(FileError::Checksum(Part::Header))));
        assert!(matches!(image.verify(), Err(FileError::Checksum(Part::Header))));
        assert_eq!(*image.payload(1).unwrap(), expected[1]);
    }
}

#[test]
fn an_ordinary_pyc_is_no_overlay_file() {
    let bytes = sample();
    let ordinary = &bytes[..trailer(&bytes) - 1];
    assert!(matches!(read(ordinary), Err(FileError::BadMagic)));
    assert!(matches!(read(b""), Err(FileError::TooShort { length: 0 })));
}
