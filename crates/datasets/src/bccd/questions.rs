//! Question chain of one blood smear.

use stepwise_data::case::{Item, Region, RegionRole, Shape};

use super::voc::{CELLS, Cell, PLATELET, RED, Smear, WHITE, id};
use crate::chain::{Ask, Chain};
use crate::output::IMAGE;

/// Returns the question chain of the smear of case `case_id`. `seed` decides random draws. Many red cells have no box, so
/// nothing is asked that depends on all of them.
pub(super) fn ask(smear: &Smear, case_id: &str, seed: u64) -> Vec<Item> {
    let [width, height] = smear.size;
    let mut chain = Chain::new(seed, case_id, width, height);
    let ask = Ask::new("01", "Which imaging modality is this?").or("How was this image made?");
    let modality = chain.choice(ask, "light microscopy", &["CT", "MRI", "ultrasound", "X-ray"], &[]);
    let ask = Ask::new("04", "What does this image show a sample of?").after([&modality]);
    let sample = chain.choice(ask, "blood", &["bone", "skin", "liver"], &[]);
    let oriented = [modality, sample];

    let counts = count(&mut chain, smear, &oriented);
    let white = find_white(&mut chain, smear, &oriented);
    let described = describe(&mut chain, smear, &counts, &white);
    conclude(&mut chain, smear, &counts, &described);
    chain.finish()
}

/// Asks which cells are shown, and how many white cells and platelets. Red cells are not asked about when none is boxed,
/// because every smear contains some. Returns the ids of the counting questions.
fn count(chain: &mut Chain, smear: &Smear, oriented: &[String]) -> Vec<String> {
    let mut counts = Vec::new();
    for cell in CELLS.into_iter().filter(|cell| *cell != RED || !smear.red().is_empty()) {
        let found = smear.of(cell).len();
        let is_complete = *cell != *RED;
        let evidence: Vec<String> = if is_complete { all(smear, cell) } else { Vec::new() };
        let on = || evidence.iter().map(String::as_str);
        let ask = Ask::new("10", format!("Does this image show a {}?", cell.label))
            .or(format!("Can a {} be seen on this image?", cell.label))
            .after(oriented)
            .on(on());
        let presence = chain.twins(ask, &format!("Is this image free of {}s?", cell.label), found > 0);
        if is_complete {
            let question = format!("How many {}s does this image show?", cell.label);
            counts.push(chain.count(Ask::new("14", question).after([&presence]).on(on()), found));
        }
    }
    counts
}

/// Asks where the white cell is, when exactly one is boxed. Returns the ids of the questions.
fn find_white(chain: &mut Chain, smear: &Smear, oriented: &[String]) -> Vec<String> {
    let [bounds] = smear.white() else { return Vec::new() };
    let region = Region {
        id: id(WHITE, 0),
        image: IMAGE.into(),
        label: WHITE.label.into(),
        shape: Shape::Box { bounds: *bounds },
        role: RegionRole::Organ,
    };
    let ask = Ask::new("12", "Draw the box around the white blood cell.").or("Where is the white blood cell?");
    let place = chain.locate(ask.after(oriented), &region);
    let [width, height] = smear.size.map(f64::from);
    let [x0, y0, x1, y1] = bounds;
    let [right, low] = [x0 + x1 >= width, y0 + y1 >= height].map(usize::from);
    let quarters = ["upper left", "upper right", "lower left", "lower right"];
    let gold = quarters[2 * low + right];
    let near = [quarters[2 * low + 1 - right], quarters[2 * (1 - low) + right]];
    let ask = Ask::new("13", "In which quarter of the image is the middle of the white blood cell?")
        .after([&place])
        .on([region.id.as_str()]);
    let quarter = chain.choice(ask, gold, &quarters, &near);
    vec![place, quarter]
}

fn describe(chain: &mut Chain, smear: &Smear, counts: &[String], white: &[String]) -> Vec<String> {
    let mut described = Vec::new();
    if let (Some(white_area), Some(red_area)) = (mean_area(smear.white()), mean_area(smear.red())) {
        let ratio = white_area / red_area;
        let evidence = [all(smear, WHITE), all(smear, RED)].concat();
        let ask = Ask::new(
            "17",
            "How large is the box around a white blood cell, on average, compared with one around a red blood cell?",
        )
        .after(white.iter().chain(counts))
        .on(evidence.iter().map(String::as_str))
        .because(format!("on average its area is {ratio:.1} times as large"));
        let scale = [
            "less than 2 times the area",
            "2 to 3 times the area",
            "3 to 4.5 times the area",
            "4.5 times the area or more",
        ];
        let step = [2.0, 3.0, 4.5].iter().filter(|limit| ratio >= **limit).count();
        described.push(chain.ordinal(ask, &scale, step));
    }
    let step = usize::from(smear.platelets().len() >= smear.white().len())
        + usize::from(smear.platelets().len() > smear.white().len());
    let evidence = [all(smear, WHITE), all(smear, PLATELET)].concat();
    let ask = Ask::new("20", "Which are there more of: white blood cells or platelets?")
        .after(counts)
        .on(evidence.iter().map(String::as_str));
    described.push(chain.ordinal(ask, &["white blood cells", "equally many", "platelets"], step));
    described
}

/// Asks for the conclusion of a rule that the question states. No diagnosis is asked for.
fn conclude(chain: &mut Chain, smear: &Smear, counts: &[String], described: &[String]) {
    let (white, platelets) = (smear.white().len(), smear.platelets().len());
    let steps = ["ask for a second reader", "look at another field", "go on"];
    let step = if white >= 2 {
        0
    } else if platelets == 0 {
        1
    } else {
        2
    };
    let question = format!(
        "A laboratory's rule: with two or more white blood cells in the image, {}; \
             otherwise, without any platelet, {}; otherwise, {}. What does it ask for here?",
        steps[0], steps[1], steps[2]
    );
    let evidence = [all(smear, WHITE), all(smear, PLATELET)].concat();
    let ask = Ask::new("30", question)
        .after(counts.iter().chain(described))
        .on(evidence.iter().map(String::as_str))
        .because(format!("white blood cells: {white}, platelets: {platelets}"));
    let near = if step == 2 { steps[1] } else { steps[2] };
    chain.choice(ask, steps[step], &steps, &[near]);
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
