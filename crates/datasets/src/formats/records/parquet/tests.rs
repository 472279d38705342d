//! Committed files of every encoding, and damaged and hostile ones.

use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/parquet").join(name)
}

fn records(path: &Path) -> Vec<Result<Record, Problems>> {
    match read(Arc::from(path)) {
        Ok(records) => records.collect(),
        Err(problems) => vec![Err(problems)],
    }
}

#[test]
fn every_kind_of_value_is_read_in_every_encoding() {
    for name in ["snappy", "gzip", "zstd", "plain", "pages"] {
        let records: Vec<Record> = records(&fixture(&format!("kinds/{name}.parquet")))
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let column =
            |field: &str| -> Vec<Value> { records.iter().map(|record| record.fields[field].clone()).collect() };
        assert_eq!(column("text"), json!(["a", null, "a", "ä", ""]).as_array().expect("a list").clone(), "{name}");
        assert_eq!(json!(column("flag")), json!([true, false, null, true, true]), "{name}");
        assert_eq!(json!(column("number")), json!([1, -2, null, 4, 1_099_511_627_776_i64]), "{name}");
        assert_eq!(json!(column("small")), json!([1, 2, 3, null, -5]), "{name}");
        assert_eq!(json!(column("real")), json!([0.5, null, 2.0, -1.5, 0.0]), "{name}");
        assert_eq!(json!(column("list")), json!([[1, 2], [], null, [null], [3]]), "{name}");
        assert_eq!(json!(column("nested")), json!([[["a"], []], null, [["b", "c"], ["d"]], [], [null]]), "{name}");
        let objects = json!([{"x": 1, "y": "p"}, null, {"x": null, "y": "q"}, {"x": 4, "y": null}, {"x": 5, "y": "r"}]);
        assert_eq!(json!(column("object")), objects, "{name}");
        assert_eq!(json!(column("none")), json!([null, null, null, null, null]), "{name}");
        let blobs: Vec<Option<&[u8]>> =
            records.iter().map(|record| record.bytes.get("blob").map(|bytes| &bytes[..])).collect();
        let expected: [Option<&[u8]>; 5] = [Some(b"\xff\0"), None, Some(b"\xfe"), Some(b"\xff\0"), Some(b"\xfd")];
        assert_eq!(blobs, expected, "{name}");
        assert_eq!(records[4].place.row, 5);
    }
}

#[test]
fn codecs_and_encodings_that_are_not_read_are_named() {
    for (name, expected) in [("lz4", "compressed by LZ4"), ("delta", "delta or byte-stream-split encoding")] {
        let read = records(&fixture(&format!("kinds/{name}.parquet")));
        let error = read.into_iter().find_map(Result::err).expect("refused").to_string();
        assert!(error.contains(expected) && error.contains(" -> "), "{error}");
    }
}

#[test]
fn files_that_are_cut_off_or_no_parquet_are_refused() {
    let folder = tempfile::tempdir().expect("writable");
    let path = folder.path().join("a.parquet");
    let whole = fs::read(fixture("kinds/snappy.parquet")).expect("there");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("writable");
        records(&path).into_iter().find_map(Result::err).expect("refused").to_string()
    };
    assert!(refused(&whole[..whole.len() / 2]).contains("is cut off"));
    assert!(refused(b"").contains("is no Parquet file"));
    assert!(refused(b"question,answer\nWhat?,CT\n").contains("is no Parquet file"));
    assert!(refused(b"PAR1\0\0PAR1").contains("is cut off"));
    let mut vast = whole.clone();
    let end = vast.len();
    vast[end - 8..end - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refused(&vast).contains("states a length of 4294967295 bytes"));
}

