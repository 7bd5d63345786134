//! The names that the module's own import statements bind.

use overlay_split::imported_elsewhere;

use super::parts;

/// The names imported by a source that also declares something.
fn imports(source: &str) -> Vec<String> {
    let source = format!("{source}\n# overlay: x\n");
    parts(&source).imports.into_iter().map(|name| source[name].to_owned()).collect()
}

#[test]
fn an_import_binds_the_first_component_or_its_alias() {
    assert_eq!(imports("import os"), ["os"]);
    assert_eq!(imports("import os.path, a.b.c as d,e"), ["os", "d", "e"]);
    assert_eq!(imports("import a \\\n  . b"), ["a"]);
}

#[test]
fn a_from_import_binds_the_names_or_their_aliases() {
    assert_eq!(imports("from os import path"), ["path"]);
    assert_eq!(imports("from . import a"), ["a"]);
    assert_eq!(imports("from ...a.b import c as d, e"), ["d", "e"]);
    assert_eq!(imports("from a import (b, # comment\n  c as d,\n)"), ["b", "d"]);
}

#[test]
fn a_module_called_super_comes_before_what_is_imported_from_it() {
    assert_eq!(imports("from super import a, b"), ["super", "a", "b"]);
}

#[test]
fn a_star_import_binds_no_name_that_the_source_shows() {
    assert!(imports("from os import *").is_empty());
}

#[test]
fn a_lazy_import_is_an_import() {
    assert_eq!(imports("lazy import os\nlazy from a import b"), ["os", "b"]);
    assert!(imports("lazy = import_\nlazy(b)\nlazy.b, c").is_empty());
}

#[test]
fn several_statements_may_share_a_line() {
    assert_eq!(imports("x = 1; import a; from b import c; d"), ["a", "c"]);
    assert_eq!(imports("if x: import a\nelse: import b"), ["a", "b"]);
}

#[test]
fn blocks_of_the_module_import_for_the_module() {
    assert_eq!(imports("try:\n    import a\nexcept ImportError:\n    if x:\n        import b"), ["a", "b"]);
}

#[test]
fn definitions_import_for_themselves() {
    assert!(imports("def f():\n    import a\n    if a:\n        import b").is_empty());
    assert!(imports("class A: import a\n@b\nasync def f():\n    from c import d").is_empty());
    assert_eq!(imports("if x:\n  def f():\n    import a\n  import b\nimport c"), ["b", "c"]);
}

#[test]
fn super_counts_where_the_module_itself_uses_it() {
    assert_eq!(imports("super = object\nclass A:\n    def f(self): super().f()"), ["super"]);
    assert_eq!(imports("class super: pass\nasync def super(): pass"), ["super", "super"]);
    assert!(imports("def f(super): super()").is_empty());
    assert!(imports("class A:\n    def f(self): super().f()").is_empty());
}

#[test]
fn each_part_is_told_what_it_uses_of_the_imports_of_the_others() {
    let source =
        "import a, b\na.x, c.y, d\n# overlay: x\nimport c\nb.x, c.y, \"e'\u{e4}\"\n# overlay: y\nc.d, aa.b, a1\n";
    let elsewhere = imported_elsewhere(source, &parts(source));
    let elsewhere: Vec<Vec<&str>> = elsewhere.into_iter().map(Vec::from_iter).collect();
    assert_eq!(elsewhere, [vec!["c"], vec!["b"], vec!["b", "c"]]);
}

#[test]
fn text_and_comments_import_nothing() {
    assert!(imports("'''\nimport a\n'''\n# import b\nx = [\nimport_, c]").is_empty());
}
