use crate::{parts, texts};
use overlay_split::{Text, blank_statements};

/// The line of each declaration and the first line of its text.
fn lines(source: &str) -> Vec<(u32, u32)> {
    parts(source).overlays.iter().map(|overlay| (overlay.line, overlay.text.first_line)).collect()
}

#[test]
fn the_core_ends_and_the_overlays_start_at_the_declarations() {
    let source = "a = 1\noverlay x\nb = 2\n\n# overlay: y\nc = 3\nd = 4\n";
    assert_eq!(texts(source), ["a = 1\n", "b = 2\n\n", "c = 3\nd = 4\n"]);
    assert_eq!(lines(source), [(2, 3), (5, 6)]);
    assert_eq!(parts(source).core, Text { start: 0, end: 6, first_line: 1 });
}

#[test]
fn parts_may_be_empty() {
    assert_eq!(texts("overlay x"), ["", ""]);
    assert_eq!(texts("overlay x\n"), ["", ""]);
    assert_eq!(texts("overlay x\n# overlay: y\noverlay z"), ["", "", "", ""]);
    assert_eq!(lines("overlay x\n# overlay: y\noverlay z"), [(1, 2), (2, 3), (3, 4)]);
}

#[test]
fn the_last_newline_may_be_missing() {
    assert_eq!(texts("a\noverlay x\nb"), ["a\n", "b"]);
    assert_eq!(texts("a\n# overlay: x"), ["a\n", ""]);
}

#[test]
fn every_kind_of_newline_ends_one_line() {
    assert_eq!(lines("a\noverlay x\nb\n"), [(2, 3)]);
    assert_eq!(lines("a\roverlay x\rb\r"), [(2, 3)]);
    assert_eq!(lines("a\r\noverlay x\r\nb\r\n"), [(2, 3)]);
    assert_eq!(lines("a\n\r\noverlay x\r\n\n\roverlay y"), [(3, 4), (6, 7)]);
    assert_eq!(lines("a\n\roverlay x"), [(3, 4)]);
    assert_eq!(lines("a\r\r\n\n# overlay: x"), [(4, 5)]);
    assert_eq!(texts("a\r\noverlay x\r\nb\r\n"), ["a\r\n", "b\r\n"]);
    assert_eq!(texts("a\roverlay x\rb\r"), ["a\r", "b\r"]);
}

#[test]
fn newlines_in_strings_brackets_and_joins_count() {
    assert_eq!(lines("x = '''\r\n\r\n'''\noverlay x\n"), [(4, 5)]);
    assert_eq!(lines("x = (\r\r)\noverlay x\n"), [(4, 5)]);
    assert_eq!(lines("x = 'a\\\nb' \\\r\n + 'c'\noverlay x\n"), [(4, 5)]);
}

#[test]
fn form_feeds_and_other_separators_end_no_line() {
    assert_eq!(lines("a\x0cb\n\x0c\noverlay x\n"), [(3, 4)]);
    assert_eq!(lines("# \x0b\x1c\u{85}\u{2028}\n\x0coverlay x\n"), [(2, 3)]);
}

#[test]
fn a_form_feed_before_a_declaration_belongs_to_its_line() {
    let source = "a\n\x0coverlay x\nb\n \x0c# overlay: y\nc\n";
    assert_eq!(texts(source), ["a\n", "b\n", "c\n"]);
    assert_eq!(parts(source).overlays[0].declaration, 3..12);
}

#[test]
fn lines_of_ten_thousand_declarations_are_counted_right() {
    let source = "x = '''\n'''\noverlay a\ny = (\n)\n# overlay: b\n".repeat(5_000);
    let expected: Vec<_> = (0..5_000).flat_map(|n| [(6 * n + 3, 6 * n + 4), (6 * n + 6, 6 * n + 7)]).collect();
    assert_eq!(lines(&source), expected);
}

#[test]
fn blanked_statements_leave_every_line_in_its_place() {
    let source = "a\r\noverlay x  # é\rb\n\x0coverlay 'y'\n# overlay: z\nc";
    let eager = blank_statements(source, &parts(source));
    assert_eq!(eager, "a\r\n               \rb\n\x0c           \n# overlay: z\nc");
    assert_eq!(eager.len(), source.len());
}

#[test]
fn a_source_of_directives_is_its_own_eager_module() {
    let source = "a\n# overlay: x\nb\n";
    assert_eq!(blank_statements(source, &parts(source)), source);
}
