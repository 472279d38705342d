//! The walks of docs/data.md: every command runs as written.

use std::fmt::Write;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

use crate::common::Workplace;

const PAGE: &str = include_str!("../../../../docs/data.md");
const RECIPE: &str = include_str!("../../../../recipes/own-data.toml");

/// Commands of a section of the page, without the name of the program.
fn commands(title: &str) -> Vec<String> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(title)).expect("the section");
    let code: Vec<&str> = section.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let joined = code.join("\n").replace("\\\n", " ");
    let found: Vec<String> =
        joined.lines().filter_map(|line| line.strip_prefix("stepwise ")).map(str::to_owned).collect();
    assert!(found.len() >= 5, "{found:?}");
    found
}

/// A workplace with the recipe of the walks and a small model in place of the shipped one.
fn place() -> Workplace {
    let place = Workplace::new();
    place.copy("model", "checkpoints/tiny-base");
    place.write("recipes/own-data.toml", RECIPE);
    place
}

/// An image of a bright box on a pattern that depends on the number.
fn image(number: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 64, |x, y| {
        let is_in_box = (16..32).contains(&x) && (16..32).contains(&y);
        let value = (x * (3 + number * 7) + y * (5 + number * 11) + x * y * number) % 160;
        Rgb([if is_in_box { 240 } else { value as u8 }; 3])
    });
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
    bytes.into_inner()
}

#[test]
fn from_a_yolo_folder_to_a_report() {
    let place = place();
    place.write(
        "fracture/data.yaml",
        "names: [cyst, fracture]\ntrain: train/images\nval: valid/images\ntest: test/images\n",
    );
    for (side, numbers) in [("train", 0..4), ("valid", 4..6), ("test", 6..8)] {
        for number in numbers {
            place.write(&format!("fracture/{side}/images/{number:03}.png"), image(number));
            let label = if number % 2 == 0 { "1 0.375 0.375 0.25 0.25\n" } else { "" };
            place.write(&format!("fracture/{side}/labels/{number:03}.txt"), label);
        }
    }
    for command in commands("From a YOLO folder to a report") {
        place.done(&command);
    }
    assert!(place.read("results/report.html").contains("own-data"));
}

#[test]
fn from_a_csv_to_a_report() {
    let place = place();
    let mut table = String::from("file,question,answer,a,b,c,patient\n");
    for number in 0..24 {
        place.write(&format!("img/{number:03}.png"), image(number));
        let right = ["A", "B", "C"][number as usize % 3];
        let _ = writeln!(table, "img/{number:03}.png,Which modality is this?,{right},CT,MRI,X-ray,p{number}");
    }
    place.write("my.csv", table);
    for command in commands("From a CSV to a report") {
        place.done(&command);
    }
    assert!(place.path("table-results/report.html").is_file());
}
