//! Malicious files: each is refused with its name and advice before a large amount of memory is used.

use serde_json::{Value, json};

use crate::common::Workplace;

/// PNG whose header has this width and height and a correct checksum, but almost no data.
fn png_bomb(width: u32, height: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let data = b"\0\0\0\x04IDAT\x78\x9c\0\0\0\0\0\0";
    let crc = !header.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    });
    [b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec(), header, crc.to_be_bytes().to_vec(), data.to_vec()].concat()
}

/// JPEG whose frame header states 65,535 pixels per side.
const JPEG_BOMB: &[u8] = b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x11\0\x02\x11\0\x03\x11\0\
    \xff\xda\0\x0c\x03\x01\0\x02\0\x03\0\0\x3f\0\0\0\0\0\xff\xd9";

/// Writes twelve synthetic cases to `cases`, each changed by `change`, which gets the row counted from 1.
fn cases(change: impl Fn(usize, &mut Value)) -> Workplace {
    let place = Workplace::empty();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    let text = place.read("cases/cases.jsonl");
    let changed = text.lines().zip(1..).map(|(line, row)| {
        let mut case = serde_json::from_str(line).expect("JSON");
        change(row, &mut case);
        format!("{case}\n")
    });
    place.write("cases/cases.jsonl", changed.collect::<String>());
    place
}

/// Runs `check` with an address space of 8 GiB, too small for the stated sizes.
#[cfg(unix)]
fn checked(place: &Workplace) -> String {
    let ran = place.limited("ulimit -v 8388608", "check cases");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    ran.shown()
}

#[test]
#[cfg(unix)]
fn pictures_that_lie_about_their_size_are_not_unpacked() {
    let place = cases(|_, _| ());
    let image = |number: usize, bytes: &[u8]| place.write(&format!("cases/images/synth-1-00000{number}.png"), bytes);
    image(0, &png_bomb(100_000, 100_000));
    image(1, &png_bomb(16_000, 16_000));
    image(2, &png_bomb(0, 64));
    image(3, JPEG_BOMB);
    image(4, b"II*\0\x08\0\0\0\0\0");
    insta::assert_snapshot!(checked(&place));
}

#[test]
#[cfg(unix)]
fn paths_and_links_do_not_lead_out_of_the_data() {
    let place = cases(|row, case| match row {
        1 => case["images"][0]["path"] = "../secret.png".into(),
        2 => case["images"][0]["path"] = "/etc/hostname".into(),
        3 => case["images"][0]["path"] = "images/link.png".into(),
        4 => case["images"][0]["path"] = "images\\..\\..\\secret.png".into(),
        5 => case["images"][0]["path"] = "images".into(),
        _ => (),
    });
    place.copy("cases/images/synth-1-000000.png", "secret.png");
    std::os::unix::fs::symlink("../../secret.png", place.path("cases/images/link.png")).expect("linked");
    insta::assert_snapshot!(checked(&place));
}

#[test]
fn bytes_and_numbers_that_are_none_are_told_by_row() {
    let place = cases(|row, case| {
        if row == 3 {
            case["images"][0]["width"] = json!(u64::MAX);
        }
        if row <= 2 {
            case["regions"] = json!([{
                "id": "r0", "image": "i0", "label": "nodule", "kind": "box", "role": "finding", "box": [0, 0, "HERE", 9]
            }]);
        }
    });
    let mut rows: Vec<Vec<u8>> = place.read("cases/cases.jsonl").lines().map(|line| line.as_bytes().to_vec()).collect();
    let edit = |row: &mut Vec<u8>, new: &str| {
        *row = String::from_utf8(row.clone()).expect("UTF-8").replace("\"HERE\"", new).into_bytes();
    };
    edit(&mut rows[0], "NaN");
    edit(&mut rows[1], "1e999");
    rows[3].splice(20..21, *b"\xff\xfe");
    rows[4] = "[".repeat(100_000).into_bytes();
    place.write("cases/cases.jsonl", rows.join(&b'\n'));
    insta::assert_snapshot!(place.run("check cases").shown());
}

