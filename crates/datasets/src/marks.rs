//! Marked cases: a copy of a case's image with three coloured frames, and questions about the frames (categories 16 and
//! 24). The copy is a case of its own in the same group, so that the image of the other questions stays as it was.

use std::collections::BTreeMap;
use std::path::Path;

use image::{Rgb, RgbImage};
use rand::Rng;
use rand::seq::SliceRandom;
use stepwise_data::case::{Case, Region, RegionRole, Shape};
use stepwise_data::image::load_image;

use super::ImportError;
use super::chain::{Ask, Chain};
use super::output::{IMAGE, MARKS, Output};

/// Names and colours of the frames. Red is the colour of the marks that conditions of the benchmark draw.
const COLOURS: [(&str, Rgb<u8>); 3] =
    [("green", Rgb([40, 220, 40])), ("blue", Rgb([70, 110, 255])), ("yellow", Rgb([255, 220, 40]))];

/// Most marked cases of one group.
const PER_GROUP: usize = 2;

/// Largest share of the image's area that a frame may enclose. Two other frames of the same size must have room.
const LARGEST: f64 = 0.2;

/// Number of random places that are tried for a frame.
const TRIES: usize = 200;

/// Text of the option for a frame that holds nothing of what is asked for.
const NOTHING: &str = "none of these";

/// Structure of a case that a frame can hold.
pub(super) struct Target {
    /// Region of the structure.
    pub region: Region,
    /// Name in the question "Which mark holds the ...?".
    pub name: String,
    /// Name of the content in the question "What does the ... mark hold?".
    pub content: String,
    /// Names of other contents, which are wrong for this frame; at least one.
    pub others: Vec<String>,
    /// Boxes that the other two frames may not touch, such as all findings of the image.
    pub avoid: Vec<[f64; 4]>,
}

/// Makes marked cases, at most two for each group.
pub(super) struct Marker {
    seed: u64,
    made: BTreeMap<String, usize>,
}

/// Frame as `[x0, y0, x1, y1]` in whole pixels, half-open.
type Frame = [u32; 4];

impl Marker {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, made: BTreeMap::new() }
    }

    /// Writes the marked image of `case` and returns the marked case. One frame encloses `target`, and the two others
    /// have the same size and touch nothing of `avoid`. None where the group has enough marked cases, or where the
    /// frames have no room.
    ///
    /// # Errors
    /// When the image of the case cannot be read or the marked image cannot be written.
    pub(super) fn marked(
        &mut self,
        output: &mut Output,
        case: &Case,
        target: &Target,
    ) -> Result<Option<Case>, ImportError> {
        let made = self.made.entry(case.group_id.clone()).or_default();
        if *made >= PER_GROUP {
            return Ok(None);
        }
        let source = &case.images[0];
        let case_id = format!("{}{MARKS}", case.case_id);
        let mut chain = Chain::new(self.seed, &case_id, source.width, source.height);
        let mut picture = load_image(&output.root().join(&source.path))?;
        let Some(frames) = frames(&picture, target, &mut chain.dice("frames")) else { return Ok(None) };
        let mut colours = COLOURS;
        colours.shuffle(&mut chain.dice("colours"));
        frames.iter().zip(&colours).for_each(|(frame, (_, colour))| draw(&mut picture, *frame, *colour));
        *made += 1;
        let stem = Path::new(&source.path).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let image = output.drawn(&picture, &format!("{stem}-marks.png"), source.orientation.as_deref())?;
        let marks = frames.iter().zip(&colours).map(|(frame, (name, _))| Region {
            id: mark_id(name),
            image: IMAGE.into(),
            label: format!("{name} mark"),
            shape: Shape::Box { bounds: frame.map(f64::from) },
            role: RegionRole::Reference,
        });
        let regions = std::iter::once(target.region.clone()).chain(marks).collect();
        ask(&mut chain, case, target, colours.map(|(name, _)| name));
        let marked = Case { case_id, images: vec![image], regions, chain: chain.finish(), ..case.clone() };
        Ok(Some(marked))
    }
}

fn mark_id(colour: &str) -> String {
    format!("mark-{colour}")
}

