//! ms-swift: JSON Lines or JSON with `messages`, with pairs of `human` and `assistant` in `conversation(s)`, or with
//! `query`, `response` and `history`; images by path or `data:` URI; boxes in `objects`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stepwise_data::case::RegionRole;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, RegionDraft, Row, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::{Record, scalar, texts};
use super::super::records;
use super::common::{folder_of, nothing_to_read, read_all};
use super::image_cells::images;
use super::trl::has_parts;
use super::turns::{self, Names};

/// Placeholder of a box in a message.
const BOX: &str = "<bbox>";

/// Placeholder of the name of an object in a message.
const REFERENCE: &str = "<ref-object>";

/// ms-swift.
pub(super) struct MsSwift;

impl Format for MsSwift {
    fn name(&self) -> &'static str {
        "ms-swift"
    }

    fn about(&self) -> &'static str {
        "ms-swift sets with images and boxes (JSON Lines or JSON with messages, or query and response)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let files = files(source);
        let named = files.first().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        let file = named.unwrap_or_else(|| "JSON Lines file".to_owned());
        vec![
            Mark::new(format!("{file} with messages, or query and response"), !files.is_empty()),
            Mark::common("no dataset_info.json", !source.join("dataset_info.json").is_file()),
        ]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/none.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let files: Vec<(PathBuf, ())> = files(source).into_iter().map(|file| (file, ())).collect();
        if files.is_empty() {
            return Err(nothing_to_read(source, "JSON Lines file with messages, or query and response"));
        }
        let root = folder_of(source);
        read_all(source, files, move |record, ()| entry(record, &root))
    }
}

fn files(source: &Path) -> Vec<PathBuf> {
    let has = |path: &PathBuf| {
        records::first(path).is_some_and(|fields| {
            let has_pairs = |name: &str| fields.get(name).and_then(|list| list.get(0)?.get("human")).is_some();
            (fields.contains_key("messages") && !has_parts(fields.get("messages")))
                || (fields.contains_key("query") && fields.contains_key("response"))
                || has_pairs("conversation")
                || has_pairs("conversations")
        })
    };
    records::files(source, &["jsonl", "json"]).into_iter().filter(has).collect()
}

fn entry(record: &Record, root: &Path) -> Result<Entry, Problems> {
    let (boxes, labels) = (boxes(record)?, texts(record.fields.get("objects").and_then(|objects| objects.get("ref"))));
    let mut messages = messages(record);
    let contents = || messages.iter().map(|message| message.get("content").and_then(scalar).unwrap_or_default());
    let all: String = contents().collect();
    for (placeholder, given) in [(BOX, boxes.len()), (REFERENCE, labels.len())] {
        let found = all.matches(placeholder).count();
        if found != given && !(placeholder == REFERENCE && found == 0) {
            let what = format!("the messages have {found} {placeholder} for {given} objects");
            return Err(record.problem("objects", what, "give as many objects as placeholders"));
        }
    }
    let is_boxes =
        |text: &str| text.contains(BOX) && text.replace(BOX, "").trim_matches([' ', ',', '\n', '[', ']']).is_empty();
    if contents().any(|text| text.contains(BOX) && !is_boxes(&text)) {
        return Ok(Entry::LeftOut(record.place.clone(), "a box inside a sentence".into()));
    }
    if boxes.iter().any(Option::is_none) {
        return Ok(Entry::LeftOut(record.place.clone(), "a point instead of a box".into()));
    }
    // Names are filled in in the order of the messages.
    let mut names = labels.iter();
    for message in &mut messages {
        let Some(Value::String(text)) = message.get_mut("content") else { continue };
        let mut parts = text.split(REFERENCE);
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            filled.push_str(names.next().map_or("", String::as_str));
            filled.push_str(part);
        }
        *text = filled;
    }
    let mut flat = record.clone();
    flat.fields.insert("messages".into(), Value::Array(messages));
    let (_, images) = images(record, &["images", "image"], root, &[""]);
    let mut entry = turns::entry(&flat, "messages", &Names::openai(), images, &[])?;
    if let Entry::Row(row) = &mut entry {
        row.remarks.extend(turns::system_prompt(&record.trimmed("system")));
        place_boxes(record, row, &boxes, &labels)?;
    }
    Ok(entry)
}