/// A value of the compact protocol, for files that no writer makes.
enum Part {
    Int(i64),
    Text(&'static str),
    List(Vec<Part>),
    Struct(Vec<(u8, Part)>),
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

impl Part {
    fn kind(&self) -> u8 {
        match self {
            Self::Int(_) => 6,
            Self::Text(_) => 8,
            Self::List(_) => 9,
            Self::Struct(_) => 12,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Int(number) => varint(((number << 1) ^ (number >> 63)) as u64, out),
            Self::Text(text) => {
                varint(text.len() as u64, out);
                out.extend(text.as_bytes());
            }
            Self::List(parts) => {
                out.push((parts.len() as u8) << 4 | parts.first().map_or(0, Part::kind));
                parts.iter().for_each(|part| part.write(out));
            }
            Self::Struct(fields) => {
                let mut before = 0;
                for (id, part) in fields {
                    out.push((id - before) << 4 | part.kind());
                    part.write(out);
                    before = *id;
                }
                out.push(0);
            }
        }
    }
}

/// Claims of a file with one column of required texts in one page.
#[derive(Clone)]
struct Claims {
    rows: i64,
    page_unpacked: i64,
    chunk_unpacked: i64,
    values: i64,
    /// 0 for a data page, 2 for a dictionary.
    page: i64,
    body: Vec<u8>,
}

impl Claims {
    /// A page of one text, compressed by gzip.
    fn sound() -> Self {
        let body = gzip(b"\x02\0\0\0CT".as_slice());
        Self { rows: 1, page_unpacked: 6, chunk_unpacked: 100, values: 1, page: 0, body }
    }

    fn file(&self) -> Vec<u8> {
        use Part::{Int, List, Struct, Text};
        let head = if self.page == 0 { 5 } else { 7 };
        let counts = Struct(vec![(1, Int(self.values)), (2, Int(0)), (3, Int(3)), (4, Int(3))]);
        let packed = self.body.len() as i64;
        let page = Struct(vec![(1, Int(self.page)), (2, Int(self.page_unpacked)), (3, Int(packed)), (head, counts)]);
        let mut file = b"PAR1".to_vec();
        page.write(&mut file);
        file.extend(&self.body);
        let length = file.len() as i64 - 4;
        let root = Struct(vec![(4, Text("schema")), (5, Int(1))]);
        let column = Struct(vec![(1, Int(6)), (3, Int(0)), (4, Text("text")), (6, Int(0))]);
        let data = vec![(4, Int(2)), (5, Int(self.rows)), (6, Int(self.chunk_unpacked)), (7, Int(length)), (9, Int(4))];
        let group = Struct(vec![(1, List(vec![Struct(vec![(3, Struct(data))])])), (3, Int(self.rows))]);
        let footer =
            Struct(vec![(1, Int(1)), (2, List(vec![root, column])), (3, Int(self.rows)), (4, List(vec![group]))]);
        let start = file.len();
        footer.write(&mut file);
        let length = (file.len() - start) as u32;
        file.extend(length.to_le_bytes());
        file.extend(b"PAR1");
        file
    }
}

fn gzip(mut bytes: impl std::io::Read) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::copy(&mut bytes, &mut packed).expect("packs");
    packed.finish().expect("packs")
}

#[test]
fn what_unpacks_to_more_than_it_states_or_to_far_too_much_is_refused() {
    let folder = tempfile::tempdir().expect("writable");
    let path = folder.path().join("a.parquet");
    let read_all = |claims: &Claims| {
        fs::write(&path, claims.file()).expect("writable");
        records(&path)
    };
    let sound = Claims::sound();
    let read = read_all(&sound);
    assert_eq!(read[0].as_ref().expect("sound").fields["text"], json!("CT"));
    let bomb = gzip(std::io::Read::take(std::io::repeat(0), 200 << 20));
    let gigabytes = 100 << 30;
    for (claims, expected) in [
        (Claims { page_unpacked: 5, ..sound.clone() }, "does not unpack to the 5 bytes"),
        (Claims { page_unpacked: 7, ..sound.clone() }, "does not unpack to the 7 bytes"),
        (Claims { page_unpacked: 4 << 30, ..sound.clone() }, "more than its column states"),
        (Claims { chunk_unpacked: gigabytes, ..sound.clone() }, "to 107374182400 bytes"),
        (
            Claims { body: bomb.clone(), page_unpacked: 200 << 20, chunk_unpacked: 200 << 20, ..sound.clone() },
            "unpacks to",
        ),
        (Claims { body: bomb, ..sound.clone() }, "does not unpack to the 6 bytes"),
        (Claims { rows: 1 << 40, ..sound.clone() }, "more rows than it can hold"),
        (Claims { rows: 3, ..sound.clone() }, "the column ends early"),
        (Claims { values: 1 << 30, page: 2, ..sound.clone() }, "a dictionary states 1073741824 values"),
        (Claims { body: gzip(b"\xFF\xFF\xFF\x7FCT".as_slice()), ..sound }, "a value is larger than"),
    ] {
        let error = read_all(&claims).into_iter().find_map(Result::err).expect("refused").to_string();
        assert!(error.contains(expected) && error.contains(" -> "), "{expected}\n{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_give_records_or_a_problem(place in 4usize..3300, byte: u8, file in 0usize..4) {
        let name = ["snappy", "gzip", "zstd", "pages"][file];
        let mut bytes = fs::read(fixture(&format!("kinds/{name}.parquet"))).expect("there");
        let place = place % bytes.len();
        bytes[place] = byte;
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("a.parquet");
        fs::write(&path, bytes).expect("writable");
        prop_assert!(records(&path).len() <= 100_000);
    }
}
