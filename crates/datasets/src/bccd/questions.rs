//! Question chain of one blood smear.

use stepwise_data::case::{Item, Region, RegionRole, Shape};

use super::voc::{CELLS, Cell, RED, Smear, WHITE, id};
use crate::chain::{Ask, Chain};
use crate::limits::clear_step;
use crate::output::IMAGE;

/// Least distance of a size or place from a limit of its scale, as a share of the limit; a choice of this importer.
const MARGIN: f64 = 0.05;

/// Returns the question chain of the smear of case `case_id`. `seed` decides random draws. Many red cells and platelets
/// have no box, so nothing is asked that depends on all of them.
pub(super) fn ask(smear: &Smear, case_id: &str, seed: u64) -> Vec<Item> {
    let [width, height] = smear.size;
    let mut chain = Chain::new(seed, case_id, width, height);
    let ask = Ask::new("01", "Which imaging modality is this?").or("How was this image made?");
    let modality = chain.choice(ask, "light microscopy", &["CT", "MRI", "ultrasound", "X-ray"], &[]);
    let ask = Ask::new("04", "What does this image show a sample of?").after([&modality]);
    let sample = chain.choice(ask, "blood", &["bone", "skin", "liver"], &[]);
    let oriented = [modality, sample];

    let counts = present(&mut chain, smear, &oriented);
    let white = find_white(&mut chain, smear, &oriented);
    let placed: Vec<String> = counts.iter().chain(white.iter().flat_map(|place| &place.ids)).cloned().collect();
    compare(&mut chain, smear, &placed);
    conclude(&mut chain, smear, &placed, white.and_then(|place| place.is_upper));
    chain.finish()
}

/// Asks about the cells that are boxed, and for the number of white cells. Many cells of every class have no box, so a
/// class without a box is not asked about, and red cells and platelets are not counted. White cells are large and few, so
/// an image with a box of one has boxes of all. Returns the ids of the counting questions.
fn present(chain: &mut Chain, smear: &Smear, oriented: &[String]) -> Vec<String> {
    let mut counts = Vec::new();
    for cell in CELLS.into_iter().filter(|cell| !smear.of(cell).is_empty()) {
        let evidence: Vec<String> = if *cell == *RED { Vec::new() } else { all(smear, cell) };
        let on = || evidence.iter().map(String::as_str);
        let ask = Ask::new("10", format!("Does this image show a {}?", cell.label))
            .or(format!("Can a {} be seen on this image?", cell.label))
            .after(oriented)
            .on(on());
        let presence = chain.twins(ask, &format!("Is this image free of {}s?", cell.label), true);
        if *cell == *WHITE {
            let question = format!("How many {}s does this image show?", cell.label);
            let ask = Ask::new("14", question).after([&presence]).on(on());
            counts.push(chain.count(ask, smear.white().len(), 0.0));
        }
    }
    counts
}

/// Questions on the place of the only white cell.
struct Place {
    /// Ids of the questions.
    ids: Vec<String>,
    /// Whether the middle of the cell lies in the upper half of the image; None where it is too near to half.
    is_upper: Option<bool>,
}

/// Asks where the white cell is, when exactly one is boxed. None without such a question.
fn find_white(chain: &mut Chain, smear: &Smear, oriented: &[String]) -> Option<Place> {
    let [bounds] = smear.white() else { return None };
    let region = Region {
        id: id(WHITE, 0),
        image: IMAGE.into(),
        label: WHITE.label.into(),
        shape: Shape::Box { bounds: *bounds },
        role: RegionRole::Organ,
    };
    let ask = Ask::new("12", "Draw the box around the white blood cell.").or("Where is the white blood cell?");
    let mut ids = vec![chain.locate(ask.after(oriented), &region)];
    let [width, height] = smear.size.map(f64::from);
    let [x0, y0, x1, y1] = bounds;
    let half = |middle: f64, side: f64| clear_step(middle / side, &[0.5], MARGIN);
    let (right, low) = (half(f64::midpoint(*x0, *x1), width), half(f64::midpoint(*y0, *y1), height));
    if let (Some(right), Some(low)) = (right, low) {
        let quarters = ["upper left", "upper right", "lower left", "lower right"];
        let gold = quarters[2 * low + right];
        let near = [quarters[2 * low + 1 - right], quarters[2 * (1 - low) + right]];
        let ask = Ask::new("13", "In which quarter of the image is the middle of the white blood cell?")
            .after([&ids[0]])
            .on([region.id.as_str()]);
        ids.push(chain.choice(ask, gold, &quarters, &near));
    }
    Some(Place { ids, is_upper: low.map(|low| low == 0) })
}

/// Asks for the mean size of the white cells, compared with the mean of the boxed red cells. `placed` are the ids of the
/// questions on number and place of the white cells.
fn compare(chain: &mut Chain, smear: &Smear, placed: &[String]) {
    let (Some(white_area), Some(red_area)) = (mean_area(smear.white()), mean_area(smear.red())) else { return };
    let ratio = white_area / red_area;
    let Some(step) = clear_step(ratio, &[2.0, 3.0, 4.5], MARGIN) else { return };
    let evidence = [all(smear, WHITE), all(smear, RED)].concat();
    let ask = Ask::new(
        "17",
        "How large is the box around a white blood cell, on average, compared with one around a red blood cell?",
    )
    .after(placed)
    .on(evidence.iter().map(String::as_str))
    .because(format!("on average its area is {ratio:.1} times as large"));
    let scale = [
        "less than 2 times the area",
        "2 to 3 times the area",
        "3 to 4.5 times the area",
        "4.5 times the area or more",
    ];
    chain.ordinal(ask, &scale, step);
}

/// Asks for the conclusion of a rule that the question states, where white cells are boxed and their place is certain. No
/// diagnosis is asked for. `is_upper` is [`Place::is_upper`] of the only white cell, and `placed` are the ids of the
/// questions on number and place of the white cells.
fn conclude(chain: &mut Chain, smear: &Smear, placed: &[String], is_upper: Option<bool>) {
    let step = match (smear.white().len(), is_upper) {
        (2.., _) => 0,
        (1, Some(true)) => 1,
        (1, Some(false)) => 2,
        _ => return,
    };
    let steps = ["ask for a second reader", "move the field up", "move the field down"];
    let question = format!(
        "A laboratory's rule: with two or more white blood cells in the image, {}; otherwise, with the middle of the \
             white blood cell in the upper half of the image, {}; otherwise, {}. What does it ask for here?",
        steps[0], steps[1], steps[2]
    );
    let evidence = all(smear, WHITE);
    let ask = Ask::new("30", question)
        .after(placed)
        .on(evidence.iter().map(String::as_str))
        .because(format!("white blood cells: {}", smear.white().len()));
    chain.choice(ask, steps[step], &steps, &[if step == 1 { steps[2] } else { steps[1] }]);
}

/// Returns the ids of all regions of a class.
fn all(smear: &Smear, cell: &Cell) -> Vec<String> {
    (0..smear.of(cell).len()).map(|place| id(cell, place)).collect()
}

/// Returns the mean area of the boxes in pixels; None when there are no boxes.
fn mean_area(boxes: &[[f64; 4]]) -> Option<f64> {
    let sum: f64 = boxes.iter().map(|[x0, y0, x1, y1]| (x1 - x0) * (y1 - y0)).sum();
    (!boxes.is_empty()).then(|| sum / boxes.len() as f64)
}
