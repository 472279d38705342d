use std::collections::BTreeSet;

use super::*;
use crate::perturb::Purpose;
use crate::perturb::kinds::KINDS;

fn problems(text: &str) -> String {
    Suite::parse(text, Path::new("s.toml")).expect_err("invalid").to_string()
}

const HEAD: &str = "name = \"s\"\nversion = 1\nseed = 1\n";
const CLEAN: &str = "[[condition]]\nid = \"clean\"\nkind = \"clean\"\n";

#[test]
fn the_full_suite_holds_every_kind() {
    let suite = Suite::full();
    for kind in KINDS {
        assert!(suite.conditions.iter().any(|condition| condition.kind == kind.name), "{}", kind.name);
    }
}

#[test]
fn every_condition_has_the_control_of_its_kind() {
    let twins = [
        ("hint_plus", "hint_zero"),
        ("hint_minus", "hint_zero"),
        ("swap_near", "swap_same"),
        ("region_mask", "random_mask"),
        ("region_only", "random_only"),
        ("region_decay", "random_decay"),
        ("cue_true", "cue_neutral"),
        ("cue_wrong", "cue_true"),
        ("cue_text_wrong", "cue_text_true"),
        ("cue_text_true", "cue_true"),
        ("written_wrong", "written_unrelated"),
        ("rebuttal_doubt", "rebuttal_repeat"),
        ("rebuttal_wrong", "rebuttal_repeat"),
        ("rebuttal_right", "rebuttal_repeat"),
        ("premise_false", "premise_true"),
        ("negation", "affirmation"),
        ("nota_right", "nota_wrong"),
        ("hedge_low", "hedge_neutral"),
        ("hedge_high", "hedge_neutral"),
        ("parents_wrong", "parents_gold"),
        ("report_injected", "report_plain"),
        ("fgsm", "random_sign"),
        ("pgd", "random_sign"),
        ("transfer", "random_sign"),
    ];
    for suite in [Suite::fast(), Suite::full()] {
        let kind = |id: &str| suite.condition(id).map(|condition| condition.kind);
        // Conditions that show the model's own answers have more than one sensible control.
        let of_one = |condition: &&Condition| !["clean", "parents_predicted"].contains(&condition.kind);
        for condition in suite.conditions.iter().filter(of_one) {
            let control = condition.control.as_deref().and_then(kind);
            // A neutral hint on other images is compared with these images.
            let plain = condition.on.unwrap_or("clean");
            let twin = twins.iter().find(|(kind, _)| *kind == condition.kind).map_or(plain, |(_, twin)| twin);
            assert_eq!(control, Some(twin), "{}: {}", suite.name, condition.id);
            // A condition and its control share place, shape and size.
            let of = condition.control.as_deref().and_then(|id| suite.condition(id));
            for key in ["persona", "place", "shape", "colour", "width", "eps", "level", "contrast", "share", "answers"]
            {
                let own = condition.parameters.get(key);
                assert!(twin == plain || own == of.and_then(|of| of.parameters.get(key)), "{}: {key}", condition.id);
            }
            assert!(twin == plain || condition.on == of.and_then(|of| of.on), "{}", condition.id);
        }
    }
}

#[test]
fn epochs_are_asked_in_other_sentences_than_the_last_word() {
    let families = |suite: &Suite| -> BTreeSet<String> {
        let described = suite.conditions.iter().map(|condition| format!("{:?}", condition.perturbation));
        let said = described.filter_map(|text| Some(text.split_once("families: ")?.1.to_owned()));
        said.map(|text| text.chars().take_while(char::is_ascii_alphabetic).collect()).collect()
    };
    assert_eq!(families(&Suite::fast()), BTreeSet::from(["Validation".to_owned()]));
    assert_eq!(families(&Suite::full()), BTreeSet::from(["HeldOut".to_owned()]));
    // The suite's `families` applies to conditions without their own.
    let hint = "[[condition]]\nid = \"h\"\nkind = \"hint_zero\"\n";
    let of = |own: &str| {
        let text = format!("{HEAD}families = \"validation\"\n{CLEAN}{hint}{own}");
        Suite::parse(&text, Path::new("s")).expect("valid")
    };
    assert_eq!(families(&of("families = \"training\"")), BTreeSet::from(["Training".to_owned()]));
    assert!(of("").conditions[1].is_plain() && of("families = \"held_out\"").conditions[1].is_plain());
    assert_ne!(of("").digest(), of("families = \"held_out\"").digest());
}

#[test]
fn a_suite_is_found_by_name_or_path() {
    let named = |name: &str| Suite::named(Path::new(name));
    assert_eq!(named("full").expect("built in").name, "full");
    assert_eq!(named("fast").expect("built in").name, "fast");
    assert!(named("./full").expect_err("a path").to_string().starts_with("full: "));
}

