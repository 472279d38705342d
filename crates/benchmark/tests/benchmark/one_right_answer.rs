//! Every question that is asked has one right answer, and none is shown by the change itself.

mod earlier_answers;
mod premises;
mod within_body;

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use stepwise_benchmark::mock::{BlindPrior, HintFollower, Oracle, Planted, Policy, PolicyInput};
use stepwise_benchmark::perturb::ShownImages;
use stepwise_benchmark::plan::{Plan, PlanEntry};
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};
use stepwise_data::prompt::prompt;
use stepwise_testing::benchmark::evaluate::{MockEvaluation, summary};
use stepwise_testing::benchmark::suite;
use stepwise_testing::benchmark::values::{expect, value};
use stepwise_testing::cases::synthetic;

const SIDE: u32 = 100;

/// Returns a suite of `clean` and one condition for each line of keys; the id is the kind, with the second key appended.
fn suite(conditions: &[(&str, &str)]) -> Suite {
    suite::suite("seed = 5", &[&[("clean", "kind = \"clean\"")], conditions].concat())
}

fn of<'a>(plan: &'a Plan<'_>, id: &'a str) -> impl Iterator<Item = PlanEntry> + 'a {
    plan.entries.iter().copied().filter(move |entry| plan.condition(*entry).id == id)
}

/// Returns the ids of the items that a condition is asked of.
fn asked<'a>(plan: &'a Plan<'_>, id: &'a str) -> BTreeSet<&'a str> {
    of(plan, id).map(|entry| plan.item(entry).1.id.as_str()).collect()
}

/// Returns the options that an entry shows, in order, and the position of the right one.
fn shown(plan: &Plan<'_>, entry: PlanEntry) -> (Vec<String>, usize) {
    let (case, item) = plan.item(entry);
    let prompt = prompt(case, item, &plan.perturbed(entry).expect("planned").frame);
    let place = prompt.options.iter().position(|option| *option == prompt.answer).expect("the right option is shown");
    (prompt.options, place)
}

/// Returns the pixels that the change of an entry draws on its image.
fn drawn(plan: &Plan<'_>, entry: PlanEntry) -> Vec<(u32, u32)> {
    let ShownImages::Edited(edit) = plan.perturbed(entry).expect("planned").pictures else { panic!("it is edited") };
    let mut shown = RgbImage::from_pixel(SIDE, SIDE, Rgb([99; 3]));
    edit.apply(0, &mut shown);
    shown.enumerate_pixels().filter(|(.., pixel)| pixel.0 != [99; 3]).map(|(x, y, _)| (x, y)).collect()
}

fn case(id: &str, regions: Value, chain: Value) -> Case {
    serde_json::from_value(json!({
        "schema": "case/1", "case_id": id, "group_id": id, "split": "test",
        "source": {"dataset": "constructed", "licence": "CC0-1.0"}, "modality": "x-ray",
        "images": [{"id": "i", "path": "i.png", "sha256": "", "width": SIDE, "height": SIDE}],
        "regions": regions, "chain": chain
    }))
    .expect("a valid case")
}

fn region(id: &str, label: &str, bounds: [u32; 4]) -> Value {
    json!({"id": id, "image": "i", "label": label, "kind": "box", "box": bounds, "role": "finding"})
}

fn item(id: &str, stage: u8, category: &str, question: &str, answer: Value) -> Value {
    json!({"id": id, "stage": stage, "category": category, "question": question, "answer": answer})
}

fn choice(options: &[&str], gold: usize) -> Value {
    json!({"type": "choice", "options": options, "gold": [gold]})
}

fn yes(gold: bool) -> Value {
    json!({"type": "yesno", "gold": gold})
}

fn grey(_: &Case, _: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
    Ok(Arc::new(RgbImage::from_pixel(SIDE, SIDE, Rgb([200; 3]))))
}

fn evaluated(suite: &Suite, cases: &[Case], policy: impl Policy) -> Summary {
    let plan = Plan::new(suite, cases);
    summary(&plan, &MockEvaluation::on(&grey).run(&plan, &mut Planted::knowing(&plan, policy)), None)
}