/// Asks which mark holds the target, and what one of the marks holds: in two of three cases the mark on the target. The
/// first of `colours` is on the target.
fn ask(chain: &mut Chain, case: &Case, target: &Target, colours: [&str; 3]) {
    let first = chain.repeat(&case.chain[0]);
    let whole = [target.region.id.as_str()];
    let question = Ask::new("16", format!("Which mark holds the {}?", target.name))
        .or(format!("In which mark is the {}?", target.name))
        .after([&first])
        .on(whole);
    let holder = chain.choice(question, colours[0], &colours, &[]);
    let mut dice = chain.dice("asked mark");
    let place = if dice.random_bool(2.0 / 3.0) { 0 } else { dice.random_range(1..3) };
    let colour = colours[place];
    let mark = mark_id(colour);
    let question = Ask::new("24", format!("What does the {colour} mark hold?"))
        .or(format!("Which text fits the {colour} mark?"))
        .after([&holder])
        .on([mark.as_str()]);
    let others: Vec<&str> = target.others.iter().map(String::as_str).collect();
    let all: Vec<&str> = others.iter().copied().chain([target.content.as_str(), NOTHING]).collect();
    let gold = if place == 0 { &target.content } else { NOTHING };
    chain.choice(question, gold, &all, &others);
}

/// Places of three frames of equal size; the first encloses the target. None where they have no room.
fn frames(picture: &RgbImage, target: &Target, dice: &mut impl Rng) -> Option<[Frame; 3]> {
    let (width, height) = picture.dimensions();
    let bounds = target.region.shape.bounds();
    let margin = f64::from(width.min(height)) * 0.02;
    let [x0, y0] = [bounds[0], bounds[1]].map(|low| (low - margin).floor().max(0.0) as u32);
    let x1 = ((bounds[2] + margin).ceil() as u32).min(width);
    let y1 = ((bounds[3] + margin).ceil() as u32).min(height);
    let first = [x0, y0, x1, y1];
    let (across, down) = (x1 - x0, y1 - y0);
    if f64::from(across) * f64::from(down) > LARGEST * f64::from(width) * f64::from(height) {
        return None;
    }
    let least = brightness(picture, first) / 4.0;
    let gap = margin.ceil() as u32;
    let mut placed = vec![first];
    for _ in 0..TRIES {
        let (left, top) = (dice.random_range(0..=width - across), dice.random_range(0..=height - down));
        let frame = [left, top, left + across, top + down];
        let apart = placed.iter().all(|other| !touch(frame, *other, gap))
            && target.avoid.iter().all(|bounds| !touch(frame, bounds.map(|edge| edge.max(0.0) as u32), gap));
        // A frame on the dark background, or half on it, is obviously empty.
        if apart && quarters(frame).into_iter().all(|quarter| brightness(picture, quarter) >= least) {
            placed.push(frame);
        }
        if let [first, second, third] = placed[..] {
            return Some([first, second, third]);
        }
    }
    None
}

/// Whether two frames overlap or are closer than `gap` pixels.
fn touch([a0, b0, a1, b1]: Frame, [c0, d0, c1, d1]: Frame, gap: u32) -> bool {
    a0 < c1 + gap && c0 < a1 + gap && b0 < d1 + gap && d0 < b1 + gap
}

/// Upper left, upper right, lower left and lower right quarter of a frame.
fn quarters([x0, y0, x1, y1]: Frame) -> [Frame; 4] {
    let (x, y) = (u32::midpoint(x0, x1), u32::midpoint(y0, y1));
    [[x0, y0, x, y], [x, y0, x1, y], [x0, y, x, y1], [x, y, x1, y1]]
}

/// Mean grey level in a frame, 0 to 255.
fn brightness(picture: &RgbImage, [x0, y0, x1, y1]: Frame) -> f64 {
    let levels = (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y)));
    let sum: u64 =
        levels.map(|(x, y)| picture.get_pixel(x, y).0.iter().map(|level| u64::from(*level)).sum::<u64>()).sum();
    sum as f64 / (3.0 * f64::from(x1 - x0) * f64::from(y1 - y0)).max(1.0)
}

/// Draws the line of a frame, inside it.
fn draw(picture: &mut RgbImage, [x0, y0, x1, y1]: Frame, colour: Rgb<u8>) {
    let line = (picture.width().min(picture.height()) / 150).max(1);
    for y in y0..y1 {
        for x in x0..x1 {
            let inside = x >= x0 + line && x + line < x1 && y >= y0 + line && y + line < y1;
            if !inside {
                picture.put_pixel(x, y, colour);
            }
        }
    }
}
