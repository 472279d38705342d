//! Augmentation of synthetic cases.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;

use image::{Rgb, RgbImage};
use stepwise_benchmark::perturb::GradientSource;
use stepwise_benchmark::perturb::kinds::KINDS;
use stepwise_benchmark::perturb::support::templates::Families;
use stepwise_benchmark::perturb::trainable::untrainable;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::conversation::Part;
use stepwise_data::prompt::prompt;
use stepwise_data::synth::SynthOptions;
use stepwise_objectives::{Needs, View};
use stepwise_testing::cases::synthetic_with;
use stepwise_testing::recipe::recipe_on;

use super::*;
use crate::batches::views::ViewBuilder;

fn cases() -> Vec<Case> {
    synthetic_with(60, &SynthOptions { seed: 4, ..SynthOptions::default() })
}

fn recipe(phase: &str) -> Recipe {
    recipe_on(60, &format!("[[curriculum.phase]]\n{phase}"))
}

/// All questions of all cases in three epochs.
fn examples(recipe: &Recipe, cases: &[Case]) -> Vec<(u32, AugmentedQuestion)> {
    let augmenter = Augmenter::without_images(recipe, cases);
    let beginning = RunPlan::new(recipe, cases).expect("a course").beginning(0);
    let mut examples = Vec::new();
    for epoch in 0..3 {
        let place = StepPosition { epoch, epochs_before: epoch, ..beginning };
        for (index, case) in cases.iter().enumerate() {
            let samples = (0..case.chain.len()).map(|item| SampleIndex { case: index, item });
            examples.extend(samples.map(|sample| (epoch, augmenter.asked(place, sample))));
        }
    }
    examples
}

/// Text of the conversation, and the right answer.
fn words(cases: &[Case], asked: &AugmentedQuestion) -> (String, String) {
    let stored = &cases[asked.sample.case];
    let item = asked.perturbed.item.as_ref().unwrap_or(&stored.chain[asked.sample.item]);
    let case =
        Case { regions: asked.perturbed.regions.clone().unwrap_or_else(|| stored.regions.clone()), ..stored.clone() };
    let prompt = prompt(&case, item, &asked.perturbed.frame);
    let parts = prompt.conversation.messages.iter().flat_map(|message| &message.content);
    let texts = parts.filter_map(|part| match part {
        Part::Text { text } => Some(text.as_str()),
        Part::Image { .. } => None,
    });
    (texts.collect::<Vec<_>>().join("\n"), prompt.answer)
}

fn shown(asked: &AugmentedQuestion) -> String {
    format!("{asked:?}")
}

/// The longest fixed part of each template sentence in a split.
fn sentences(templates: &str, split: Families) -> BTreeSet<String> {
    let file: toml::Table = templates.parse().expect("TOML");
    let of_split =
        file["template"].as_array().expect("a list").iter().filter(|one| one["split"].as_str() == Some(split.name()));
    let mut pieces = BTreeSet::new();
    for template in of_split {
        for (key, value) in template.as_table().expect("a table") {
            if !["family", "split", "persona", "bias"].contains(&key.as_str()) {
                let text = value.as_str().expect("words");
                let longest = text.split(['{', '}']).step_by(2).max_by_key(|piece| piece.len()).unwrap_or_default();
                pieces.insert(longest.trim().to_owned());
            }
        }
    }
    pieces
}

#[test]
fn conditions_that_need_a_reply_or_another_model_are_untrainable() {
    let cases = cases();
    let pool = Pool::new(&cases);
    let rng = SuiteRng { seed: 1, version: VERSION };
    let mut refused = BTreeSet::new();
    for kind in KINDS {
        let Some(perturbation) = any(kind) else { panic!("{} needs parameters not tried here", kind.name) };
        for case in &cases[..20] {
            for item in &case.chain {
                let Ok(perturbed) = perturbation.perturb(&Scene { case, item, pool: &pool, rng }) else { continue };
                let on_surrogate =
                    perturbed.attack.is_some_and(|attack| attack.gradient_source() == GradientSource::Surrogate);
                if on_surrogate || perturbed.recall.is_some() {
                    assert!(untrainable(kind).is_some(), "{}", kind.name);
                    refused.insert(kind.name);
                }
            }
        }
    }
    for kind in ["transfer", "rebuttal_doubt", "parents_predicted"] {
        assert!(refused.contains(kind), "{kind} is not among {refused:?}");
    }
}

