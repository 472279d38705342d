//! What all formats have in common: faults, maps, repeated rows, paths, recognition.

use super::*;

fn table(place: &Place, rows: &str) -> FormatOptions {
    place.picture("x.png", 1);
    place.picture("y.png", 2);
    place.write("t.csv", format!("file,q,a\n{rows}"));
    short_table()
}

#[test]
fn faulty_rows_stop_the_import_or_are_counted() {
    let place = Place::new();
    let options = table(
        &place,
        "x.png,What?,CT\nx.png,,CT\nz.png,What?,CT\nx.png,Who?,\ny.png,Too,many,cells\ny.png,What?,MRI\n",
    );
    let error = place.import_to("table", "refused", &options).expect_err("refused").to_string();
    for expected in ["t.csv:3: q: is empty", "t.csv:4: file: ", "t.csv:5: a: is empty", "t.csv:6: has 4 cells"] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    assert!(!place.folder.path().join("refused").exists(), "nothing is left of a refused import");
    let (report, dataset) = place.import("table", &FormatOptions { keep_going: true, ..options });
    assert_eq!((report.rows.read, report.rows.kept, report.rows.faulty.total()), (6, 2, 4));
    assert_eq!(dataset.cases.len(), 2);
}

#[test]
fn repeated_rows_are_kept_once_and_contradictions_not_at_all() {
    let place = Place::new();
    let options =
        table(&place, "x.png,What?,CT\nx.png,what,ct.\nx.png,Who?,A\nx.png,Who?,B\nx.png,Who?,A\ny.png,Who?,B\n");
    let (report, dataset) = place.import("table", &options);
    assert_eq!(counted(&report.questions.left_out, "repeated"), 1);
    assert_eq!(counted(&report.questions.left_out, "another answer"), 3);
    assert_eq!(dataset.cases.iter().map(|case| case.chain.len()).sum::<usize>(), 2);
}

#[test]
fn what_no_rule_maps_is_left_out_and_a_map_of_the_user_decides() {
    let place = Place::new();
    let options = table(&place, "x.png,Which modality?,CT\ny.png,How many nodules?,2\ny.png,Who?,A\n");
    let none = FormatOptions { rest: None, ..options.clone() };
    place.assert_refused("table", &none, "gives no case");
    let map = place.source().join("map.toml");
    let rule = "schema = \"import-map/1\"\n[[rule]]\ncategory = \"01\"\nquestion = [\"modality\"]\n\
                [[rule]]\ncategory = \"14\"\nanswer = [\"number\"]\n";
    place.write("map.toml", rule);
    let (report, dataset) = place.import("table", &FormatOptions { map: Some(map.clone()), ..none.clone() });
    assert_eq!((report.rows.kept, counted(&report.rows.left_out, "no rule")), (2, 1));
    assert_eq!(item(&dataset, "modality").1.category, "01");
    assert_eq!(counted(&report.categories["14"], "answer number"), 1);
    place.write("map.toml", rule.replace("\"14\"", "\"99\""));
    let wrong = FormatOptions { map: Some(map), ..none };
    place.assert_refused("table", &wrong, "map.toml: rule[1].category: there is no category \"99\"");
    place.assert_refused("table", &FormatOptions { rest: Some("x".into()), ..options }, "there is no category \"x\"");
}

#[test]
fn every_built_in_map_is_sound() {
    for format in FORMATS {
        super::super::map::CategoryMap::load(None, format.map())
            .unwrap_or_else(|error| panic!("{}: {error}", format.name()));
    }
}

#[test]
fn a_file_without_right_answers_is_left_out_and_counted() {
    let place = Place::new();
    let options = table(&place, "x.png,What?,CT\n");
    place.write("hidden.csv", "file,q,a\ny.png,What?,\ny.png,Who?,\n");
    let (report, _) = place.import("table", &options);
    assert_eq!((report.rows.kept, counted(&report.rows.left_out, "without right answers")), (1, 2));
}

