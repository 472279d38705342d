//! SLAKE, VQA-RAD, PMC-VQA, OmniMedVQA and tables of users.

use serde_json::json;
use stepwise_data::case::Split;

use super::*;

fn slake(place: &Place) {
    for number in 0..3 {
        place.picture(&format!("imgs/xmlab{number}/source.jpg"), number + 1);
    }
    let row = |image: u32, question: &str, answer: &str, content: &str, answer_type: &str| {
        json!({"img_id": image, "img_name": format!("xmlab{image}/source.jpg"), "question": question, "answer": answer,
            "q_lang": "en", "location": "Lung", "modality": "X-Ray", "answer_type": answer_type, "base_type": "vqa",
            "content_type": content, "triple": ["vhead", "_", "_"], "qid": 1})
    };
    let train = json!([
        row(0, "Which organ is shown?", "Lung", "Organ", "OPEN"),
        row(0, "Is the lung or the heart larger?", "Heart", "Size", "CLOSED"),
        row(0, "图中有多少个肺?", "2", "Quantity", "OPEN"),
        row(0, "图像中包含肝脏吗?", "不包含", "Organ", "CLOSED"),
        row(0, "Which organ is shown?", "Lung", "Organ", "OPEN"),
        row(1, "What modality is this?", "X-Ray", "Modality", "OPEN"),
        row(2, "Is this abnormal?", "Yes", "Abnormality", "CLOSED"),
    ]);
    place.write("train.json", format!("\u{FEFF}{}", train.to_string().replace(",{", ",\r\n{")));
    place.write(
        "validate.json",
        json!([row(2, "Which function does the lung have?", "Breathing", "KG", "OPEN")]).to_string(),
    );
    place.write("test.json", json!([row(1, "What plane is it?", "Coronal", "Plane", "OPEN")]).to_string());
}

#[test]
fn boxes_of_slake_become_regions() {
    let place = Place::new();
    slake(&place);
    let boxes = json!([{"Lung": [5, 10, 20, 30]}, {"Lung Cancer": [8, 12.5, 4, 4]}, {"Heart": [1, 1, 0, 4]}]);
    place.write("imgs/xmlab0/detection.json", boxes.to_string());
    place.write("imgs/xmlab1/detection.json", "[]");
    let (report, dataset) = place.import("slake", &FormatOptions::default());
    assert_eq!((report.regions, counted(&report.parts_left_out, "without area in detection.json")), (2, 1));
    let (case, _) = item(&dataset, "Which organ");
    let regions: Vec<_> =
        case.regions.iter().map(|one| (one.label.as_str(), one.role.word(), one.shape.bounds())).collect();
    let expected = [("lung", "organ", [5.0, 10.0, 25.0, 40.0]), ("lung cancer", "finding", [8.0, 12.5, 12.0, 16.5])];
    assert_eq!(regions, expected);
    place.write("imgs/xmlab0/detection.json", "[{\"Lung\": [5, 10]}]");
    place.assert_refused(
        "slake",
        &FormatOptions::default(),
        "detection.json: Lung: [5,10] is not [x, y, width, height]",
    );
}

/// Writes a mask of 80 x 60 pixels with rectangles `[x0, y0, x1, y1]` of one colour each.
fn mask(place: &Place, name: &str, areas: &[([u8; 3], [u32; 4])]) {
    let colour = |x: u32, y: u32| {
        let inside = |[x0, y0, x1, y1]: [u32; 4]| (x0..x1).contains(&x) && (y0..y1).contains(&y);
        areas.iter().rev().find(|(_, area)| inside(*area)).map_or([0; 3], |(colour, _)| *colour)
    };
    let path = place.source().join(name);
    image::RgbImage::from_fn(80, 60, |x, y| image::Rgb(colour(x, y))).save(path).expect("writable");
}

/// Regions of the case with the question, each with its box and whether it has a mask.
fn regions(dataset: &Dataset, question: &str) -> Vec<(String, [f64; 4], bool)> {
    let regions = &item(dataset, question).0.regions;
    regions.iter().map(|one| (one.label.clone(), one.shape.bounds(), one.shape.mask_path().is_some())).collect()
}