/// A perturbation of a kind, with its required parameters.
fn any(kind: &PerturbationKind) -> Option<Arc<dyn Perturbation>> {
    let tries = ["", "level = 3", "eps = 2", "share = 33", "shape = \"box\"", "percent = 33"];
    tries.iter().find_map(|given| build(kind, given.parse().expect("TOML")).ok())
}

#[test]
fn no_held_out_sentence_occurs_in_training_examples() {
    let cases = cases();
    let worded: Vec<_> =
        KINDS.iter().filter(|kind| !kind.templates.is_empty() && untrainable(kind).is_none()).collect();
    assert!(worded.len() >= 15, "{}", worded.len());
    for kind in worded {
        let training = sentences(kind.templates, Families::Training);
        let mut held_out = sentences(kind.templates, Families::HeldOut);
        assert!(!held_out.is_empty() && !sentences(kind.templates, Families::Validation).is_empty(), "{}", kind.name);
        held_out.extend(sentences(kind.templates, Families::Validation));
        assert!(training.is_disjoint(&held_out), "{}", kind.name);
        let drawn = any(kind);
        assert!(format!("{drawn:?}").contains("families: Training"), "{}", kind.name);
        // The sentences of this kind are drawn into the image.
        if kind.name == "written_unrelated" {
            continue;
        }
        let more = if kind.name == "no_image" { ", declared = true" } else { "" };
        let recipe = recipe(&format!("augment = {{ {} = {{ share = 1{more} }} }}", kind.name));
        let mut said = BTreeSet::new();
        let mut asked_of = 0;
        for (_, asked) in examples(&recipe, &cases) {
            if asked.condition.is_some() {
                asked_of += 1;
                let (text, answer) = words(&cases, &asked);
                let text = format!("{text}\n{answer}");
                assert!(!held_out.iter().any(|sentence| text.contains(sentence)), "{}: {text}", kind.name);
                said.extend(training.iter().filter(|sentence| text.contains(*sentence)));
            }
        }
        assert!(asked_of > 0 && said.len() >= 2, "{}: {asked_of} lessons, {said:?}", kind.name);
    }
}

#[test]
fn shares_are_met_among_the_examples_that_a_condition_applies_to() {
    let cases = cases();
    let all = examples(&recipe("augment = { hint_plus = 0.1, hint_minus = 0.25, permutation = 0.3 }"), &cases);
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    for (_, asked) in &all {
        *counts.entry(asked.condition.unwrap_or("none")).or_default() += 1.0;
    }
    let applies = |kind: &str| {
        let alone = examples(&recipe(&format!("augment = {{ {kind} = 1 }}")), &cases);
        alone.iter().filter(|(_, asked)| asked.condition == Some(kind)).count() as f64
    };
    for (kind, share) in [("hint_plus", 0.1), ("hint_minus", 0.25), ("permutation", 0.3)] {
        let examples = applies(kind);
        // Five standard deviations of a binomial distribution.
        let bound = 5.0 * (examples * share * (1.0 - share)).sqrt();
        assert!(
            examples > 300.0 && (counts[kind] - share * examples).abs() < bound,
            "{kind}: {} of {examples}",
            counts[kind]
        );
    }
    assert!(counts["none"] > 0.3 * all.len() as f64);
}