#[test]
fn paths_that_leave_the_folder_and_addresses_are_refused() {
    for (path, expected) in [
        ("../secret.png", "does not lead into"),
        ("/etc/passwd", "does not lead into"),
        ("https://example.org/a.png", "is an address"),
    ] {
        let place = Place::new();
        let options = table(&place, &format!("{path},What?,CT\n"));
        fs::copy(place.source().join("x.png"), place.folder.path().join("secret.png")).expect("copied");
        place.assert_refused("table", &options, expected);
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let place = Place::new();
    let options = table(&place, "link.png,What?,CT\n");
    fs::rename(place.source().join("x.png"), place.folder.path().join("secret.png")).expect("moved");
    std::os::unix::fs::symlink("../secret.png", place.source().join("link.png")).expect("linked");
    place.assert_refused("table", &options, "leads out of the data set's folder");
}

#[test]
fn equal_images_under_two_names_are_one_case() {
    let place = Place::new();
    let options = table(&place, "x.png,What?,CT\ncopy.png,Who?,A\n");
    fs::copy(place.source().join("x.png"), place.source().join("copy.png")).expect("copied");
    let (report, dataset) = place.import("table", &options);
    assert_eq!((report.cases, report.images, dataset.cases[0].chain.len()), (1, 1, 2));
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let place = Place::new();
    let options = table(&place, "");
    place.write("t.csv", b"file,q,a\nx.png,Wh\xE9re?,CT\n".as_slice());
    place.assert_refused("table", &options, "t.csv:2: q: is not UTF-8: byte 0xE9");
}

#[test]
fn a_cut_off_array_is_refused() {
    let place = Place::new();
    let options = table(&place, "");
    fs::remove_file(place.source().join("t.csv")).expect("removed");
    place.write("t.json", "[{\"file\": \"x.png\", \"q\": \"What?\", \"a\": \"CT\"}, {\"file\": ");
    place.assert_refused("table", &options, "t.json:2: the file is cut off");
}

#[test]
fn a_folder_is_recognised_by_its_files() {
    let message = |place: &Place| detect(&place.source()).err().expect("not recognised").to_string();
    let place = Place::new();
    place.write("readme.txt", "text");
    let said = message(&place);
    assert!(said.contains("slake: ") && said.contains("data import table"), "{said}");
    place.write(
        "train.json",
        "[{\"img_name\": \"a\", \"question\": \"q\", \"answer\": \"a\", \"content_type\": \"KG\"}]",
    );
    assert!(message(&place).contains("nearest known layout is slake, which lacks: imgs/"), "{}", message(&place));
    place.picture("imgs/a.png", 1);
    let found = detect(&place.source()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((found.name, found.evidence.len()), ("slake", 2));
    place.picture("images/a.png", 1);
    let others = || detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).others;
    assert!(others().is_empty(), "a folder of images is no likeness: {:?}", others());
    place.write("labels/a.txt", "");
    assert!(others().iter().any(|other| other.starts_with("yolo, which lacks: data.yaml")), "{:?}", others());
    fs::remove_dir_all(place.source().join("images")).expect("removed");
    place.write("x.json", "{\"images\": [], \"annotations\": [], \"categories\": []}");
    let said = message(&place);
    assert!(said.contains("fits 2 formats: slake (") && said.contains("and coco ("), "{said}");
}

#[test]
fn case_records_are_completed() {
    let place = Place::new();
    place.picture("x.png", 1);
    place.picture("y.png", 2);
    let mask = GrayImage::from_fn(80, 60, |x, y| Luma([u8::from((10..20).contains(&x) && (5..9).contains(&y))]));
    mask.save(place.source().join("m.png")).expect("writable");
    let record = |image: &str, more: &str| {
        format!(
            "{{\"images\": [\"{image}\"], \"chain\": [{{\"category\": \"10\", \"question\": \"Is it ill?\", \"answer\": \
             {{\"type\": \"yesno\", \"gold\": true}}}}]{more}}}\n"
        )
    };
    let region =
        ", \"regions\": [{\"kind\": \"mask\", \"path\": \"m.png\", \"label\": \"mass\", \"role\": \"finding\"}]";
    place.write("cases.jsonl", record("x.png", region) + &record("y.png", ", \"group_id\": \"p\""));
    let out = place.folder.path().join("out");
    let report = import_cases(&place.source(), &out, &rest("25")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.rows.read, report.rows.kept, report.split.kind), (2, 2, "new"));
    let (dataset, findings) = check_file(&out, &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
    assert!(findings.problems.is_empty(), "{:?}", findings.problems);
    let dataset = dataset.expect("reads");
    let case = &dataset.cases[0];
    assert_eq!(case.regions[0].shape.bounds(), [10.0, 5.0, 20.0, 9.0]);
    assert_eq!((case.images[0].width, case.chain[0].stage, case.chain[0].id.as_str()), (80, 2, "q0"));
    assert_eq!(dataset.cases[1].group_id, "p");

    GrayImage::from_pixel(40, 30, Luma([1])).save(place.source().join("m.png")).expect("writable");
    place.write("cases.jsonl", record("x.png", region));
    let refused = import_cases(&place.source(), &place.folder.path().join("no"), &rest("25"));
    let said = refused.expect_err("refused").to_string();
    let expected = "cases.jsonl:1: regions[0].path: m.png is 40x30 pixels, but its image has 80x60 -> ";
    assert!(said.contains(expected), "{said}");
    assert!(!place.folder.path().join("no").exists(), "nothing is left of a refused import");

    place.write("cases.jsonl", record("x.png", ", \"modality\": 3"));
    let refused = import_cases(&place.source(), &place.folder.path().join("no"), &rest("25"));
    assert!(refused.expect_err("refused").to_string().contains("cases.jsonl:1"));
}

#[test]
fn the_page_lists_every_format() {
    let page = include_str!("../../../../../docs/import.md");
    for name in FORMATS.iter().map(|format| format.name()).chain([CASES]) {
        assert!(page.contains(&format!("| `{name}` |")), "docs/import.md lacks {name}");
    }
}

#[test]
fn a_published_split_keeps_the_test_side_and_leaves_out_what_crosses_by_group_or_near_duplicate() {
    let place = Place::new();
    for (name, seed) in [("a.png", 1), ("b.png", 2), ("c.png", 3), ("d.png", 4)] {
        place.picture(name, seed);
    }
    let mut near = image::open(place.source().join("a.png")).expect("there").into_luma8();
    near.get_pixel_mut(0, 0).0[0] ^= 0x40;
    near.save(place.source().join("near.png")).expect("writable");
    place.write(
        "t.csv",
        "file,q,a,patient,side\na.png,What?,CT,p1,test\nnear.png,What?,CT,p2,train\nb.png,What?,CT,p3,val\n\
         c.png,What?,CT,p3,train\nd.png,What?,CT,p4,train\n",
    );
    let columns = Columns {
        image: vec!["file".into()],
        question: Some("q".into()),
        answer: Some("a".into()),
        group: Some("patient".into()),
        split: Some("side".into()),
        ..Columns::default()
    };
    let options = FormatOptions { columns, ..rest("25") };
    let (report, _) = place.import("table", &options);
    let split = &report.split;
    assert_eq!((split.kind, split.train, split.validation, split.test), ("published", 1, 1, 1));
    assert_eq!(counted(&split.crossed, "train: a near-duplicate"), 1);
    assert_eq!(counted(&split.crossed, "train: the same group"), 1);
    let published = FormatOptions { split: SplitChoice::Published, ..table(&Place::new(), "x.png,What?,CT\n") };
    let unsplit = Place::new();
    table(&unsplit, "x.png,What?,CT\n");
    unsplit.assert_refused("table", &published, "has no published split");
}

#[test]
fn all_faults_of_case_records_are_reported_at_once_and_left_out() {
    let place = Place::new();
    for (name, seed) in [("x.png", 1), ("y.png", 2), ("z.png", 3)] {
        place.picture(name, seed);
    }
    let question = |category: &str, question: &str, gold: &str| {
        format!(
            "{{\"category\": \"{category}\", \"question\": \"{question}\", \"answer\": {{\"type\": \"choice\", \"options\": \
             [\"CT\", \"MRI\"], \"gold\": [{gold}]}}}}"
        )
    };
    let record = |images: &str, chain: &str| format!("{{\"images\": [{images}], \"chain\": [{chain}]}}\n");
    let sound = question("01", "What?", "0");
    let wrong_stage = sound.replace("\"category\"", "\"stage\": 4, \"category\"");
    let lines = [
        record("\"x.png\"", &sound),
        record("", &sound),
        record("\"x.png\"", ""),
        record("\"x.png\"", &question("01", "Who?", "7")),
        record("\"x.png\"", &wrong_stage),
        record("\"x.png\"", &question("99", "Who?", "0")),
        "no JSON\n".to_owned(),
        record("\"gone.png\"", &sound),
        record("\"x.png\"", &question("01", "What?", "1")),
        record("\"y.png\"", &sound).replace("{\"images\"", "{\"case_id\": \"one\", \"images\""),
        record("\"z.png\"", &sound).replace("{\"images\"", "{\"case_id\": \"one\", \"images\""),
    ];
    place.write("cases.jsonl", lines.concat());
    let import = |options: &FormatOptions| import_cases(&place.source(), &place.folder.path().join("out"), options);
    let said = import(&FormatOptions::default()).expect_err("refused").to_string();
    for expected in [
        "cases.jsonl:2: images: ",
        "cases.jsonl:3: chain: there is no question",
        "cases.jsonl:4: chain[0].answer.gold",
        "cases.jsonl:5: chain[0].stage: is 4, but category 01 (modality) is of stage 1",
        "cases.jsonl:6: chain[0].category: there is no category \"99\"",
        "cases.jsonl:7",
        "cases.jsonl:8: images[0].path",
        "cases.jsonl:9: chain[0].answer.gold: row 1 has another answer",
        "cases.jsonl:11: case_id: \"one\" is the id of an earlier case",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let report = import(&FormatOptions { keep_going: true, ..FormatOptions::default() });
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.rows.read, report.rows.kept, report.rows.faulty.total()), (11, 2, 9));
    assert_eq!(report.questions.read, report.questions.kept + report.questions.faulty.total());
    assert_eq!(report.cases, 2);
}

