//! Conversations and VLMEvalKit.

use base64::Engine as _;
use serde_json::json;

use super::*;

#[test]
fn turns_of_llava_build_on_each_other_and_both_spellings_are_read() {
    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("images/b.png", 2);
    let turn = |from: &str, value: &str| json!({"from": from, "value": value});
    let rows = json!([
        {"id": "1", "image": "a.png", "conversations": [
            turn("human", "<image>\nWhich organ is shown?"), turn("gpt", "The lung."),
            turn("human", "Is it ill?"), turn("gpt", "No"),
        ]},
        {"id": "2", "image": "b.png", "domain": {"mri": true, "ct_scan": false},
         "conversatons": [turn("human", "Which modality?\n<image>"), turn("gpt", "MRI")]},
        {"id": "3", "conversations": [turn("human", "What is a lung?"), turn("gpt", "An organ")]},
    ]);
    place.write("data.json", rows.to_string());
    let (report, dataset) = place.import("llava", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept, report.questions.kept), (3, 2, 3));
    assert_eq!(counted(&report.rows.left_out, "without an image"), 1);
    let (case, second) = item(&dataset, "Is it ill");
    assert_eq!(
        (case.chain[0].question.as_str(), second.parents.as_slice()),
        ("Which organ is shown?", &["q0".to_owned()][..])
    );
    assert_eq!(gold(&dataset, "Is it ill"), "false");
    let map = "schema = \"import-map/1\"\n[[rule]]\ncategory = \"01\"\nfields = { domain = \"mri\" }\n";
    place.write("map.toml", map);
    let mapped = FormatOptions { map: Some(place.source().join("map.toml")), ..FormatOptions::default() };
    let report = place.import_to("llava", "mapped", &mapped).expect("imports");
    assert_eq!(report.rows.kept, 1);
}

#[test]
fn conversations_out_of_turn_and_addresses_are_faults() {
    for (conversation, image, expected) in [
        (json!([{"from": "gpt", "value": "x"}]), "a.png", "data.json:1: conversations[0]: \"gpt\" is out of turn"),
        (json!([{"from": "human", "value": "x"}]), "a.png", "does not end with an answer"),
        (json!([{"from": "observation", "value": "x"}]), "a.png", "role \"observation\" is not known"),
        (
            json!([{"from": "human", "value": "<image><image>x"}, {"from": "gpt", "value": "y"}]),
            "a.png",
            "has 2 placeholders <image> for 1 images",
        ),
        (
            json!([{"from": "human", "value": "<image>x"}, {"from": "gpt", "value": "y"}]),
            "https://example.org/a.png",
            "is an address",
        ),
    ] {
        let place = Place::new();
        place.picture("a.png", 1);
        place.write("data.json", json!([{"image": image, "conversations": conversation}]).to_string());
        place.assert_refused("llava", &rest("25"), expected);
    }
}

#[test]
fn a_faulty_turn_is_named_by_its_place_and_a_system_prompt_is_counted() {
    let turn = |from: &str, value: &str| json!({"from": from, "value": value});
    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("b.png", 2);
    let sound = json!({"image": "a.png", "conversations": [
        turn("system", "Be brief."), turn("human", "<image>Which organ?"), turn("gpt", "Lung")]});
    for (question, answer, expected) in [
        ("Is it ill?", " ", "data.json:2: conversations[3].value: is empty"),
        (" ", "No", "data.json:2: conversations[2].value: is empty"),
    ] {
        let turns =
            [turn("human", "<image>Which organ?"), turn("gpt", "Liver"), turn("human", question), turn("gpt", answer)];
        place.write("data.json", json!([sound, {"image": "b.png", "conversations": turns}]).to_string());
        place.assert_refused("llava", &rest("25"), expected);
    }
    place.write("data.json", json!([sound]).to_string());
    let (report, _) = place.import("llava", &rest("25"));
    assert_eq!(counted(&report.parts_left_out, "system prompt, which is not read"), 1);

    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("b.png", 2);
    let sound = json!({"system": "Be brief.", "query": "<image>Which organ?", "response": "Lung", "images": ["a.png"]});
    let faulty =
        json!({"history": [["<image>Which organ?", ""]], "query": "Is it ill?", "response": "No", "images": ["b.png"]});
    place.write("data.jsonl", format!("{sound}\n{faulty}\n"));
    place.assert_refused("ms-swift", &rest("25"), "data.jsonl:2: history[0][1]: is empty");
    place.write("data.jsonl", sound.to_string());
    let (report, _) = place.import("ms-swift", &rest("25"));
    assert_eq!(counted(&report.parts_left_out, "system prompt, which is not read"), 1);
}