#[test]
fn a_training_example_depends_on_seed_epoch_case_and_question_only() {
    let cases = cases();
    let written = "augment = { hint_minus = 0.3, blank = 0.3, swap_near = 0.2 }\ncontext = { gold = 0.4, wrong = 0.3 }";
    let recipe = recipe(written);
    let all = examples(&recipe, &cases);
    // Each example is made again alone and in another order.
    let augmenter = Augmenter::without_images(&recipe, &cases);
    let beginning = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    for (epoch, asked) in all.iter().rev() {
        let place = StepPosition { epoch: *epoch, epochs_before: *epoch, step: 3, phase_step: 3, ..beginning };
        assert_eq!(shown(&augmenter.asked(place, asked.sample)), shown(asked));
    }
    let of = |recipe: &Recipe, epoch: u32| -> Vec<String> {
        let all = examples(recipe, &cases);
        all.iter().filter(|(of, _)| *of == epoch).map(|(_, asked)| shown(asked)).collect()
    };
    assert_ne!(of(&recipe, 0), of(&recipe, 1));
    let other = Recipe { seed: 43, ..recipe.clone() };
    assert_ne!(of(&recipe, 0), of(&other, 0));
}

#[test]
fn every_condition_is_trained_with_its_right_answer() {
    let cases = cases();
    let mut taught = BTreeSet::new();
    for kind in KINDS.iter().filter(|kind| untrainable(kind).is_none()) {
        let level = if build(kind, toml::Table::new()).is_ok() {
            "1"
        } else if ["fgsm", "pgd", "random_sign"].contains(&kind.name) {
            "{ share = 1, eps = 2 }"
        } else {
            "{ share = 1, level = 3 }"
        };
        for (_, asked) in examples(&recipe(&format!("augment = {{ {} = {level} }}", kind.name)), &cases) {
            let Some(condition) = asked.condition else { continue };
            assert_eq!(condition, kind.name);
            taught.insert(condition);
            let case = &cases[asked.sample.case];
            let item = &case.chain[asked.sample.item];
            let (text, answer) = words(&cases, &asked);
            let gold = stepwise_data::prompt::gold_text(case, item);
            let at = format!("{condition} {}/{}: {answer}\n{text}", case.case_id, item.id);
            match (condition, kind.purpose) {
                ("swap_near", _) => assert_ne!(answer, gold, "{at}"),
                (_, Purpose::EvidenceRemoved) => {
                    let Answer::Choice { options, refusal: Some(refusal), .. } = &item.answer else { panic!("{at}") };
                    assert_eq!(answer, options[*refusal], "{at}");
                }
                ("premise_false" | "premise_true", _) => assert!(text.contains(&answer) && answer != gold, "{at}"),
                ("nota_right", _) => {
                    let Answer::Choice { options, .. } = &item.answer else { panic!("{at}") };
                    assert!(!options.contains(&answer) && text.contains(&answer), "{at}");
                }
                ("negated_twin" | "negation", _) => assert!(["yes", "no"].contains(&answer.as_str()), "{at}"),
                ("flip", _) => {
                    let mirrored = item.laterality.as_ref().and_then(|laterality| laterality.flipped_gold.clone());
                    assert_eq!(answer, mirrored.unwrap_or(gold.clone()), "{at}");
                }
                _ => assert_eq!(answer, gold, "{at}"),
            }
            if condition == "negation" {
                assert_ne!(answer, gold, "{at}");
            }
            let named = asked.perturbed.named.as_ref().map(|named| named.text.as_str());
            match condition {
                "hint_minus" | "written_wrong" | "report_injected" | "cue_text_wrong" => {
                    assert_ne!(named, Some(gold.as_str()), "{at}")
                }
                "hint_plus" | "cue_text_true" => assert_eq!(named, Some(gold.as_str()), "{at}"),
                _ => {}
            }
        }
    }
    for kind in
        ["hint_minus", "hint_zero", "blank", "no_image", "swap_near", "swap_far", "region_mask", "premise_false"]
    {
        assert!(taught.contains(kind), "{kind} was never applied: {taught:?}");
    }
}

