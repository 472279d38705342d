use std::fs;

use image::{GrayImage, Luma};
use serde_json::{Value, json};

use super::*;
use crate::case::Split;
use crate::dataset::CASE_FILE;
use crate::dhash::{phash, phash_hex};
use crate::image::{load_image, sha256_hex};

/// Writes the image and mask of one valid case to a new folder. Returns the folder and the case.
fn sound() -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().expect("writable");
    let picture = GrayImage::from_fn(40, 20, |x, y| Luma([((x * 7 + y * y * 3) % 251) as u8]));
    let mask =
        GrayImage::from_fn(40, 20, |x, y| Luma([if (5..9).contains(&x) && (2..4).contains(&y) { 255 } else { 0 }]));
    picture.save(folder.path().join("a.png")).expect("saved");
    mask.save(folder.path().join("m.png")).expect("saved");
    let bytes = fs::read(folder.path().join("a.png")).expect("there");
    let hash = phash(&load_image(&folder.path().join("a.png")).expect("decodes"));
    let case = json!({"schema": "case/1", "case_id": "c1", "group_id": "g1", "split": "train",
        "source": {"dataset": "d", "licence": "cc0"}, "modality": "ct",
        "images": [{"id": "i0", "path": "a.png", "sha256": sha256_hex(&bytes), "phash": phash_hex(hash),
                    "width": 40, "height": 20, "orientation": "radiological"}],
        "regions": [
            {"id": "r1", "image": "i0", "label": "nodule", "kind": "box", "box": [0, 0, 40, 20], "role": "finding"},
            {"id": "r2", "image": "i0", "label": "lung", "kind": "mask", "path": "m.png", "box": [5, 2, 9, 4], "role": "organ"},
            {"id": "r3", "image": "i0", "label": "rib", "kind": "polygon", "points": [[1, 1], [9, 1], [5, 8.5]], "role": "organ"}],
        "chain": [
            {"id": "q1", "stage": 1, "category": "01", "question": "Which modality?",
             "answer": {"type": "choice", "options": ["CT", "MRI", "X-ray"], "gold": [0], "refusal": 2}, "confusable": [1]},
            {"id": "q2", "stage": 2, "category": "10", "parents": ["q1"], "question": "Is there a nodule?",
             "answer": {"type": "yesno", "gold": true, "pair_of": "q3"}, "evidence": ["r1"]},
            {"id": "q3", "stage": 2, "category": "10", "parents": ["q1"], "question": "Is it free of nodules?",
             "answer": {"type": "yesno", "gold": false, "pair_of": "q2"}, "evidence": ["r1"]},
            {"id": "q4", "stage": 2, "category": "12", "parents": ["q2"], "question": "Where is the nodule?",
             "answer": {"type": "box", "gold": ["r1"], "iou_ok": 0.5}, "paraphrases": ["Mark it."]},
            {"id": "q5", "stage": 3, "category": "17", "parents": ["q4"], "question": "How large?",
             "answer": {"type": "number", "gold": 4.5, "unit": "mm", "abs_tol": 1.0}},
            {"id": "q6", "stage": 4, "category": "25", "parents": ["q5"], "question": "Which side is affected?",
             "answer": {"type": "choice", "options": ["left", "right"], "gold": [1]},
             "laterality": {"dependent": true, "flipped_gold": "left"}},
            {"id": "q7", "stage": 4, "category": "25", "parents": ["q5"], "question": "What is it?",
             "answer": {"type": "text", "gold": ["granuloma"], "aliases": ["a granuloma"]}}]});
    (folder, case)
}

fn problems(folder: &tempfile::TempDir, cases: &[Value], files: Files) -> Vec<String> {
    let cases = cases.iter().map(|case| serde_json::from_value(case.clone()).expect("well formed")).collect();
    let dataset = Dataset::new(&folder.path().join(CASE_FILE), cases);
    let root = format!("{}/", folder.path().display());
    let options = CheckOptions { files, ..CheckOptions::default() };
    check(&dataset, &options).problems.iter().map(|problem| problem.to_string().replace(&root, "")).collect()
}

#[test]
fn a_sound_case_has_no_problems() {
    let (folder, case) = sound();
    assert_eq!(problems(&folder, &[case], Files::Contents), [""; 0]);
}

