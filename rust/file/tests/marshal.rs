//! The one form of marshal data, on streams written by hand. (The Python tests take real ones.)

use overlay_file::marshal::{self, canonical};

fn of(marshalled: &[u8]) -> Vec<u8> {
    canonical(marshalled).expect("marshal data")
}

fn is_refused(marshalled: &[u8]) -> bool {
    canonical(marshalled).is_err()
}

/// A code object with these children, the first eight before the line number.
fn code(children: [&[u8]; 10]) -> Vec<u8> {
    let (before, after) = children.split_at(8);
    [b"c", &[7; 20][..], &before.concat(), b"line", &after.concat()].concat()
}

#[test]
fn an_object_that_nobody_refers_to_loses_its_flag() {
    assert_eq!(of(b"\xe9\x01\0\0\0"), b"i\x01\0\0\0");
    assert_eq!(of(b"\xa9\x02\xfa\x02abN"), b")\x02z\x02abN");
}

#[test]
fn references_are_numbered_anew_in_the_order_in_which_their_objects_start() {
    let flagged = b"\xa9\x04\xfa\x02ab\xa9\x01\xfa\x02cdr\x02\0\0\0r\x03\0\0\0";
    let canonical = b")\x04z\x02ab\xa9\x01\xfa\x02cdr\0\0\0\0r\x01\0\0\0";
    assert_eq!(of(flagged), canonical);
    assert_eq!(of(canonical), canonical);
}

#[test]
fn equal_leaves_become_one_whether_they_were_one_or_not() {
    let once = b")\x02\xfa\x03a.br\0\0\0\0";
    assert_eq!(of(b")\x02z\x03a.bz\x03a.b"), once);
    assert_eq!(of(once), once);
    assert_eq!(of(b")\x02s\0\0\0\0s\0\0\0\0"), b")\x02\xf3\0\0\0\0r\0\0\0\0");
    let zeros = b")\x02g\0\0\0\0\0\0\0\0g\0\0\0\0\0\0\0\x80";
    assert_eq!(of(zeros), zeros);
}

#[test]
fn a_string_is_interned_if_any_of_its_like_is() {
    let once = b")\x02\xda\x03a.br\0\0\0\0";
    assert_eq!(of(b")\x02z\x03a.bZ\x03a.b"), once);
    assert_eq!(of(b")\x02Z\x03a.bz\x03a.b"), once);
}

#[test]
fn a_latin_1_character_is_always_interned() {
    assert_eq!(of(b"z\x01>"), b"Z\x01>");
    assert_eq!(of("u\u{2}\0\0\0é".as_bytes()), "t\u{2}\0\0\0é".as_bytes());
    assert_eq!(of("u\u{3}\0\0\0€".as_bytes()), "u\u{3}\0\0\0€".as_bytes());
}

#[test]
fn long_strings_keep_their_form() {
    let text = "x".repeat(300);
    let long = [b"a\x2c\x01\0\0", text.as_bytes()].concat();
    assert_eq!(of(&long), long);
}

#[test]
fn the_elements_of_a_frozenset_come_in_one_order() {
    let sorted = b")\x02>\x02\0\0\0\xfa\x02abz\x02cdr\0\0\0\0";
    assert_eq!(of(sorted), sorted);
    let by_flag = b")\x02>\x02\0\0\0z\x02cd\xfa\x02abr\0\0\0\0";
    assert_eq!(of(by_flag), sorted);
}

#[test]
fn a_frozenset_of_numbers_keeps_its_order() {
    let numbers = b">\x02\0\0\0i\x09\0\0\0i\x01\0\0\0";
    assert_eq!(of(numbers), numbers);
}

#[test]
fn a_code_object_is_read_whole() {
    let name = b"\xda\x04name";
    let [bytecode, table] = [b"s\x01\0\0\0B", b"s\x01\0\0\0T"];
    let reference = b"r\0\0\0\0";
    let flat = code([bytecode, b"\xa9\x01N", b")\0", b")\0", bytecode, name, name, name, table, table]);
    let shared = code([
        b"\xf3\x01\0\0\0B",
        b")\x01N",
        b")\0",
        b")\0",
        reference,
        b"\xda\x04name",
        b"r\x01\0\0\0",
        b"r\x01\0\0\0",
        b"\xf3\x01\0\0\0T",
        b"r\x02\0\0\0",
    ]);
    assert_eq!(of(&flat), shared);
    assert_eq!(of(&shared), shared);
}