#[test]
fn masks_of_slake_belong_to_the_boxes_that_they_fill() {
    let place = Place::new();
    slake(&place);
    // Two boxes of one organ share a value; the lesion lies inside the first one, and no value fills the last box.
    let boxes = json!([{"Lung": [5, 10, 20, 30]}, {"Lung": [50, 10, 20, 30]}, {"Lung Cancer": [8, 12, 4, 4]},
        {"Heart": [30, 10, 8, 8]}]);
    place.write("imgs/xmlab0/detection.json", boxes.to_string());
    let (lung, cancer, trachea) = ([70; 3], [250, 20, 20], [135; 3]);
    let areas =
        [(lung, [5, 11, 25, 40]), (lung, [50, 10, 70, 40]), (cancer, [8, 12, 12, 16]), (trachea, [38, 50, 42, 58])];
    mask(&place, "imgs/xmlab0/mask.png", &areas);
    let (report, dataset) = place.import("slake", &FormatOptions::default());
    let expected = [
        ("lung".to_owned(), [5.0, 11.0, 25.0, 40.0], true),
        ("lung".to_owned(), [50.0, 10.0, 70.0, 40.0], true),
        ("lung cancer".to_owned(), [8.0, 12.0, 12.0, 16.0], true),
        ("heart".to_owned(), [30.0, 10.0, 38.0, 18.0], false),
    ];
    assert_eq!(regions(&dataset, "Which organ"), expected);
    assert_eq!(counted(&report.parts_left_out, "value of mask.png without a name"), 1);
    let masks = std::fs::read_dir(place.folder.path().join("out/masks")).expect("masks").count();
    assert_eq!(masks, 3, "a mask is written once, not once a row");
}

#[test]
fn a_list_of_values_names_the_masks_of_slake() {
    let place = Place::new();
    slake(&place);
    place.write("mask.txt", "SLAKE masks\r\nLung: 70\r\nTrachea: 135\r\n");
    mask(&place, "imgs/xmlab0/mask.png", &[([70; 3], [5, 11, 25, 40]), ([135; 3], [38, 50, 42, 58])]);
    let (_, dataset) = place.import("slake", &FormatOptions::default());
    let expected =
        [("lung".to_owned(), [5.0, 11.0, 25.0, 40.0], true), ("trachea".to_owned(), [38.0, 50.0, 42.0, 58.0], true)];
    assert_eq!(regions(&dataset, "Which organ"), expected);
    place.write("names.txt", "70 lung\n135\n");
    let options = FormatOptions { classes: Some(place.source().join("names.txt")), ..FormatOptions::default() };
    place.assert_refused("slake", &options, "\"135\" is no grey value from 0 to 255 with a name");
    place.write("names.txt", "70 lung\n70 heart\n");
    place.assert_refused("slake", &options, "names.txt:2: the value 70 is there twice");
}

#[test]
fn unusable_masks_of_slake_are_counted() {
    let place = Place::new();
    slake(&place);
    place.write("imgs/xmlab0/mask.png", "no image");
    image::RgbImage::new(9, 9).save(place.source().join("imgs/xmlab1/mask.png")).expect("writable");
    let graded = image::GrayImage::from_fn(80, 60, |x, y| image::Luma([(x + y) as u8]));
    graded.save(place.source().join("imgs/xmlab2/mask.png")).expect("writable");
    let (report, dataset) = place.import("slake", &FormatOptions::default());
    for reason in ["cannot be read", "another size", "more than 64 values"] {
        assert!(counted(&report.parts_left_out, reason) >= 1, "{reason}: {:?}", report.parts_left_out);
    }
    assert_eq!(regions(&dataset, "Which organ"), []);
}