#[test]
fn the_answer_about_a_swapped_image_is_that_of_its_own_case() {
    let cases = cases();
    let mut swapped = 0;
    for (_, asked) in examples(&recipe("augment = { swap_near = 1 }\ncontext = \"gold\""), &cases) {
        let (Some(_), ShownImages::Of(other)) = (asked.condition, &asked.perturbed.pictures) else { continue };
        let item = &cases[asked.sample.case].chain[asked.sample.item];
        let (_, answer) = words(&cases, &asked);
        let theirs = cases[*other].chain.iter().filter(|other| other.question == item.question);
        let golds: Vec<String> = theirs.map(|item| stepwise_data::prompt::gold_text(&cases[*other], item)).collect();
        assert!(golds.contains(&answer), "{answer} is none of {golds:?}");
        assert_eq!((asked.context, asked.perturbed.frame.context.len()), (ContextKind::Nothing, 0));
        swapped += 1;
    }
    assert!(swapped > 20, "{swapped}");
}

#[test]
fn contexts_are_given_in_their_shares() {
    let cases = cases();
    let mut counts: BTreeMap<ContextKind, f64> = BTreeMap::new();
    for (_, asked) in examples(&recipe("context = { gold = 0.5, wrong = 0.2 }"), &cases) {
        let item = &cases[asked.sample.case].chain[asked.sample.item];
        let gold = gold_context(&cases[asked.sample.case], item);
        let differ = asked.perturbed.frame.context.iter().zip(&gold).filter(|(context, gold)| context != gold).count();
        match asked.context {
            ContextKind::Nothing => assert!(asked.perturbed.frame.context.is_empty()),
            ContextKind::Gold => assert_eq!(asked.perturbed.frame.context, gold),
            ContextKind::Wrong => assert_eq!((differ, asked.perturbed.frame.context.len()), (1, gold.len())),
            ContextKind::Predicted => panic!("the recipe has no predicted context"),
        }
        if item.stage > 1 && !gold.is_empty() {
            *counts.entry(asked.context).or_default() += 1.0;
        }
    }
    let examples: f64 = counts.values().sum();
    let near = |context: ContextKind, share: f64| {
        let bound = 5.0 * (examples * share * (1.0 - share)).sqrt();
        assert!((counts[&context] - share * examples).abs() < bound, "{context:?}: {} of {examples}", counts[&context]);
    };
    near(ContextKind::Gold, 0.5);
    near(ContextKind::Nothing, 0.3);
    assert!(counts[&ContextKind::Wrong] > 0.1 * examples);
}

#[test]
fn marks_fade_over_the_phase() {
    let cases = cases();
    let recipe = recipe("evidence = \"curriculum\"");
    let augmenter = Augmenter::without_images(&recipe, &cases);
    let beginning = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let marked = |phase_step: u64| {
        let place = StepPosition { phase_step, phase_total: 101, ..beginning };
        let items = cases
            .iter()
            .enumerate()
            .flat_map(|(case, of)| (0..of.chain.len()).map(move |item| SampleIndex { case, item }));
        items.filter(|sample| augmenter.asked(place, *sample).condition == Some("cue_true")).count() as f64
    };
    let (all, half, none) = (marked(0), marked(50), marked(100));
    assert!(all > 100.0 && none == 0.0, "{all} {none}");
    assert!((half - all / 2.0).abs() < 5.0 * (all / 4.0).sqrt(), "{half} of {all}");
}

