//! Kinds of images: conversion, label maps, DICOM with tables, NIfTI volumes.

use image::{DynamicImage, ImageBuffer, RgbImage};
use serde_json::json;
use stepwise_data::case::{Shape, SourceKind, Split};
use stepwise_data::image::{load_image, load_mask};

use super::*;
use crate::source_image::{PixelOptions, Plane, Slices};

fn intensity(text: &str) -> FormatOptions {
    let pixels = PixelOptions { intensity: Some(text.parse().expect("a mapping")), ..PixelOptions::default() };
    FormatOptions { pixels, ..rest("25") }
}

fn table() -> Columns {
    Columns {
        image: vec!["file".into()],
        question: Some("question".into()),
        answer: Some("answer".into()),
        ..Columns::default()
    }
}

fn save(place: &Place, name: &str, picture: impl Into<DynamicImage>) {
    let path = place.source().join(name);
    fs::create_dir_all(path.parent().expect("inside")).expect("writable");
    picture.into().save(path).expect("writable");
}

#[test]
fn other_kinds_become_png_with_a_record_of_their_pixels() {
    let place = Place::new();
    let picture = RgbImage::from_fn(90, 60, |x, y| image::Rgb([(x * 2) as u8, (y * 4) as u8, 7]));
    for name in ["a.tif", "b.webp", "c.bmp"] {
        let value = name.as_bytes()[0];
        let picture = RgbImage::from_fn(90, 60, |x, y| {
            let image::Rgb([red, green, _]) = *picture.get_pixel(x, y);
            image::Rgb([red, green, if (x / 9 + y / 7) % u32::from(value - 94) == 0 { 255 } else { value }])
        });
        save(&place, name, picture);
    }
    place.write("t.csv", "file,question,answer\na.tif,Which?,x\nb.webp,Which?,x\nc.bmp,Which?,x\n");
    let options = FormatOptions { columns: table(), ..rest("25") };
    let (report, dataset) = place.import("table", &options);
    assert_eq!(counted(&report.pixels, "written as PNG of 8 bits, from TIFF"), 1);
    let kinds: Vec<SourceKind> =
        dataset.cases.iter().map(|case| case.images[0].pixels.as_ref().expect("recorded").kind).collect();
    assert_eq!(kinds, [SourceKind::Tiff, SourceKind::Webp, SourceKind::Bmp]);
    for case in &dataset.cases {
        let source = case.images[0].pixels.as_ref().and_then(|pixels| pixels.source.clone()).expect("a file");
        let written = load_image(&dataset.root.join(&case.images[0].path)).expect("a PNG");
        assert_eq!(written, image::open(place.source().join(&source)).expect("there").into_rgb8(), "{source}");
    }
}

#[test]
fn a_twelve_bit_image_needs_a_mapping_and_records_it() {
    let place = Place::new();
    let deep = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(64, 64, |x, y| Luma([(64 * y + x) as u16]));
    save(&place, "a.png", deep);
    place.write("t.csv", "file,question,answer\na.png,Which?,x\n");
    let options = FormatOptions { columns: table(), ..rest("25") };
    place.assert_refused("table", &options, "less than an eighth of the 16-bit range");
    let (report, dataset) = place.import("table", &FormatOptions { columns: table(), ..intensity("12bit") });
    assert_eq!(counted(&report.pixels, "16 bits mapped to 8 by 0:4095"), 1);
    let pixels = dataset.cases[0].images[0].pixels.clone().expect("recorded");
    assert_eq!((pixels.mapping.as_deref(), pixels.bits), (Some("0:4095"), 16));
    let written = load_image(&dataset.root.join(&dataset.cases[0].images[0].path)).expect("a PNG");
    assert_eq!([written.get_pixel(0, 0).0[0], written.get_pixel(63, 63).0[0]], [0, 255]);
}