#[test]
fn files_of_slake_may_have_the_name_of_their_folder() {
    let place = Place::new();
    slake(&place);
    let folder = place.source().join("imgs/xmlab0");
    std::fs::rename(folder.join("source.jpg"), folder.join("source_xmlab0.jpg")).expect("renamed");
    place.write("imgs/xmlab0/detection_xmlab0.json", json!([{"Lung": [5, 11, 20, 29]}]).to_string());
    mask(&place, "imgs/xmlab0/mask_xmlab0.png", &[([70; 3], [5, 11, 25, 40])]);
    let (_, dataset) = place.import("slake", &FormatOptions::default());
    assert_eq!(regions(&dataset, "Which organ"), [("lung".to_owned(), [5.0, 11.0, 25.0, 40.0], true)]);
}

#[test]
fn slake_keeps_its_test_side_and_leaves_out_what_crosses() {
    let place = Place::new();
    slake(&place);
    let (report, dataset) = place.import("slake", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.cases), (9, 6, 3));
    assert_eq!(counted(&report.rows.left_out, "repeated"), 1);
    assert_eq!(counted(&report.split.crossed, "train: the same image"), 2);
    assert_eq!(gold(&dataset, "Which organ is shown"), "text Lung");
    assert_eq!(gold(&dataset, "lung or the heart"), "text Heart", "closed is not yes or no");
    assert_eq!(gold(&dataset, "多少个肺"), "number 2");
    assert_eq!(gold(&dataset, "包含肝脏"), "false");
    let (case, question) = item(&dataset, "function");
    assert_eq!(
        (case.split, question.category.as_str(), question.vision_required),
        (Split::Validation, "25", Some(false))
    );
    assert_eq!((case.modality.as_str(), case.body_region.as_deref()), ("x-ray", Some("lung")));
    let (case, question) = item(&dataset, "plane");
    assert_eq!((case.split, question.stage, question.category.as_str()), (Split::Test, 1, "03"));
    let (case, _) = item(&dataset, "Which organ");
    assert_eq!(case.chain.iter().map(|item| item.stage).collect::<Vec<_>>(), [1, 1, 2, 3]);
    assert!(case.chain.iter().all(|item| item.parents.is_empty()), "no parents are invented");

    let new = FormatOptions { split: SplitChoice::New, ..FormatOptions::default() };
    let report = place.import_to("slake", "new", &new).expect("imports");
    assert_eq!((report.rows.kept, report.split.kind), (8, "new"));
}

#[test]
fn vqa_rad_is_split_by_image_and_its_spellings_are_read() {
    let place = Place::new();
    let row = |image: &str, phrase: &str, question: &str, answer: serde_json::Value, kind: &str| {
        json!({"qid": question, "phrase_type": phrase, "qid_linked_id": "NULL", "image_case_url": "https://x", "image_name":
            image, "image_organ": "CHEST", "question": question, "question_type": kind, "answer": answer, "answer_type": "CLOSED "})
    };
    for (number, name) in ["a.jpg", "b.jpg", "c.jpg"].into_iter().enumerate() {
        place.picture(&format!("VQA_RAD Image Folder/{name}"), number as u32 + 1);
    }
    let rows = json!([
        row("a.jpg", "freeform", "Is there a mass?", json!("Yes "), "PRES"),
        row("a.jpg", "para", "How many nodules?", json!(3), "COUNT"),
        row("b.jpg", "freeform", "Where is it?", json!("\tleft lung"), "PRES, POS"),
        row("b.jpg", "test_freeform", "Which plane?", json!("axial"), "PLANE"),
        row("c.jpg", "test_para", "Is it NULL?", json!("NULL"), "ABN"),
    ]);
    place.write("VQA_RAD Dataset Public.json", rows.to_string());
    let (report, dataset) = place.import("vqa-rad", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept), (5, 4));
    assert_eq!(counted(&report.rows.left_out, "question_type = \"PRES, POS\""), 1);
    assert_eq!(gold(&dataset, "mass"), "true");
    assert_eq!(gold(&dataset, "nodules"), "number 3");
    assert_eq!(gold(&dataset, "NULL"), "text NULL");
    assert_eq!(item(&dataset, "plane").0.split, Split::Test);
}

