use crate::{declares_nothing, error, id, name, parts, texts};
use overlay_split::Form;

#[test]
fn a_directive_stands_unindented_alone_on_its_line() {
    for source in
        ["# overlay: a", "#overlay: a", "#overlay:a", "#\t overlay:  a", "\x0c# overlay: a", " \x0c# overlay:a"]
    {
        assert_eq!(name(source), id("a"), "{source:?}");
        assert_eq!(parts(source).overlays[0].form, Form::Directive);
        assert!(!parts(source).has_statements);
    }
}

#[test]
fn indented_and_trailing_comments_are_ordinary() {
    for comment in ["# overlay: a", "# overlay: 70% rgb", "# overlay: gets b from A.B", "# overlay: f(x"] {
        for before in [" ", "\t", "x = 3  ", "x = 3", "class B:  ", "overlay = 3 ", "(\n)", "'''\n'''", ";"] {
            assert!(declares_nothing(&format!("{before}{comment}\n")), "{before}{comment}");
        }
    }
}

#[test]
fn comments_that_only_resemble_the_directive_are_ordinary() {
    for comment in ["# overlay a", "# overlay : a", "## overlay: a", "#: overlay: a", "# Overlay: a", "# an overlay: a"]
    {
        assert!(declares_nothing(comment), "{comment}");
    }
    assert!(declares_nothing("#\x0coverlay: a"));
    assert!(declares_nothing("#\u{a0}overlay: a"));
}

#[test]
fn a_comment_within_brackets_or_a_joined_line_is_ordinary() {
    assert!(declares_nothing("x = [\n# overlay: a\n]\n"));
    assert!(declares_nothing("f(\n    y,\n# overlay: f(\n)\n"));
    assert!(declares_nothing("x = 3 + \\\n# overlay: a\n"));
    assert!(declares_nothing("\\\n# overlay: a\n"));
}

#[test]
fn a_comment_within_a_block_is_ordinary() {
    let blocks = [
        "class A:\n    x: int\n#    overlay: bool\n    y: int\n",
        "class A:\n# overlay: Optional[bool]\n    y: int\n",
        "if x:\n    y\n# overlay: a\nelse:\n    z\n",
        "if x:\n    y\n# overlay: a\nelif z:\n    z\n",
        "try:\n    y\n# overlay: a\n\n  # comment\n# overlay: b\nexcept E:\n    z\n",
        "try:\n    y\n# overlay: a\nfinally:\n    z\n",
        "@decorator\n# overlay: a\ndef f(): pass\n",
        "if x:\n    y\n# overlay: a\n  \\\n    z\n",
    ];
    for source in blocks {
        assert!(declares_nothing(source), "{source}");
    }
}

#[test]
fn a_directive_behind_a_block_or_before_a_decorator_is_at_module_level() {
    assert_eq!(name("if x:\n    y\n# overlay: a\n"), id("a"));
    assert_eq!(name("def f():\n    y\n# overlay: a\nelse_ = 3\n"), id("a"));
    assert_eq!(texts("@d\ndef f():\n  y\n# overlay: a\n@d\ndef g(): z\n"), ["@d\ndef f():\n  y\n", "@d\ndef g(): z\n"]);
}

#[test]
fn prose_is_an_ordinary_comment() {
    let prose = [
        "the image on top",
        "don't do this",
        "it's",
        "see 'x",
        "gets b, from A.B (see docs)",
        "",
        "   ",
        "# x",
        "3 of them",
        "2nd",
        "a 3",
        "a 'b'",
        "a f'b'",
        "'a' b",
        "None of these",
        "(see below)",
        "(a, b) c",
        "a, b and c",
        "from A.B",
        "not this",
        "in case of 3",
        "if 'a' fails",
        "a sort of f(x)",
        "a – b",
        "→",
        "it’s",
        "图层，在上面",
        "a, b。",
    ];
    for items in prose {
        assert!(declares_nothing(&format!("# overlay: {items}\nx\n")), "{items}");
        assert!(declares_nothing(&format!("# overlay:{items}")), "{items}");
    }
}

#[test]
fn ordinary_comments_that_might_be_meant_as_directives_are_reported() {
    let source =
        "# overlay: top of image\n\nclass A:\n    x: int\n#    overlay: bool\n    y: int\n# overlay:\n\n# overlay: b\n";
    assert_eq!(parts(source).ignored, [1, 5, 7]);
    assert_eq!(parts("x # overlay: a\n    # overlay: b\n# overlay: c\n").ignored, []);
}

#[test]
fn what_follows_prose_stays_where_it_is() {
    assert_eq!(texts("a\n# overlay: x y\nb\n# overlay: z\nc\n"), ["a\n# overlay: x y\nb\n", "c\n"]);
}

#[test]
fn a_malformed_directive_is_an_error_only_at_module_level() {
    assert_eq!(error("# overlay: f(x)\ny\n").line, 1);
    assert!(declares_nothing("def f():\n# overlay: f(x)\n    y\n"));
}