/// Breaks one rule at a time: JSON pointer, new value, and start of the only problem that is reported.
#[test]
fn each_broken_rule_is_reported_once_at_its_field() {
    let broken = [
        ("/schema", json!("case/2"), "schema: is \"case/2\" -> write \"case/1\""),
        ("/case_id", json!(" "), "case_id: is empty"),
        ("/source/licence", json!(""), "source.licence: is empty"),
        ("/images/0/path", json!("../a.png"), "images[0].path: \"../a.png\" does not lead into"),
        ("/images/0/path", json!("/etc/passwd"), "images[0].path: \"/etc/passwd\" does not lead into"),
        ("/images/0/path", json!("sub\\a.png"), "images[0].path: has a backslash, so it does not lead into"),
        ("/images/0/sha256", json!("ABC"), "images[0].sha256: is not 64"),
        ("/images/0/phash", json!("12"), "images[0].phash: is not 16"),
        (
            "/images/0/orientation",
            json!("radiologic"),
            "images[0].orientation: \"radiologic\" is not known (did you mean",
        ),
        ("/regions/1/id", json!("r3"), "regions[2].id: \"r3\" appears twice"),
        ("/regions/2/image", json!("i1"), "regions[2].image: there is no image \"i1\""),
        ("/regions/0/box", json!([5, 0, 5, 9]), "regions[0].box: [5.0, 0.0, 5.0, 9.0] has no area"),
        (
            "/regions/0/box",
            json!([0, 0, 41, 9]),
            "regions[0].box: [0.0, 0.0, 41.0, 9.0] extends beyond the image's 40 x 20",
        ),
        ("/regions/0/box", json!([-1, 0, 4, 9]), "regions[0].box: [-1.0, 0.0, 4.0, 9.0] extends beyond"),
        ("/regions/2/points", json!([[0, 0], [1, 1]]), "regions[2].points: has 2 points"),
        ("/regions/1/path", json!("../m.png"), "regions[1].path: \"../m.png\" does not lead into"),
        ("/chain/6/id", json!("q5"), "chain[6].id: \"q5\" appears twice"),
        ("/chain/0/stage", json!(2), "chain[0].stage: is 2, but category 01 (modality) is of stage 1"),
        ("/chain/0/category", json!("32"), "chain[0].category: there is no category \"32\""),
        ("/chain/4/parents", json!(["q9"]), "chain[4].parents[0]: there is no item \"q9\""),
        ("/chain/4/parents", json!(["q5"]), "chain[4].parents[0]: the item is its own parent"),
        ("/chain/4/parents", json!(["q6"]), "chain[4].parents[0]: \"q6\" comes after its child"),
        ("/chain/4/parents", json!(["q4", "q4"]), "chain[4].parents[1]: \"q4\" appears twice"),
        ("/chain/4/question", json!(""), "chain[4].question: is empty"),
        ("/chain/1/evidence", json!(["r7"]), "chain[1].evidence[0]: there is no region \"r7\""),
        (
            "/chain/3/paraphrases",
            json!(["Where is the nodule?"]),
            "chain[3].paraphrases[0]: \"Where is the nodule?\" appears",
        ),
        (
            "/chain/0/answer/options",
            json!(["CT", "ct.", "X"]),
            "chain[0].answer.options[1]: \"ct.\" is the same answer as \"CT\" to the parser -> make them differ",
        ),
        (
            "/chain/0/answer/options",
            json!(["CT", "CT\u{200B}a", "cta"]),
            "chain[0].answer.options[2]: \"cta\" is the same",
        ),
        ("/chain/0/answer/options", json!(["5 µm", "5 μm", "6"]), "chain[0].answer.options[1]: \"5 μm\" is the same"),
        (
            "/chain/0/answer/options",
            json!(["a", "?", "b"]),
            "chain[0].answer.options[1]: \"?\" is no answer to the parser",
        ),
        ("/chain/6/answer/gold", json!(["(-)"]), "chain[6].answer.gold[0]: \"(-)\" is no answer to the parser"),
        ("/chain/6/answer/aliases", json!(["..."]), "chain[6].answer.aliases[0]: \"...\" is no answer"),
        (
            "/chain/0/answer/options",
            json!(["CT ", "MRI", "X"]),
            "chain[0].answer.options[0]: starts or ends with white",
        ),
        ("/chain/0/answer/options", json!(["CT", "\u{A0}MRI", "X"]), "chain[0].answer.options[1]: starts or ends with"),
        (
            "/chain/0/answer/options",
            json!(["CT", "MRI", "X\u{200B}"]),
            "chain[0].answer.options[2]: starts or ends with",
        ),
        ("/chain/6/answer/gold", json!(["granuloma\n"]), "chain[6].answer.gold[0]: starts or ends with white space"),
        ("/chain/6/answer/aliases", json!([" a granuloma"]), "chain[6].answer.aliases[0]: starts or ends with white"),
        ("/chain/4/question", json!("How large? "), "chain[4].question: starts or ends with white space"),
        (
            "/chain/4/question",
            json!("\u{FEFF}How large?"),
            "chain[4].question: starts or ends with white space or an inv",
        ),
        (
            "/chain/4/question",
            json!("How\u{0} large?"),
            "chain[4].question: contains the control character U+0000 -> remove it",
        ),
        (
            "/chain/4/question",
            json!("How \u{1b}[31mlarge?"),
            "chain[4].question: contains the control character U+001B",
        ),
        ("/chain/3/paraphrases", json!(["Mark\u{7}it."]), "chain[3].paraphrases[0]: contains the control character"),
        (
            "/chain/0/answer/options",
            json!(["CT", "M\u{9b}RI", "X"]),
            "chain[0].answer.options[1]: contains the control",
        ),
        ("/case_id", json!("c\u{8}1"), "case_id: contains the control character U+0008"),
        ("/images/0/path", json!("a\u{1b}.png"), "images[0].path: contains the control character U+001B"),
        ("/regions/0/label", json!("x\ry"), "regions[0].label: contains the control character U+000D"),
        ("/chain/3/paraphrases", json!(["\tMark it."]), "chain[3].paraphrases[0]: starts or ends with white space"),
        ("/chain/4/answer/unit", json!(" mm"), "chain[4].answer.unit: starts or ends with white space"),
        ("/chain/5/laterality/flipped_gold", json!("left "), "chain[5].laterality.flipped_gold: starts or ends with"),
        (
            "/chain/5/laterality/flipped_gold",
            json!("Right."),
            "chain[5].laterality.flipped_gold: \"Right.\" is also right",
        ),
        ("/chain/0/answer/gold", json!([]), "chain[0].answer.gold: is empty"),
        ("/chain/0/answer/gold", json!([3]), "chain[0].answer.gold: there is no option 3 -> use an index from 0 to 2"),
        ("/chain/0/answer/gold", json!([0, 0]), "chain[0].answer.gold: option 0 is named twice"),
        ("/chain/0/answer/refusal", json!(5), "chain[0].answer.refusal: there is no option 5"),
        ("/chain/0/confusable", json!([7]), "chain[0].confusable: there is no option 7"),
        ("/chain/0/confusable", json!([0]), "chain[0].confusable[0]: option 0 is right"),
        ("/chain/6/answer/gold", json!([]), "chain[6].answer.gold: is empty"),
        ("/chain/3/answer/gold", json!(["r9"]), "chain[3].answer.gold[0]: there is no region \"r9\""),
        ("/chain/3/answer/iou_ok", json!(0), "chain[3].answer.iou_ok: is 0"),
        ("/chain/3/answer/iou_ok", json!(1.5), "chain[3].answer.iou_ok: is 1.5"),
        ("/chain/4/answer/abs_tol", json!(-1), "chain[4].answer.abs_tol: is -1"),
        (
            "/chain/5/laterality/flipped_gold",
            json!("right"),
            "chain[5].laterality.flipped_gold: \"right\" is also right without",
        ),
        ("/chain/5/laterality/dependent", json!(false), "chain[5].laterality.flipped_gold: is given for"),
    ];
    for (pointer, value, expected) in broken {
        let (folder, mut case) = sound();
        *case.pointer_mut(pointer).expect(pointer) = value.clone();
        let found = problems(&folder, &[case], Files::Skip);
        let starts = format!("cases.jsonl:1: {expected}");
        assert!(
            found.len() == 1 && found[0].starts_with(&starts),
            "{pointer} = {value}\nexpected {starts}\nfound {found:#?}"
        );
    }
}