#[test]
fn predicted_context_holds_the_models_answers_and_falls_back_to_the_right_ones() {
    let cases = cases();
    let recipe = recipe("context = \"predicted\"");
    let said = cases.iter().filter(|case| case.case_id.ends_with(['0', '2', '4'])).map(|case| {
        let answers = case.chain.iter().map(|item| (item.id.clone(), format!("my {}", item.id)));
        (case.case_id.clone(), answers.collect())
    });
    let predicted = Arc::new(PredictedAnswers::of(said.collect()));
    let augmenter = Augmenter::without_images(&recipe, &cases).with_predicted(Some(predicted));
    let place = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let (mut own, mut right) = (0, 0);
    for (index, case) in cases.iter().enumerate() {
        for (number, item) in case.chain.iter().enumerate() {
            let asked = augmenter.asked(place, SampleIndex { case: index, item: number });
            let gold = gold_context(case, item);
            assert_eq!(asked.context, if gold.is_empty() { ContextKind::Nothing } else { ContextKind::Predicted });
            let parents = case.chain.iter().filter(|other| item.parents.contains(&other.id));
            for ((known, gold), parent) in asked.perturbed.frame.context.iter().zip(&gold).zip(parents) {
                assert_eq!(known.question, gold.question);
                if case.case_id.ends_with(['0', '2', '4']) {
                    assert_eq!(known.answer, format!("my {}", parent.id));
                    own += 1;
                } else {
                    assert_eq!(known.answer, gold.answer);
                    right += 1;
                }
            }
        }
    }
    assert!(own > 20 && right > 20, "{own} {right}");
}

#[test]
fn blank_images_keep_the_answers_and_get_no_image_conditions() {
    let cases = cases();
    let text = "blank_images = true\nevidence = \"marked\"\naugment = { swap_near = 0.3, hint_minus = 0.2, random_mask = 0.2, fgsm = { share = 0.2, eps = 2 } }";
    let mut hinted = 0;
    for (_, asked) in examples(&recipe(text), &cases) {
        assert!(asked.is_blank && asked.perturbed.pictures.key().starts_with("blank:"));
        assert!(matches!(asked.condition, None | Some("hint_minus")), "{:?}", asked.condition);
        hinted += usize::from(asked.condition.is_some());
        let stored = &cases[asked.sample.case];
        let gold = stepwise_data::prompt::gold_text(stored, &stored.chain[asked.sample.item]);
        assert_eq!(words(&cases, &asked).1, gold);
    }
    assert!(hinted > 0);
}

#[test]
fn half_of_the_questions_with_evidence_ask_for_its_box() {
    let cases = cases();
    let (mut located, mut marked, mut with_evidence) = (0.0, 0.0, 0.0);
    for (_, asked) in examples(&recipe("evidence = \"box_and_marked\""), &cases) {
        let item = &cases[asked.sample.case].chain[asked.sample.item];
        if item.evidence.is_empty() || matches!(item.answer, Answer::Box { .. }) {
            assert_ne!(asked.condition, Some("evidence_box"));
            continue;
        }
        with_evidence += 1.0;
        match asked.condition {
            Some("evidence_box") => {
                let (question, answer) = words(&cases, &asked);
                assert!(question.contains(&item.question) && answer.starts_with('['), "{question} {answer}");
                located += 1.0;
            }
            Some("cue_true") => marked += 1.0,
            // Questions about marks get no mark.
            other => assert_eq!(other, None),
        }
    }
    let bound = 5.0 * (with_evidence / 4.0f64).sqrt();
    assert!((located - with_evidence / 2.0).abs() < bound, "{located} of {with_evidence}");
    assert!(marked > with_evidence / 4.0, "{marked} of {with_evidence}");
}