#[test]
fn case_records_are_recognised_and_numbered_by_their_folder() {
    let place = Place::new();
    place.picture("x.png", 1);
    let chain =
        "{\"category\": \"10\", \"question\": \"Is it ill?\", \"answer\": {\"type\": \"yesno\", \"gold\": true}}";
    place.write("cases.jsonl", format!("{{\"images\": [\"x.png\"], \"chain\": [{chain}]}}\n"));
    for source in [place.source(), place.source().join("cases.jsonl")] {
        let found = detect(&source).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((found.name, found.evidence.len()), (CASES, 1));
    }
    let out = place.folder.path().join("out");
    import_cases(&place.source(), &out, &FormatOptions::default()).unwrap_or_else(|error| panic!("{error}"));
    let text = fs::read_to_string(out.join("cases.jsonl")).expect("there");
    assert!(text.contains("\"source-000001\""), "{text}");
}

#[test]
fn the_advice_of_an_import_without_a_case_names_the_reason() {
    let place = Place::new();
    let refused = |rows: &str, options: &FormatOptions, expected: &str| {
        place.write("t.csv", format!("file,q,a\n{rows}"));
        let said = place.import_to("table", "refused", options).expect_err("refused").to_string();
        assert!(said.contains("gives no case") && said.contains(expected), "{said}");
        assert!(said.contains("category map") == expected.contains("category map"), "{said}");
    };
    let options = table(&place, "");
    let going_on = FormatOptions { keep_going: true, ..options.clone() };
    refused("", &options, "rows read: 0 -> give files that hold records");
    refused(
        "x.png,What?,\n",
        &options,
        "1 in a file without right answers (t.csv:2): left out\n -> give files with right",
    );
    refused("x.png,,CT\n", &going_on, "1 q: is empty (t.csv:2): faulty\n -> correct the faulty rows");
    refused("x.png,What?,CT\n", &FormatOptions { rest: None, ..options.clone() }, "-> give a category map");
    refused("x.png,Who?,A\nx.png,Who?,B\n", &options, "-> change what the reasons name");
}