#[test]
fn sets_of_llama_factory_are_read_by_their_columns_and_tags() {
    let place = Place::new();
    place.picture("imgs/a.png", 1);
    place.picture("imgs/b.png", 2);
    let list = json!({
        "mine": {"file_name": "m.json", "formatting": "sharegpt", "columns": {"messages": "messages", "images": "images"},
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}},
        "share": {"file_name": "s.jsonl", "formatting": "sharegpt", "columns": {"images": "image"}},
        "texts": {"file_name": "t.json"},
    });
    place.write("dataset_info.json", list.to_string());
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let rows = json!([{"images": ["imgs/a.png"], "messages": [
        message("system", "Be brief."), message("user", "<image>Which organ?"), message("assistant", "Lung")]}]);
    place.write("m.json", rows.to_string());
    let line = json!({"image": "imgs/b.png", "conversations": [
        {"from": "human", "value": "<image>Which side?"}, {"from": "gpt", "value": "Left"}]});
    place.write("s.jsonl", format!("{line}\n"));
    let (report, dataset) = place.import("llama-factory", &rest("25"));
    assert_eq!((report.rows.read, report.rows.kept), (3, 2));
    assert_eq!(counted(&report.rows.left_out, "the set texts has no column of images"), 1);
    assert_eq!(counted(&report.parts_left_out, "system prompt, which is not read"), 1);
    assert_eq!([gold(&dataset, "organ"), gold(&dataset, "side")], ["text Lung", "text Left"]);
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "llama-factory");

    let hub = json!({"mine": {"hf_hub_url": "a/b", "columns": {"images": "images"}}});
    place.write("dataset_info.json", hub.to_string());
    place.assert_refused("llama-factory", &rest("25"), "the set mine has no file_name: it is on a hub");
    let outside =
        json!({"mine": {"file_name": "../m.json", "formatting": "sharegpt", "columns": {"images": "images"}}});
    place.write("dataset_info.json", outside.to_string());
    place.assert_refused("llama-factory", &rest("25"), "does not lead into");
}

#[test]
fn images_of_vlmevalkit_are_base64_shared_between_rows_or_several() {
    let place = Place::new();
    let encoded = |name: &str, seed: u32| {
        place.picture(name, seed);
        let bytes = fs::read(place.source().join(name)).expect("there");
        base64::engine::general_purpose::STANDARD.encode(bytes)
    };
    let (first, second) = (encoded("a.png", 1), encoded("b.png", 2));
    let table = format!(
        "index\timage\tquestion\tA\tB\tC\tanswer\tcategory\n\
         0\t{first}\tWhich organ?\tLung\tLiver\t\tB\tanatomy\n\
         1\t0\tWhich side?\tLeft\tRight\tNone\tC\tside\n\
         2\t\"['{first}', '{second}']\"\tWhich is older?\tfirst\tsecond\t\tA\ttime\n"
    );
    place.write("t.tsv", &table);
    let (report, dataset) = place.import("vlmevalkit", &rest("25"));
    assert_eq!((report.rows.kept, report.cases, report.images), (3, 2, 2));
    assert_eq!(
        [gold(&dataset, "organ"), gold(&dataset, "side"), gold(&dataset, "older")],
        ["Liver/2", "None/3", "first/2"]
    );
    assert_eq!(item(&dataset, "older").0.images.len(), 2);
    assert_eq!(report.groups, 1, "the two cases share an image");
    place.write("t.tsv", table.replace("\n1\t0\t", "\n1\t7\t"));
    place.assert_refused("vlmevalkit", &rest("25"), "t.tsv:3: image: no row with the index \"7\" holds an image");
}

/// Writes images, and returns them as base64.
fn encoded(place: &Place, count: u32) -> Vec<String> {
    let image = |seed: u32| {
        let name = format!("{seed}.jpg");
        place.picture(&name, seed);
        base64::engine::general_purpose::STANDARD.encode(fs::read(place.source().join(name)).expect("there"))
    };
    (1..=count).map(image).collect()
}