#[test]
fn twins_point_at_each_other_and_disagree() {
    for (pointer, value, expected) in [
        ("/chain/1/answer/pair_of", json!("q2"), "the item names itself"),
        ("/chain/1/answer/pair_of", json!("q4"), "\"q4\" is not a yes/no question"),
        ("/chain/1/answer/pair_of", json!(null), "\"q2\" does not name this item in turn"),
        ("/chain/1/answer/gold", json!(false), "\"q3\" has the same answer"),
    ] {
        let (folder, mut case) = sound();
        *case.pointer_mut(pointer).expect(pointer) = value;
        let found = problems(&folder, &[case], Files::Skip);
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected}: {found:#?}");
    }
}

#[test]
fn options_that_differ_in_a_sign_are_two_answers() {
    for options in [["5", "5%"], ["T2*", "T2"], ["↑ signal", "↓ signal"], ["A←B", "A→B"], ["10²", "102"], ["1.5", "15"]]
    {
        let (folder, mut case) = sound();
        case["chain"][0]["answer"] = json!({"type": "choice", "options": options, "gold": [0]});
        assert_eq!(problems(&folder, &[case], Files::Skip), [""; 0], "{options:?}");
    }
}

#[test]
fn a_choice_needs_a_wrong_option() {
    let (folder, mut case) = sound();
    case["chain"][5]["answer"]["gold"] = json!([1, 0]);
    case["chain"][5].as_object_mut().expect("object").remove("laterality");
    let found = problems(&folder, &[case], Files::Skip);
    assert!(found.len() == 1 && found[0].contains("chain[5].answer.gold: every option is right"), "{found:#?}");
}