#[test]
fn pmc_vqa_answers_are_text_and_letter_or_one_of_them() {
    let place = Place::new();
    place.picture("images/PMC1_F1.jpg", 1);
    place.picture("images/PMC2_F1.jpg", 2);
    place.picture("images/PMC3_F1.jpg", 3);
    let header = "Figure_path,Question,Answer,Choice A,Choice B,Choice C,Choice D,Answer_label\r\n";
    place.write(
        "train.csv",
        format!(
            "\u{FEFF}{header}PMC1_F1.jpg,\"What, if \"\"any\"\",\r\nis shown?\", MRI, A:CT , B: MRI, C:None, D:NA,B\r\n\
             PMC2_F1.jpg,Which stain?,None,A:Gram,B:None,C:PAS,D:HE,B\r\n"
        ),
    );
    place.write("test.csv", format!("{header}PMC3_F1.jpg,Which organ?,Liver,A:Lung,B:Liver,C:Heart,D:Skin,B\n"));
    place.write("test_clean.csv", format!("{header}PMC3_F1.jpg,Which organ?,Liver,A:Lung,B:Liver,C:Heart,D:Skin,B\n"));
    let (report, dataset) = place.import("pmc-vqa", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept), (3, 3), "test_clean is a part of test");
    assert_eq!(gold(&dataset, "is shown?"), "MRI/4");
    assert!(item(&dataset, "is shown?").1.question.contains("\"any\",\nis"));
    assert_eq!(gold(&dataset, "stain"), "None/4");
    assert_eq!(item(&dataset, "organ").0.split, Split::Test);

    let place = Place::new();
    place.picture("figures/PMC1_F1.jpg", 1);
    place.write(
        "train_2.csv",
        "index,Figure_path,Caption,Question,Choice A,Choice B,Choice C,Choice D,Answer,split\n\
         0,PMC1_F1.jpg,c,Which one?,CT,MRI,US,PET,C,train\n1,PMC1_F1.jpg,c,Which two?,CT,MRI,US,PET,PET,train\n",
    );
    let (_, dataset) = place.import("pmc-vqa", &rest("25"));
    assert_eq!([gold(&dataset, "one"), gold(&dataset, "two")], ["US/4", "PET/4"]);
    place.write(
        "train_2.csv",
        "index,Figure_path,Caption,Question,Choice A,Choice B,Choice C,Choice D,Answer,split\n\
         0,PMC1_F1.jpg,c,Which one?,CT,MRI,US,PET,E,train\n",
    );
    place.assert_refused("pmc-vqa", &rest("25"), "train_2.csv:2: Answer: \"E\" is no option");
}

#[test]
fn omni_med_vqa_options_may_be_missing_and_restricted_sets_are_marked() {
    let place = Place::new();
    place.picture("Images/Chest CT/a b.png", 1);
    place.picture("Images/X/b.png", 2);
    let open = json!([
        {"dataset": "d", "question_id": "1", "question_type": "Modality Recognition", "question": "Which modality?",
         "gt_answer": "x_ray.", "image_path": "Images/Chest CT/a b.png", "option_A": "CT", "option_B": "X_ray",
         "modality": "CT"},
        {"dataset": "d", "question_id": "2", "question_type": "Disease Diagnosis", "question": "Is it ill?",
         "gt_answer": "No", "image_path": "Images/Chest CT/a b.png", "option_A": "Yes", "option_B": "No", "modality_type": "CT"},
        {"dataset": "d", "question_id": "3", "question_type": "Other Biological Attributes", "question": "Age?",
         "gt_answer": "old", "image_path": "Images/X/b.png", "option_A": "old", "option_B": "young"},
    ]);
    place.write("QA_information/Open-access/Chest CT Scan.json", open.to_string());
    let restricted = json!([{"dataset": "r", "question_type": "Lesion Grading", "question": "Grade?", "gt_answer": "2",
        "image_path": "Images/X/b.png", "option_A": "1", "option_B": "2", "option_C": "3", "modality_type": "MR"}]);
    place.write("QA_information/Restricted-access/R.json", restricted.to_string());
    let (report, dataset) = place.import("omni-med-vqa", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept), (4, 3));
    assert_eq!(counted(&report.rows.left_out, "Other Biological Attributes"), 1);
    assert_eq!(gold(&dataset, "modality"), "X_ray/2");
    assert_eq!((gold(&dataset, "ill").as_str(), item(&dataset, "ill").1.category.as_str()), ("false", "10"));
    assert!(item(&dataset, "Grade").0.source.credentialed && !item(&dataset, "ill").0.source.credentialed);
}