#[test]
fn columns_of_gmai_mmbench_are_read_and_parts_without_answers_left_out() {
    let place = Place::new();
    let images = encoded(&place, 2);
    let header = "index\timage\tquestion\tA\tB\tC\tD\tE\tanswer\tcategory\tl2-category\tsplit\tclinical vqa task\t\
                  department\tperceptual granularity\tmodality\n";
    let row = |image: &str, rest: &str| format!("{header}0\t{image}\t{rest}\n");
    let organ = "What organ is marked?\tliver\tspleen\t\t\t\tB\tOrgan Recognition\torgan\tVAL\tOR-A\tGH\tbox\tCT";
    place.write("GMAI-MMBench_VAL.tsv", row(&images[0], organ));
    let grade = "Which grade?\tlow\thigh\t\t\t\t\tSeverity\tgrade\tTEST\tSG\tP\timage\tPathology";
    place.write("GMAI_mm_bench_TEST_part_1.tsv", row(&images[1], grade));
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "vlmevalkit");
    let map = "schema = \"import-map/1\"\n[[rule]]\ncategory = \"04\"\nfields = { \"clinical vqa task\" = \"OR-A\" }\n";
    place.write("map.toml", map);
    let mapped = FormatOptions { map: Some(place.source().join("map.toml")), ..FormatOptions::default() };
    let (report, dataset) = place.import("vlmevalkit", &mapped);
    assert_eq!((report.rows.read, report.rows.kept, report.images), (2, 1, 1));
    assert_eq!(counted(&report.rows.left_out, "in a file without right answers"), 1);
    let (case, organ) = item(&dataset, "What organ");
    assert_eq!((gold(&dataset, "What organ").as_str(), organ.category.as_str()), ("spleen/2", "04"));
    assert_eq!((case.modality.as_str(), case.split), ("CT", stepwise_data::case::Split::Validation));
}

#[test]
fn columns_of_medxpertqa_are_read_with_hints_and_several_images() {
    let place = Place::new();
    let images = encoded(&place, 2);
    place.write(
        "MedXpertQA_MM_test.tsv",
        format!(
            "index\tquestion\tA\tB\tC\tD\tE\tanswer\timage\tcategory\thint\n\
             7\t\"What is next?\nAnswer Choices: (A) CT (B) MRI\"\tCT\tMRI\tUS\tPET\tBiopsy\tE\t\"['{}', '{}']\"\tTreatment\tA man of 60.\n",
            images[0], images[1]
        ),
    );
    let (report, dataset) = place.import("vlmevalkit", &rest("30"));
    assert_eq!((report.rows.kept, report.images, report.split.kind), (1, 2, "published"));
    let (case, next) = item(&dataset, "What is next?");
    assert_eq!((gold(&dataset, "What is next?").as_str(), case.images.len()), ("Biopsy/5", 2));
    assert!(next.question.starts_with("A man of 60.\nWhat is next?"), "{}", next.question);
}

#[test]
fn sharegpt_may_have_lists_of_images_in_json_lines() {
    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("images/b.png", 2);
    let turn = |from: &str, value: &str| json!({"from": from, "value": value});
    let both = json!({"images": ["a.png", "b.png"], "conversations": [turn("system", "Be brief."),
        turn("human", "<image><image>Which is older?"), turn("gpt", "The first one.")]});
    let one =
        json!({"image": ["a.png"], "conversations": [turn("human", "<image>\nHow many masses?"), turn("gpt", "2")]});
    place.write("share.jsonl", format!("{both}\n{one}\n"));
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "llava");
    let (report, dataset) = place.import("llava", &rest("25"));
    assert_eq!((report.rows.kept, report.cases, report.images, report.groups), (2, 2, 2, 1));
    let (case, older) = item(&dataset, "older");
    assert_eq!((case.images.len(), older.question.as_str()), (2, "Which is older?"));
    assert_eq!([gold(&dataset, "older"), gold(&dataset, "masses")], ["text The first one.", "number 2"]);
}