#[test]
fn synthetic_cases_have_no_problems() {
    let folder = tempfile::tempdir().expect("writable");
    let options = crate::synth::SynthOptions { cases: 24, ..Default::default() };
    crate::synth::write(folder.path(), &options, &mut |_| ()).expect("written");
    let (_, found) = check_file(folder.path(), &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
    assert_eq!(found, Findings::default());
}

#[test]
fn a_parent_of_a_later_stage_is_refused() {
    let (folder, mut case) = sound();
    case["chain"][1]["stage"] = json!(4);
    case["chain"][1]["category"] = json!("31");
    let found = problems(&folder, &[case], Files::Skip);
    let [problem] = &found[..] else { panic!("{found:#?}") };
    assert!(problem.contains("chain[3].parents[0]: \"q2\" is of stage 4, later than 2"), "{problem}");
}

#[test]
fn files_must_agree_with_the_record() {
    let changed = |change: &dyn Fn(&std::path::Path, &mut Value), files| {
        let (folder, mut case) = sound();
        change(folder.path(), &mut case);
        problems(&folder, &[case], files)
    };
    let one = |found: Vec<String>, starts: &str| {
        assert!(found.len() == 1 && found[0].starts_with(&format!("cases.jsonl:1: {starts}")), "{starts}\n{found:#?}");
    };
    one(
        changed(&|_, case| case["images"][0]["path"] = json!("b.png"), Files::Headers),
        "images[0].path: b.png cannot be read",
    );
    one(
        changed(&|_, case| case["images"][0]["path"] = json!("."), Files::Headers),
        "images[0].path: \".\" does not lead",
    );
    let smaller =
        |folder: &std::path::Path, _: &mut Value| GrayImage::new(39, 20).save(folder.join("m.png")).expect("saved");
    one(changed(&smaller, Files::Headers), "regions[1].path: is 39x20 pixels, not 40x20");
    let empty =
        |folder: &std::path::Path, _: &mut Value| GrayImage::new(40, 20).save(folder.join("m.png")).expect("saved");
    one(changed(&empty, Files::Contents), "regions[1].path: the mask is empty");
    one(
        changed(&|_, case| case["regions"][1]["box"] = json!([5, 2, 9, 5]), Files::Contents),
        "regions[1].box: is [5.0, 2.0, 9.0, 5.0], but",
    );
    let other = |folder: &std::path::Path, _: &mut Value| {
        let path = folder.join("a.png");
        load_image(&path).expect("decodes").save(path).expect("saved");
    };
    one(changed(&other, Files::Contents), "images[0].sha256: is");
    assert_eq!(changed(&other, Files::Headers), [""; 0]);
    one(
        changed(&|_, case| case["images"][0]["phash"] = json!("0123456789abcdef"), Files::Contents),
        "images[0].phash: is 0123",
    );
    let text = |folder: &std::path::Path, _: &mut Value| fs::write(folder.join("a.png"), "text").expect("written");
    one(changed(&text, Files::Headers), "images[0].path: a.png: is neither PNG nor JPEG");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let (folder, mut case) = sound();
    let (elsewhere, _) = sound();
    std::os::unix::fs::symlink(elsewhere.path().join("a.png"), folder.path().join("link.png")).expect("linked");
    case["images"][0]["path"] = json!("link.png");
    let found = problems(&folder, &[case], Files::Headers);
    assert!(found.len() == 1 && found[0].contains("link.png leads out of the data set's folder"), "{found:#?}");
}

#[test]
fn neither_groups_nor_images_may_be_on_two_sides_of_the_split() {
    let (folder, case) = sound();
    let mut second = case.clone();
    second["case_id"] = json!("c2");
    assert_eq!(problems(&folder, &[case.clone(), second.clone()], Files::Skip), [""; 0]);
    second["split"] = json!("test");
    let found = problems(&folder, &[case.clone(), second.clone()], Files::Skip);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("cases.jsonl:2: split: group \"g1\" is in train (row 1) and test (row 2)"));
    assert!(
        found[1].starts_with("cases.jsonl:2: images[0].sha256: the same image is in train (row 1) and test (row 2)")
    );
    // Another group and another file: a slightly brighter copy of the image, and a different image.
    let picture = load_image(&folder.path().join("a.png")).expect("decodes");
    second["group_id"] = json!("g2");
    second["images"][0]["path"] = json!("b.png");
    let path = folder.path().join("b.png");
    for (brighter, count) in [(true, 1), (false, 0)] {
        let mut other = picture.clone();
        other.enumerate_pixels_mut().for_each(|(x, y, pixel)| {
            pixel.0 = if brighter { pixel.0.map(|value| value.saturating_add(3)) } else { [(x * y % 256) as u8; 3] };
        });
        other.save(&path).expect("saved");
        second["images"][0]["sha256"] = json!(sha256_hex(&fs::read(&path).expect("there")));
        second["images"][0]["phash"] = json!(phash_hex(phash(&other)));
        let found = problems(&folder, &[case.clone(), second.clone()], Files::Contents);
        assert_eq!(found.len(), count, "{found:#?}");
        assert!(found.iter().all(|problem| problem.starts_with("cases.jsonl:2: images[0].phash: a near-duplicate")));
        assert_eq!(problems(&folder, &[case.clone(), second.clone()], Files::Headers), [""; 0]);
    }
}