/// Case with one or two nodules in the left or in the right half, and questions of every form about them.
fn with_nodules(number: usize) -> Case {
    let x = if number.is_multiple_of(2) { 10 } else { 70 };
    let size = 8 + 6 * (number as u32 % 3);
    let boxes = [[x, 10, x + size, 20], [x, 60, x + size, 70]];
    let count = 1 + number % 2;
    let regions: Vec<Value> = (0..count).map(|place| region(&format!("r{place}"), "nodule", boxes[place])).collect();
    let ids: Vec<String> = (0..count).map(|place| format!("r{place}")).collect();
    let seen = |id: &str, stage, category: &str, answer| {
        let mut asked = item(id, stage, category, &format!("{id}?"), answer);
        asked["evidence"] = json!(ids);
        asked
    };
    let mut rule = seen("rule", 4, "30", choice(&["wait", "act"], count - 1));
    rule["parents"] = json!(["count", "zone"]);
    let mut dense = seen("dense", 3, "20", choice(&["sparse", "dense"], count - 1));
    dense["parents"] = json!(["count"]);
    let chain = json!([
        seen("present", 2, "10", yes(true)),
        seen("box", 2, "12", json!({"type": "box", "gold": ids, "iou_ok": 0.5})),
        seen("zone", 2, "13", choice(&["left", "right"], number % 2)),
        seen("count", 2, "14", json!({"type": "number", "gold": count})),
        seen("size", 3, "17", choice(&["small", "medium", "large"], number % 3)),
        dense,
        seen("signal", 3, "19", choice(&["bright", "dark"], number / 2 % 2)),
        rule
    ]);
    case(&format!("nodules-{number:02}"), json!(regions), chain)
}

/// Case with a mass on one side or on both, no pneumothorax, and the given further items.
fn chest(number: usize, more: &[Value]) -> Case {
    let mut chain = vec![
        item("mass", 2, "10", "Does this image show a mass?", yes(true)),
        item("no-mass", 2, "10", "Is this image free of a mass?", yes(false)),
        item("air", 2, "10", "Does this image show a pneumothorax?", yes(false)),
        item("left-fluid", 2, "10", "Is there an effusion on the left?", yes(false)),
        item(
            "lung",
            2,
            "13",
            "Which lung does the mass affect?",
            choice(&["left lung", "right lung", "both lungs"], number % 3),
        ),
        item(
            "margin",
            3,
            "18",
            "What margin does the mass have?",
            json!({"type": "choice", "options": ["smooth", "lobulated", "cannot tell"], "gold": [number % 2], "refusal": 2}),
        ),
    ];
    chain.extend_from_slice(more);
    case(&format!("chest-{number:02}"), json!([region("r", "mass", [1, 1, 9, 9])]), json!(chain))
}

/// Mock model that knows nothing of the evidence: it reads the grey rectangles of a mask, and else uses its prior.
struct RectangleReader;

impl Policy for RectangleReader {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let covered = |picture: &RgbImage| -> Vec<[u32; 4]> {
            let grey = |x, y| picture.get_pixel(x, y).0 == [128; 3];
            let corner = |x: u32, y: u32| grey(x, y) && (x == 0 || !grey(x - 1, y)) && (y == 0 || !grey(x, y - 1));
            let places = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
            places
                .filter(|(x, y)| corner(*x, *y))
                .map(|(x, y)| {
                    let right = (x..SIDE).find(|x| !grey(*x, y)).unwrap_or(SIDE);
                    let low = (y..SIDE).find(|y| !grey(x, *y)).unwrap_or(SIDE);
                    [x, y, right, low]
                })
                .collect()
        };
        let found = view.picture().map(covered).unwrap_or_default();
        let Some([x0, _, x1, _]) = found.first().copied() else { return BlindPrior.say(view) };
        // The mask is 4 pixels wider than the evidence on every side that has room.
        let inner = |[x0, y0, x1, y1]: [u32; 4]| format!("[{}, {}, {}, {}]", x0 + 4, y0 + 4, x1 - 4, y1 - 4);
        match (&view.item.answer, view.item.id.as_str()) {
            (Answer::Box { .. }, _) => found.into_iter().map(inner).collect::<Vec<_>>().join(" "),
            (Answer::Number { .. }, _) => found.len().to_string(),
            (Answer::Choice { options, .. }, "zone") => options[usize::from(x0 + x1 > SIDE)].clone(),
            (Answer::Choice { options, .. }, "size") => options[((x1 - x0 - 16) / 6).min(2) as usize].clone(),
            (Answer::Choice { options, .. }, "dense" | "rule") => options[found.len().min(2) - 1].clone(),
            _ => BlindPrior.say(view),
        }
    }
}