#[test]
fn ms_swift_has_pairs_and_boxes_in_pixels_of_one_of_several_images() {
    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("b.png", 2);
    let pairs = json!({"image": "a.png", "conversations": [
        {"human": "<image>Which organ?", "assistant": "Lung"}, {"human": "Which side?", "assistant": "Left"}]});
    let boxes = |more: serde_json::Value| {
        let mut objects = json!({"ref": ["mass", "cyst"], "bbox": [[10, 20, 30.5, 40], [60, 50, 90, 70]]});
        objects.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"images": ["a.png", "b.png"], "objects": objects, "messages": [
            {"role": "user", "content": "<image><image>Find the <ref-object> and the <ref-object>."},
            {"role": "assistant", "content": "<bbox><bbox>"}]})
    };
    place.write("t.jsonl", format!("{pairs}\n{}\n", boxes(json!({"bbox_type": "real", "image_id": [0, 1]}))));
    let (report, dataset) = place.import("ms-swift", &rest("12"));
    assert_eq!((report.rows.kept, report.questions.kept, report.regions), (2, 3, 2));
    assert_eq!(item(&dataset, "Which side").1.parents, ["q0"]);
    let (case, found) = item(&dataset, "Find the mass and the cyst.");
    let regions: Vec<_> =
        case.regions.iter().map(|one| (one.image.as_str(), one.label.as_str(), one.shape.bounds())).collect();
    // The second box is cut off at the edge of its image.
    assert_eq!(regions, [("i0", "mass", [10.0, 20.0, 30.5, 40.0]), ("i1", "cyst", [60.0, 50.0, 80.0, 60.0])]);
    assert_eq!((found.evidence.len(), counted(&report.pixels, "cut off at the edge")), (2, 1));

    place.write("t.jsonl", boxes(json!({"image_id": [0, 2]})).to_string());
    place.assert_refused("ms-swift", &rest("12"), "t.jsonl:1: objects.image_id: names no image for box 1");
    place.write("t.jsonl", boxes(json!({"bbox_type": "norm1000"})).to_string());
    place.assert_refused("ms-swift", &rest("12"), "objects.bbox_type: \"norm1000\" is not known");
}

#[test]
fn ms_swift_is_read_in_its_forms_with_boxes_and_uris() {
    let place = Place::new();
    place.picture("a.png", 1);
    place.picture("b.png", 2);
    let uri = base64::engine::general_purpose::STANDARD.encode(fs::read(place.source().join("b.png")).expect("there"));
    let lines = [
        json!({"messages": [{"role": "user", "content": "<image>Find the <ref-object>."}, {"role": "assistant", "content":
            "<bbox><bbox>"}], "images": ["a.png"], "objects": {"ref": ["mass"], "bbox": [[0.125, 0.5, 0.5, 1.0], [0.5, 0, 1, 0.5]],
            "bbox_type": "norm1"}}),
        json!({"query": "<image>Which side?", "response": "Left", "history": [["Which organ?", "Lung"]], "images":
            [format!("data:image/png;base64,{uri}")]}),
        json!({"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "At <bbox>."}],
            "images": ["a.png"], "objects": {"bbox": [[1, 2, 3, 4]]}}),
        json!({"messages": [{"role": "user", "content": "Click."}, {"role": "assistant", "content": "<bbox>"}],
            "images": ["a.png"], "objects": {"bbox": [[1, 2]]}}),
    ];
    place.write("t.jsonl", lines.map(|line| line.to_string()).join("\n"));
    let (report, dataset) = place.import("ms-swift", &rest("12"));
    assert_eq!((report.rows.read, report.rows.kept, report.questions.kept), (4, 2, 3));
    assert_eq!(counted(&report.rows.left_out, "inside a sentence") + counted(&report.rows.left_out, "a point"), 2);
    let (case, question) = item(&dataset, "Find the mass.");
    assert_eq!((gold(&dataset, "Find").as_str(), question.evidence.len()), ("2 boxes", 2));
    assert_eq!(case.regions[0].shape.bounds(), [10.0, 30.0, 40.0, 60.0]);
    assert_eq!(item(&dataset, "side").1.parents, ["q0"]);
    assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "ms-swift");

    let wrong = json!({"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "<bbox>"}],
        "images": ["a.png"], "objects": {"bbox": []}});
    place.write("t.jsonl", wrong.to_string());
    place.assert_refused("ms-swift", &rest("12"), "t.jsonl:1: objects: the messages have 1 <bbox> for 0 objects");
}

