//! Objectives, weights and pairs in recipes.

use stepwise_objectives::Weight;

use super::*;

#[test]
fn objectives_are_read_written_and_inherited_by_phases() {
    let text = format!(
        "{LEAST}[curriculum]\npairs = {{}}\naugment = {{ hint_minus = 0.3 }}\n[[curriculum.phase]]\nstages = [1]\n\
         [[curriculum.phase]]\nstages = [2]\npairs = {{ share = 0 }}\nobjective = {{ unlikelihood = 2 }}\n"
    );
    let refused = message(&text, &[]);
    assert!(refused.contains("`unlikelihood`"), "a weight is a key of the table: {refused}");
    let text = text.replace("unlikelihood = 2", "unlikelihood = { weight = 2 }");
    let objective =
        "[objective]\ncross_entropy = 0.5\ndpo = { loss_type = \"ipo\" }\npair = {}\nsimpo = { weight = 0 }\n";
    let recipe = parse(&format!("{text}{objective}"), &[]).expect("valid");
    assert_eq!(recipe.objective_of(0).in_use(), [("dpo", Weight::constant(1.0)), ("pair", Weight::constant(1.0))]);
    assert_eq!(recipe.objective_of(1).in_use(), [("unlikelihood", Weight::constant(2.0))]);
    let cross_entropy = [0, 1].map(|phase| recipe.objective_of(phase).cross_entropy);
    assert_eq!(cross_entropy, [0.5, 1.0].map(Weight::constant));
    let pairs = |phase: usize| recipe.curriculum.phase[phase].examples.pairs;
    assert_eq!(
        (pairs(0), pairs(1)),
        (Some(Pairs { kind: PairKind::Swap, share: 0.5, partner: PairPartner::Random }), None)
    );
    let again = parse(&recipe.to_toml(), &[]).expect("valid");
    assert_eq!(again.curriculum.phase[0], recipe.curriculum.phase[0]);
    assert_eq!((&again.objective, again.digest()), (&recipe.objective, recipe.digest()));
    let plain = parse(&format!("{text}[objective]\ncross_entropy = 1\n"), &[]).expect("valid");
    assert_eq!(plain.digest(), parse(&text, &[]).expect("valid").digest(), "cross-entropy alone is no objective");
    assert_ne!(plain.digest(), recipe.digest());
    assert_eq!(plain.base_digest(), recipe.base_digest(), "objectives do not change the base");
}

#[test]
fn the_partner_of_pairs_is_read_written_and_part_of_the_digest() {
    let text = |partner: &str| format!("{LEAST}[curriculum]\npairs = {{ share = 0.3{partner} }}\n");
    let random = parse(&text(""), &[]).expect("valid");
    let nearest = parse(&text(", partner = \"nearest_thumbnail\""), &[]).expect("valid");
    assert!(nearest.compares_thumbnails() && !random.compares_thumbnails());
    assert_eq!(random.digest(), parse(&text(", partner = \"random\""), &[]).expect("valid").digest());
    assert_ne!(random.digest(), nearest.digest());
    let again = parse(&nearest.to_toml(), &[]).expect("valid");
    assert_eq!(again.curriculum, nearest.curriculum);
    let refused = message(&text(", partner = \"nearest\""), &[]);
    assert!(refused.contains("`partner` is \"random\" or \"nearest_thumbnail\""), "{refused}");
}