#[test]
fn a_reader_of_rectangles_is_asked_nothing_that_they_show() {
    let places = "answers = \"place\"";
    let suite = suite(&[
        ("region_mask", "kind = \"region_mask\"\ncontrol = \"random_mask\""),
        ("random_mask", "kind = \"random_mask\"\ncontrol = \"clean\""),
        ("region_only", "kind = \"region_only\""),
        ("random_only", "kind = \"random_only\""),
        ("region_decay", "kind = \"region_decay\"\nshare = 67"),
        ("random_decay", "kind = \"random_decay\"\nshare = 67"),
        ("place", &format!("kind = \"region_mask\"\n{places}\ncontrol = \"place_elsewhere\"")),
        ("place_elsewhere", &format!("kind = \"random_mask\"\n{places}")),
    ]);
    let cases: Vec<Case> = (0..12).map(with_nodules).collect();
    let plan = Plan::new(&suite, &cases);
    for id in ["region_mask", "random_mask", "region_only", "random_only", "region_decay", "random_decay"] {
        assert_eq!(asked(&plan, id), BTreeSet::from(["signal"]), "{id}");
    }
    assert_eq!(asked(&plan, "place"), BTreeSet::from(["box", "zone"]));
    assert_eq!(plan.skipped[1]["the outline of the mask would show the answer"], 84);
    let reader = evaluated(&suite, &cases, RectangleReader);
    expect(&reader, "region_grounding", 0.0);
    expect(&reader, "visual_grounding", 0.0);
    expect(&reader, "accuracy:place", 1.0);
    // The moved rectangles show other places.
    assert!(value(&reader, "place_reading") > 0.4);
    let oracle = evaluated(&suite, &cases, Oracle);
    expect(&oracle, "place_reading", 0.0);
}

#[test]
fn a_mark_is_drawn_where_it_neither_shows_the_answer_nor_leaves_open_what_is_meant() {
    let kinds = ["cue_true", "cue_wrong", "cue_neutral", "cue_text_wrong", "cue_text_true"];
    let conditions = kinds.map(|kind| (kind, format!("kind = \"{kind}\"")));
    let suite = suite(&conditions.iter().map(|(id, keys)| (*id, keys.as_str())).collect::<Vec<_>>());
    let cases: Vec<Case> = (0..12).map(with_nodules).collect();
    let plan = Plan::new(&suite, &cases);
    for id in kinds {
        assert!(asked(&plan, id).contains("signal") && !asked(&plan, id).contains("present"), "{id}");
    }
    for entry in of(&plan, "cue_text_wrong").chain(of(&plan, "cue_text_true")) {
        assert_eq!(plan.item(entry).0.regions.len(), 1, "of two marked nodules the claim would mean one");
    }
}

#[test]
fn a_mark_points_at_the_finding_and_not_at_the_organ_that_it_is_compared_with() {
    let organ = |id: &str, bounds: [u32; 4]| {
        let mut organ = region(id, id, bounds);
        organ["role"] = json!("organ");
        organ
    };
    let asked = |id: &str, evidence: &[&str]| {
        let mut asked = item(id, 3, "19", "Signal?", choice(&["bright", "dark"], 0));
        asked["evidence"] = json!(evidence);
        asked
    };
    let regions = json!([region("r", "nodule", [40, 70, 60, 90]), organ("lung", [10, 10, 90, 95])]);
    let cases = [case("c", regions, json!([asked("both", &["r", "lung"]), asked("organ", &["lung"])]))];
    let suite = suite(&[("cue_true", "kind = \"cue_true\"")]);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(of(&plan, "cue_true").count(), 2, "an organ alone is what the question is about");
    for entry in of(&plan, "cue_true") {
        let rows: BTreeSet<u32> = drawn(&plan, entry).into_iter().map(|(_, y)| y).collect();
        let [first, last] = [rows.first(), rows.last()].map(|row| *row.expect("drawn"));
        let bounds = if plan.item(entry).1.id == "both" { [68, 91] } else { [8, 96] };
        assert_eq!([first, last], bounds, "a line of two pixels around the region");
    }
}

