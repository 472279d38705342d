//! DrVD-Bench, ProbMed, Step-CoT, MedVH and MedVIGIL.

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
fn drvd_bench_has_categories_by_level_or_task_and_reports_are_left_out() {
    let place = Place::new();
    place.picture("images/a.png", 1);
    let row = |question: &str, key: &str, value: &str| {
        json!({"image_paths": "images/a.png", "question": question, "options": ["A. X", "B. Y"], "answer": "A. X",
            "modality": "CT", key: value})
    };
    let questions = [row("Which organ?", "level", "organ"), row("What is it?", "task", "diagnosis")];
    place.write("visual_evidence_qa.jsonl", questions.map(|row| row.to_string()).join("\n"));
    for key in ["image_paths", "image_path"] {
        let report = json!({key: "images/a.png", "question": "Write a report.", "answer": "Clear.", "modality": "CT"});
        place.write(&format!("report_generation/{key}.jsonl"), report.to_string());
    }
    let (report, dataset) = place.import("drvd-bench", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept), (4, 2));
    assert_eq!(counted(&report.rows.left_out, "a report instead of an answer"), 2);
    let category = |question: &str| item(&dataset, question).1.category.clone();
    assert_eq!([category("Which organ"), category("What is it")], ["04", "25"]);
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

fn medvh(number: u32, question: &str, choices: &str, gold: &str, source: Option<&str>) -> serde_json::Value {
    let mut record = json!({"question_id": number, "img_id": number, "img_name": format!("medvh_{number}.jpg"),
        "question": question, "choices": choices, "gt": gold});
    if let Some(source) = source {
        record["img_source"] = json!(source);
        record["ori_id"] = json!(format!("origin-{number}"));
    }
    record
}

