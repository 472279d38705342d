//! Input that is damaged, hostile or written in another way.

use super::*;

#[test]
fn words_that_table_readers_lose_are_answers() {
    let place = Place::new();
    let words = ["NaN", "NA", "N/A", "None", "null", "NULL", "nan", "inf", "True", "1e5", "007"];
    let mut table = "file,q,a\n".to_owned();
    for (number, word) in words.iter().enumerate() {
        place.picture("x.png", 1);
        table += &format!("x.png,What is number {number}?,{word}\n");
    }
    place.write("t.csv", table);
    let (_, dataset) = place.import("table", &short_table());
    for (number, word) in words.iter().enumerate() {
        assert_eq!(gold(&dataset, &format!("number {number}?")), format!("text {word}"));
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_of_windows_change_nothing() {
    let texts = [
        ("t.csv", "file,q,a\nx.png,\"What, or\n\"\"who\"\"?\",CT\n".to_owned()),
        ("t.jsonl", "{\"file\": \"x.png\", \"q\": \"What?\", \"a\": \"CT\"}\n\n".to_owned()),
        ("t.json", "[\n{\"file\": \"x.png\", \"q\": \"What?\", \"a\": \"CT\"}\n]\n".to_owned()),
    ];
    for (name, text) in texts {
        let cases = |text: &str| {
            let place = Place::new();
            place.picture("x.png", 1);
            place.write(name, text);
            place.import("table", &short_table());
            fs::read(place.folder.path().join("out/cases.jsonl")).expect("there")
        };
        assert_eq!(cases(&text), cases(&format!("\u{FEFF}{}", text.replace('\n', "\r\n"))), "{name}");
    }
}

#[test]
fn damaged_and_hostile_records_are_named_with_their_row() {
    let nested = format!("[{{\"file\": \"x.png\", \"q\": {}1{}, \"a\": \"CT\"}}]", "[".repeat(5000), "]".repeat(5000));
    let utf16: Vec<u8> = "file,q,a\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes, expected) in [
        ("t.json", nested.into_bytes(), "t.json:1: is not a JSON object: recursion limit"),
        ("t.jsonl", b"{\"file\": \"x.png\", \"q\": \"Wh\xE9t?\", \"a\": \"CT\"}".to_vec(), "t.jsonl:1: "),
        ("t.jsonl", b"{\"file\": \"x.png\", \"q\": \"What?\", \"a\": NaN}".to_vec(), "t.jsonl:1: is not a JSON object"),
        ("t.csv", utf16, "is UTF-16, not UTF-8 text"),
        ("t.csv", b"file,q,a\nx.png,\"What?,CT\nx.png,Who?,CT\n".to_vec(), "t.csv:2: "),
        ("t.csv", b"file,q,q,a\nx.png,What?,Who?,CT\n".to_vec(), "t.csv:1: "),
        ("t.json", b"{\"a\": [1]".to_vec(), "t.json:1: "),
        ("t.parquet", b"PAR1 and nothing else".to_vec(), "t.parquet: the Parquet file is cut off"),
    ] {
        let place = Place::new();
        place.picture("x.png", 1);
        place.write(name, bytes);
        place.assert_refused("table", &short_table(), expected);
    }
}

#[test]
fn images_that_claim_a_vast_size_or_are_cut_off_are_refused() {
    // Signature and header of a PNG of 65535 x 65535 pixels.
    let mut vast = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    vast.extend([0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 8, 2, 0, 0, 0]);
    let checksum = {
        let mut crc = u32::MAX;
        for byte in &vast[12..] {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        !crc
    };
    vast.extend(checksum.to_be_bytes());
    let place = Place::new();
    place.picture("y.png", 1);
    let whole = fs::read(place.source().join("y.png")).expect("there");
    for bytes in [&vast[..], &whole[..whole.len() / 2], b"", b"GIF89a"] {
        place.write("x.png", bytes);
        place.write("t.csv", "file,q,a\nx.png,What?,CT\n");
        place.assert_refused("table", &short_table(), "t.csv:2: file: ");
    }
}

#[test]
fn a_folder_with_cases_is_refused() {
    let place = Place::new();
    place.picture("x.png", 1);
    place.write("t.csv", "file,q,a\nx.png,What?,CT\n");
    place.import("table", &short_table());
    let error = place.import_to("table", "out", &short_table()).expect_err("refused").to_string();
    assert!(error.contains("already exists -> choose another folder"), "{error}");
}
