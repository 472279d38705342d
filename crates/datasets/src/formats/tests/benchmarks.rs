//! DrVD-Bench, ProbMed and Step-CoT.

use serde_json::json;

use super::*;

#[test]
fn drvd_bench_questions_are_read_and_joint_prompts_left_out() {
    let place = Place::new();
    place.picture("images/a b.png", 1);
    let lines = [
        json!({"image_paths": "images/a b.png", "question": "Which modality?", "options": ["A. MRI", "B. X-ray", "C. CT"],
            "answer": "C. CT", "modality": "CT", "task": "modality"}),
        json!({"image_paths": "images/a b.png", "joint_prompt": "Answer all.", "modality_answer": "C", "modality": "CT"}),
        json!({"image_paths": "images/a b.png", "report": "Clear.", "modality": "CT"}),
    ];
    place.write("visual_evidence_qa.jsonl", lines.map(|line| line.to_string()).join("\n"));
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "drvd-bench");
    let (report, dataset) = place.import("drvd-bench", &rest("01"));
    assert_eq!((report.rows.read, report.rows.kept), (3, 1));
    assert_eq!((gold(&dataset, "modality").as_str(), dataset.cases[0].modality.as_str()), ("CT/3", "ct"));
}

#[test]
fn probmed_pairs_are_linked() {
    let place = Place::new();
    place.picture("a.png", 1);
    let row = |id: u32, kind: &str, question: &str, answer: &str| json!({"id": id, "image": "a.png", "image_type": "x-ray", "qa_type": kind, "question": question, "answer": answer});
    let rows = json!([
        row(1, "abnormality_gt_0", "Is there an abnormality?", "yes"),
        row(2, "entity_gt_1", "Is there a nodule?", "yes"),
        row(3, "entity_hallu_1", "Is there a fracture?", "no"),
        row(4, "body_part_gt_2", "Does it show the chest?", "yes"),
        row(5, "body_part_hallu_2", "Does it show the knee?", "yes"),
    ]);
    place.write("probmed.json", rows.to_string());
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "probmed");
    let (report, dataset) = place.import("probmed", &FormatOptions::default());
    assert_eq!(report.rows.kept, 5);
    let pair = |question: &str| match &item(&dataset, question).1.answer {
        Answer::Yesno { pair_of, .. } => pair_of.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(pair("nodule"), Some(item(&dataset, "fracture").1.id.clone()));
    assert_eq!(pair("fracture"), Some(item(&dataset, "nodule").1.id.clone()));
    assert_eq!([pair("an abnormality"), pair("chest"), pair("knee")], [None, None, None]);
}

#[test]
fn steps_of_step_cot_build_on_each_other() {
    let place = Place::new();
    place.picture("a.png", 1);
    let rows = json!([{"patient_id": "p1", "image_path": "a.png", "origin": "x", "report": "Clear.", "vqa_chain": [
        {"step": 1, "question": "Which view?", "options": ["A. PA", "B. AP"], "answer": "A", "reasoning": "The scapulae."},
        {"step": 2, "question": "Is it ill?", "options": {"A": "yes", "B": "no"}, "answer": "B", "reasoning": ""},
    ]}]);
    place.write("data.json", rows.to_string());
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "step-cot");
    let (_, dataset) = place.import("step-cot", &rest("25"));
    let (case, second) = item(&dataset, "ill");
    assert_eq!((case.group_id.as_str(), second.parents.as_slice()), ("step-cot:p1", &["q0".to_owned()][..]));
    assert_eq!(item(&dataset, "view").1.rationale.as_deref(), Some("The scapulae."));
    assert_eq!([gold(&dataset, "view"), gold(&dataset, "ill")], ["PA/2", "false"]);
}
