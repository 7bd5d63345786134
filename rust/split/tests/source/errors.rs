use crate::error;

const MISPLACED: &str = "'overlay' is allowed only at module level, alone on its line";
const NOT_ALONE: &str = "an overlay statement must stand alone on its line";
const NOT_CONSTANT: &str = "an overlay name must be a hashable constant";
const RESERVED: &str = "overlay names that start with two underscores are reserved";
const NO_COMMA: &str = "overlay names must be separated by commas";
const UNCLOSED_STRING: &str = "unterminated string literal";

/// Asserts message, line and columns; the text is the line they lie on.
fn assert_error(source: &str, message: &str, line: u32, columns: (u32, u32)) {
    let error = error(source);
    assert_eq!(error.message, message, "{source}");
    assert_eq!((error.line, error.column, error.end_column), (line, columns.0, columns.1), "{source}");
    let lines = source.replace("\r\n", "\n").replace('\r', "\n");
    assert_eq!(Some(error.text.as_str()), lines.split('\n').nth(line as usize - 1), "{source}");
}

#[test]
fn a_misplaced_statement_is_pointed_at() {
    assert_error("x\nif y:\n    overlay foo\n", MISPLACED, 3, (5, 12));
    assert_error("x\nif y: overlay foo\n", MISPLACED, 2, (7, 14));
    assert_error("é; overlay foo\n", MISPLACED, 1, (4, 11));
}

#[test]
fn what_stands_behind_a_statement_is_pointed_at() {
    assert_error("x\noverlay foo; y\n", MISPLACED, 2, (12, 13));
    assert_error("overlay foo;", MISPLACED, 1, (12, 13));
}

#[test]
fn a_statement_of_more_than_one_line_is_an_error() {
    assert_error("overlay a, \\\n  b\n", NOT_ALONE, 1, (12, 13));
    assert_error("overlay a, (b,\n  c)\n", NOT_ALONE, 1, (12, 15));
    assert_error("overlay '''a\nb'''\n", NOT_ALONE, 1, (9, 13));
    assert_error("overlay 'a\\\nb'\n", NOT_ALONE, 1, (9, 12));
    assert_error("\\\noverlay a\n", NOT_ALONE, 2, (1, 8));
    assert_error("x\r\noverlay a, (\r\nb)\r\n", NOT_ALONE, 2, (12, 13));
}

#[test]
fn unclosed_strings_and_brackets_are_errors() {
    assert_error("# overlay: 'a\n", UNCLOSED_STRING, 1, (12, 14));
    assert_error("# overlay: '''a\n", UNCLOSED_STRING, 1, (12, 16));
    assert_error("# overlay: a, (b, (c)\n", "'(' was never closed", 1, (15, 16));
    assert_error("overlay a, 'b\n", UNCLOSED_STRING, 1, (12, 14));
    assert_error("overlay a 'b\n", UNCLOSED_STRING, 1, (11, 13));
    assert_error("# overlay: a)\n", NOT_CONSTANT, 1, (13, 14));
}

#[test]
fn what_is_no_constant_is_pointed_at() {
    assert_error("# overlay: [a]\n", NOT_CONSTANT, 1, (12, 13));
    assert_error("\n# overlay: f(a)\n", NOT_CONSTANT, 2, (13, 14));
    assert_error("# overlay: a, f'b'\n", NOT_CONSTANT, 1, (15, 19));
    assert_error("overlay f'{x}'\n", NOT_CONSTANT, 1, (9, 15));
    assert_error("overlay t'x'\n", NOT_CONSTANT, 1, (9, 13));
    assert_error("overlay foo = 3\n", NOT_CONSTANT, 1, (13, 14));
    assert_error("overlay foo.bar\n", NOT_CONSTANT, 1, (12, 13));
    assert_error("overlay é, ü.x\n", NOT_CONSTANT, 1, (13, 14));
    assert_error("overlay a→b\n", NOT_CONSTANT, 1, (9, 12));
    assert_error("overlay a, if\n", NOT_CONSTANT, 1, (12, 14));
}

#[test]
fn items_side_by_side_are_an_error_in_a_statement() {
    assert_error("overlay foo bar\n", NO_COMMA, 1, (13, 16));
    assert_error("overlay 3 'a'\n", NO_COMMA, 1, (11, 14));
    assert_error("overlay foo if x else y\n", NO_COMMA, 1, (13, 15));
}

#[test]
fn a_reserved_name_is_pointed_at() {
    assert_error("overlay __a  # x\n", RESERVED, 1, (9, 12));
    assert_error("# overlay:  ('__a', b)  \n", RESERVED, 1, (13, 23));
}

#[test]
fn the_first_error_is_reported() {
    assert_error("# overlay: f()\n# overlay: g()\n", NOT_CONSTANT, 1, (13, 14));
    assert_error("# overlay: f()\n  overlay a\n  x\n", MISPLACED, 2, (3, 10));
    assert_error("# overlay: f()\noverlay a b\n", NOT_CONSTANT, 1, (13, 14));
}

#[test]
fn an_error_names_message_line_and_column() {
    assert_eq!(error("x\n  overlay a\n").to_string(), format!("{MISPLACED} (line 2, column 3)"));
}
