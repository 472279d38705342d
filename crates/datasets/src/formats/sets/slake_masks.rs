//! Masks of SLAKE: `mask.png` beside the image, in which each organ or finding has one grey value or colour.
//!
//! The file does not name its values. A value belongs to the box of `detection.json` that its pixels fill to the edges;
//! `mask.txt` in the folder of the data set, or `--classes FILE`, may name values, too.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use image::RgbImage;
use stepwise_data::answer_text::fold;
use stepwise_data::image::{Mask, image_size, load_image};
use stepwise_data::io::{bounded, contained};
use stepwise_data::problem::{Problem, Problems};

use super::super::entry::{RegionDraft, Unit};
use super::super::region_mask::RegionMask;
use super::slake_boxes::{Boxes, role};

/// Name of the file that names the values of all masks.
const LABELS: &str = "mask.txt";

/// Most values of a mask; an image with more is no mask.
const MOST_VALUES: usize = 64;

/// Largest distance between a side of a box and of the pixels in it, as a part of the side of the box, and at least in
/// pixels.
const NEAR: (f64, f64) = (0.03, 2.0);

/// Reads the names of values: lines `VALUE NAME` or `NAME VALUE`, also with `:`, `=`, `,` or a tab between them. Without
/// `file`, `mask.txt` in `root` is read if it is there.
///
/// # Errors
/// When the file cannot be read, or a line of `file` has no value from 0 to 255 and a name, or the
/// value of an earlier line.
pub(super) fn labels(root: &Path, file: Option<&Path>) -> Result<BTreeMap<u8, String>, Problems> {
    let (path, is_needed) = match file {
        Some(file) => (file.to_owned(), true),
        None => (root.join(LABELS), false),
    };
    if !is_needed && !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let advice = "write a line `VALUE NAME` for each grey value of the masks, such as `70 liver`";
    let text = bounded::text(&path).map_err(|error| Problem::new(&path, format!("cannot be read: {error}"), advice))?;
    let mut labels = BTreeMap::new();
    for (line, number) in text.trim_start_matches('\u{FEFF}').lines().zip(1..) {
        match label(line) {
            Some((value, _)) if is_needed && labels.contains_key(&value) => {
                let what = format!("the value {value} is there twice");
                return Err(Problem::new(&path, what, "give each value one name").at_row(number).into());
            }
            Some((value, name)) => drop(labels.insert(value, name)),
            None if !is_needed || line.trim().is_empty() || line.starts_with('#') => {}
            None => {
                let what = format!("{line:?} is no grey value from 0 to 255 with a name");
                return Err(Problem::new(&path, what, advice).at_row(number).into());
            }
        }
    }
    Ok(labels)
}

/// Reads a value and its name from a line.
fn label(line: &str) -> Option<(u8, String)> {
    let is_sign = |letter: char| letter.is_whitespace() || matches!(letter, ':' | '=' | ',');
    let line = line.trim_matches(|letter| is_sign(letter) || letter == '"');
    let parts = [line.split_once(is_sign), line.rsplit_once(is_sign).map(|(name, value)| (value, name))];
    parts.into_iter().flatten().find_map(|(value, name)| {
        let name = name.trim_matches(|letter| is_sign(letter) || letter == '"').replace('_', " ").to_lowercase();
        Some((value.trim_matches('"').parse().ok()?, name)).filter(|(_, name)| !name.is_empty())
    })
}

/// Adds the mask in the file `name` to the regions of the image in the file `image`, both relative to `root`: boxes that
/// a value fills get its pixels, and values that `labels` names and no box has become regions.
///
/// # Errors
/// When a path leads out of `root`. A mask that cannot be used is a remark.
pub(super) fn add(
    root: &Path,
    (image, name): (&str, &str),
    labels: &BTreeMap<u8, String>,
    boxes: &mut Boxes,
) -> Result<(), String> {
    let path = contained::resolve(root, name).map_err(|error| error.to_string())?;
    let Ok(picture) = load_image(&path) else {
        boxes.remarks.push("mask.png that cannot be read".into());
        return Ok(());
    };
    if image_size(&root.join(image)).is_ok_and(|size| size != picture.dimensions()) {
        boxes.remarks.push("mask.png of another size than its image".into());
        return Ok(());
    }
    let Some((pixels, mut areas)) = ValueMap::of(&picture, labels) else {
        boxes.remarks.push(format!("mask.png with more than {MOST_VALUES} values, such as a compressed one"));
        return Ok(());
    };
    let pixels = Rc::new(pixels);
    let masked = |value, window| {
        let pixels = Rc::clone(&pixels);
        RegionMask::new(move || pixels.mask(value, window))
    };
    for (index, region) in boxes.regions.iter().enumerate() {
        let fits = areas.iter().enumerate().filter_map(|(place, area)| Some((place, area.fit(&pixels, region)?)));
        if let Some((place, (_, window))) = fits.min_by(|one, other| one.1.0.total_cmp(&other.1.0)) {
            areas[place].is_used = true;
            boxes.masks.insert(index, masked(areas[place].value, window));
        }
    }
    for area in areas.into_iter().filter(|area| !area.is_used) {
        match area.label {
            Some(label) => {
                boxes.masks.insert(boxes.regions.len(), masked(area.value, pixels.whole()));
                let role = role(&label);
                boxes.regions.push(RegionDraft { image: 0, label, bounds: area.bounds, unit: Unit::Pixels, role });
            }
            None => boxes.remarks.push("value of mask.png without a name, which fills no box of detection.json".into()),
        }
    }
    boxes.size = (!boxes.masks.is_empty()).then_some(picture.dimensions());
    Ok(())
}

