//! Import of small blood smears in the file layout of the real data set.

use stepwise_data::case::{Answer, Shape, Split};

use super::{Set, flipped, gold, item};

fn annotation(cells: &[(&str, [i32; 4])]) -> String {
    let objects: String = cells
        .iter()
        .map(|(name, [x0, y0, x1, y1])| {
            format!(
                "<object>\n<name>{name}</name>\n\
                 <bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>\n</object>\n"
            )
        })
        .collect();
    format!("<annotation>\n<size><width>80</width><height>60</height><depth>3</depth></size>\n{objects}</annotation>\n")
}

const WHITE: (&str, [i32; 4]) = ("WBC", [41, 31, 80, 60]);
const RED: (&str, [i32; 4]) = ("RBC", [0, 1, 20, 15]);
const PLATELET: (&str, [i32; 4]) = ("Platelets", [30, 30, 33, 33]);

/// Five smears: cells of all kinds; no platelet; two white cells; no red cell boxed; no white cell boxed.
fn smears() -> Set {
    let set = Set::new();
    let smears: [&[(&str, [i32; 4])]; 5] = [
        &[WHITE, RED, RED, PLATELET],
        &[WHITE, RED],
        &[WHITE, WHITE, RED],
        &[WHITE, PLATELET, ("RBC", [7, 7, 7, 7])],
        &[RED, PLATELET],
    ];
    for (number, cells) in smears.iter().enumerate() {
        set.picture(&format!("JPEGImages/s_{number}.jpg"), 80, 60, number as u32 + 1);
        set.text(&format!("Annotations/s_{number}.xml"), &annotation(cells));
    }
    set.text("ImageSets/Main/train.txt", "s_0\r\ns_1\r\n");
    set.text("ImageSets/Main/val.txt", "s_2 1\n\n");
    set.text("ImageSets/Main/test.txt", "s_3\ns_4");
    set
}

#[test]
fn cells_are_counted_located_and_compared() {
    let set = smears();
    let (report, dataset) = set.import("bccd");
    assert_eq!((report.cases, report.regions), (5, 13));
    let [all, no_platelet, two_white, no_red, no_white] = &dataset.cases[..] else { panic!("five cases") };
    let Shape::Box { bounds } = all.regions[0].shape else { panic!("a box") };
    assert_eq!((all.regions[0].id.as_str(), bounds), ("wbc-1", [40.0, 30.0, 80.0, 60.0]));
    assert_eq!(all.regions[1].shape.bounds(), [0.0, 0.0, 20.0, 15.0], "a corner at 0 is at the edge");
    assert_eq!(gold(all, "How many white"), "1");
    assert!(matches!(item(all, "How many white").answer, Answer::Number { abs_tol: Some(0.0), .. }));
    assert_eq!(gold(all, "In which quarter"), "lower right");
    assert_eq!(flipped(all, "In which quarter").as_deref(), Some("lower left"));
    assert_eq!(gold(all, "How large"), "3 to 4.5 times the area"); // 1200 to 300
    assert!(item(all, "Does this image show a red blood cell").evidence.is_empty(), "many red cells have no box");
    for (case, rule) in [(all, "move the field down"), (two_white, "ask for a second reader")] {
        assert_eq!(gold(case, "laboratory's rule"), rule);
    }
    let asks =
        |case: &stepwise_data::case::Case, words: &str| case.chain.iter().any(|item| item.question.contains(words));
    assert!(!asks(two_white, "Draw the box"), "two white cells are boxed");
    assert!(!asks(all, "How many red") && !asks(all, "How densely"), "many red cells have no box");
    assert!(!asks(no_red, "red blood cell"), "missing boxes do not prove that there are no red cells");
    // A cell without a box may be there, so a missing box decides nothing.
    assert_eq!(gold(no_platelet, "How many white"), "1");
    for words in ["platelet", "more of"] {
        assert!(!asks(no_platelet, words) && !asks(no_white, "more of"), "{words}");
    }
    assert!(!asks(all, "How many platelets"), "some platelets may have no box");
    assert_eq!(gold(all, "Does this image show a platelet"), "true");
    assert!(!asks(no_white, "white blood cell"), "{:?}", no_white.chain);
    assert_eq!(
        report.skipped,
        [
            "bccd-s-1: platelets not asked about: none is boxed, but boxes are missing",
            "bccd-s-2: platelets not asked about: none is boxed, but boxes are missing",
            "bccd-s-3: a box of class RBC ignored: it has no area, at (7, 7)",
            "bccd-s-3: red blood cells not asked about: none is boxed, but boxes are missing",
            "bccd-s-4: white blood cells not asked about: none is boxed, but boxes are missing",
        ]
    );
}

