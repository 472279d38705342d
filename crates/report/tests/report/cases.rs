//! Page of a data set: complete, self-contained and escaped.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use serde_json::{Value, json};
use stepwise_data::case::Case;
use stepwise_data::check::{CheckOptions, Files, NearImage, check, summary};
use stepwise_data::dataset::Dataset;
use stepwise_data::image::sha256_hex;
use stepwise_data::taxonomy::Taxonomy;
use stepwise_report::cases::{CasesInput, render};

use crate::read::{keep, text};

/// Writes an image and a mask to `folder`, and returns a case of them with every kind of region and answer.
fn case(folder: &Path, id: &str) -> Value {
    let shade = id.len() as u32;
    let picture = GrayImage::from_fn(40, 20, |x, y| Luma([((x * 7 + y * y * shade) % 251) as u8]));
    let lung = |x: u32, y: u32| (5..9).contains(&x) && (2..6).contains(&y) && (x, y) != (6, 3);
    let mask = GrayImage::from_fn(40, 20, |x, y| Luma([if lung(x, y) { 255 } else { 0 }]));
    let (image_file, mask_file) = (format!("{id}.png"), format!("{id}-mask.png"));
    picture.save(folder.join(&image_file)).expect("saved");
    mask.save(folder.join(&mask_file)).expect("saved");
    let digest = sha256_hex(&fs::read(folder.join(&image_file)).expect("there"));
    json!({"schema": "case/1", "case_id": id, "group_id": format!("g-{id}"), "split": "train",
        "source": {"dataset": "d", "licence": "CC0-1.0"}, "modality": "ct", "body_region": "chest",
        "images": [{"id": "i0", "path": image_file, "sha256": digest, "width": 40, "height": 20,
                    "orientation": "radiological"}],
        "regions": [
            {"id": "r1", "image": "i0", "label": "nodule", "kind": "box", "box": [20, 4, 26, 9.5], "role": "finding"},
            {"id": "r2", "image": "i0", "label": "lung", "kind": "mask", "path": mask_file, "box": [5, 2, 9, 6], "role": "organ"},
            {"id": "r3", "image": "i0", "label": "tube", "kind": "polygon", "points": [[30, 1], [39, 1], [35, 8.5]], "role": "device"}],
        "chain": [
            {"id": "q1", "stage": 1, "category": "01", "question": "Which modality?",
             "answer": {"type": "choice", "options": ["CT", "MRI", "cannot be determined"], "gold": [0], "refusal": 2}, "confusable": [1]},
            {"id": "q2", "stage": 2, "category": "10", "parents": ["q1"], "question": "Is there a nodule?",
             "answer": {"type": "yesno", "gold": true, "pair_of": "q3"}, "evidence": ["r1"], "vision_required": true},
            {"id": "q3", "stage": 2, "category": "10", "parents": ["q2"], "question": "Is it free of nodules?",
             "answer": {"type": "yesno", "gold": false, "pair_of": "q2"}, "evidence": ["r1", "r2"]},
            {"id": "q4", "stage": 2, "category": "12", "parents": ["q1"], "question": "Where is the nodule?",
             "answer": {"type": "box", "gold": ["r1"], "iou_ok": 0.5}, "paraphrases": ["Mark it."]},
            {"id": "q5", "stage": 3, "category": "17", "parents": ["q4"], "question": "How large?",
             "answer": {"type": "number", "gold": 4.5, "unit": "mm", "abs_tol": 1.0}},
            {"id": "q6", "stage": 4, "category": "25", "parents": ["q5"], "question": "Which side is affected?",
             "answer": {"type": "choice", "options": ["left", "right"], "gold": [1]},
             "laterality": {"dependent": true, "flipped_gold": "left"}},
            {"id": "q7", "stage": 4, "category": "25", "parents": ["q5"], "question": "What is it?",
             "answer": {"type": "text", "gold": ["granuloma"], "aliases": ["a granuloma"]}, "rationale": "It is calcified."}]})
}