/// Returns the messages with the keys `role` and `content`.
fn messages(record: &Record) -> Vec<Value> {
    if let Some(Value::Array(messages)) = record.fields.get("messages") {
        return messages.clone();
    }
    let mut messages = Vec::new();
    let mut turn = |texts: [Option<&Value>; 2], fields: [String; 2]| {
        for ((role, text), field) in ["user", "assistant"].into_iter().zip(texts).zip(fields) {
            messages.push(json!({"role": role, "content": text, (turns::FIELD): field}));
        }
    };
    let listed = |name: &str| record.fields.get(name).and_then(Value::as_array).into_iter().flatten().enumerate();
    for name in ["conversations", "conversation"] {
        for (place, pair) in listed(name) {
            turn(
                ["human", "assistant"].map(|key| pair.get(key)),
                ["human", "assistant"].map(|key| format!("{name}[{place}].{key}")),
            );
        }
    }
    for (place, pair) in listed("history") {
        turn([0, 1].map(|index| pair.get(index)), [0, 1].map(|index| format!("history[{place}][{index}]")));
    }
    if let (query @ Some(_), response) = (record.fields.get("query"), record.fields.get("response")) {
        turn([query, response], ["query", "response"].map(str::to_owned));
    }
    messages
}

/// Returns the boxes of `objects`; None for a point.
fn boxes(record: &Record) -> Result<Vec<Option<[f64; 4]>>, Problems> {
    let listed = record.fields.get("objects").and_then(|objects| objects.get("bbox")).and_then(Value::as_array);
    let mut boxes = Vec::new();
    for (place, value) in listed.into_iter().flatten().enumerate() {
        let numbers: Option<Vec<f64>> = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
        boxes.push(match numbers.as_deref() {
            Some([x0, y0, x1, y1]) => Some([*x0, *y0, *x1, *y1]),
            Some([_, _]) => None,
            _ => {
                let field = format!("objects.bbox[{place}]");
                return Err(record.problem(&field, format!("{value} is no box"), "write [x0, y0, x1, y1]"));
            }
        });
    }
    Ok(boxes)
}

/// Makes regions of the boxes, and box answers of the turns that consist of boxes.
fn place_boxes(record: &Record, row: &mut Row, boxes: &[Option<[f64; 4]>], labels: &[String]) -> Result<(), Problems> {
    let objects = record.fields.get("objects");
    let unit = match objects.and_then(|objects| objects.get("bbox_type")).and_then(scalar).as_deref() {
        None | Some("real") => Unit::Pixels,
        Some("norm1") => Unit::Fractions,
        Some(other) => {
            let what = format!("{other:?} is not known");
            return Err(record.problem("objects.bbox_type", what, "write real (pixels) or norm1 (0 to 1)"));
        }
    };
    let ids = objects.and_then(|objects| objects.get("image_id")).and_then(Value::as_array);
    for (place, bounds) in boxes.iter().enumerate() {
        let Some(bounds) = bounds else { continue };
        let stated = ids.and_then(|ids| ids.get(place)).and_then(Value::as_u64).and_then(|id| usize::try_from(id).ok());
        let image = stated.or((row.images.len() == 1).then_some(0)).filter(|image| *image < row.images.len());
        let image = image.ok_or_else(|| {
            let what = format!("names no image for box {place}");
            record.problem("objects.image_id", what, "give the index of an image, from 0, for each box")
        })?;
        let label = labels.get(place).or(labels.first()).cloned().unwrap_or_else(|| "object".to_owned());
        row.regions.push(RegionDraft { image, label, bounds: *bounds, unit, role: RegionRole::Finding });
    }
    let mut next = 0;
    for question in &mut row.questions {
        let count = question.golds.iter().map(|gold| gold.text.matches(BOX).count()).sum::<usize>();
        question.boxes = (next..next + count).collect();
        question.evidence = question.boxes.clone();
        next += count;
    }
    Ok(())
}