#[test]
fn every_type_is_read() {
    for object in [
        &b"N"[..],
        b"F",
        b"T",
        b"S",
        b".",
        b"i\x01\x02\x03\x04",
        b"l\xfe\xff\xff\xff\x01\0\x02\0",
        b"f\x011",
        b"g12345678",
        b"x\x011\x012",
        b"y1234567812345678",
        b"s\x02\0\0\0ab",
        b"(\x01\0\0\0N",
        b")\x01N",
        b"[\x01\0\0\0N",
        b"{NT0",
        b"}NT0",
        b"<\x01\0\0\0N",
        b">\x01\0\0\0N",
        b":NNN",
    ] {
        assert_eq!(of(object), object);
    }
}

#[test]
fn an_object_that_holds_itself_is_refused() {
    assert!(is_refused(b"\xdb\x01\0\0\0r\0\0\0\0"));
    assert!(is_refused(b"\xa9\x02N)\x01r\0\0\0\0"));
    assert!(!is_refused(b")\x02\xa9\x02NNr\0\0\0\0"));
}

#[test]
fn a_large_string_in_many_elements_is_not_written_for_each_of_them() {
    let element = |number: u32| [&b")\x02r\0\0\0\0i"[..], &number.to_le_bytes()].concat();
    let elements: Vec<u8> = (0..4_000).rev().flat_map(element).collect();
    let large = [&b"\xe1\0\0\x10\0"[..], &vec![b'x'; 1 << 20]].concat();
    // 4 GB, if it were.
    let set = [&b")\x02"[..], &large, b">\xa0\x0f\0\0", &elements].concat();
    assert!(of(&set).ends_with(b")\x02r\0\0\0\0i\xff\x0e\0\0"));
}

#[test]
fn data_that_marshal_does_not_read_is_refused() {
    for data in [
        &b""[..],
        b"?",
        b"0",
        b"NN",
        b")\x010",
        b"{N0",
        b"r\0\0\0\0",
        b"z\x02\xc3\xa9",
        b"s\xff\xff\xff\xff",
        b"(\xff\xff\xff\x7f",
        b"l\0\0\0\x80",
        b"\xced\0\0\0r\0\0\0\0",
    ] {
        assert!(is_refused(data), "{data:?}");
    }
}

#[test]
fn data_cut_off_anywhere_is_refused() {
    let leaf = b"s\x01\0\0\0B";
    let whole = code([leaf, b"{N)\x01f\x0110", b":NNN", leaf, leaf, leaf, leaf, leaf, leaf, leaf]);
    of(&whole);
    assert!((0..whole.len()).all(|length| is_refused(&whole[..length])));
}

#[test]
fn nesting_of_any_depth_does_not_use_up_the_stack() {
    let deep = [&b")\x01".repeat(1_000_000)[..], b"N"].concat();
    assert_eq!(of(&deep), deep);
}

#[test]
fn a_graph_made_to_explode_does_not() {
    let mut pairs = b">\x01\0\0\0".to_vec();
    pairs.extend(b"\xa9\x02".repeat(60));
    pairs.extend(b"\xfa\x02ab");
    for depth in (1..=60u32).rev() {
        pairs.push(b'r');
        pairs.extend(depth.to_le_bytes());
    }
    of(&pairs);
    let mut bomb = b")\x3d\xa9\x01N".to_vec();
    for depth in 0..59u32 {
        bomb.extend(b"\xa9\x02");
        bomb.extend([&b"r"[..], &depth.to_le_bytes()].concat().repeat(2));
    }
    bomb.extend(b">\x01\0\0\0r");
    bomb.extend(59u32.to_le_bytes());
    assert_eq!(of(&bomb), bomb);
}

#[test]
fn joined_streams_share_interned_strings_and_nothing_else() {
    let interned: &[u8] = b"Z\x02ab";
    let plain: &[u8] = b"z\x02ab";
    let pair: &[u8] = b")\x02Z\x02abz\x02cd";
    let joined = marshal::join(&[interned, interned, plain, plain, pair]).unwrap();
    assert_eq!(joined, b"(\x05\0\0\0\xda\x02abr\0\0\0\0z\x02abz\x02ab)\x02r\0\0\0\0z\x02cd");
    assert_eq!(marshal::join(&[]).unwrap(), b"(\0\0\0\0");
    assert!(marshal::join(&[interned, b"Z\x02a"]).is_err());
}
