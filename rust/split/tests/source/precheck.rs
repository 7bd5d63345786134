use overlay_split::may_declare;

fn may(source: &str) -> bool {
    may_declare(source.as_bytes())
}

#[test]
fn a_declaration_on_any_line_is_noticed() {
    for declaration in
        ["overlay a", "overlay'a'", "overlay\x0c3", "overlay .5", "# overlay: a", "#\toverlay:", "#overlay:a"]
    {
        for before in ["", "\u{feff}", "x\n", "x\r", "x\r\n", "\x0c", "x\n \x0c", "overlayoverlay\n", "overla\n"] {
            for after in ["", "\n", "\r", " x"] {
                assert!(may(&format!("{before}{declaration}{after}")), "{before:?} {declaration:?} {after:?}");
            }
        }
    }
}

#[test]
fn a_misplaced_statement_is_noticed() {
    for source in ["  overlay a", "\toverlay a", "x;overlay a", "x; overlay a", "if x: overlay a", "\\\noverlay a"] {
        assert!(may(source), "{source}");
    }
}

#[test]
fn text_that_cannot_declare_is_passed_over() {
    let passed = [
        "",
        "o",
        "overlay",
        "overla",
        "overlay = 3",
        "overlay(x)",
        "overlay.x",
        "overlay: int",
        "overlay, x = 1, 2",
        "overlays are",
        "the overlay is",
        "x.overlay a",
        "_overlay a",
        "  # overlay: a",
        "x  # overlay: a",
        "## overlay: a",
        "# an overlay: a",
        "# overlay a",
        "# overlay",
        "#overlay",
    ];
    for source in passed {
        assert!(!may(source), "{source}");
        assert!(!may(&format!("x\n{source}\n")), "{source}");
    }
}

#[test]
fn bytes_outside_utf_8_are_no_obstacle() {
    assert!(may_declare(b"# -*- coding: latin-1 -*-\nx = '\xe9'\noverlay \xe9\n"));
    assert!(!may_declare(b"\xff\xfe\x00overlay"));
}