#[test]
fn marks_touch_no_platelet_and_lie_where_the_image_is_not_dark() {
    // A platelet, or darkness, takes the left half of every image.
    for is_dark in [false, true] {
        let set = smears();
        for number in 0..5 {
            let (platelet, white) = (("Platelets", [1, 1, 40, 60]), ("WBC", [61, 46, 70, 55]));
            let cells = if is_dark { vec![white] } else { vec![white, platelet] };
            set.text(&format!("Annotations/s_{number}.xml"), &annotation(&cells));
            if is_dark {
                set.darken(&format!("JPEGImages/s_{number}.jpg"), 40);
            }
        }
        let (_, dataset) = set.import("bccd");
        let marked = dataset.cases.iter().filter(|case| case.case_id.ends_with("-marks"));
        let marks = marked.flat_map(|case| case.regions.iter().filter(|region| region.label.ends_with(" mark")));
        let bounds: Vec<[f64; 4]> = marks.map(|mark| mark.shape.bounds()).collect();
        assert!(bounds.len() >= 9, "{is_dark}: {bounds:?}");
        assert!(bounds.iter().all(|[x0, _, x1, _]| x0 + x1 > 80.0), "{is_dark}: {bounds:?}");
    }
}

#[test]
fn splits_are_those_of_the_source_except_for_near_duplicates_of_held_out_images() {
    let set = smears();
    let (_, dataset) = set.import("bccd");
    let sides: Vec<Split> = dataset.cases.iter().map(|case| case.split).collect();
    assert_eq!(sides, [Split::Train, Split::Train, Split::Validation, Split::Test, Split::Test]);

    let set = smears();
    set.near_copy("JPEGImages/s_3.jpg", "JPEGImages/s_1.jpg");
    let (report, dataset) = set.import("bccd");
    assert_eq!(dataset.cases[1].split, Split::Test);
    assert!(report.skipped.iter().any(|line| line.starts_with("bccd-s-1: moved to test")), "{:?}", report.skipped);
}

#[test]
fn faults_name_file_row_and_field() {
    let refused = |file: &str, text: &str, expected: &str| smears().assert_refused("bccd", (file, text), expected);
    let xml = "Annotations/s_0.xml";
    refused(
        xml,
        &annotation(&[("Neutrophil", [1, 1, 9, 9])]),
        "s_0.xml:3: name: \"Neutrophil\" is not a class of cells",
    );
    refused(xml, &annotation(&[("RBC", [81, 1, 90, 9])]), "s_0.xml:5: bndbox: the box lies outside the image");
    refused(xml, &annotation(&[("RBC", [-5, 1, 9, 9])]), "s_0.xml:5: xmin: \"-5\" is not a number of pixels");
    refused(xml, &annotation(&[RED]).replace("60</h", "61</h"), "s_0.xml: size: is 80x61, but the image is 80x60");
    refused(xml, "<annotation>\n<size>", "s_0.xml:1: is not XML");
    refused("ImageSets/Main/test.txt", "s_3\ns_0\n", "test.txt:2: s_0 is already listed in train.txt");
    refused("ImageSets/Main/test.txt", "../s_3\n", "test.txt:1: \"../s_3\" is not an image name");
}

#[test]
fn a_listed_image_without_a_file_is_left_out() {
    let set = smears();
    set.text("ImageSets/Main/test.txt", "s_3\ns_9\n");
    let (report, _) = set.import("bccd");
    assert_eq!(report.cases, 4);
    assert!(report.skipped[0].starts_with("test.txt: s_9: left out: there is no "), "{:?}", report.skipped);
}

#[test]
fn a_size_or_place_near_a_limit_is_not_asked_about() {
    let set = smears();
    // 30 x 30 pixels, 3.2 times a red cell of 20 x 14, with the middle of the cell at the middle of the image.
    set.text("Annotations/s_0.xml", &annotation(&[("WBC", [26, 16, 55, 45]), RED]));
    let (_, dataset) = set.import("bccd");
    let asks = |words: &str| dataset.cases[0].chain.iter().any(|item| item.question.contains(words));
    assert!(asks("Draw the box"));
    assert!(!asks("How large") && !asks("In which quarter") && !asks("laboratory's rule"));
}