/// Renders the page of all cases.
fn page(folder: &Path, cases: &[Value]) -> String {
    let cases: Vec<Case> =
        cases.iter().map(|case| serde_json::from_value(case.clone()).expect("well formed")).collect();
    let dataset = Dataset::new(&folder.join("cases.jsonl"), cases);
    let findings = check(&dataset, &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
    let shown: Vec<usize> = (0..dataset.cases.len()).collect();
    let near: Vec<NearImage> =
        (1..shown.len()).map(|case| NearImage { earlier: 0, case, image: 0, change: None }).collect();
    let report = render(&CasesInput {
        title: "data/<mine>",
        dataset: &dataset,
        summary: &summary(&dataset),
        taxonomy: &Taxonomy::default(),
        findings: &findings,
        near: &near,
        shown: &shown,
        prompts: None,
        shows_credentialed: false,
        selection: "All cases",
    });
    report.html.replace(&folder.display().to_string(), "FOLDER")
}

/// The page without its style and with the beginnings of embedded files only.
fn skeleton(page: &str) -> String {
    let (_, body) = page.split_once("<main>").expect("a page");
    let mut parts = body.split(";base64,");
    let mut short = parts.next().expect("a part").to_owned();
    for part in parts {
        let rest = part.find('"').map_or("", |end| &part[end..]);
        short.push_str(";base64,...");
        short.push_str(rest);
    }
    short.replace("><", ">\n<")
}

#[test]
fn a_page_of_two_cases_equals_the_snapshot() {
    let folder = tempfile::tempdir().expect("writable");
    let cases = ["scan-1", "scan-22"].map(|id| case(folder.path(), id));
    let page = page(folder.path(), &cases);
    keep("cases.html", &page);
    insta::assert_snapshot!(skeleton(&page));
}

#[test]
fn the_page_loads_nothing_and_its_tags_and_links_are_sound() {
    let folder = tempfile::tempdir().expect("writable");
    let page = page(folder.path(), &["scan-1", "scan-22"].map(|id| case(folder.path(), id)));
    assert!(page.contains("default-src 'none'") && !page.contains("<script") && !page.contains("://"));
    for tag in ["section", "article", "div", "table", "svg", "g", "label", "ol", "ul", "li", "p", "dl", "span"] {
        let opened = page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for (attribute, sign) in [("href=\"#", ""), ("for=\"", "")] {
        for target in page.split(attribute).skip(1).filter_map(|part| part.split('"').next()) {
            assert_eq!(page.matches(&format!("id=\"{sign}{target}\"")).count(), 1, "{target}");
        }
    }
    // The outline of the mask with its hole, in pixels.
    assert!(page.contains("d=\"M5 2H9V6H5ZM6 4H7V3H6Z\""));
    // The question lights the regions of its evidence; the rule is in the style.
    assert!(page.contains("class=\"item e0 e1\"") && page.contains(".case:has(.e1:hover,.e1:focus) .r1 .line"));
}

#[test]
fn hostile_text_is_escaped_everywhere() {
    let folder = tempfile::tempdir().expect("writable");
    let mut case = case(folder.path(), "scan-1");
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    for pointer in [
        "/case_id",
        "/group_id",
        "/source/dataset",
        "/source/licence",
        "/modality",
        "/body_region",
        "/images/0/orientation",
        "/regions/0/id",
        "/regions/0/label",
        "/chain/0/id",
        "/chain/0/category",
        "/chain/0/question",
        "/chain/0/answer/options/1",
        "/chain/1/parents/0",
        "/chain/1/evidence/0",
        "/chain/1/answer/pair_of",
        "/chain/3/answer/gold/0",
        "/chain/3/paraphrases/0",
        "/chain/4/answer/unit",
        "/chain/5/laterality/flipped_gold",
        "/chain/6/answer/gold/0",
        "/chain/6/answer/aliases/0",
        "/chain/6/rationale",
    ] {
        *case.pointer_mut(pointer).expect("there") = json!(attack);
    }
    for path in ["/images/0/path", "/regions/1/path"] {
        let mut changed = case.clone();
        *changed.pointer_mut(path).expect("there") = json!(attack);
        let page = page(folder.path(), &[changed]);
        keep("cases-hostile.html", &page);
        assert!(!page.contains("<script") && !page.contains("<img src=x"), "{path}");
        assert!(page.contains("&quot;&gt;&lt;script&gt;alert(1)"));
    }
}

#[test]
fn a_case_that_breaks_every_rule_is_still_drawn_with_its_problems() {
    let folder = tempfile::tempdir().expect("writable");
    let mut case = case(folder.path(), "scan-1");
    case["regions"][0]["box"] = json!([-4, 1e300, -9, 0]);
    case["regions"][2]["points"] = json!([]);
    case["chain"][0]["answer"]["gold"] = json!([9]);
    case["chain"][0]["parents"] = json!(["q1", "q7"]);
    case["chain"][1]["stage"] = json!(9);
    case["chain"][3]["answer"]["gold"] = json!(["r9"]);
    case["chain"][6]["answer"]["gold"] = json!([]);
    let mut resized = case.clone();
    resized["images"][0]["width"] = json!(0);
    let page = page(folder.path(), &[case, resized]);
    assert!(page.contains("chain[0].answer.gold: there is no option 9 -&gt; use an index from 0 to 2"));
    assert!(page.contains("the case states another size"));
}

#[test]
fn images_and_texts_of_credentialed_cases_are_not_shown() {
    let folder = tempfile::tempdir().expect("writable");
    let mut case = case(folder.path(), "scan-1");
    case["source"]["credentialed"] = json!(true);
    case["chain"][0]["answer"]["options"] = json!(["secret", "secret"]);
    let page = page(folder.path(), &[case.clone(), case]);
    assert!(!page.contains("data:image") && !page.contains("secret") && !page.contains("nodule"));
    let words = text(&page);
    assert!(words.contains("Access to this data set needs credentials: images and texts are not shown."), "{words}");
    assert!(words.contains("d (CC0-1.0, credentialed)"), "{words}");
}