/// Safetensors file with this header and this stated header length.
fn safetensors(length: u64, header: &str) -> Vec<u8> {
    [&length.to_le_bytes(), header.as_bytes(), &[0; 64]].concat()
}

#[test]
fn absurd_sizes_in_a_model_folder_are_refused() {
    let place = Workplace::new();
    let folder = |name: &str| place.copy("model", name);
    let vast = r#"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,64]}}"#;
    let beyond = r#"{"x":{"dtype":"F32","shape":[4],"data_offsets":[0,1152921504606846976]}}"#;
    for (name, bytes) in [
        ("long-header", safetensors(1 << 60, "{}")),
        ("vast-tensor", safetensors(vast.len() as u64, vast)),
        ("beyond-the-end", safetensors(beyond.len() as u64, beyond)),
    ] {
        folder(name);
        place.write(&format!("{name}/model.safetensors"), bytes);
    }
    folder("out-of-the-folder");
    std::fs::remove_file(place.path("out-of-the-folder/model.safetensors")).expect("removed");
    place.write("out-of-the-folder/model.safetensors.index.json", r#"{"weight_map":{"x":"../model.safetensors"}}"#);
    for (name, old, new) in [
        ("wide-config", "\"intermediate_size\": 64", "\"intermediate_size\": 1000000000000"),
        ("deep-config", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 4000000000"),
        ("negative-config", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": -1"),
    ] {
        folder(name);
        let config = format!("{name}/config.json");
        place.edit(&config, &config, old, new);
    }
    for (name, file, bytes) in [
        ("no-utf8-config", "config.json", b"{\"model_type\": \"\xff\"}".as_slice()),
        ("no-utf8-tokenizer", "tokenizer.json", b"{\"model\": \"\xff\"}"),
        ("nested-tokenizer", "tokenizer.json", "[".repeat(100_000).as_bytes()),
        ("no-template", "chat_template.jinja", b"{% for"),
        (
            "endless-template",
            "chat_template.jinja",
            b"{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
        ),
    ] {
        folder(name);
        place.write(&format!("{name}/{file}"), bytes);
    }
    let folders = [
        "long-header",
        "vast-tensor",
        "beyond-the-end",
        "out-of-the-folder",
        "wide-config",
        "deep-config",
        "negative-config",
        "no-utf8-config",
        "no-utf8-tokenizer",
        "nested-tokenizer",
        "no-template",
        "endless-template",
    ];
    let said = folders.map(|name| {
        let refused = place.refused(&format!("train recipe.toml --set model_name_or_path={name}"));
        format!("$ stepwise train recipe.toml --set model_name_or_path={name}\n{refused}\n")
    });
    insta::assert_snapshot!(said.concat());
}

#[test]
fn an_adapter_that_is_none_is_refused() {
    let place = Workplace::new();
    let config = |name: &str, content: &str| place.write(&format!("{name}/adapter_config.json"), content);
    let sound = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 16, "target_modules": ["q_proj"]}"#;
    config("vast-rank", &sound.replace("\"r\": 2", "\"r\": 4611686018427387904"));
    config("nan-alpha", &sound.replace("16", "NaN"));
    config("endless-alpha", &sound.replace("16", "1e39"));
    config("nested", &"[".repeat(100_000));
    config("long-header", sound);
    for name in ["vast-rank", "endless-alpha", "long-header"] {
        place.write(&format!("{name}/adapter_model.safetensors"), safetensors(1 << 60, "{}"));
    }
    place.write("vast-rank/adapter_model.safetensors", &safetensors(2, "{}")[..10]);
    let said = ["vast-rank", "nan-alpha", "endless-alpha", "nested", "long-header"].map(|name| {
        let refused = place.refused(&format!("train recipe.toml --set adapter_name_or_path={name}"));
        format!("$ stepwise train recipe.toml --set adapter_name_or_path={name}\n{refused}\n")
    });
    insta::assert_snapshot!(said.concat());
}