#[test]
fn the_report_has_one_line_for_each_reason() {
    let place = Place::new();
    let options = table(&place, "x.png,\"What\nis it?\",CT\n");
    let (report, _) = place.import("table", &options);
    let lines = report.lines();
    assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("(What is it?)")), "{lines:?}");
}

#[test]
fn many_notes_and_warnings_are_cut_and_counted() {
    let remarks = |count: usize| (0..count).map(|place| format!("image {place}")).collect::<Vec<_>>();
    let report = FormatReport { notes: remarks(20), warnings: remarks(23), ..FormatReport::default() };
    let lines = report.lines();
    let count = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((count("note: image"), count("note: "), count("warning: image")), (20, 20, 20));
    assert_eq!(lines.last().map(String::as_str), Some("warning: 3 more in import.json"));
}

#[test]
fn a_folder_with_other_files_is_not_written_to() {
    let place = Place::new();
    let options = table(&place, "x.png,What?,CT\n");
    let out = place.folder.path().join("out");
    fs::create_dir_all(out.join("notes")).expect("writable");
    let said = place.import_to("table", "out", &options).expect_err("refused").to_string();
    assert!(said.contains("out: holds \"notes\", which no import wrote -> give a new or an empty folder"), "{said}");
    assert!(!out.join("images").exists());
    fs::remove_dir(out.join("notes")).expect("there");
    fs::write(out.join(".directory"), "").expect("writable");
    place.import("table", &options);
}