fn columns(options: &[&str]) -> Columns {
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Columns {
        image: texts(&["file"]),
        question: Some("q".into()),
        answer: Some("a".into()),
        options: texts(options),
        group: Some("patient".into()),
        split: None,
    }
}

#[test]
fn a_table_of_named_columns_is_read_in_every_form() {
    let csv = "file,q,a,o1,o2,patient\nx.png,Which?,B,CT,MRI,p1\ny.png,Which?,CT,CT,MRI,p2\n";
    let tsv = csv.replace(',', "\t");
    let lines = "{\"file\": \"x.png\", \"q\": \"Which?\", \"a\": \"B\", \"o1\": \"CT\", \"o2\": \"MRI\", \"patient\": 1}\n\n\
                 {\"file\": \"y.png\", \"q\": \"Which?\", \"a\": \"CT\", \"o1\": \"CT\", \"o2\": \"MRI\", \"patient\": 2}\n";
    for (name, text) in [("t.csv", csv), ("t.tsv", &tsv), ("t.jsonl", lines)] {
        let place = Place::new();
        place.picture("x.png", 1);
        place.picture("y.png", 2);
        place.write(name, text);
        let options = FormatOptions { columns: columns(&["o1", "o2"]), ..rest("01") };
        let (report, dataset) = place.import("table", &options);
        assert_eq!((report.rows.kept, report.groups, report.split.kind), (2, 2, "new"), "{name}");
        assert_eq!(dataset.cases.iter().filter(|case| case.chain[0].category == "01").count(), 2);
    }
    let place = Place::new();
    place.picture("x.png", 1);
    place.write(
        "t.csv",
        "file,q,a,all,patient\nx.png,Which?,b,CT|MRI|US,p1\nx.png,Whose?,US,\"[\"\"CT\"\",\"\"US\"\"]\",p1\n",
    );
    let (_, dataset) = place.import("table", &FormatOptions { columns: columns(&["all"]), ..rest("01") });
    assert_eq!([gold(&dataset, "Which"), gold(&dataset, "Whose")], ["MRI/3", "US/2"]);
}

#[test]
fn wrong_columns_and_sides_are_named() {
    let place = Place::new();
    place.picture("x.png", 1);
    place.write("t.csv", "file,q,a,patient,side\nx.png,Which?,CT,p1,left\n");
    place.assert_refused("table", &rest("01"), "columns of the table are not named");
    let options = FormatOptions { columns: columns(&["o1"]), ..rest("01") };
    place.assert_refused("table", &options, "has no column \"o1\" -> name one of its columns: file, q, a");
    let sided = Columns { split: Some("side".into()), ..columns(&[]) };
    place.assert_refused(
        "table",
        &FormatOptions { columns: sided, ..rest("01") },
        "t.csv:2: side: \"left\" is no side",
    );
}

#[test]
fn the_groups_of_one_image_are_one_group() {
    let place = Place::new();
    for (name, seed) in [("a.png", 1), ("b.png", 2), ("c.png", 3), ("d.png", 4)] {
        place.picture(name, seed);
    }
    // The image a.png is of p1 and of p2, p2 is tested, and c.png is another image of p1.
    let rows = "a.png,What?,CT,p1,train\na.png,Who?,A,p2,train\nb.png,What?,CT,p2,test\nc.png,What?,CT,p1,train\n\
                d.png,What?,CT,p3,train\n";
    place.write("t.csv", format!("file,q,a,patient,side\n{rows}"));
    let columns = Columns { group: Some("patient".into()), split: Some("side".into()), ..columns(&[]) };
    let options = FormatOptions { columns, ..rest("25") };
    let (report, dataset) = place.import("table", &options);
    assert_eq!(counted(&report.split.crossed, "train: the same group"), 3);
    assert_eq!([report.split.train, report.split.validation, report.split.test], [1, 0, 1]);
    let trained = dataset.cases.iter().find(|case| case.split == Split::Train).expect("there");
    assert_eq!(trained.group_id, "source:p3");
    let note = report.notes.iter().find(|note| note.contains("in p1 and p2")).expect("a note");
    assert!(note.contains("images in several: 1 (images/a-"), "{note}");
    // A new split has both groups on one side.
    let report =
        place.import_to("table", "new", &FormatOptions { split: SplitChoice::New, ..options }).expect("imports");
    assert_eq!((report.groups, report.notes.iter().any(|note| note.contains("in p1 and p2"))), (2, true));
}