#[test]
fn both_examples_of_a_pair_have_equal_words_and_other_answers_and_images() {
    let cases = cases();
    let recipe = recipe("pairs = { share = 0.5 }\ncontext = \"gold\"\naugment = { hint_minus = 0.5 }\n");
    let augmenter = Augmenter::without_images(&recipe, &cases);
    let place = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let (mut pairs, mut single) = (0, 0);
    for (index, case) in cases.iter().enumerate() {
        for item in 0..case.chain.len() {
            let sample = SampleIndex { case: index, item };
            let all = augmenter.all(place, sample);
            assert_eq!(shown(&augmenter.asked(place, sample)), shown(&all[0]));
            let [first, second] = &all[..] else {
                single += 1;
                continue;
            };
            pairs += 1;
            let ((question, answer), (again, other)) = (words(&cases, first), words(&cases, second));
            assert_eq!(question, again);
            assert_ne!(answer, other);
            assert!(!question.contains("Known so far"), "no context");
            let partner = &cases[second.perturbed.shown_case(index)];
            assert!(partner.group_id != case.group_id && partner.modality == case.modality);
            assert_eq!(first.perturbed.shown_case(index), index);
            // The partner's own question has the answer.
            let same = |theirs: &&Item| fold(&theirs.question) == fold(&case.chain[item].question);
            let theirs: Vec<String> = partner.chain.iter().filter(same).map(|item| gold_text(partner, item)).collect();
            assert!(theirs.contains(&other), "{theirs:?} have no {other}");
        }
    }
    assert!(pairs > 50 && single > pairs / 2, "{pairs} pairs, {single} others");
}

/// Thumbnails of uniform grey images, whose level is given by the index of the case.
fn grey_levels(cases: &[Case], level: impl Fn(usize) -> u8 + Sync) -> Thumbnails {
    let images = |case: &Case, index: usize| -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        let number = cases.iter().position(|other| other.case_id == case.case_id).ok_or("no such case")?;
        let image = &case.images[index];
        Ok(Arc::new(RgbImage::from_pixel(image.width, image.height, Rgb([level(number); 3]))))
    };
    Thumbnails::of(cases, &images, &mut |_| ()).expect("images")
}

/// Ids of the partners of all questions of all cases in the epoch `epoch`, by the id of the case and the index of the question.
fn partners(augmenter: &Augmenter<'_>, beginning: StepPosition, epoch: u32) -> BTreeMap<(String, usize), String> {
    let place = StepPosition { epoch, epochs_before: epoch, ..beginning };
    let cases = augmenter.cases();
    let mut partners = BTreeMap::new();
    for (index, case) in cases.iter().enumerate() {
        for item in 0..case.chain.len() {
            if let [_, second] = &augmenter.all(place, SampleIndex { case: index, item })[..] {
                let partner = cases[second.perturbed.shown_case(index)].case_id.clone();
                partners.insert((case.case_id.clone(), item), partner);
            }
        }
    }
    partners
}

#[test]
fn the_nearest_partner_has_the_most_similar_image_in_every_epoch() {
    let cases = cases();
    let level = |number: usize| (number * 37 % 251) as u8;
    let thumbnails = grey_levels(&cases, level);
    let recipe = recipe("pairs = { share = 1, partner = \"nearest_thumbnail\" }\n");
    let beginning = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let uninformed = Augmenter::without_images(&recipe, &cases);
    let augmenter = Augmenter { thumbnails: Some(&thumbnails), ..Augmenter::without_images(&recipe, &cases) };
    let found = partners(&augmenter, beginning, 0);
    assert_eq!(found, partners(&augmenter, beginning, 1), "no random draw");
    let same_questions = partners(&uninformed, beginning, 0);
    assert!(found.keys().eq(same_questions.keys()), "the same questions become pairs without thumbnails");

    let number = |id: &str| cases.iter().position(|case| case.case_id == id).expect("a case");
    let apart = |one: usize, other: usize| level(one).abs_diff(level(other));
    let random = Augmenter::without_images(&self::recipe("pairs = { share = 1 }\n"), &cases);
    let drawn: Vec<_> = (0..8).map(|epoch| partners(&random, beginning, epoch)).collect();
    assert!(drawn.iter().flat_map(BTreeMap::keys).all(|question| found.contains_key(question)));
    let (mut nearer, mut yes_no) = (0, 0);
    for ((id, place), partner) in &found {
        let (own, other) = (number(id), number(partner));
        let (case, item) = (&cases[own], &cases[own].chain[*place]);
        assert_ne!(cases[other].group_id, case.group_id);
        for drawn in drawn.iter().filter_map(|drawn| drawn.get(&(id.clone(), *place))) {
            let drawn = number(drawn);
            assert!(apart(own, other) <= apart(own, drawn), "{id} {place}: {partner}");
            nearer += usize::from(apart(own, other) < apart(own, drawn));
        }
        let Answer::Yesno { gold, .. } = &item.answer else { continue };
        let differs = |theirs: &Item| {
            fold(&theirs.question) == fold(&item.question)
                && matches!(&theirs.answer, Answer::Yesno { gold: theirs, .. } if theirs != gold)
        };
        let is_possible = |candidate: &&usize| {
            let of = &cases[**candidate];
            of.group_id != case.group_id && of.modality == case.modality && of.chain.iter().any(differs)
        };
        let all: Vec<usize> = (0..cases.len()).collect();
        let nearest = all.iter().filter(is_possible).min_by_key(|other| (apart(own, **other), &cases[**other].case_id));
        assert_eq!(nearest, Some(&other), "{id} {place}");
        yes_no += 1;
    }
    assert!(nearer > found.len() && yes_no > 10, "{nearer} draws of {} were farther, {yes_no}", 8 * found.len());
}