#[test]
fn medvh_finds_the_images_of_each_test() {
    let place = Place::new();
    // Images of two tests have the same names.
    for (name, seed) in [("NOTA/medvh_1.jpg", 1), ("cli/medvh_1.jpg", 2), ("baseline_cli/medvh_1.jpg", 3)] {
        place.picture(&format!("multi_choices/{name}"), seed);
    }
    place.picture("text_generation/FCJ/medvh_1.jpg", 4);
    let level = "A: severe. B: mild. C: None of the above.";
    let side = "A: left side. B: right side. C: this question contains an incorrect clinical statement.";
    let write = |name: &str, record: serde_json::Value| place.write(name, json!([record]).to_string());
    write("multi_choices/test_NOTA.json", medvh(1, "what level is the hernia?", level, "C", None));
    let pneumonia = "is the pneumonia on the left side or right side?";
    let wrong = "C: this question contains an incorrect clinical statement.";
    write("multi_choices/cli/test_cli_src.json", medvh(1, pneumonia, side, wrong, Some("Medical-Diff-VQA")));
    let baseline = medvh(1, pneumonia, side, "B", Some("Medical-Diff-VQA"));
    write("multi_choices/baseline_cli/test_cli_baseline_src.json", baseline);
    let mut suggested = medvh(1, "Is there a nodule?", "A: no, B: yes", "B: yes", Some("PMC-VQA"));
    suggested["suggested_answer"] = json!("A: no");
    write("text_generation/test_FCJ.json", suggested);
    write(
        "text_generation/test_report_generation.json",
        json!({"report_id": 0, "image_name": "medvh_0.jpg",
        "gt_labels": ["Edema"], "img_source": "MIMIC-CXR-JPG"}),
    );
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "medvh");
    let (report, dataset) = place.import("medvh", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.images, report.split.kind), (5, 4, 4, "published"));
    assert_eq!(counted(&report.rows.left_out, "a report"), 1);
    assert_eq!(counted(&report.parts_left_out, "suggested answer"), 1);
    let categories: Vec<(&str, String, bool)> = ["hernia", "nodule"]
        .map(|question| item(&dataset, question))
        .map(|(case, item)| (item.category.as_str(), gold(&dataset, &item.question), case.source.credentialed))
        .to_vec();
    assert_eq!(categories, [("27", "None of the above/3".into(), true), ("10", "true".into(), false)]);
    let sides = dataset.cases.iter().flat_map(|case| &case.chain).filter(|item| item.question == pneumonia);
    let mut sides: Vec<(&str, String)> = sides
        .map(|item| match &item.answer {
            Answer::Choice { options, gold, .. } => (item.category.as_str(), options[gold[0]].clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    sides.sort();
    assert_eq!(
        sides,
        [("13", "right side".into()), ("31", "this question contains an incorrect clinical statement".into())]
    );
}

fn medvigil(place: &Place) {
    (1..=3).for_each(|number| place.picture(&format!("images/MVB-{number}.png"), number));
    place.picture("images_perturbed/MVB-1_lr_flip.png", 9);
    place.write("manifest.csv", "case_id,source_dataset,modality,image_file,question,gold_answer,risk_tier,text_only_answerable,annotator_notes\n\
        MVB-1,slake,CT,MVB-1.png,Which side is the lesion on?,left,L4,No,\n\
        MVB-2,vqa-rad,X-ray,MVB-2.png,Is there an effusion?,no,L2,No,\n\
        MVB-3,roco,MRI,MVB-3.png,What is the next step?,biopsy,L5,No,\n\
        MVB-4,cxr,X-ray,MVB-4.png,Is there a mass?,yes,L3,No,\n");
    place.write("grounding.csv", "case_id,answer_rationale,roi_pointer,roi_bbox_norm,differential_set,indication,modality_detail,laterality_dependent,gold_after_lr_flip\n\
        MVB-1,It lies on the left.,left lobe,\"[0.1, 0.2, 0.5, 0.6]\",,,,True,right\n\
        MVB-2,,whole image,\"[0, 0, 1, 1]\",,,,False,\n\
        MVB-3,,mass,\"[0.5, 0.2, 0.1, 0.6]\",,,,,\n");
}

#[test]
fn medvigil_has_regions_reasons_and_the_answer_after_a_flip() {
    let place = Place::new();
    medvigil(&place);
    place.write("probes_mcq.csv", "case_id,probe_id,probe_axis,probe_kind,question,expected_behavior,halluc_explanation,image_file,choice_A,choice_B,choice_C,choice_D,choice_E,correct_letter\n\
        MVB-1,MVB-1__orig,text,original,Which side is the lesion on?,match_gold,,MVB-1.png,left,right,both,neither,cannot be told,A\n\
        MVB-1,MVB-1__trap,text,halluc_trap,How large is the second lesion?,refuse,,MVB-1.png,1 cm,2 cm,3 cm,4 cm,There is none,E\n\
        MVB-1,MVB-1__lr_flip,image,lr_flip,Which side is the lesion on?,match_flipped_gold,,images_perturbed/MVB-1_lr_flip.png,left,right,both,neither,cannot be told,B\n\
        MVB-2,MVB-2__orig,text,original,Is there an effusion?,match_gold,,MVB-2.png,no,yes,,,,A\n\
        MVB-3,MVB-3__know,text,knowledge_only,Does a mass need a biopsy?,match_gold,,MVB-3.png,often,never,rarely,,,A\n\
        MVB-4,MVB-4__orig,text,original,Is there a mass?,match_gold,,MVB-4.png,yes,no,,,,A\n");
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "medvigil");
    let (report, dataset) = place.import("medvigil", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.images, report.regions), (6, 4, 3, 1));
    assert_eq!(counted(&report.rows.left_out, "altered image"), 1);
    assert_eq!(counted(&report.rows.left_out, "needs credentials"), 1);
    assert_eq!(counted(&report.parts_left_out, "roi_bbox_norm"), 1);
    let (case, original) = item(&dataset, "Which side");
    assert_eq!((case.risk_tier.as_deref(), case.modality.as_str(), case.split.word()), (Some("L4"), "ct", "test"));
    let region = &case.regions[0];
    assert_eq!((region.label.as_str(), region.shape.bounds()), ("left lobe", [8.0, 12.0, 40.0, 36.0]));
    let flip = original.laterality.as_ref().expect("recorded");
    assert_eq!((flip.dependent, flip.flipped_gold.as_deref()), (true, Some("right")));
    assert_eq!((original.rationale.as_deref(), original.evidence.len()), (Some("It lies on the left."), 1));
    let (_, trap) = item(&dataset, "second lesion");
    assert_eq!(
        (trap.category.as_str(), trap.evidence.len(), gold(&dataset, "second lesion").as_str()),
        ("31", 0, "There is none/5")
    );
    assert_eq!(item(&dataset, "biopsy").1.vision_required, Some(false));
    assert_eq!(gold(&dataset, "effusion"), "false");
}

#[test]
fn medvigil_without_options_has_the_answers_of_its_manifest() {
    let place = Place::new();
    medvigil(&place);
    let (report, dataset) = place.import("medvigil", &rest("30"));
    assert_eq!((report.rows.read, report.rows.kept), (4, 3));
    assert_eq!([gold(&dataset, "Which side"), gold(&dataset, "effusion")], ["text left", "false"]);
    let flip = item(&dataset, "Which side").1.laterality.clone().and_then(|flip| flip.flipped_gold);
    assert_eq!(flip.as_deref(), Some("right"));
}

#[test]
fn a_case_that_is_twice_in_a_table_of_medvigil_is_refused() {
    let place = Place::new();
    medvigil(&place);
    let twice = fs::read_to_string(place.source().join("grounding.csv")).expect("there") + "MVB-2,,mass,,,,,,\n";
    place.write("grounding.csv", twice);
    place.assert_refused("medvigil", &FormatOptions::default(), "grounding.csv:5: case_id: \"MVB-2\" is there twice");
}