#[test]
fn groups_begin_with_the_name_of_the_folder_or_of_dataset() {
    let place = Place::new();
    for (folder, seed) in [("one", 1), ("two", 2)] {
        place.picture(&format!("{folder}/x.png"), seed);
        for name in ["train.csv", "test.csv"] {
            place.write(&format!("{folder}/{name}"), "file,q,a,patient\nx.png,What?,CT,p1\n");
        }
    }
    let columns = Columns { group: Some("patient".into()), ..columns(&[]) };
    let options = FormatOptions { columns, ..rest("25") };
    let imported = |file: &str, out: &str, options: &FormatOptions| {
        let out = place.folder.path().join(out);
        let source = place.source().join(file);
        import_format(format("table").expect("known"), &source, &out, options)
            .unwrap_or_else(|error| panic!("{error}"));
        let case = stepwise_data::check::load(&out).expect("sound").cases.remove(0);
        (case.group_id, case.case_id)
    };
    let (one, two) = (imported("one/train.csv", "a", &options), imported("two/train.csv", "b", &options));
    assert_eq!((one.0.as_str(), two.0.as_str()), ("one:p1", "two:p1"), "patients of two folders are not the same");
    let other = imported("one/test.csv", "c", &options);
    assert_eq!(other.0, "one:p1", "patients of one folder are the same in every table");
    assert_ne!(other.1, one.1, "tables about one image can be used together");
    let named = FormatOptions { dataset: Some("study".into()), ..options };
    assert_eq!(imported("one/train.csv", "d", &named).0, imported("two/train.csv", "e", &named).0);
}

#[test]
fn a_list_where_one_text_is_needed_is_named() {
    let place = Place::new();
    place.picture("x.png", 1);
    for (field, row) in [
        ("q", json!({"file": "x.png", "patient": "p1", "q": ["What?"], "a": "CT"})),
        ("a", json!({"file": "x.png", "patient": "p1", "q": "What?", "a": ["CT"]})),
        ("o1", json!({"file": "x.png", "patient": "p1", "q": "What?", "a": "CT", "o1": ["CT"], "o2": "MRI"})),
    ] {
        let asked = if field == "o1" { columns(&["o1", "o2"]) } else { columns(&[]) };
        place.write("t.jsonl", row.to_string());
        let options = FormatOptions { columns: asked, ..rest("01") };
        place.assert_refused("table", &options, &format!("t.jsonl:1: {field}: is a list, and one text is needed"));
    }
}

#[test]
fn a_table_with_another_separator_is_told_so() {
    let place = Place::new();
    place.picture("x.png", 1);
    for (name, separator, expected) in [
        (
            "t.csv",
            ";",
            "t.csv:1: the header is one cell, with semicolons in it: \"file;q;a\" -> separate the cells by commas",
        ),
        ("t.csv", "\t", "with tabs in it: \"file\\tq\\ta\" -> give the file the extension .tsv"),
        ("t.tsv", ",", "with commas in it: \"file,q,a\" -> give the file the extension .csv"),
    ] {
        let text = ["file,q,a", "x.png,What?,CT"].map(|line| line.replace(',', separator)).join("\n");
        place.write(name, text);
        place.assert_refused("table", &short_table(), expected);
        fs::remove_file(place.source().join(name)).expect("there");
    }
}
