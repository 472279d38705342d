//! Import of small brain slices in the file layout of the real data set.

use std::fs;

use image::{ImageBuffer, ImageFormat, Luma};
use stepwise_data::case::{Answer, Shape};

use super::{Set, flipped, gold, item};

/// Five runs of two slices for each tumour.
fn brain() -> Set {
    let set = Set::new();
    for (class, folder) in ["pituitary", "meningioma", "glioma"].into_iter().enumerate() {
        for run in 0..5 {
            for slice in 1..3 {
                let number = 10 * run + slice;
                set.picture(&format!("{folder}/{number}.jpg"), 64, 64, 100 * class as u32 + number);
                set.text(&format!("{folder}/{number}.txt"), &format!("{class} 0.25 0.75 0.2 0.15\n"));
            }
        }
    }
    set
}

#[test]
fn slices_are_described_by_their_box() {
    let set = brain();
    set.text("glioma/1.txt", "2 0.5 0.5 0.5 0.5");
    let (report, dataset) = set.import("brain-mri");
    // One slice has no room for three frames.
    let marked = dataset.cases.iter().filter(|case| case.case_id.ends_with("-marks")).count();
    assert_eq!((report.cases - marked, marked, report.regions, report.skipped), (30, 29, 30 + 4 * 29, vec![]));
    let case = |id: &str| dataset.cases.iter().find(|case| case.case_id == id).expect("imported");
    let left = case("brain-mri-glioma-0002");
    let Shape::Box { bounds } = left.regions[0].shape else { panic!("a box") };
    for (value, expected) in bounds.iter().zip([9.6, 43.2, 22.4, 52.8]) {
        assert!((value - expected).abs() < 1e-9, "{bounds:?}");
    }
    assert_eq!(gold(left, "On which side"), "left of the middle line");
    assert_eq!(flipped(left, "On which side").as_deref(), Some("right of the middle line"));
    assert_eq!(gold(left, "In which third"), "lower third");
    assert_eq!(gold(left, "take up"), "2% to 4%");
    assert_eq!(gold(left, "wider than high"), "wider than high");
    assert_eq!(gold(left, "How far"), "more than a fifth");
    assert_eq!(gold(left, "Which type of tumour"), "glioma");
    assert_eq!(left.images[0].orientation, None);
    let middle = case("brain-mri-glioma-0001");
    assert_eq!(gold(middle, "On which side"), "across the middle line");
    assert_eq!(flipped(middle, "On which side"), None);
    assert_eq!(gold(middle, "In which third"), "middle third");
    assert_eq!(gold(middle, "take up"), "4% or more");
    assert_eq!(gold(middle, "wider than high"), "about equal");
    assert_eq!(gold(middle, "How far"), "less than a tenth");
    let Answer::Choice { options, .. } = &item(middle, "Which part of the body").answer else { panic!("a choice") };
    assert!(!options.iter().any(|option| option == "spine"), "a slice from front to back shows the upper spine");
}

#[test]
fn a_size_or_place_near_a_limit_is_not_asked_about() {
    let asked = |line: &str| {
        let set = brain();
        set.text("glioma/1.txt", &format!("2 {line}"));
        let (_, dataset) = set.import("brain-mri");
        let case = dataset.cases.iter().find(|case| case.case_id == "brain-mri-glioma-0001").expect("imported");
        let parents = case.chain.iter().flat_map(|item| &item.parents);
        assert!(parents.into_iter().all(|parent| case.chain.iter().any(|item| item.id == *parent)));
        let asks = |words: &&str| case.chain.iter().any(|item| item.question.contains(*words));
        ["On which side", "In which third", "take up", "wider than high", "How far"].into_iter().filter(asks).count()
    };
    assert_eq!(asked("0.25 0.8 0.2 0.15"), 5);
    // Right edge at 0.51, middle at 0.34 from the top, 4.1 % of the area, 1.11 times as wide as high, 0.2 from the middle.
    assert_eq!(asked("0.41 0.8 0.2 0.15"), 4);
    assert_eq!(asked("0.25 0.34 0.2 0.15"), 4);
    assert_eq!(asked("0.25 0.8 0.2 0.105"), 4);
    assert_eq!(asked("0.25 0.8 0.2 0.18"), 4);
    assert_eq!(asked("0.39 0.67 0.18 0.23"), 2);
}

#[test]
fn neighbouring_slices_stay_on_one_side_of_the_split() {
    let set = brain();
    let (_, dataset) = set.import("brain-mri");
    let groups = |folder: &str| {
        let own = dataset.cases.iter().filter(|case| case.case_id.contains(folder));
        own.map(|case| (case.group_id.clone(), case.split)).collect::<std::collections::BTreeSet<_>>()
    };
    for folder in ["pituitary", "meningioma", "glioma"] {
        let groups = groups(folder);
        assert_eq!(groups.len(), 5, "a run is on one side: {groups:?}");
        let sides: std::collections::BTreeSet<_> = groups.iter().map(|(_, side)| *side).collect();
        assert!(sides.len() >= 2, "{groups:?}");
        assert!(groups.iter().any(|(id, _)| *id == format!("brain-mri:{folder}-run-11")));
    }
}

