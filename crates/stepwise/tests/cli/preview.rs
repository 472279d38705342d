//! `stepwise preview`.

use crate::common::Workplace;

#[test]
fn every_question_of_a_case_is_shown_as_tokens_with_its_answer_marked() {
    let place = Workplace::new();
    let ran = place.done("preview recipe.toml");
    insta::assert_snapshot!(ran.shown());
    let other = place.done("preview recipe.toml --case 1 --set train.answer_form=letter");
    assert_ne!(other.stdout.lines().next(), ran.stdout.lines().next());
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let place = Workplace::new();
    let mut said = String::new();
    for line in [
        "absent.toml",
        "recipe.toml --case 99",
        "recipe.toml --set model_name_or_path=nowhere",
        "recipe.toml --set lora.rr=2",
    ] {
        said.push_str(&format!("$ stepwise preview {line}\n{}\n", place.refused(&format!("preview {line}"))));
    }
    insta::assert_snapshot!(said);
}