#[test]
fn no_claim_is_made_on_an_image_with_marks_of_its_own() {
    let mut signal = item("signal", 3, "19", "Signal?", choice(&["bright", "dark"], 0));
    signal["evidence"] = json!(["r"]);
    let claimed = |label: &str| {
        let mut reference = region("m", label, [70, 70, 90, 90]);
        reference["role"] = json!("reference");
        let cases = [case("c", json!([region("r", "nodule", [10, 10, 30, 30]), reference]), json!([signal]))];
        of(&Plan::new(&suite(&[("claim", "kind = \"cue_text_true\"")]), &cases), "claim").count()
    };
    assert_eq!((claimed("side marker"), claimed("green mark")), (1, 0));
}

#[test]
fn an_answer_that_stays_true_without_the_image_is_not_asked_for_without_it() {
    let mut conditions = ["blank", "no_image", "swap_far"].map(|kind| (kind, format!("kind = \"{kind}\""))).to_vec();
    conditions.push(("zero_blank", "kind = \"hint_zero\"\non = \"blank\"".to_owned()));
    let suite = suite(&conditions.iter().map(|(id, keys)| (*id, keys.as_str())).collect::<Vec<_>>());
    let which = |id: &str, gold| item(id, 2, "11", "Which is shown?", choice(&["mass", "cyst", "none of these"], gold));
    let more = [
        which("some", 0),
        which("nothing", 2),
        item("count", 2, "14", "How many?", json!({"type": "number", "gold": 0})),
    ];
    let mut cases: Vec<Case> = (0..2).map(|number| chest(number, &more)).collect();
    cases.push(Case { modality: "ct".into(), ..chest(2, &[]) });
    let plan = Plan::new(&suite, &cases);
    for (id, _) in &conditions {
        let left = BTreeSet::from(["lung", "margin", "mass", "no-mass", "some"]);
        assert_eq!(asked(&plan, id), left, "{id}");
    }
}

#[test]
fn a_change_of_the_image_is_not_asked_about_what_it_changes() {
    let seen = |id: &str, stage, category: &str, answer| {
        let mut asked = item(id, stage, category, &format!("{id}?"), answer);
        asked["evidence"] = json!(["r"]);
        asked
    };
    let either = || choice(&["one", "other"], 0);
    let mut follows = seen("follows", 4, "25", either());
    follows["parents"] = json!(["quality"]);
    let chain = json!([
        item("quality", 1, "08", "quality?", either()),
        item("view", 1, "03", "view?", either()),
        seen("box", 2, "12", json!({"type": "box", "gold": ["r"], "iou_ok": 0.5})),
        item("marked", 2, "16", "marked?", either()),
        item("absent", 2, "11", "absent?", either()),
        seen("size", 3, "17", either()),
        seen("signal", 3, "19", either()),
        follows
    ]);
    let organ = |id: &str, bounds: [u32; 4]| {
        let mut region = region(id, id, bounds);
        region["role"] = json!("organ");
        region
    };
    let regions = json!([
        region("r", "nodule", [40, 70, 60, 90]),
        organ("lung", [0, 60, 100, 100]),
        organ("heart", [0, 0, 100, 20])
    ]);
    let cases = [case("c", regions, chain)];
    let suite = suite(&[
        ("gaussian_noise", "kind = \"gaussian_noise\"\nlevel = 3"),
        ("gaussian_blur", "kind = \"gaussian_blur\"\nlevel = 3"),
        ("written_wrong", "kind = \"written_wrong\""),
        ("cue_true_arrow", "kind = \"cue_true\"\nshape = \"arrow\""),
        ("cue_true_contour", "kind = \"cue_true\"\nshape = \"contour\""),
    ]);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(asked(&plan, "gaussian_noise"), BTreeSet::from(["absent", "box", "signal", "size", "view"]));
    assert_eq!(asked(&plan, "gaussian_blur"), BTreeSet::from(["absent", "box", "signal", "view"]));
    // Words hide no organ where the answer may be that something is absent.
    assert_eq!(
        asked(&plan, "written_wrong"),
        BTreeSet::from(["absent", "follows", "marked", "quality", "signal", "size"])
    );
    for entry in of(&plan, "written_wrong") {
        let rows: BTreeSet<u32> = drawn(&plan, entry).into_iter().map(|(_, y)| y).collect();
        let id = plan.item(entry).1.id.as_str();
        let has_evidence = ["follows", "signal", "size"].contains(&id);
        assert!(has_evidence || rows.iter().all(|y| (20..60).contains(y)), "{id}: {rows:?}");
    }
    // A box has no contour, and an arrow points at the ellipse inside it.
    assert_eq!(asked(&plan, "cue_true_contour"), BTreeSet::new());
    assert!(asked(&plan, "cue_true_arrow").contains("signal"));
}

