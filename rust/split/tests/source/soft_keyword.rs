use crate::{declares_nothing, error, id, literal, name, parts, texts};
use overlay_split::{Form, Item};

#[test]
fn overlay_stays_an_ordinary_name_before_an_operator_a_bracket_or_a_keyword() {
    let ordinary = "
        overlay = 3 | overlay(x) | overlay.x | overlay[0] | overlay - 1 | overlay -1 | overlay: int | overlay in y
        overlay if a else b | overlay, x = 1, 2 | overlay += 1 | overlay @ x | overlay; | overlay | overlay   # comment
        overlay (x) | overlay ('x') | overlay [0] | overlay not in y | overlay is None | overlay is not x
        overlay and x | overlay or x | overlay or'x' | overlay in'x' | overlay == 3 | overlay != 'x' | overlay := 3
        overlay ** 2 | overlay // 2 | overlay -> x | overlay ... | overlay . x | overlay.__x__ | overlay for x in y
        overlay else x | overlay lambda: x | overlay await x | overlay async x | overlay from x | overlay as x
        overlay import x | overlay yield x | overlay: 'x' = 3 | overlay:str | overlay {1} | overlay ~x | overlay \\
    ";
    for line in ordinary.lines().flat_map(|line| line.split('|')).map(str::trim) {
        assert!(declares_nothing(&format!("{line}\n")), "{line}");
        assert!(declares_nothing(line), "{line}");
    }
}

#[test]
fn overlay_joined_to_the_next_line_stays_an_ordinary_name() {
    for newline in ["\n", "\r\n", "\r"] {
        assert!(declares_nothing(&format!("overlay\\{newline}= 3\n")));
        assert!(declares_nothing(&format!("overlay \\{newline} foo\n")));
    }
}

#[test]
fn words_that_only_contain_overlay_mean_nothing() {
    for line in ["overlays foo", "_overlay foo", "overlay1 foo", "Overlay foo", "éoverlay foo", "overlayé foo"] {
        assert!(declares_nothing(line), "{line}");
    }
}

#[test]
fn overlay_before_an_item_is_a_statement() {
    let cases = [
        ("overlay foo", id("foo")),
        ("overlay\tfoo", id("foo")),
        ("overlay \x0c foo", id("foo")),
        ("overlay 'foo'", literal("'foo'")),
        ("overlay'foo'", literal("'foo'")),
        ("overlay\"\"\"foo\"\"\"", literal("\"\"\"foo\"\"\"")),
        ("overlay b'foo'", literal("b'foo'")),
        ("overlay 38", literal("38")),
        ("overlay .5", literal(".5")),
        ("overlay.5", literal(".5")),
        ("overlay None", Item::None),
        ("overlay True", Item::True),
        ("overlay False", Item::False),
    ];
    for (source, expected) in cases {
        assert_eq!(name(source), expected, "{source}");
        assert_eq!(parts(source).overlays[0].form, Form::Statement);
        assert!(parts(source).has_statements);
    }
}

#[test]
fn soft_keywords_and_builtins_are_names() {
    for word in ["match", "case", "type", "_", "lazy", "overlay", "print", "async_", "nonlocals", "none", "é", "名"] {
        assert_eq!(name(&format!("overlay {word}")), id(word));
    }
}

#[test]
fn a_statement_starts_a_logical_line_and_so_not_one_that_goes_on() {
    assert!(declares_nothing("x = (\noverlay foo\n)\n"));
    assert!(declares_nothing("x = [\n    overlay 'foo',\n]\n"));
    assert!(declares_nothing("x = \\\noverlay foo\n"));
    assert!(declares_nothing("x = overlay foo\n"));
}

#[test]
fn blank_lines_and_comments_come_before_a_statement_as_they_like() {
    assert_eq!(texts("\n\n# x\n  # y\n \t\noverlay a\nx\n"), ["\n\n# x\n  # y\n \t\n", "x\n"]);
}

#[test]
fn overlay_behind_a_colon_that_starts_no_statement_is_an_ordinary_name() {
    for line in ["lambda: overlay", "x: overlay = 3", "x: overlay", "x[a:overlay]", "{a: overlay}", "if x: overlay()"] {
        assert!(declares_nothing(line), "{line}");
    }
    assert!(declares_nothing("if x: overlay = 3; overlay.y; overlay -1\n"));
}

#[test]
fn a_statement_within_a_line_or_a_block_is_misplaced() {
    let misplaced = [
        ("if x: overlay foo", 7),
        ("x; overlay foo", 4),
        ("x;overlay foo", 3),
        (";overlay 'foo'", 2),
        ("  overlay foo", 3),
        ("\toverlay foo", 2),
        ("class A: x; overlay 3", 13),
        ("if x: \\\n overlay foo", 2),
    ];
    for (source, column) in misplaced {
        let error = error(source);
        assert_eq!(error.message, "'overlay' is allowed only at module level, alone on its line", "{source}");
        assert_eq!((error.column, error.end_column), (column, column + 7), "{source}");
    }
}

#[test]
fn a_statement_between_the_lines_of_a_block_is_misplaced() {
    let blocks = [
        "if x:\noverlay foo\n    y\n",
        "if x:\n    y\noverlay foo\n    z\n",
        "if x:\n    y\noverlay foo\nelse:\n    z\n",
        "try:\n    y\noverlay foo\n\n# comment\nexcept E:\n    z\n",
        "@decorator\noverlay foo\ndef f(): pass\n",
    ];
    for source in blocks {
        assert_eq!(error(source).text, "overlay foo", "{source}");
        assert_eq!(error(source).column, 1);
    }
}
