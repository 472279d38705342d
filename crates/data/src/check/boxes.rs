//! Boxes that no answer on the grid of whole coordinates can match.

use crate::box_grid::BoxGrid;
use crate::case::{Answer, Case};

/// Number of boxes that are named.
const NAMED: usize = 5;

/// Warns about right boxes that no answer on the grids of their images reaches with the intersection over union of
/// `iou_ok`, because they are small for the grid. Returns one line; none where every box can be matched.
#[must_use]
pub fn unreachable_boxes<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Option<String> {
    let mut found: Vec<(BoxGrid, String)> = Vec::new();
    for case in cases {
        for item in &case.chain {
            let Answer::Box { gold, iou_ok } = &item.answer else { continue };
            for (region, image) in gold.iter().filter_map(|id| case.region_on_image(id)) {
                let most = image.box_grid.best_overlap(region.shape.bounds(), [image.width, image.height]);
                if most < *iou_ok {
                    let [case, item, region] = [&case.case_id, &item.id, &region.id];
                    let place =
                        format!("case {case}, question {item}, region {region} (at most {most:.2} of {iou_ok})");
                    found.push((image.box_grid, place));
                }
            }
        }
    }
    let (grid, _) = found.first()?;
    let (count, unit) = (found.len(), grid.format);
    let boxes = if count == 1 { "1 right box is" } else { &format!("{count} right boxes are") };
    let places: Vec<&str> = found.iter().take(NAMED).map(|(_, place)| place.as_str()).collect();
    let more = if count > NAMED { format!("; and {} more", count - NAMED) } else { String::new() };
    Some(format!(
        "{boxes} so small that no answer in whole coordinates (`box_format = \"{unit}\"`) reaches `iou_ok`: {}{more} -> \
         lower `iou_ok`, leave the questions out, or use a model with a finer `box_format`",
        places.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::box_format::BoxFormat;

    fn case(bounds: &str, iou_ok: f64) -> Case {
        let text = format!(
            r#"{{"schema":"case/1","case_id":"c","group_id":"g","split":"train",
            "source":{{"dataset":"d","licence":"cc0"}},"modality":"ct",
            "images":[{{"id":"i","path":"a.png","sha256":"","width":1000,"height":1000}}],
            "regions":[{{"id":"r","image":"i","label":"nodule","kind":"box","box":{bounds},"role":"finding"}}],
            "chain":[{{"id":"q","stage":2,"category":"12","question":"Where?",
              "answer":{{"type":"box","gold":["r"],"iou_ok":{iou_ok}}}}}]}}"#
        );
        serde_json::from_str(&text).expect("a case")
    }

    #[test]
    fn boxes_that_are_too_small_for_the_grid_are_named() {
        // The answer [10, 10, 11, 11] in percent is 10 x 10 pixels.
        let mut small = case("[101, 101, 107, 108]", 0.5);
        let said = unreachable_boxes([&small, &case("[101, 101, 108, 109]", 0.5)]).expect("a warning");
        let named = "1 right box is so small that no answer in whole coordinates (`box_format = \"percent\"`) reaches \
                     `iou_ok`: case c, question q, region r (at most 0.42 of 0.5) -> ";
        assert!(said.starts_with(named), "{said}");
        small.set_box_grid(|width, height| BoxGrid::new(BoxFormat::PerMille, [width, height]));
        assert_eq!(unreachable_boxes([&small]), None);
        let many = vec![case("[101, 101, 107, 108]", 0.5); 7];
        let said = unreachable_boxes(&many).expect("a warning");
        assert!(said.starts_with("7 right boxes are") && said.contains("; and 2 more -> "), "{said}");
    }
}