#[test]
fn a_problem_of_two_cases_has_the_rows_of_both() {
    let (folder, case) = sound();
    let mut second = case.clone();
    second["case_id"] = json!("c2");
    second["split"] = json!("test");
    let mut third = case.clone();
    third["chain"][1]["answer"]["gold"] = json!(false);
    third["chain"][2]["answer"]["gold"] = json!(true);
    let cases = [case, second, third].map(|case| serde_json::from_value(case).expect("well formed"));
    let dataset = Dataset::new(&folder.path().join(CASE_FILE), cases.into());
    let options = CheckOptions { files: Files::Skip, ..CheckOptions::default() };
    let rows: Vec<(Option<usize>, Vec<usize>)> =
        check(&dataset, &options).problems.into_iter().map(|problem| (problem.row, problem.other_rows)).collect();
    // Group and image on two sides; then the id of the first case, and two answers of the first case.
    let expected = [(2, 1), (2, 1), (3, 1), (3, 1), (3, 1)].map(|(row, other)| (Some(row), vec![other]));
    assert_eq!(rows, expected);
}

#[test]
fn near_duplicates_without_a_recorded_hash_are_found_too() {
    let (folder, mut case) = sound();
    let mut copy = load_image(&folder.path().join("a.png")).expect("decodes");
    copy.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(|value| value.saturating_add(3)));
    let path = folder.path().join("b.png");
    copy.save(&path).expect("saved");
    case["images"][0].as_object_mut().expect("object").remove("phash");
    let mut second = case.clone();
    second["case_id"] = json!("c2");
    second["group_id"] = json!("g2");
    second["split"] = json!("test");
    second["images"][0]["path"] = json!("b.png");
    second["images"][0]["sha256"] = json!(sha256_hex(&fs::read(&path).expect("there")));
    let found = problems(&folder, &[case, second], Files::Contents);
    assert!(found.len() == 1 && found[0].contains("a near-duplicate image is in train (row 1) and test"), "{found:#?}");
}

