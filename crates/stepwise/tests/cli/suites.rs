//! Errors in suite files, as reported by `stepwise eval`.

use crate::common::{SUITE, Workplace};

#[test]
fn what_a_suite_must_not_say_is_told_with_its_line() {
    let place = Workplace::new();
    let condition = |more: &str| format!("{SUITE}\n[[condition]]\n{more}\n");
    let top = |more: &str| format!("{more}\n{SUITE}");
    let suites = [
        ("not-toml", "name = ".to_owned()),
        ("twice", condition("id = \"blank\"\nkind = \"blank\"")),
        ("no-id", condition("kind = \"blank\"")),
        ("id", condition("id = \"a b\"\nkind = \"blank\"")),
        ("second-clean", condition("id = \"also\"\nkind = \"clean\"")),
        ("no-clean", SUITE.replace("kind = \"clean\"", "kind = \"blank\"")),
        ("control", SUITE.replace("control = \"random_sign\"", "control = \"random\"")),
        ("primary", SUITE.replace("primary = [\"hint_minus\"]", "primary = [\"hint\"]")),
        ("nothing", condition("id = \"none\"\nkind = \"blank\"\nmax_items = 0")),
        ("no-cases", top("max_cases = 0")),
        ("letters", top("letter_permutations = 2")),
        ("scoring", top("scoring = \"leter\"")),
        ("eps", SUITE.replace("eps = 4", "eps = 0")),
        ("steps", SUITE.replace("steps = 2", "steps = 0")),
        ("level", condition("id = \"worst\"\nkind = \"jpeg\"\nlevel = 6")),
        ("share", condition("id = \"decay\"\nkind = \"region_decay\"\nshare = 101")),
        // Several problems, all listed at once.
        ("several", condition("id = \"a b\"\nkind = \"blank\"").replace("\"hint_minus\"]", "\"hint\"]")),
    ];
    let mut said = String::new();
    for (name, text) in suites {
        let file = format!("{name}.toml");
        place.write(&file, text);
        said.push_str(&format!(
            "$ stepwise eval model --suite {file}\n{}\n",
            place.refused(&format!("eval model --suite {file}"))
        ));
    }
    insta::assert_snapshot!(said);
}