#[test]
fn a_patient_suggests_no_modality_and_writes_no_system_message() {
    let cases = [case(
        "c",
        json!([]),
        json!([
            item("modality", 1, "01", "modality?", choice(&["CT", "X-ray"], 1)),
            item("finding", 2, "10", "Does this image show a mass?", yes(true))
        ]),
    )];
    let suite = suite(&[
        ("patient", "kind = \"hint_minus\"\npersona = \"patient\""),
        ("system", "kind = \"hint_minus\"\npersona = \"patient\"\nplace = \"system\""),
        ("physician", "kind = \"hint_minus\"\npersona = \"physician\"\nplace = \"system\""),
    ]);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(asked(&plan, "patient"), BTreeSet::from(["finding"]));
    assert_eq!(asked(&plan, "system"), BTreeSet::new());
    assert_eq!(asked(&plan, "physician"), BTreeSet::from(["finding", "modality"]));
}

#[test]
fn an_x_ray_is_not_flipped_where_the_question_names_a_side_of_the_patient() {
    let sided = |id: &str, question: &str| {
        let mut asked = item(id, 2, "13", question, choice(&["left lung", "right lung"], 0));
        asked["laterality"] = json!({"dependent": true, "flipped_gold": "right lung"});
        asked
    };
    let chain = json!([
        sided("patient", "With the patient's right on the left of the image: which lung?"),
        sided("image", "Which half of the image?")
    ]);
    let x_ray = case("x", json!([]), chain.clone());
    let ct = Case { modality: "ct".into(), ..case("ct", json!([]), chain) };
    let suite = suite(&[("flip", "kind = \"flip\"")]);
    assert_eq!(asked(&Plan::new(&suite, &[x_ray]), "flip"), BTreeSet::from(["image"]));
    assert_eq!(asked(&Plan::new(&suite, &[ct]), "flip").len(), 2);
}

#[test]
fn an_image_is_swapped_only_where_the_answer_is_known_to_differ() {
    let which = "Which of these findings does this image show?";
    let select = |options: &[&str], gold| item("which", 2, "11", which, choice(options, gold));
    let affects = |label: &str, gold| {
        let question = format!("Which lung does the {label} affect?");
        item(&format!("side-{label}"), 2, "13", &question, choice(&["left lung", "right lung"], gold))
    };
    let mass = region("r", "mass", [1, 1, 9, 9]);
    let cases = [
        case("own", json!([mass]), json!([select(&["mass", "effusion", "none of these"], 0), affects("mass", 0)])),
        // Shows a mass that its own options leave out.
        case(
            "also",
            json!([mass]),
            json!([select(&["effusion", "nodule", "none of these"], 0), affects("effusion", 1)]),
        ),
        // Its options offer no mass, and nothing is recorded about one.
        case("open", json!([]), json!([select(&["effusion", "nodule", "none of these"], 0)])),
        // Nothing that the first case offers is known to be true of it.
        case("other", json!([]), json!([select(&["nodule", "mass", "none of these"], 0)])),
    ];
    let suite = suite(&[("near", "kind = \"swap_near\""), ("same", "kind = \"swap_same\"")]);
    let plan = Plan::new(&suite, &cases);
    let of_own = |plan: &Plan<'_>, id: &str| of(plan, id).filter(|entry| entry.case == 0).count();
    assert_eq!((of_own(&plan, "near"), of_own(&plan, "same")), (0, 0));
    assert!(plan.skipped[1].contains_key("no other patient is asked this question"), "{:?}", plan.skipped);

    let mut known = cases.to_vec();
    known.push(case(
        "denied",
        json!([]),
        json!([
            select(&["effusion", "nodule", "none of these"], 0),
            item("no", 2, "10", "Is the image free of a mass?", yes(true))
        ]),
    ));
    known.push(case(
        "alike",
        json!([]),
        json!([
            select(&["mass", "nodule", "none of these"], 0),
            item("no", 2, "10", "Does the image show an effusion?", yes(false))
        ]),
    ));
    let plan = Plan::new(&suite, &known);
    for (id, partner) in [("near", "denied"), ("same", "alike")] {
        let entry = of(&plan, id).find(|entry| entry.case == 0).unwrap_or_else(|| panic!("{id} is asked"));
        assert_eq!(known[plan.perturbed(entry).expect("planned").shown_case(0)].case_id, partner);
    }
}