#[test]
fn a_source_that_does_not_exist_is_named() {
    let place = Place::new();
    let source = place.folder.path().join("nowhere");
    let out = place.folder.path().join("out");
    let said = |result: Result<(), ImportError>| {
        let said = result.expect_err("refused").to_string();
        assert!(said.contains("nowhere: does not exist -> give the folder or file"), "{said}");
    };
    for format in FORMATS {
        said(import_format(*format, &source, &out, &short_table()).map(drop));
    }
    said(import_cases(&source, &out, &FormatOptions::default()).map(drop));
    for importer in crate::IMPORTERS {
        said((importer.run)(&source, &out, &crate::ImportOptions::default()).map(drop));
    }
}

#[test]
fn a_published_split_without_a_validation_side_names_the_way_out() {
    let place = Place::new();
    for (name, seed) in [("x.png", 1), ("y.png", 2)] {
        place.picture(name, seed);
    }
    let columns = Columns { split: Some("side".into()), ..short_table().columns };
    let options = FormatOptions { columns, ..rest("25") };
    let noted = |sides: [&str; 2], options: &FormatOptions| {
        let out = format!("{}-{}-{:?}", sides[0], sides[1], options.split);
        let rows = ["x", "y"].iter().zip(sides).map(|(name, side)| format!("{name}.png,What?,CT,{side}\n"));
        place.write("t.csv", format!("file,q,a,side\n{}", rows.collect::<String>()));
        let lines = place.import_to("table", &out, options).unwrap_or_else(|error| panic!("{error}")).lines();
        lines.into_iter().find(|line| line.contains("no validation side"))
    };
    let note = "note: the source has no validation side: import with `--split new`";
    assert_eq!(noted(["train", "train"], &options).as_deref(), Some(note));
    let with_test = format!("{note}, or set `eval_split = \"test\"` in the recipe");
    assert_eq!(noted(["train", "test"], &options), Some(with_test));
    assert_eq!(noted(["train", "val"], &options), None);
    assert_eq!(noted(["test", "test"], &options), None, "an external test set is evaluated only");
    assert_eq!(noted(["train", "train"], &FormatOptions { split: SplitChoice::New, ..options }), None);
}

#[test]
fn a_new_split_of_case_records_does_not_depend_on_their_sides() {
    let place = Place::new();
    let chain =
        "{\"category\": \"10\", \"question\": \"Is it ill?\", \"answer\": {\"type\": \"yesno\", \"gold\": true}}";
    let mut lines = String::new();
    for number in 0..8 {
        place.picture(&format!("{number}.png"), number + 1);
        let side = if number == 0 { "" } else { ", \"split\": \"train\"" };
        lines += &format!("{{\"images\": [\"{number}.png\"], \"chain\": [{chain}]{side}}}\n");
    }
    place.write("cases.jsonl", &lines);
    let import = |out: &str, split| {
        let options = FormatOptions { split, ..FormatOptions::default() };
        import_cases(&place.source(), &place.folder.path().join(out), &options)
    };
    let said = import("refused", SplitChoice::Default).expect_err("refused").to_string();
    assert!(said.contains("1 of 8 records have no split -> "), "{said}");
    let report = import("new", SplitChoice::New).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((report.split.kind, report.cases), ("new", 8));
    assert!(report.split.validation > 0 && report.split.test > 0, "{:?}", report.split);
    place.write("cases.jsonl", lines.replace(", \"split\": \"train\"", ""));
    let said = import("published", SplitChoice::Published).expect_err("refused").to_string();
    assert!(said.contains("has no published split -> use --split new"), "{said}");
}