#[test]
fn case_records_may_name_other_kinds_and_their_digests() {
    let place = Place::new();
    save(&place, "a.tif", GrayImage::from_fn(40, 30, |x, y| Luma([(x * 6 + y) as u8])));
    save(&place, "m.tif", GrayImage::from_fn(40, 30, |x, y| Luma([u8::from(x < 9 && y > 20)])));
    let bytes = fs::read(place.source().join("a.tif")).expect("there");
    let record = json!({
        "images": [{"path": "a.tif", "sha256": stepwise_data::image::sha256_hex(&bytes)}],
        "regions": [{"kind": "mask", "path": "m.tif", "label": "x", "role": "finding"}],
        "chain": [{"category": "10", "question": "Is it?", "answer": {"type": "yesno", "gold": true}}],
    });
    place.write("cases.jsonl", format!("{record}\n"));
    import_cases(&place.source(), &place.folder.path().join("out"), &FormatOptions::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let out = place.folder.path().join("out");
    let (dataset, findings) = check_file(&out, &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
    assert!(findings.problems.is_empty(), "{:?}", findings.problems);
    let case = &dataset.expect("reads").cases[0];
    assert!(case.images[0].path.ends_with(".png") && case.images[0].pixels.is_some());
    assert_eq!(case.regions[0].shape.bounds(), [0.0, 21.0, 9.0, 30.0]);
}

fn label_map(place: &Place) -> FormatOptions {
    for (name, seed) in [("a", 1), ("b", 2), ("c", 3)] {
        place.picture(&format!("train/images/{name}.png"), seed);
    }
    let classes = |first: u16, second: u16| {
        ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(80, 60, |x, y| {
            Luma([if x < 10 && y < 20 {
                first
            } else if x > 70 {
                second
            } else {
                0
            }])
        })
    };
    save(place, "train/masks/a.png", classes(1, 100));
    save(place, "train/masks/b.png", classes(0, 100));
    place.write("classes.txt", "# organs\n1 left_lung\n100: right lung\n");
    FormatOptions { classes: Some(place.source().join("classes.txt")), ..FormatOptions::default() }
}

#[test]
fn values_of_label_maps_are_classes() {
    let place = Place::new();
    let options = label_map(&place);
    let (report, dataset) = place.import("labelmap", &options);
    assert_eq!((report.rows.read, report.rows.kept, report.regions), (3, 2, 3));
    assert_eq!(counted(&report.rows.left_out, "without a label map"), 1);
    assert_eq!(dataset.cases[0].split, Split::Train);
    let both = dataset.cases.iter().find(|case| case.regions.len() == 2).expect("both classes");
    assert_eq!(both.regions[1].shape.bounds(), [71.0, 0.0, 80.0, 60.0]);
    let Shape::Mask { path, .. } = &both.regions[0].shape else { panic!("a mask") };
    assert_eq!(load_mask(&dataset.root.join(path)).expect("reads").area(), 200);
    let one = dataset.cases.iter().find(|case| case.regions.len() == 1).expect("one class");
    let golds: Vec<&Answer> = one.chain.iter().map(|item| &item.answer).collect();
    assert!(golds.contains(&&Answer::Yesno { gold: false, pair_of: None }), "{golds:?}");

    place.write("classes.txt", "1 left lung\n");
    place.assert_refused("labelmap", &options, "holds the value 100, which the list of classes does not name");
    assert!(!place.folder.path().join("refused").exists(), "nothing is left");
    place.write("classes.txt", "1 left lung\n100\n");
    let report = place.import_to("labelmap", "left", &options).expect("100 has no class");
    assert_eq!(report.regions, 1);
    for (text, expected) in
        [("lung\n", "does not begin with a value"), ("1 a\n1 b\n", "twice"), ("1 a\n2 a\n", "same name")]
    {
        place.write("classes.txt", text);
        place.assert_refused("labelmap", &options, expected);
    }
    place.assert_refused("labelmap", &FormatOptions::default(), "give --classes FILE");
    place.write("classes.txt", "1 a\n100 b\n");
    place.write("train/masks/d.png", "x");
    place.assert_refused("labelmap", &options, "without an image of the same name");
}

/// A DICOM file of 80 x 60 pixels with 8 bits, unlike those of other seeds.
fn dicom(seed: u8, patient: &str) -> Vec<u8> {
    let element = |tag: [u8; 4], representation: &[u8], value: &[u8]| {
        let mut value = value.to_vec();
        if value.len() % 2 == 1 {
            value.push(b' ');
        }
        let mut bytes = [&tag[..], representation].concat();
        if representation == b"OB" {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
        bytes
    };
    let pixels: Vec<u8> = (0..80 * 60u32)
        .map(|place| {
            let cell = (place % 80 / 9).wrapping_mul(7919) ^ (place / 80 / 8).wrapping_mul(104_729);
            ((cell ^ u32::from(seed).wrapping_mul(1_299_709)).wrapping_mul(2_654_435_761) >> 24) as u8
        })
        .collect();
    [
        vec![0; 128],
        b"DICM".to_vec(),
        element([2, 0, 0x10, 0], b"UI", b"1.2.840.10008.1.2.1\0"),
        element([8, 0, 0x60, 0], b"CS", b"DX"),
        element([0x10, 0, 0x10, 0], b"PN", b"DOE^JANE"),
        element([0x10, 0, 0x20, 0], b"LO", patient.as_bytes()),
        element([0x28, 0, 2, 0], b"US", &[1, 0]),
        element([0x28, 0, 4, 0], b"CS", b"MONOCHROME2"),
        element([0x28, 0, 0x10, 0], b"US", &[60, 0]),
        element([0x28, 0, 0x11, 0], b"US", &[80, 0]),
        element([0x28, 0, 0, 1], b"US", &[8, 0]),
        element([0x28, 0, 1, 1], b"US", &[8, 0]),
        element([0x28, 0, 2, 1], b"US", &[7, 0]),
        element([0x28, 0, 3, 1], b"US", &[0, 0]),
        element([0x28, 0, 1, 3], b"CS", b"YES"),
        element([0xE0, 0x7F, 0x10, 0], b"OB", &pixels),
    ]
    .concat()
}

#[test]
fn dicom_files_with_the_table_of_rsna_give_boxes_and_groups_of_patients() {
    let place = Place::new();
    for (id, seed, patient) in [("DOE-1", 1, "P7"), ("DOE-2", 2, "P7"), ("DOE-3", 3, "P8")] {
        place.write(&format!("stage_2_train_images/{id}.dcm"), dicom(seed, patient));
    }
    place.write(
        "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target\nDOE-1,10,20,30,20,1\nDOE-1,50,5,9,9,1\nDOE-2,,,,,0\nDOE-3,1,2,3,4,1\n",
    );
    place.write("stage_2_train_images/DOE-4.dcm", dicom(4, "P9"));
    let (report, dataset) = place.import("dicom", &FormatOptions::default());
    assert_eq!((report.rows.read, report.rows.kept, report.regions, report.groups), (4, 3, 3, 2));
    assert_eq!(counted(&report.rows.left_out, "an image without a row in the table"), 1);
    assert_eq!(counted(&report.pixels, "text is burned into its pixels"), 3);
    let two = dataset.cases.iter().find(|case| case.regions.len() == 2).expect("two boxes");
    assert_eq!(two.regions[0].shape.bounds(), [10.0, 20.0, 40.0, 40.0]);
    assert_eq!(two.modality, "x-ray");
    // No name, id or file name is in an output.
    let out = place.folder.path().join("out");
    let written = [fs::read(out.join("cases.jsonl")), fs::read(out.join("import.json"))];
    let mut texts: Vec<String> =
        written.into_iter().map(|bytes| String::from_utf8(bytes.expect("there")).expect("text")).collect();
    texts.extend(
        fs::read_dir(out.join("images")).expect("there").map(|entry| format!("{:?}", entry.expect("one").file_name())),
    );
    for text in texts {
        assert!(!text.contains("DOE") && !text.contains("doe-") && !text.contains("P7"), "{text}");
    }
    place.write("stage_2_train_labels.csv", "patientId,x,y,width,height,Target\nDOE-9,,,,,0\n");
    place.assert_refused("dicom", &FormatOptions::default(), "there is no DICOM file with this name");
}

#[test]
fn classes_on_which_readers_disagree_are_left_out() {
    let place = Place::new();
    for (id, seed) in [("a", 1), ("b", 2)] {
        place.write(&format!("train/{id}.dicom"), dicom(seed, id));
    }
    place.write(
        "train.csv",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max\n\
         a,Aortic enlargement,0,R1,10,10,30,30\na,Aortic enlargement,0,R2,11,10,31,30\na,Nodule/Mass,8,R2,1,1,5,5\n\
         b,No finding,14,R1,,,,\nb,No finding,14,R2,,,,\n",
    );
    let (report, dataset) = place.import("dicom", &FormatOptions::default());
    assert_eq!((report.rows.kept, report.regions), (2, 1));
    assert_eq!(counted(&report.parts_left_out, "readers disagree on nodule/mass"), 1);
    let positive = dataset.cases.iter().find(|case| !case.regions.is_empty()).expect("a finding");
    assert_eq!(positive.regions[0].shape.bounds(), [10.0, 10.0, 30.0, 30.0]);
    assert!(positive.chain.iter().all(|item| !item.question.contains("nodule")), "{:?}", positive.chain);
    let negative = dataset.cases.iter().find(|case| case.regions.is_empty()).expect("no finding");
    assert_eq!(negative.chain.len(), 2, "presence of both classes: {:?}", negative.chain);
}

/// A NIfTI file of 16-bit voxels. Voxels run to the right, to the front and to the head.
fn nifti(shape: [usize; 3], value: impl Fn([usize; 3]) -> i16) -> Vec<u8> {
    let mut bytes = vec![0; 352];
    bytes[..4].copy_from_slice(&348i32.to_le_bytes());
    let mut int = |at: usize, value: i16| bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
    int(40, 3);
    (0..3).for_each(|axis| int(42 + 2 * axis, shape[axis] as i16));
    int(70, 4);
    int(72, 16);
    int(254, 1);
    let mut float = |at: usize, value: f32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    float(108, 352.0);
    [280, 300, 320].into_iter().for_each(|at| float(at, 1.0));
    bytes[344..348].copy_from_slice(b"n+1\0");
    for z in 0..shape[2] {
        for y in 0..shape[1] {
            for x in 0..shape[0] {
                bytes.extend(value([x, y, z]).to_le_bytes());
            }
        }
    }
    bytes
}

fn decathlon(place: &Place) -> FormatOptions {
    let sheet = json!({"name": "T", "labels": {"0": "background", "1": "liver", "2": "tumour"}, "modality": {"0": "CT"},
        "training": [{"image": "./imagesTr/v.nii", "label": "./labelsTr/v.nii"}], "test": ["./imagesTs/w.nii"]});
    place.write("dataset.json", sheet.to_string());
    place.write("imagesTr/v.nii", nifti([40, 30, 4], |[x, y, z]| (x * 20 + y * 5 + z * 300) as i16 - 500));
    place.write(
        "labelsTr/v.nii",
        nifti([40, 30, 4], |[x, y, z]| {
            if z == 2 && x < 8 && y > 24 {
                1
            } else if z == 3 && x == 39 && y == 0 {
                2
            } else {
                0
            }
        }),
    );
    intensity("-500:1000")
}

#[test]
fn slices_of_volumes_are_shown_as_radiologists_see_them() {
    let place = Place::new();
    let options = decathlon(&place);
    let (report, dataset) = place.import("msd", &options);
    assert_eq!((report.rows.read, report.rows.kept, report.images, report.groups), (3, 2, 2, 1));
    assert_eq!(counted(&report.rows.left_out, "without a label volume"), 1);
    let liver = dataset.cases.iter().find(|case| case.regions[0].label == "liver").expect("slice 2");
    // The patient's left and back, x < 8 and y > 24, are on the right and at the top of the image.
    assert_eq!(liver.regions[0].shape.bounds(), [32.0, 0.0, 40.0, 5.0]);
    let image = &liver.images[0];
    assert_eq!((image.orientation.as_deref(), liver.modality.as_str()), (Some("radiological"), "ct"));
    assert_eq!(image.pixels.as_ref().and_then(|pixels| pixels.slice.as_deref()), Some("axial 2"));
    let written = load_image(&dataset.root.join(&image.path)).expect("a PNG");
    let level = |value: f64| ((value + 500.0) / 1500.0 * 255.0).round() as u8;
    assert_eq!(written.get_pixel(0, 0).0[0], level(39.0 * 20.0 + 29.0 * 5.0 + 600.0 - 500.0));
    assert_eq!(written.get_pixel(39, 29).0[0], level(600.0 - 500.0));

    place.assert_refused("msd", &rest("25"), "NIfTI values have no fixed range");
    let pixels = PixelOptions { plane: Plane::Coronal, slices: Slices::Indices(vec![27]), ..options.pixels.clone() };
    let report = place.import_to("msd", "coronal", &FormatOptions { pixels, ..options.clone() }).expect("imports");
    assert_eq!((report.rows.kept, report.regions), (1, 1));
    let pixels = PixelOptions { slices: Slices::Indices(vec![4]), ..options.pixels.clone() };
    place.assert_refused("msd", &FormatOptions { pixels, ..options }, "there is no axial slice 4");
}

/// Writes a data set of nnU-Net: three cases of two channels, of which the last has no labels, and labels without an image.
fn nn_unet(place: &Place, sheet: &serde_json::Value) -> FormatOptions {
    place.write("dataset.json", sheet.to_string());
    for case in 0..3i16 {
        for channel in 0..2i16 {
            let value =
                move |[x, y, z]: [usize; 3]| ((x * (7 + case as usize)) ^ (y * 5 + z * 90)) as i16 + channel * 400;
            place.write(&format!("imagesTr/case_{case:03}_{channel:04}.nii.gz"), nifti([40, 30, 2], value));
        }
    }
    for case in [0, 1, 7] {
        let value = move |[x, y, z]: [usize; 3]| i16::from(z == 1 && x < 8 + case && y > 20);
        place.write(&format!("labelsTr/case_{case:03}.nii.gz"), nifti([40, 30, 2], value));
    }
    FormatOptions { keep_going: true, ..intensity("0:1000") }
}

#[test]
fn both_versions_of_nn_unet_name_files_by_case_and_channel() {
    let second = json!({"channel_names": {"0": "CT", "1": "T1w"}, "labels": {"background": 0, "tumour": 1}, "numTraining": 2,
        "file_ending": ".nii.gz", "licence": "CC0-1.0", "release": "2.0"});
    let pair = |case: u32| {
        let [image, label] = ["imagesTr", "labelsTr"].map(|folder| format!("./{folder}/case_{case:03}.nii.gz"));
        json!({"image": image, "label": label})
    };
    let first = json!({"modality": {"0": "CT", "1": "T1w"}, "labels": {"0": "background", "1": "tumour"},
        "training": [pair(0), pair(1)], "test": []});
    for sheet in [&first, &second] {
        let place = Place::new();
        let options = nn_unet(&place, sheet);
        assert_eq!(detect(&place.source()).unwrap_or_else(|error| panic!("{error}")).name, "msd");
        let (report, dataset) = place.import("msd", &options);
        assert_eq!((report.rows.read, report.rows.kept, report.groups), (4, 2, 2), "{:?}", report.lines());
        assert_eq!(counted(&report.rows.left_out, "an image without a label volume"), 1);
        assert_eq!(counted(&report.rows.faulty, "is a label volume without an image"), 1);
        assert_eq!(dataset.cases[0].modality, "ct");
        let pixels = PixelOptions { frame: Some(2), ..options.pixels.clone() };
        let out = place.folder.path().join("second");
        let format = format("msd").expect("known");
        let second = import_format(format, &place.source(), &out, &FormatOptions { pixels, ..options });
        assert_eq!(second.unwrap_or_else(|error| panic!("{error}")).rows.kept, 2);
        let cases = fs::read_to_string(out.join("cases.jsonl")).expect("there");
        assert!(cases.contains("_0001.nii.gz") && cases.contains("\"mri\""), "{cases}");
    }
    let place = Place::new();
    let options = nn_unet(&place, &second);
    let (_, dataset) = place.import("msd", &options);
    let source = &dataset.cases[0].source;
    assert_eq!((source.licence.as_str(), source.revision.as_deref()), ("CC0-1.0", Some("2.0")));
    for (key, value, expected) in [
        ("file_ending", json!(".png"), "file_ending: is \".png\", and only NIfTI volumes are read"),
        ("labels", json!({"background": 0, "whole": [1, 2]}), "labels: \"whole\" is a region of several values"),
        ("labels", json!({"background": 0, "tumour": 1, "ignore": 2}), "voxels of unknown class"),
        ("training", json!(3), "training: is no list"),
    ] {
        let mut sheet = second.clone();
        sheet[key] = value;
        place.write("dataset.json", sheet.to_string());
        place.assert_refused("msd", &options, expected);
    }
}

#[test]
fn damaged_and_hostile_volumes_are_refused() {
    let place = Place::new();
    let options = decathlon(&place);
    let sound = nifti([40, 30, 4], |_| 1);
    let changed = |change: fn(&mut Vec<u8>)| {
        let mut bytes = sound.clone();
        change(&mut bytes);
        bytes
    };
    for (bytes, expected) in [
        (changed(|bytes| bytes.truncate(400)), "is cut off or damaged"),
        (changed(|bytes| bytes.truncate(40)), "is cut off or damaged"),
        (
            changed(|bytes| (42..48).step_by(2).for_each(|at| bytes[at..at + 2].copy_from_slice(&[0xFF, 0x7F]))),
            "promises 32767x32767x32767",
        ),
        (changed(|bytes| bytes[42..44].copy_from_slice(&[0, 0])), "an axis without voxels"),
        (changed(|bytes| bytes[70] = 128), "voxels of type 128"),
        (changed(|bytes| bytes[254] = 0), "does not say how the volume lies"),
        (changed(|bytes| bytes[344] = b'x'), "in two files"),
        (changed(|bytes| bytes[0] = 0), "is no NIfTI file"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec(), "is cut off or damaged"),
    ] {
        place.write("labelsTr/v.nii", bytes);
        place.assert_refused("msd", &options, expected);
    }
}
