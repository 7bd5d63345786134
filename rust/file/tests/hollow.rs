//! Function bodies taken out of a module's code, on streams made by hand. (The Python tests take real ones.)

use overlay_file::marshal::{Bodies, Hollow, canonical, hollow};

const MODULE: u32 = 0x0;
const FUNCTION: u32 = 0x3;
const HAS_DOCSTRING: u32 = 0x400_0000;

/// What has a length of four bytes: `s` for bytes, `u` for a string.
fn sized(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[kind], &(data.len() as u32).to_le_bytes()[..], data].concat()
}

fn text(text: &str) -> Vec<u8> {
    sized(b'u', text.as_bytes())
}

fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [&[b')', items.len() as u8][..], &items.concat()].concat()
}

/// A code object; `size` bytes of bytecode.
fn code(name: &str, flags: u32, consts: &[Vec<u8>], size: usize) -> Vec<u8> {
    let mut numbers = [0u8; 16].to_vec();
    numbers.extend(flags.to_le_bytes());
    let empty = tuple(&[]);
    let qualname = text(&format!("Q.{name}"));
    let before = [
        sized(b's', &vec![9; size]),
        tuple(consts),
        empty.clone(),
        empty,
        sized(b's', b""),
        text("/the/file.py"),
        text(name),
        qualname,
    ];
    [b"c".to_vec(), numbers, before.concat(), b"line".to_vec(), sized(b's', b"lines"), sized(b's', b"")].concat()
}

fn none() -> Vec<u8> {
    b"N".to_vec()
}

fn without(keep: &[u32]) -> Bodies<'_> {
    Bodies { first: 5, keep, docstring_flag: false }
}

fn of(module: &[u8], bodies: Bodies<'_>) -> Hollow {
    hollow(module, bodies).expect("a module's code")
}

fn marker(doc: Vec<u8>, number: u32, name: &str) -> Vec<u8> {
    let number = [&b"i"[..], &number.to_le_bytes()].concat();
    tuple(&[doc, b"S".to_vec(), number, text(name), text(&format!("Q.{name}"))])
}

/// Equal as marshal data, whatever was referred to.
fn assert_says(found: &[u8], expected: &[u8]) {
    assert_eq!(found, canonical(expected).unwrap());
}

#[test]
fn a_function_gives_way_to_its_marker() {
    let function = code("f", FUNCTION, &[none()], 200);
    let module = code("<module>", MODULE, &[function, text("other")], 10);
    let Hollow { core, bodies } = of(&module, without(&[]));
    assert_says(&core, &code("<module>", MODULE, &[marker(none(), 5, "f"), text("other")], 10));
    assert_eq!(bodies.len(), 1);
}

#[test]
fn a_body_is_the_functions_code_without_its_file() {
    let nested = code("nested", FUNCTION, &[none()], 300);
    let module = code("<module>", MODULE, &[code("f", FUNCTION, &[none(), nested], 200)], 10);
    let Hollow { bodies, .. } = of(&module, without(&[]));
    let [body] = &bodies[..] else { panic!("{} bodies", bodies.len()) };
    assert!(!body.windows(12).any(|part| part == b"/the/file.py"));
    let own = code("f", FUNCTION, &[none(), code("nested", FUNCTION, &[none()], 300)], 200);
    let own = canonical(&own).unwrap();
    assert_eq!(body.iter().filter(|&&byte| byte == 9).count(), own.iter().filter(|&&byte| byte == 9).count());
}

#[test]
fn methods_are_found_in_class_bodies_and_below_type_parameters() {
    let method = |name: &str| code(name, FUNCTION, &[none()], 200);
    let class = code("C", MODULE, &[method("m")], 10);
    let generic = code("<generic parameters of G>", FUNCTION, &[code("G", MODULE, &[method("g")], 10)], 10);
    let module = code("<module>", MODULE, &[class, generic, method("f")], 10);
    let Hollow { core, bodies } = of(&module, without(&[]));
    assert_eq!(bodies.len(), 3);
    assert_eq!(core.iter().filter(|&&byte| byte == b'S').count(), 3);
}

#[test]
fn what_runs_at_once_stays_and_so_does_what_is_small() {
    let comprehension = code("<listcomp>", FUNCTION, &[code("<lambda>", FUNCTION, &[none()], 200)], 200);
    let small = code("f", FUNCTION, &[none()], 4);
    let module = code("<module>", MODULE, &[comprehension, small], 10);
    let Hollow { core, bodies } = of(&module, without(&[]));
    assert!(bodies.is_empty());
    assert_says(&core, &module);
}

#[test]
fn kept_bodies_stay_and_the_others_get_the_next_numbers() {
    let functions: Vec<_> = ["a", "b", "c"].map(|name| code(name, FUNCTION, &[none()], 200)).into();
    let module = code("<module>", MODULE, &functions, 10);
    let all = of(&module, without(&[]));
    let some = of(&module, without(&[6]));
    assert_eq!((all.bodies.len(), some.bodies.len()), (3, 2));
    assert_eq!([&all.bodies[0], &all.bodies[2]], [&some.bodies[0], &some.bodies[1]]);
    let consts = [marker(none(), 5, "a"), functions[1].clone(), marker(none(), 6, "c")];
    assert_says(&some.core, &code("<module>", MODULE, &consts, 10));
    assert_says(&of(&module, without(&[5, 6, 7])).core, &module);
}

#[test]
fn the_docstring_stays_with_the_marker() {
    let doc = || text("What it does.");
    for (flags, docstring_flag, expected) in
        [(FUNCTION, false, doc()), (FUNCTION, true, none()), (FUNCTION | HAS_DOCSTRING, true, doc())]
    {
        let module = code("<module>", MODULE, &[code("f", flags, &[doc()], 200)], 10);
        let bodies = Bodies { docstring_flag, ..without(&[]) };
        assert_says(&of(&module, bodies).core, &code("<module>", MODULE, &[marker(expected, 5, "f")], 10));
    }
}

#[test]
fn code_among_its_own_constants_is_refused() {
    let mut module = code("<module>", MODULE, &[b"r\0\0\0\0".to_vec()], 10);
    module[0] |= 0x80;
    assert!(hollow(&module, without(&[])).is_err());
}

#[test]
fn scopes_that_share_their_constants_are_walked_once() {
    // Each holds the next one twice; the innermost holds a function.
    let mut inner = code("f", FUNCTION, &[none()], 200);
    for depth in (1..60u32).rev() {
        inner[0] |= 0x80;
        let again = [&b"r"[..], &depth.to_le_bytes()].concat();
        inner = code("C", MODULE, &[inner, again], 10);
    }
    inner[0] |= 0x80;
    let Hollow { core, bodies } = of(&inner, without(&[]));
    assert_eq!(bodies.len(), 1);
    assert!(core.len() < inner.len());
    canonical(&core).unwrap();
}

#[test]
fn what_is_no_code_is_left_as_it_is() {
    assert_eq!(of(b"N", without(&[])), Hollow { core: b"N".to_vec(), bodies: Vec::new() });
    assert!(hollow(b"c", without(&[])).is_err());
}