#[test]
fn ids_are_unique_and_answers_do_not_contradict_each_other() {
    let (folder, case) = sound();
    let found = problems(&folder, &[case.clone(), case.clone()], Files::Skip);
    assert!(
        found.len() == 1 && found[0].starts_with("cases.jsonl:2: case_id: \"c1\" is already used in row 1"),
        "{found:#?}"
    );
    for (pointer, value, contradicts) in [
        ("/chain/0/answer/gold", json!([2]), true),
        ("/chain/0/answer/options", json!(["CT", "PET", "X-ray"]), false),
        ("/chain/4/answer/gold", json!(5.0), false),
        ("/chain/4/answer/gold", json!(6.0), true),
        ("/chain/3/answer/gold", json!(["r2"]), true),
        ("/chain/6/answer/gold", json!(["cyst"]), false), // both accept the alias
        ("/chain/6/answer", json!({"type": "text", "gold": ["Granuloma."]}), false),
        ("/chain/0/answer/options", json!(["X-ray", "MRI", "ct"]), true), // the right option is the wrong one there
        ("/chain/6/answer", json!({"type": "text", "gold": ["cyst"]}), true),
    ] {
        let mut second = case.clone();
        second["case_id"] = json!("c2");
        *second.pointer_mut(pointer).expect("there") = value.clone();
        if let Some(item) = second.pointer_mut("/chain/0") {
            item["confusable"] = json!([]);
        }
        let found = problems(&folder, &[case.clone(), second], Files::Skip);
        assert_eq!(
            found.iter().any(|problem| problem.contains("another answer")),
            contradicts,
            "{pointer} {value}: {found:#?}"
        );
        assert!(found.len() <= 1, "{found:#?}");
    }
}

#[test]
fn contradictions_do_not_depend_on_the_order_of_the_cases() {
    let (folder, one) = sound();
    let mut other = one.clone();
    other["case_id"] = json!("c2");
    for (gold, tolerance, contradicts) in
        [(6.0, json!(null), true), (6.0, json!(2.0), false), (5.0, json!(null), false)]
    {
        other["chain"][4]["answer"]["gold"] = json!(gold);
        other["chain"][4]["answer"]["abs_tol"] = tolerance;
        for order in [[&one, &other], [&other, &one]] {
            let found = problems(&folder, &order.map(Value::clone), Files::Skip);
            assert_eq!(found.len(), usize::from(contradicts), "{gold}: {found:#?}");
        }
    }
}

#[test]
fn the_summary_counts_cases_items_and_answers() {
    let (folder, case) = sound();
    let mut second = case.clone();
    second["split"] = json!("validation");
    second["chain"].as_array_mut().expect("list").truncate(3);
    let cases = [case, second].map(|case| serde_json::from_value(case).expect("well formed")).to_vec();
    let summary = summary(&Dataset::new(&folder.path().join(CASE_FILE), cases));
    assert_eq!((summary.cases, summary.groups, summary.images, summary.regions, summary.items), (2, 1, 2, 6, 10));
    assert_eq!(summary.cases_by_split[&Split::Validation], 1);
    assert_eq!(summary.items_by_split[&Split::Validation], 3);
    assert_eq!(summary.items_by_stage.values().copied().collect::<Vec<_>>(), [2, 5, 1, 2]);
    assert_eq!(summary.categories["10"].items, 4);
    assert_eq!((summary.categories["10"].chance, summary.categories["10"].majority), (0.5, 1.0));
    assert_eq!(summary.incomplete_chains, 1);
    assert!(summary.one_answer_questions.is_empty(), "each question is asked once on each side");
    let json = serde_json::to_value(&summary).expect("writes");
    assert_eq!((&json["items_by_answer"]["yesno"], &json["cases_by_split"]["train"]), (&json!(4), &json!(1)));
}