/// Columns and rows `[left, top, right, bottom]`, the last ones not inside.
type Window = [usize; 4];

/// Values of the pixels of a mask as numbers from 1 on, 0 for black.
struct ValueMap {
    width: u32,
    height: u32,
    values: Vec<u8>,
}

impl ValueMap {
    /// Returns the map with the areas of all values but black, in the order of their colours; None when there are more
    /// than [`MOST_VALUES`].
    fn of(picture: &RgbImage, labels: &BTreeMap<u8, String>) -> Option<(Self, Vec<Area>)> {
        let mut numbers: BTreeMap<[u8; 3], u8> = BTreeMap::new();
        let mut values = Vec::with_capacity(picture.width() as usize * picture.height() as usize);
        for pixel in picture.pixels() {
            let next = numbers.len() as u8 + 1;
            let number = if pixel.0 == [0; 3] { 0 } else { *numbers.entry(pixel.0).or_insert(next) };
            if usize::from(number) > MOST_VALUES {
                return None;
            }
            values.push(number);
        }
        let map = Self { width: picture.width(), height: picture.height(), values };
        let area = |(colour, value): ([u8; 3], u8)| {
            let (_, bounds) = map.measured(value, map.whole());
            Some(Area { value, bounds: bounds?, label: labels.get(&grey(colour)).cloned(), is_used: false })
        };
        let areas = numbers.into_iter().filter_map(area).collect();
        Some((map, areas))
    }

    fn whole(&self) -> Window {
        [0, 0, self.width as usize, self.height as usize]
    }

    /// Returns the number of pixels of a value in a window, and the box around them; None without a pixel.
    fn measured(&self, value: u8, window: Window) -> (usize, Option<[f64; 4]>) {
        let [_, _, width, height] = self.whole();
        let [left, top, right, bottom] = window;
        let (left, right) = (left.min(width), right.min(width));
        let (mut count, mut bounds): (usize, Option<Window>) = (0, None);
        for y in top..bottom.min(height) {
            let row = &self.values[y * width..(y + 1) * width];
            for x in (left..right).filter(|x| row[*x] == value) {
                count += 1;
                let [x0, y0, x1, _] = bounds.unwrap_or([x, y, x, y]);
                bounds = Some([x0.min(x), y0, x1.max(x + 1), y + 1]);
            }
        }
        (count, bounds.map(|bounds| bounds.map(|edge| edge as f64)))
    }

    /// Returns the pixels of a value in a window.
    fn mask(&self, value: u8, [left, top, right, bottom]: Window) -> Mask {
        let width = self.width as usize;
        let is_within =
            |place: usize| (left..right).contains(&(place % width)) && (top..bottom).contains(&(place / width));
        let inside = self.values.iter().enumerate().map(|(place, found)| *found == value && is_within(place)).collect();
        Mask { width: self.width, height: self.height, inside }
    }
}

/// Pixels of one value.
struct Area {
    /// Number of the value in the map.
    value: u8,
    /// Box around the pixels.
    bounds: [f64; 4],
    /// Name of the value; None when no file names it.
    label: Option<String>,
    /// Whether a box has it.
    is_used: bool,
}

impl Area {
    /// Returns how far the box of a region is from the pixels in it, in pixels, with the window of these pixels; None
    /// where the label is another one, the pixels do not reach the sides of the box, or go on beyond it.
    fn fit(&self, pixels: &ValueMap, region: &RegionDraft) -> Option<(f64, Window)> {
        if self.label.as_ref().is_some_and(|label| fold(label) != fold(&region.label.replace('_', " "))) {
            return None;
        }
        let [x0, y0, x1, y1] = region.bounds;
        let near = (NEAR.0 * (x1 - x0).max(y1 - y0)).max(NEAR.1);
        let [left, top, right, bottom] = self.bounds;
        if left > x0 + near || top > y0 + near || right < x1 - near || bottom < y1 - near {
            return None;
        }
        let around = |by: f64| {
            let [left, top] = [x0 - by, y0 - by].map(|edge| edge.max(0.0) as usize);
            let [right, bottom] = [x1 + by, y1 + by].map(|edge| edge.max(0.0).ceil() as usize);
            [left, top, right, bottom]
        };
        let (count, bounds) = pixels.measured(self.value, around(near));
        let distance = bounds?.iter().zip(region.bounds).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
        let is_alone = pixels.measured(self.value, around(2.0 * near + 1.0)).0 == count;
        (distance <= near && is_alone).then_some((distance, around(near)))
    }
}

/// Grey value of a colour as image programs compute it (ITU-R BT.601).
fn grey([red, green, blue]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_values_in_either_order() {
        let liver = Some((70, "liver".to_owned()));
        for line in ["70 liver", "70: Liver", "Liver: 70", "70,Liver", "liver\t70", "\"Liver\": 70,", "70=Liver"] {
            assert_eq!(label(line), liver, "{line}");
        }
        assert_eq!(label("Left_Lung 135"), Some((135, "left lung".into())));
        assert_eq!([label("liver"), label("300 liver"), label("70"), label("")], [None, None, None, None]);
    }

    #[test]
    fn colours_have_the_grey_value_of_image_programs() {
        assert_eq!([grey([70; 3]), grey([255, 0, 0]), grey([0, 255, 0]), grey([0, 0, 255])], [70, 76, 150, 29]);
    }
}