#[test]
fn schedules_of_weights_are_read_and_written() {
    let objective = "[objective]\ncross_entropy = { from = 1, to = 0.5 }\ndpo = { beta = 0.2, weight = { from = 0.0, to = 0.5 } }\n\
        simpo = { weight = { from = 0, to = 0 } }\nexpected_reward = { weight = { from = 0.3, to = 0.3 } }\n";
    let recipe = parse(&format!("{LEAST}{objective}"), &[]).expect("valid");
    assert_eq!(
        recipe.objective.weights(),
        [
            ("cross_entropy", Weight::linear(1.0, 0.5)),
            ("dpo", Weight::linear(0.0, 0.5)),
            ("expected_reward", Weight::constant(0.3)),
        ]
    );
    let again = parse(&recipe.to_toml(), &[]).expect("valid");
    assert_eq!((&again.objective, again.digest()), (&recipe.objective, recipe.digest()));
    let constant = parse(&format!("{LEAST}{objective}"), &["objective.dpo.weight=0.5"]).expect("valid");
    assert_eq!(constant.objective.weights()[1], ("dpo", Weight::constant(0.5)));
    assert_ne!(constant.digest(), recipe.digest());
    let risen = parse(&format!("{LEAST}{objective}"), &["objective.dpo.weight.to=2"]).expect("valid");
    assert_eq!(risen.objective.weights()[1], ("dpo", Weight::linear(0.0, 2.0)));
}

#[test]
fn wrong_weights_are_refused() {
    for (weight, problem) in [
        ("-0.1", "`weight` cannot be -0.1"),
        ("nan", "`weight` cannot be NaN"),
        ("inf", "`weight` cannot be inf"),
        ("\"high\"", "`weight` cannot be a string"),
        ("{ from = 0.0, to = -1 }", "`to` cannot be -1"),
        ("{ from = inf, to = 1 }", "`from` cannot be inf"),
        ("{ from = true, to = 1 }", "`from` cannot be true or false"),
        ("{ to = 1 }", "the schedule of `weight` has no `from`"),
        ("{ from = 0 }", "the schedule of `weight` has no `to`"),
        ("{ from = 0, to = 1, type = \"cosine\" }", "a schedule of `weight` has no `type`"),
    ] {
        let refused = message(&format!("objective = {{ simpo = {{ weight = {weight} }} }}\n{LEAST}"), &[]);
        assert!(refused.contains(problem), "{weight}: {refused}");
        assert!(refused.contains("number, at least 0"), "{weight}: {refused}");
    }
    let nothing = "objective = { cross_entropy = { from = 0, to = 0 } }";
    let refused = message(&format!("{nothing}\n{LEAST}"), &[]);
    assert!(refused.contains("the objective has no loss, so nothing is trained"), "{refused}");
}

#[test]
fn objectives_that_never_apply_or_cannot_be_computed_are_refused() {
    for (lines, problem) in [
        ("objective = { pair = {} }", "an objective applies to pairs, and there are none"),
        ("objective = { contrast = {} }", "an objective applies to pairs, and there are none"),
        ("objective = { consistency = {} }", "applies to training examples under a condition, and there is none"),
        ("objective = { unlikelihood = {} }", "`unlikelihood` applies to answers that a condition names"),
        ("objective = { simpo = { rejected = \"named\" } }", "`simpo` applies to answers that a condition names"),
        ("objective = { cross_entropy = 0 }", "the objective has no loss, so nothing is trained"),
        ("objective = { dpo = { beta = 0 } }", "`beta`"),
        ("objective = { dpo = { loss_type = \"kto\" } }", "`loss_type` cannot be \"kto\""),
        ("finetuning_type = \"full\"\nobjective = { dpo = {} }", "dpo compare with the base"),
        (
            "finetuning_type = \"full\"\nobjective = { product_of_experts = { prior = \"base\" } }",
            "product_of_experts compare with the base",
        ),
        ("curriculum = { blank_images = true }\nobjective = { masked_kl = {} }", "`blank_images` blanks them"),
        ("curriculum = { blank_images = true, pairs = {} }", "`pairs` shows a question with two images"),
        ("curriculum = { pairs = { kind = \"mirror\" } }", "`kind` cannot be \"mirror\""),
    ] {
        let refused = message(&format!("{lines}\n{LEAST}"), &[]);
        assert!(refused.contains(problem), "{lines}: {refused}");
    }
    let fine = ["objective = { simpo = {} }\nfinetuning_type = \"full\"", "objective = { dpo = { weight = 0 } }"];
    for lines in fine {
        parse(&format!("{lines}\n{LEAST}"), &[]).expect(lines);
    }
}