#[test]
fn near_duplicates_of_another_run_are_kept_on_its_side_of_the_split() {
    let set = brain();
    set.near_copy("meningioma/1.jpg", "glioma/41.jpg");
    let (report, dataset) = set.import("brain-mri");
    let side = |id: &str| dataset.cases.iter().find(|case| case.case_id == id).expect("imported").split;
    assert_eq!(side("brain-mri-glioma-0041"), side("brain-mri-meningioma-0001"));
    let said = "brain-mri:glioma-run-41: kept on the side of brain-mri:meningioma-run-1";
    assert!(matches!(&report.skipped[..], [line] if line.starts_with(said)), "{:?}", report.skipped);
}

#[test]
fn mirrored_slices_are_kept_on_one_side_and_dark_ones_warn() {
    let set = brain();
    let picture = image::open(set.path("meningioma/1.jpg")).expect("decodes").fliph().to_luma8();
    picture.save_with_format(set.path("glioma/41.jpg"), ImageFormat::Png).expect("writable");
    let dark = image::GrayImage::from_fn(64, 64, |x, y| Luma([((x * 7 + y * y) % 16) as u8]));
    dark.save_with_format(set.path("glioma/2.jpg"), ImageFormat::Png).expect("writable");
    let (report, dataset) = set.import("brain-mri");
    let side = |id: &str| dataset.cases.iter().find(|case| case.case_id == id).expect("imported").split;
    assert_eq!(side("brain-mri-glioma-0041"), side("brain-mri-meningioma-0001"));
    let said = "brain-mri:glioma-run-41: kept on the side of brain-mri:meningioma-run-1";
    assert!(matches!(&report.skipped[..], [line] if line.starts_with(said)), "{:?}", report.skipped);
    let said = "1 image uses at most 16 of 256 grey levels, such as images/glioma-0002.jpg: ";
    assert!(matches!(&report.warnings[..], [line] if line.starts_with(said)), "{:?}", report.warnings);
}

#[test]
fn faults_name_file_row_and_field() {
    let refused = |file: &str, text: &str, expected: &str| brain().assert_refused("brain-mri", (file, text), expected);
    refused("glioma/1.txt", "\n0 0.5 0.5 0.1 0.1", "1.txt:2: class: is 0, but boxes in glioma/ are of class 2");
    refused("glioma/1.txt", "2 0.5 0.5 0.1", "1.txt:1: cx cy w h: ");
    refused("glioma/1.txt", "2 0.5 0.5 0.1 0.1 0.1", "1.txt:1: cx cy w h: ");
    refused("glioma/1.txt", "2 0.5 0.5 0.1 1.1", "1.txt:1: cx cy w h: ");
    refused("glioma/1.txt", "2 0.5 NaN 0.1 0.1", "1.txt:1: cx cy w h: ");
    refused("glioma/1.txt", "2 0.5 0.5 0 0.1", "1.txt:1: cx cy w h: ");
    refused("glioma/1.txt", "", "1.txt: contains 0 boxes");
    refused("glioma/a.txt", "2 0.5 0.5 0.1 0.1", "a.txt: its name is not a number");
    let empty = Set::new();
    empty.text("x", "");
    assert!(empty.error("brain-mri").contains("pituitary: cannot be listed"));
}

#[test]
fn a_box_without_its_slice_is_left_out() {
    let set = brain();
    set.text("glioma/99.txt", "2 0.5 0.5 0.1 0.1");
    let (report, _) = set.import("brain-mri");
    assert_eq!(report.cases, 60);
    assert!(report.skipped[0].contains("99.txt: left out: there is no 99.jpg"), "{:?}", report.skipped);
}

#[test]
fn cut_and_narrow_images_are_refused_by_name() {
    let set = brain();
    let path = set.path("glioma/2.jpg");
    let whole = fs::read(&path).expect("there");
    fs::write(&path, &whole[..whole.len() / 2]).expect("writable");
    let error = set.error("brain-mri");
    assert!(error.ends_with("glioma/2.jpg: cannot be decoded: the file is cut off -> copy it again from its source"));
    // A PNG under the name of a JPEG: the content counts.
    let deep = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(64, 64, |x, y| Luma([(64 * y + x) as u16]));
    deep.save_with_format(&path, ImageFormat::Png).expect("writable");
    let error = set.error("brain-mri");
    assert!(error.contains("glioma/2.jpg: is a 16-bit image with values up to 4095, "), "{error}");
}