#[test]
fn questions_with_one_right_answer_are_named_for_each_side_of_the_split() {
    let (folder, case) = sound();
    let change = |number: usize, split: &str| {
        let mut case = case.clone();
        case["case_id"] = json!(format!("c{number}"));
        case["split"] = json!(split);
        case["chain"] = json!([
            {"id": "a", "stage": 1, "category": "01", "question": "Modality?",
             "answer": {"type": "choice", "options": ["CT", "MRI"], "gold": [usize::from(split == "test")]}},
            {"id": "b", "stage": 2, "category": "09", "question": "Abnormal?",
             "answer": {"type": "yesno", "gold": number.is_multiple_of(2)}},
        ]);
        serde_json::from_value(case).expect("well formed")
    };
    // Three training cases, two test cases, and one validation case, which alone says nothing of its questions.
    let sides = ["train", "train", "train", "test", "test", "validation"];
    let cases = sides.iter().enumerate().map(|(number, split)| change(number, split)).collect();
    let found = summary(&Dataset::new(&folder.path().join(CASE_FILE), cases)).one_answer_questions;
    let one = |split, gold: &str, items| OneAnswerQuestion {
        split,
        question: "Modality?".to_owned(),
        gold: gold.to_owned(),
        items,
        share: 0.5,
    };
    assert_eq!(found, [one(Split::Train, "CT", 3), one(Split::Test, "MRI", 2)]);
}

#[test]
fn records_that_break_rules_are_summarised_without_a_panic() {
    let (folder, mut case) = sound();
    case["chain"][0]["answer"] = json!({"type": "choice", "options": [], "gold": []});
    case["chain"][3]["answer"]["gold"] = json!(["nowhere"]);
    case["chain"][6]["answer"]["gold"] = json!([]);
    case["regions"][2]["points"] = json!([]);
    let case: Case = serde_json::from_value(case).expect("well formed");
    let found = summary(&Dataset::new(&folder.path().join(CASE_FILE), vec![case.clone(), case]));
    assert!(found.chance.is_finite() && found.majority.is_finite(), "{found:?}");
    assert!(found.categories.values().all(|count| count.chance.is_finite() && count.majority.is_finite()));
}

#[test]
fn turned_images_beside_regions_are_named() {
    let (folder, mut case) = sound();
    let picture = GrayImage::from_fn(20, 40, |x, y| Luma([((x * 7 + y * y * 3) % 251) as u8]));
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    image::ImageEncoder::set_exif_metadata(&mut encoder, exif).expect("JPEG has EXIF");
    let size = image::ExtendedColorType::L8;
    image::ImageEncoder::write_image(encoder, &picture, 20, 40, size).expect("encodes");
    fs::write(folder.path().join("a.jpg"), &bytes).expect("written");
    case["images"][0] = json!({"id": "i0", "path": "a.jpg", "sha256": sha256_hex(&bytes), "width": 40, "height": 20});
    let warnings = |case: &Value, files| {
        let cases = vec![serde_json::from_value(case.clone()).expect("well formed")];
        let dataset = Dataset::new(&folder.path().join(CASE_FILE), cases);
        let found = check(&dataset, &CheckOptions { files, ..CheckOptions::default() });
        assert_eq!(found.problems, []);
        found.warnings
    };
    let named = warnings(&case, Files::Contents);
    assert!(named.len() == 1 && named[0].contains("such as a.jpg (orientation 6) -> "), "{named:?}");
    assert_eq!(warnings(&case, Files::Headers), [""; 0]);
    case["regions"] = json!([]);
    for item in case["chain"].as_array_mut().expect("a chain") {
        item["evidence"] = json!([]);
    }
    case["chain"][3] = json!({"id": "q4", "stage": 2, "category": "10", "question": "Is it one?",
        "answer": {"type": "yesno", "gold": true}});
    assert_eq!(warnings(&case, Files::Contents), [""; 0]);
}
