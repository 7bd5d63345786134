use crate::{error, id, literal, name, parts};
use overlay_split::Item;

/// The name as the directive gives it, which takes any first item.
fn directive(items: &str) -> Item {
    name(&format!("# overlay: {items}\n"))
}

fn tuple<const N: usize>(items: [Item; N]) -> Item {
    Item::Tuple(items.into())
}

#[test]
fn one_item_is_the_name_itself() {
    assert_eq!(directive("foo"), id("foo"));
    assert_eq!(directive("None"), Item::None);
    assert_eq!(directive("(foo)"), id("foo"));
    assert_eq!(directive("((('foo')))"), literal("'foo'"));
}

#[test]
fn an_identifier_may_have_letters_and_marks_of_any_script() {
    for word in ["é", "e\u{301}", "名前", "नमस्ते", "ไม่", "_１", "ﬁ", "ª", "x·"] {
        assert_eq!(directive(word), id(word));
    }
}

#[test]
fn several_items_make_a_tuple() {
    assert_eq!(directive("lazy, area"), tuple([id("lazy"), id("area")]));
    assert_eq!(name("overlay lazy, area"), tuple([id("lazy"), id("area")]));
    assert_eq!(name("overlay a,b ,c"), tuple([id("a"), id("b"), id("c")]));
}

#[test]
fn a_trailing_comma_makes_a_tuple_of_one() {
    assert_eq!(directive("a,"), tuple([id("a")]));
    assert_eq!(name("overlay a ,"), tuple([id("a")]));
    assert_eq!(directive("a, b,"), tuple([id("a"), id("b")]));
}

#[test]
fn parenthesised_tuples_nest() {
    assert_eq!(directive("()"), tuple([]));
    assert_eq!(directive("(),"), tuple([tuple([])]));
    assert_eq!(directive("(a,)"), tuple([id("a")]));
    assert_eq!(directive("(a, b)"), tuple([id("a"), id("b")]));
    assert_eq!(directive("(a, (b, (1, None))), 'x'"), {
        let inner = tuple([id("b"), tuple([literal("1"), Item::None])]);
        tuple([tuple([id("a"), inner]), literal("'x'")])
    });
    assert_eq!(name("overlay a, (b, ())"), tuple([id("a"), tuple([id("b"), tuple([])])]));
}

#[test]
fn every_kind_of_number_is_a_literal() {
    let numbers = "0 38 1_000 0x1F 0b10 0o17 0X_f 1.5 1. .5 1e5 1E-5 1.e+5 3j 1.5e3J 00";
    for number in numbers.split(' ') {
        assert_eq!(directive(number), literal(number));
        assert_eq!(name(&format!("overlay {number}")), literal(number));
        assert_eq!(directive(&format!("-{number}, +{number}")), {
            tuple([literal(&format!("-{number}")), literal(&format!("+{number}"))])
        });
    }
    assert_eq!(name("overlay a, - 1"), tuple([id("a"), literal("- 1")]));
}

#[test]
fn every_kind_of_string_is_a_literal() {
    let bodies =
        ["'x'", "\"x\"", "'''x'''", "\"\"\"x\"\"\"", "''", "''''''", "'a\"b'", "'#'", "'a, b'", r"'\''", "'é'"];
    for prefix in ["", "r", "R", "u", "U", "b", "B", "br", "Rb", "rB", "BR"] {
        for body in bodies {
            let text = format!("{prefix}{body}");
            assert_eq!(directive(&text), literal(&text));
            assert_eq!(name(&format!("overlay {text}")), literal(&text));
        }
    }
}

#[test]
fn adjacent_strings_are_one_literal() {
    assert_eq!(directive("'a' \"b\"  r'c', d"), tuple([literal("'a' \"b\"  r'c'"), id("d")]));
    assert_eq!(name("overlay 'a''b'"), literal("'a''b'"));
}

#[test]
fn a_comment_may_follow_the_items() {
    assert_eq!(name("overlay a  # why, not"), id("a"));
    assert_eq!(name("overlay a, # why"), tuple([id("a")]));
    assert_eq!(name("overlay 'a#b'#why"), literal("'a#b'"));
    assert_eq!(directive("a # why"), id("a"));
}

#[test]
fn the_declaration_reaches_to_the_end_of_its_line() {
    let source = "x\noverlay a  # why \r\ny\n# overlay: b \n";
    let parts = parts(source);
    let declarations = parts.overlays.iter().map(|overlay| &source[overlay.declaration.clone()]);
    assert_eq!(declarations.collect::<Vec<_>>(), ["overlay a  # why ", "# overlay: b "]);
}

#[test]
fn what_is_no_constant_is_an_error() {
    let no_constants = "
        a.b | a(b) | a() | a[0] | [a] | {a} | {} | {a: b} | a + b | 1 + 2j | -a | --1 | -'a' | -None | ~1 | not | lambda: 3
        ... | a... | f'x' | F'{x}' | rf'x' | t'x' | 'a' f'b' | a, f'b' | *a | a := 3 | a = 3 | a: int | a, *b | (a.b) | (a, [b])
        a; b | a ? b | $a | a $ | a !| , | a,,b | (,) | (a,,) | a) | ) | (a] | a, if | if | class | - | a, - | a \\ | `a`
    ";
    for items in no_constants.lines().flat_map(|line| line.split('|')).map(str::trim).filter(|it| !it.is_empty()) {
        let message = error(&format!("# overlay: {items}\n")).message;
        let expected = "an overlay name must be a hashable constant";
        assert_eq!(message, expected, "{items}");
    }
}

#[test]
fn names_that_start_with_two_underscores_are_reserved() {
    for items in ["__a", "__", "'__a'", "r\"__a\"", "u'''__a'''", "__a, b", "('__a', b)", "(__a)", "__a,"] {
        assert_eq!(
            error(&format!("# overlay: {items}")).message,
            "overlay names that start with two underscores are reserved"
        );
    }
    for items in ["_a", "a__", "'_'", "b'__a'", "a, __b", "(__a,), b", "'a' '__b'", "''"] {
        parts(&format!("# overlay: {items}"));
    }
}

#[test]
fn nesting_is_bounded_as_in_python() {
    let nested = |depth: usize| format!("# overlay: {}{}\n", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(name(&nested(200)), tuple([]));
    assert_eq!(error(&nested(201)).message, "too many nested parentheses");
    assert_eq!(error(&nested(100_000)).message, "too many nested parentheses");
}
