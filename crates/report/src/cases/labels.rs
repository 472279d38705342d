//! Places of labels on an image, so that no two cover each other.
//!
//! Lengths are in percent of the image's width, also vertical ones, so a layout holds at every size of the window.

/// Height of the letters.
pub const LETTERS: f64 = 2.9;
/// Height of a label.
const HEIGHT: f64 = LETTERS * 1.45;
/// Padding of a label at both sides together, in heights of the letters, as in `style.css`.
const PADDING: f64 = 0.6;
/// Most characters of a label; longer names are cut.
const LONGEST: usize = 24;
/// Number of regions on an image above which labels are numbers only, because names would cover the image.
const CROWDED: usize = 10;

/// Label of a region, placed on an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Text: number and name of the region, or the number alone where there is no room for the name.
    pub text: String,
    /// Left side.
    pub left: f64,
    /// Upper side.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Whether the label does not touch the box of its region, so that a line must join them.
    pub is_apart: bool,
}

impl Label {
    fn new(text: String) -> Self {
        // A number must never be cut, so the widest common digits count.
        let wide = |letter: char| match letter {
            '0'..='9' => 0.68,
            '\u{1100}'.. => 1.05,
            _ => 0.62,
        };
        let width = (text.chars().map(wide).sum::<f64>() + PADDING) * LETTERS;
        Self { text, left: 0.0, top: 0.0, width, is_apart: false }
    }

    /// Centre `[x, y]`.
    pub fn centre(&self) -> [f64; 2] {
        [self.left + self.width / 2.0, self.top + HEIGHT / 2.0]
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.left < other.left + other.width
            && other.left < self.left + self.width
            && self.top < other.top + HEIGHT
            && other.top < self.top + HEIGHT
    }

    fn at(&self, [left, top]: [f64; 2], is_apart: bool) -> Self {
        Self { left, top, is_apart, ..self.clone() }
    }

    fn is_free(&self, placed: &[Option<Self>]) -> bool {
        !placed.iter().flatten().any(|other| self.overlaps(other))
    }
}

/// Places one label for each region on an image of the given `height`. `regions` holds the number, the name and the box
/// `[x0, y0, x1, y1]` of each region. With more than ten regions, labels have no names. A label lies at its box where there is room, else at the nearest free place; it is
/// None where the image is full.
pub fn place(height: f64, regions: &[(usize, &str, [f64; 4])]) -> Vec<Option<Label>> {
    let mut placed: Vec<Option<Label>> = Vec::new();
    for (number, name, bounds) in regions {
        let short = Label::new(number.to_string());
        let is_crowded = regions.len() > CROWDED;
        let whole = if is_crowded { short.clone() } else { Label::new(format!("{number} {}", cut(name))) };
        let beside = |label: &Label| beside(label, *bounds, height, &placed);
        let apart = |label: &Label| apart(label, *bounds, height, &placed);
        let label = beside(&whole).or_else(|| beside(&short)).or_else(|| apart(&whole)).or_else(|| apart(&short));
        placed.push(label);
    }
    placed
}

fn cut(name: &str) -> String {
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['\u{2026}']).collect()
}

/// The label at a side or corner of the box, where it is free.
fn beside(label: &Label, [x0, y0, x1, y1]: [f64; 4], height: f64, placed: &[Option<Label>]) -> Option<Label> {
    let (right, above, below) = (x1 - label.width, y0 - HEIGHT, y1 - HEIGHT);
    let places = [
        [x0, above],
        [x0, y1],
        [right, above],
        [right, y1],
        [x1, y0],
        [x0 - label.width, y0],
        [x1, below],
        [x0 - label.width, below],
        [x0, y0],
        [right, y0],
        [x0, below],
        [right, below],
    ];
    let is_inside =
        |[left, top]: &[f64; 2]| *left >= 0.0 && left + label.width <= 100.0 && *top >= 0.0 && top + HEIGHT <= height;
    places.into_iter().filter(is_inside).map(|place| label.at(place, false)).find(|label| label.is_free(placed))
}

/// The label at the free place nearest to the box.
fn apart(label: &Label, [x0, y0, x1, y1]: [f64; 4], height: f64, placed: &[Option<Label>]) -> Option<Label> {
    if label.width > 100.0 || HEIGHT > height {
        return None;
    }
    let (columns, rows) = (((100.0 - label.width) / 2.0) as usize, ((height - HEIGHT) / HEIGHT * 2.0) as usize);
    let places =
        (0..=rows).flat_map(|row| (0..=columns).map(move |column| [column as f64 * 2.0, row as f64 * HEIGHT / 2.0]));
    let distance = |label: &Label| {
        let [x, y] = label.centre();
        let (across, down) = (x - f64::midpoint(x0, x1), y - f64::midpoint(y0, y1));
        across * across + down * down
    };
    let free = places.map(|place| label.at(place, true)).filter(|label| label.is_free(placed));
    free.min_by(|one, other| distance(one).total_cmp(&distance(other)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_label_lies_above_its_box_and_leaves_a_covered_place() {
        let bounds = [10.0, 20.0, 30.0, 40.0];
        let labels = place(100.0, &[(1, "nodule", bounds), (2, "nodule", bounds)]);
        let [Some(first), Some(second)] = &labels[..] else { panic!("{labels:?}") };
        assert_eq!((first.text.as_str(), first.left), ("1 nodule", 10.0));
        assert!((first.top + HEIGHT - 20.0).abs() < 1e-9, "{first:?}");
        assert_eq!((second.text.as_str(), second.left, second.top), ("2 nodule", 10.0, 40.0));
        let many = vec![(1, "nodule", bounds); CROWDED + 1];
        assert!(place(100.0, &many).iter().flatten().all(|label| label.text == "1"));
        let long = "a very long name of an organ in the chest";
        let labels = place(60.0, &[(1, long, [0.0, 0.0, 100.0, 60.0])]);
        assert!(
            labels[0].as_ref().is_some_and(|label| label.text == "1 a very long name of an \u{2026}"),
            "{labels:?}"
        );
    }

    #[test]
    fn a_label_has_room_for_its_number_and_its_padding() {
        for number in [7, 17, 140] {
            let text = number.to_string();
            // Digits of DejaVu Sans and Verdana are 0.636 times as wide as the letters are high.
            let needed = (0.636 * text.len() as f64 + PADDING) * LETTERS;
            assert!(Label::new(text).width >= needed, "{number}");
        }
    }

    proptest! {
        #[test]
        fn labels_never_cover_each_other_and_stay_on_the_image(
            height in 3.0f64..160.0,
            boxes in prop::collection::vec((0.0f64..90.0, 0.0f64..1.0, 0.0f64..60.0, 0.0f64..60.0), 0..60),
        ) {
            let regions: Vec<(usize, &str, [f64; 4])> = boxes
                .iter()
                .enumerate()
                .map(|(number, (x, y, w, h))| (number + 1, "red blood cell", [*x, y * height, x + w, y * height + h]))
                .collect();
            let labels = place(height, &regions);
            prop_assert_eq!(labels.len(), regions.len());
            let labels: Vec<Label> = labels.into_iter().flatten().collect();
            for (number, label) in labels.iter().enumerate() {
                prop_assert!(label.left >= 0.0 && label.left + label.width <= 100.0 + 1e-9);
                prop_assert!(label.top >= 0.0 && label.top + HEIGHT <= height + 1e-9);
                prop_assert!(labels[number + 1..].iter().all(|other| !label.overlaps(other)));
            }
        }
    }
}