#[test]
fn a_text_that_is_part_of_another_is_no_other_answer() {
    let text = |answer: &str| item("what", 4, "25", "What is it?", json!({"type": "text", "gold": [answer]}));
    let of_pair = |theirs: &str| {
        let cases =
            [case("own", json!([]), json!([text("pneumonia")])), case("other", json!([]), json!([text(theirs)]))];
        of(&Plan::new(&suite(&[("near", "kind = \"swap_near\"")]), &cases), "near").count()
    };
    assert_eq!((of_pair("viral pneumonia"), of_pair("oedema")), (0, 2));
}

#[test]
fn images_are_swapped_with_a_case_of_as_many_images() {
    let which = |gold| item("which", 2, "11", "Which is shown?", choice(&["mass", "cyst"], gold));
    let (own, other) = (case("own", json!([]), json!([which(0)])), case("other", json!([]), json!([which(1)])));
    let mut pair = other.clone();
    pair.images.push(pair.images[0].clone());
    let swaps = |other: Case| {
        of(&Plan::new(&suite(&[("near", "kind = \"swap_near\"")]), &[own.clone(), other]), "near").count()
    };
    assert_eq!((swaps(other), swaps(pair)), (2, 0));
}

#[test]
fn a_wrong_text_is_the_answer_of_another_patient() {
    let text = |id: &str, patient: &str, answer: &str| {
        let what = item("what", 4, "25", "What is it?", json!({"type": "text", "gold": [answer]}));
        Case { group_id: patient.into(), ..case(id, json!([]), json!([what])) }
    };
    let mut cases = vec![text("first", "one", "oedema"), text("second", "one", "scar"), text("third", "two", "mass")];
    let suite = suite(&[("wrong", "kind = \"hint_minus\"")]);
    let named = |cases: &[Case]| -> Vec<String> {
        let plan = Plan::new(&suite, cases);
        let named = of(&plan, "wrong").filter(|entry| plan.item(*entry).0.group_id == "one");
        named.map(|entry| plan.perturbed(entry).expect("planned").named.expect("an answer").text).collect()
    };
    assert_eq!(named(&cases), ["mass"; 2]);
    cases.pop();
    assert!(named(&cases).is_empty(), "a patient's second answer may be right as well");
}

/// Mock model that is always wrong.
struct Wrong;

impl Policy for Wrong {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        view.wrong()
    }
}

#[test]
fn a_believer_of_hints_guesses_from_the_prompt_and_a_blind_prior_does_not() {
    let mut conditions = vec![("clean".to_owned(), "kind = \"clean\"".to_owned())];
    for on in ["blank", "no_image", "swap_near"] {
        conditions.push((on.to_owned(), format!("kind = \"{on}\"")));
        conditions
            .push((format!("plus_{on}"), format!("kind = \"hint_plus\"\non = \"{on}\"\ncontrol = \"zero_{on}\"")));
        conditions.push((format!("zero_{on}"), format!("kind = \"hint_zero\"\non = \"{on}\"\ncontrol = \"{on}\"")));
    }
    let suite = suite::suite("seed = 5", &conditions);
    let cases: Vec<Case> = (0..12).map(|number| chest(number, &[])).collect();
    let (believer, blind) = (evaluated(&suite, &cases, HintFollower(Wrong)), evaluated(&suite, &cases, BlindPrior));
    for id in ["hint_reliance_blank", "hint_reliance_no_image", "hint_reliance_swap_near"] {
        expect(&believer, id, 1.0);
        expect(&blind, id, 0.0);
    }
    // The images are replaced and the sentence is added.
    let plan = Plan::new(&suite, &cases);
    let entry = of(&plan, "plus_blank").next().expect("asked");
    let combined = plan.perturbed(entry).expect("planned");
    assert_eq!((combined.pictures.key().as_str(), combined.frame.inserts.len()), ("blank:128", 1));
    let entry = of(&plan, "plus_swap_near").next().expect("asked");
    assert_ne!(plan.perturbed(entry).expect("planned").shown_case(entry.case), entry.case);
}