#[test]
fn equally_near_partners_are_decided_by_id_whatever_the_order_of_the_file() {
    let cases = cases();
    let mut reversed = cases.clone();
    reversed.reverse();
    let recipe = recipe("pairs = { share = 1, partner = \"nearest_thumbnail\" }\n");
    let beginning = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let found = |cases: &[Case]| {
        let thumbnails = grey_levels(cases, |_| 7);
        let augmenter = Augmenter { thumbnails: Some(&thumbnails), ..Augmenter::without_images(&recipe, cases) };
        partners(&augmenter, beginning, 0)
    };
    let of_file = found(&cases);
    assert_eq!(of_file, found(&reversed));
    // Random partners are possible ones, so none of them has an earlier id.
    let random = Augmenter::without_images(&self::recipe("pairs = { share = 1 }\n"), &cases);
    for epoch in 0..8 {
        let drawn = partners(&random, beginning, epoch);
        assert!(drawn.iter().all(|(question, partner)| of_file[question] <= *partner));
        assert!(drawn.len() > 50);
    }
}

#[test]
fn a_question_without_a_possible_partner_stays_single() {
    let mut cases = cases();
    cases.iter_mut().for_each(|case| case.group_id = "one patient".to_owned());
    let thumbnails = grey_levels(&cases, |number| number as u8);
    let recipe = recipe("pairs = { share = 1, partner = \"nearest_thumbnail\" }\n");
    let beginning = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let augmenter = Augmenter { thumbnails: Some(&thumbnails), ..Augmenter::without_images(&recipe, &cases) };
    assert!(partners(&augmenter, beginning, 0).is_empty());
    let single = augmenter.all(beginning, SampleIndex { case: 0, item: 0 });
    assert_eq!((single.len(), single[0].condition), (1, None));
}

#[test]
fn an_attacked_example_has_its_image_as_the_clean_view() {
    let cases = cases();
    let recipe = recipe("augment = { fgsm = { share = 1, eps = 4, random_start = true } }\n");
    let augmenter = Augmenter::without_images(&recipe, &cases);
    let place = RunPlan::new(&recipe, &cases).expect("a course").beginning(0);
    let needs = Needs::of(&[View::Clean], false);
    let mut attacked = 0;
    for (_, asked) in examples(&recipe, &cases).into_iter().filter(|(_, asked)| asked.condition == Some("fgsm")) {
        assert!(asked.perturbed.attack.is_some());
        let views = ViewBuilder::default().views(&augmenter, place, &asked, needs);
        let [(View::Clean, clean)] = &views[..] else { panic!("one clean view: {}", views.len()) };
        assert!(clean.perturbed.attack.is_none() && matches!(clean.perturbed.pictures, ShownImages::Own));
        assert_eq!(words(&cases, clean), words(&cases, &asked));
        attacked += 1;
    }
    assert!(attacked > 100, "{attacked}");
}
