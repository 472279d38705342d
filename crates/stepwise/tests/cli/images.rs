//! Images that would be decoded to something else than they show: every command that reads images refuses them by name.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, ImageFormat, Luma, Rgb, RgbImage};
use serde_json::Value;
use stepwise_data::image::sha256_hex;

use crate::common::Workplace;

/// File name, content and expected problem of images of 64 x 64 pixels.
fn refused_images() -> [(&'static str, Vec<u8>, &'static str); 2] {
    let twelve_bits = ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(64, 64, |x, y| Luma([(64 * y + x) as u16]));
    let mut png = Cursor::new(Vec::new());
    twelve_bits.write_to(&mut png, ImageFormat::Png).expect("encodes");
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 3) as u8, (y * 3) as u8, ((x ^ y) * 4) as u8]));
    let mut jpeg = Vec::new();
    picture.write_with_encoder(JpegEncoder::new(&mut jpeg)).expect("encodes");
    jpeg.truncate(jpeg.len() * 3 / 4);
    [
        ("deep.png", png.into_inner(), "deep.png: is a 16-bit image with values up to 4095, "),
        ("cut.jpg", jpeg, "cut.jpg: cannot be decoded: the file is cut off -> copy it again"),
    ]
}

/// Puts an image into the first case of a side of the split.
fn put(place: &Workplace, side: &str, name: &str, bytes: &[u8]) {
    place.write(&format!("cases/images/{name}"), bytes);
    let text = place.read("cases/cases.jsonl");
    let mut cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let case = cases.iter_mut().find(|case| case["split"] == side).expect("a case");
    let image = case["images"][0].as_object_mut().expect("an image");
    image.insert("path".into(), format!("images/{name}").into());
    image.insert("sha256".into(), sha256_hex(bytes).into());
    image.remove("phash");
    place.write("cases/cases.jsonl", cases.iter().map(|case| format!("{case}\n")).collect::<String>());
}

/// An 8-bit PNG of 64 x 64 pixels with the grey levels 0 to `levels` - 1.
fn dark(levels: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([((x * 7 + y * y) % levels) as u8; 3]));
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).expect("encodes");
    png.into_inner()
}

#[test]
fn images_with_few_grey_levels_warn_and_are_used() {
    let place = Workplace::new();
    place.edit("recipe.toml", "files.toml", "synth = { cases = 24, seed = 2, image_size = 64 }", "dataset = \"cases\"");
    place.done("data synth cases --cases 24 --seed 2 --image-size 64");
    let lines =
        ["check cases", "check files.toml", "train files.toml --set train.max_steps=1 --set benchmark.suite=none"];
    assert!(!place.done(lines[0]).stderr.contains("grey levels"));
    put(&place, "train", "dark.png", &dark(16));
    put(&place, "validation", "plain.png", &dark(1));
    for line in lines {
        let said = place.done(line).stderr;
        let narrow = "warning: 1 image uses at most 16 of 256 grey levels, such as images/dark.png: ";
        let plain = "warning: 1 image shows one colour only, such as images/plain.png -> ";
        assert!(said.contains(narrow) && said.contains(plain), "{line}: {said}");
    }
    let found = place.done("check cases --json").json();
    assert_eq!(found["warnings"].as_array().map(Vec::len), Some(2), "{found}");
}

#[test]
fn every_command_refuses_narrow_16_bit_images_and_cut_files() {
    let place = Workplace::with_run();
    place.edit("recipe.toml", "files.toml", "synth = { cases = 24, seed = 2, image_size = 64 }", "dataset = \"cases\"");
    for (name, bytes, expected) in refused_images() {
        for side in ["train", "validation"] {
            std::fs::remove_dir_all(place.path("cases")).ok();
            place.done("data synth cases --cases 24 --seed 2 --image-size 64");
            put(&place, side, name, &bytes);
            let mut commands = vec!["check cases", "check files.toml", "train files.toml --set output_dir=new"];
            if side == "validation" {
                commands.push("eval run --data cases --no-cache");
            }
            for line in commands {
                let ran = place.run(line);
                assert!(matches!(ran.code, Some(1 | 2)), "{line}: {}{}", ran.stdout, ran.stderr);
                assert!(ran.stdout.contains(expected) || ran.stderr.contains(expected), "{line}: {}", ran.stderr);
            }
            assert!(!place.path("new").exists(), "{name}: training has begun");
        }
        place.write(name, &bytes);
        let said = place.refused(&format!("ask --model_name_or_path model --question Which? --image {name}"));
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn imports_map_sixteen_bits_as_the_options_say() {
    let place = Workplace::new();
    let [(_, deep, _), _] = refused_images();
    place.write("src/deep.png", &deep);
    place.write("src/t.csv", b"file,question,answer\ndeep.png,Which?,x\n".as_slice());
    let import = "data import table src/t.csv";
    let columns = "--image file --question question --answer answer --rest 25";
    let said = place.refused(&format!("{import} out {columns}"));
    assert!(said.contains("--intensity 12bit"), "{said}");
    for (out, options) in [
        ("a", "--intensity 12bit"),
        ("b", "--intensity -100:4000"),
        ("c", "--intensity window:40/400 --offset -1024"),
        ("d", "--intensity min-max"),
    ] {
        let said = place.done(&format!("{import} {out} {columns} {options}")).stdout;
        assert!(said.contains("16 bits mapped to 8 by"), "{said}");
        place.done(&format!("check {out}"));
    }
    let said = place.refused(&format!("{import} e {columns} --intensity 9"));
    assert!(said.contains("LOW:HIGH, 12bit, min-max or window:CENTRE/WIDTH"), "{said}");
}