#[test]
fn tools_that_are_imported_teach_the_same_words() {
    let words = ["Yes", "yes", "No.", "no", "YES, it is", "three", "3", "3.0", "Left\nlower  lobe", "是", "A"];
    let turns = |user: &str, assistant: &str, role: &str, content: &str| {
        words.map(|word| json!([{role: user, content: "<image>How many masses?"}, {role: assistant, content: word}]))
    };
    let import = |name: &str, write: &dyn Fn(&Place, &str, &serde_json::Value) -> String| {
        let place = Place::new();
        let all = turns(
            if name == "llama-factory" { "human" } else { "user" },
            if name == "llama-factory" { "gpt" } else { "assistant" },
            if name == "llama-factory" { "from" } else { "role" },
            if name == "llama-factory" { "value" } else { "content" },
        );
        let mut lines = Vec::new();
        for (number, turns) in all.iter().enumerate() {
            let image = format!("{number}.png");
            place.picture(&image, number as u32 + 1);
            lines.push(write(&place, &image, turns));
        }
        place.write("t.jsonl", lines.join("\n"));
        let new = FormatOptions { split: SplitChoice::New, ..rest("14") };
        let (_, dataset) = place.import(name, &new);
        let mut taught: Vec<String> = dataset
            .cases
            .iter()
            .map(|case| match &case.chain[0].answer {
                Answer::Yesno { gold, .. } => if *gold { "yes" } else { "no" }.to_owned(),
                Answer::Number { gold, .. } => gold.to_string(),
                Answer::Text { gold, .. } => gold[0].clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        taught.sort();
        taught
    };
    let mut expected = words.map(str::to_owned).to_vec();
    expected.sort();
    let swift = import("ms-swift", &|_, image, turns| json!({"images": [image], "messages": turns}).to_string());
    let llama = import("llama-factory", &|place, image, turns| {
        let list = json!({"t": {"file_name": "t.jsonl", "formatting": "sharegpt", "columns": {"images": "images"}}});
        place.write("dataset_info.json", list.to_string());
        json!({"images": [image], "conversations": turns}).to_string()
    });
    let trl = import("trl", &|_, image, turns| {
        let parts = json!([{"type": "image"}, {"type": "text", "text": "How many masses?"}]);
        let answer = json!([{"type": "text", "text": turns[1]["content"]}]);
        let messages = json!([{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]);
        json!({"images": [image], "messages": messages}).to_string()
    });
    assert_eq!([swift, llama, trl], [expected.clone(), expected.clone(), expected]);
}

#[test]
fn turns_that_a_tool_does_not_train_on_are_left_out() {
    let place = Place::new();
    place.picture("a.png", 1);
    let message = |role: &str, content: &str| json!({"role": role, "content": content});
    let untaught = json!({"role": "assistant", "content": "Lung", "loss": false});
    let line = json!({"images": ["a.png"], "messages": [message("user", "<image>Which organ?"), untaught,
        message("user", "Which side?"), message("assistant", "Left")]});
    place.write("t.jsonl", line.to_string());
    let (report, dataset) = place.import("ms-swift", &rest("25"));
    assert_eq!(counted(&report.questions.left_out, "without loss"), 1);
    assert_eq!(dataset.cases[0].chain.len(), 1);

    let place = Place::new();
    place.picture("a.png", 1);
    let text = |role: &str, content: &str| json!({"role": role, "content": [{"type": "text", "text": content}]});
    let first = json!({"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which organ?"}]});
    let line = json!({"image": "a.png", "prompt": [text("system", "Be brief."), first, text("assistant", "Lung"),
        text("user", "Which side?")], "completion": [text("assistant", "Left")]});
    place.write("t.jsonl", line.to_string());
    let (report, dataset) = place.import("trl", &rest("25"));
    assert_eq!(counted(&report.questions.left_out, "TRL does not train on"), 1);
    assert_eq!(gold(&dataset, "Which side?"), "text Left");

    let wrong = line.to_string().replace("\"type\":\"image\"", "\"type\":\"video\"");
    place.write("t.jsonl", wrong.replace("system", "user"));
    let error = place.import_to("trl", "refused", &rest("25")).expect_err("refused").to_string();
    assert!(error.contains("content: a part has the type \"video\""), "{error}");
}