#[test]
fn a_subset_that_asks_nothing_is_refused() {
    let text = |subset: &str| format!("{HEAD}{CLEAN}[[condition]]\nid = \"b\"\nkind = \"blank\"\nsubset = {subset}\n");
    let message = problems(&text("{ stages = [1, 5] }"));
    assert_eq!(message, "s.toml:7: condition `b`: subset.stages: is 5 -> write stages from 1 to 4");
    assert!(problems(&text("{ modalities = [] }")).contains("subset.modalities: is empty"));
    assert!(problems(&text("{ stage = [1] }")).contains("unknown field `stage`"));
    let whole = problems(&format!("{HEAD}subset = {{ stages = [0] }}\n{CLEAN}"));
    assert_eq!(whole, "s.toml:1: subset.stages: is 0 -> write stages from 1 to 4");
}

#[test]
fn a_misspelt_key_says_where_and_what() {
    let text = format!("{HEAD}{CLEAN}\n[[condition]]\nid = \"n\"\nkind = \"gaussian_noise\"\nlevle = 3\n");
    let message = problems(&text);
    assert!(
        message.starts_with("s.toml:8: condition `n` of kind `gaussian_noise`: unknown field `levle`"),
        "{message}"
    );
    assert!(problems("nme = 1").starts_with("s.toml:1: unknown field `nme`"), "{}", problems("nme = 1"));
}

#[test]
fn all_problems_are_told_at_once() {
    let text = format!(
        "{HEAD}primary = [\"clean\"]\n{CLEAN}{CLEAN}[[condition]]\nid = \"x\"\nkind = \"sepia\"\n\
         [[condition]]\nid = \"n\"\nkind = \"gaussian_noise\"\nlevel = 6\n[[condition]]\nid = \"h\"\nkind = \"hint_plus\"\ncontrol = \"zero\"\n"
    );
    let message = problems(&text);
    for part in [
        "`clean`: is defined twice",
        "no kind `sepia`",
        "level is 6 -> write 1 to 5",
        "control `zero` is not a condition of this suite",
    ] {
        assert!(message.contains(part), "{part} is missing in {message}");
    }
    assert!(problems(HEAD).contains("missing field `condition`"), "{}", problems(HEAD));
    assert!(problems(&format!("{HEAD}{}", CLEAN.replace("\"clean\"\n", "\"blank\"\n"))).contains("exactly one"));
    let renamed = problems(&format!("{HEAD}{}", CLEAN.replacen("\"clean\"", "\"plain\"", 1)));
    assert_eq!(
        renamed,
        "s.toml:1: condition `plain`: the condition of kind `clean` must have the id `clean` -> write id = \"clean\""
    );
}

#[test]
fn a_condition_tells_its_parameters_and_whether_they_are_the_usual_ones() {
    let of = |rest: &str| {
        let text = format!("{HEAD}{CLEAN}[[condition]]\nid = \"x\"\n{rest}");
        Suite::parse(&text, Path::new("s")).expect("valid").conditions.remove(1)
    };
    let hint = |rest: &str| of(&format!("kind = \"hint_minus\"\n{rest}"));
    assert!(hint("").is_plain() && hint("persona = \"neutral\"").is_plain());
    assert!(!hint("persona = \"patient\"").is_plain());
    let pgd = of("kind = \"pgd\"\neps = 1.5\nsteps = 3\ntargeted = true");
    assert_eq!((pgd.number("eps"), pgd.number("steps"), pgd.number("restarts")), (Some(1.5), Some(3.0), None));
    assert!(pgd.flag("targeted") && !pgd.flag("eps") && !pgd.is_plain());
}

#[test]
fn the_digest_follows_what_is_asked_and_not_how_it_is_written() {
    let of = |text: &str| Suite::parse(&format!("{HEAD}{CLEAN}{text}"), Path::new("s")).expect("valid").digest();
    let noise = |rest: &str| of(&format!("[[condition]]\nid = \"b\"\nkind = \"blank\"\n{rest}"));
    assert_eq!(noise(""), noise("# a comment\nvalue = 128\n"));
    assert_ne!(noise(""), noise("value = 127\n"));
    assert_ne!(noise(""), noise("max_items = 5\n"));
    assert_ne!(noise(""), noise("subset = { stages = [2] }\n"));
}

#[test]
fn hints_are_combined_with_images_and_nothing_else_is() {
    let text =
        |kind: &str, on: &str| format!("{HEAD}{CLEAN}[[condition]]\nid = \"h\"\nkind = \"{kind}\"\non = \"{on}\"\n");
    let read = |kind: &str, on: &str| Suite::parse(&text(kind, on), Path::new("s")).expect("valid");
    let hint = read("hint_plus", "blank");
    assert_eq!((hint.conditions[1].on, hint.conditions[1].purpose), (Some("blank"), Purpose::EvidenceRemoved));
    assert!(!hint.conditions[1].is_plain());
    assert_eq!(read("hint_minus", "swap_same").conditions[1].purpose, Purpose::Attack);
    assert_ne!(hint.digest(), read("hint_plus", "no_image").digest());
    let message = problems(&text("hint_plus", "flip"));
    assert!(
        message.starts_with("s.toml:7: condition `h`: on: is `flip` -> write one of blank, no_image,"),
        "{message}"
    );
    let message = problems(&text("cue_true", "blank"));
    assert!(message.contains("on: `cue_true` cannot be combined -> remove the key, or use hint_plus,"), "{message}");
}
