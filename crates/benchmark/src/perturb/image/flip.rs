//! `flip` mirrors the images horizontally. Boxes move with the image, and the right answer changes if the case records
//! the answer after a flip. Items without this record are skipped, and so are X-rays whose question names the side of the
//! patient: their letters for the sides would be mirrored and contradict it.

use std::sync::Arc;

use image::{RgbImage, imageops};
use serde::Deserialize;
use stepwise_data::case::{Answer, Case, Item, Laterality, Region, Shape};

use crate::perturb::image::artefact::XRAY;
use crate::perturb::{Edit, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};
use crate::score::fold;

/// Entry in the registry of conditions, by which a suite file names `flip`: the images are mirrored, so that left and
/// right are exchanged, and the right answer with them.
pub const KIND: PerturbationKind = PerturbationKind::of::<Flip>(
    "flip",
    Purpose::Attack,
    "left and right are exchanged, and the right answer with them",
);

/// Perturbation and edit `flip`: mirrors the images horizontally, with their regions and the right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flip {}

impl Perturbation for Flip {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let Some(Laterality { dependent, flipped_gold }) = &scene.item.laterality else {
            return Err(Skip("what a flip does to the answer is not known"));
        };
        if *dependent && is_lettered(scene.case) && names_patient_side(&scene.item.question) {
            return Err(Skip("the letters on the image would contradict the sides of the question"));
        }
        let item = match (&scene.item.answer, dependent, flipped_gold) {
            // A box answer refers to its region, which moves with the image.
            (Answer::Box { .. }, _, _) | (_, false, _) => None,
            (_, true, Some(flipped)) => Some(answering(scene.item, flipped)?),
            (_, true, None) => return Err(Skip("the answer after a flip is not recorded")),
        };
        let pictures = ShownImages::Edited(Arc::new(self.clone()));
        Ok(Perturbed { item, pictures, regions: Some(mirrored(scene.case)), ..Perturbed::default() })
    }
}

/// Returns whether the images of a case usually have letters for the sides: X-rays.
fn is_lettered(case: &Case) -> bool {
    let modality: String = case.modality.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    XRAY.contains(&modality.as_str())
}

/// Returns whether a question names the patient's right or left, as in "With the patient's right on the left of the
/// image".
fn names_patient_side(question: &str) -> bool {
    let folded = fold(question);
    ["patient s right", "patient s left"].iter().any(|side| folded.contains(side))
}

/// Returns `item` with `flipped` as the right answer.
fn answering(item: &Item, flipped: &str) -> Result<Item, Skip> {
    let answer = match &item.answer {
        Answer::Choice { options, refusal, .. } => {
            let place = options.iter().position(|option| option == flipped);
            let place = place.or_else(|| options.iter().position(|option| fold(option) == fold(flipped)));
            let gold = vec![place.ok_or(Skip("the answer after a flip is not among the options"))?];
            Answer::Choice { options: options.clone(), gold, refusal: *refusal }
        }
        Answer::Yesno { pair_of, .. } => match fold(flipped).as_str() {
            answer @ ("yes" | "no") => Answer::Yesno { gold: answer == "yes", pair_of: pair_of.clone() },
            _ => return Err(Skip("the answer after a flip is neither yes nor no")),
        },
        Answer::Number { unit, abs_tol, rel_tol, .. } => {
            let gold = flipped.trim().parse().map_err(|_| Skip("the answer after a flip is not a number"))?;
            Answer::Number { gold, unit: unit.clone(), abs_tol: *abs_tol, rel_tol: *rel_tol }
        }
        Answer::Text { .. } => Answer::Text { gold: vec![flipped.to_owned()], aliases: Vec::new() },
        Answer::Box { .. } => item.answer.clone(),
    };
    // Confusable options belong to the old answer and are dropped.
    Ok(Item { answer, confusable: Vec::new(), ..item.clone() })
}

/// Returns the regions at their positions on the flipped images. A mask becomes its bounding box, because the mask
/// image itself is not flipped.
fn mirrored(case: &Case) -> Vec<Region> {
    let flip = |region: &Region| {
        let width =
            case.images.iter().find(|image| image.id == region.image).map_or(0.0, |image| f64::from(image.width));
        let shape = match &region.shape {
            Shape::Box { bounds: [x0, y0, x1, y1] } | Shape::Mask { bounds: [x0, y0, x1, y1], .. } => {
                Shape::Box { bounds: [width - x1, *y0, width - x0, *y1] }
            }
            Shape::Polygon { points } => {
                Shape::Polygon { points: points.iter().map(|[x, y]| [width - x, *y]).collect() }
            }
        };
        Region { shape, ..region.clone() }
    };
    case.regions.iter().map(flip).collect()
}

impl Edit for Flip {
    fn key(&self) -> String {
        "flip".to_owned()
    }

    fn apply(&self, _: usize, picture: &mut RgbImage) {
        imageops::flip_horizontal_in_place(picture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::Pool;
    use crate::rng::SuiteRng;
    use serde_json::{Value, json};

    fn flipped(answer: Value, laterality: Value) -> Result<(Option<Answer>, Vec<Region>), Skip> {
        let case: Case = serde_json::from_value(json!({
            "schema": "case/1", "case_id": "c", "group_id": "g", "split": "test",
            "source": {"dataset": "d", "licence": "l"}, "modality": "ct",
            "images": [{"id": "i", "path": "i.png", "sha256": "", "width": 100, "height": 50}],
            "regions": [
                {"id": "b", "image": "i", "label": "x", "kind": "box", "box": [10, 5, 30, 20], "role": "finding"},
                {"id": "p", "image": "i", "label": "x", "kind": "polygon", "points": [[0, 0], [4, 0], [4, 9]],
                 "role": "organ"}],
            "chain": [{"id": "q", "stage": 2, "category": "13", "question": "?", "answer": answer,
                       "laterality": laterality}]
        }))
        .expect("valid");
        let cases = [case];
        let pool = Pool::new(&cases);
        let scene =
            Scene { case: &cases[0], item: &cases[0].chain[0], pool: &pool, rng: SuiteRng { seed: 1, version: 1 } };
        let perturbed = Flip {}.perturb(&scene)?;
        Ok((perturbed.item.map(|item| item.answer), perturbed.regions.expect("moved")))
    }

    #[test]
    fn gold_changes_only_where_it_depends_and_nothing_is_guessed() {
        let side = json!({"type": "choice", "options": ["left", "both", "right"], "gold": [0]});
        let golds = |answer: Option<Answer>| match answer {
            Some(Answer::Choice { gold, .. }) => gold,
            other => panic!("{other:?}"),
        };
        let (answer, _) = flipped(side.clone(), json!({"dependent": true, "flipped_gold": "right"})).expect("applies");
        assert_eq!(golds(answer), [2]);
        assert_eq!(flipped(side.clone(), json!({"dependent": false})).expect("applies").0, None);
        for unknown in [json!(null), json!({"dependent": true}), json!({"dependent": true, "flipped_gold": "up"})] {
            assert!(flipped(side.clone(), unknown).is_err());
        }
        let (answer, _) =
            flipped(json!({"type": "yesno", "gold": true}), json!({"dependent": true, "flipped_gold": "no"}))
                .expect("applies");
        assert_eq!(answer, Some(Answer::Yesno { gold: false, pair_of: None }));
    }

    #[test]
    fn an_x_ray_is_not_flipped_where_the_question_names_the_side_of_the_patient() {
        assert!(names_patient_side("With the patient's right on the left of the image: which lung?"));
        assert!(!names_patient_side("In which half of the image does the heart lie?"));
    }

    #[test]
    fn regions_follow_the_picture_and_a_second_flip_brings_both_back() {
        let of_box = json!({"type": "box", "gold": ["b"], "iou_ok": 0.5});
        let (answer, regions) =
            flipped(of_box, json!({"dependent": true, "flipped_gold": "[70, 10, 90, 40]"})).expect("applies");
        assert_eq!(answer, None);
        assert_eq!(regions[0].shape, Shape::Box { bounds: [70.0, 5.0, 90.0, 20.0] });
        assert_eq!(regions[1].shape, Shape::Polygon { points: vec![[100.0, 0.0], [96.0, 0.0], [96.0, 9.0]] });

        let picture = RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let mut mirror = picture.clone();
        Flip {}.apply(0, &mut mirror);
        assert_eq!(mirror.get_pixel(0, 1), picture.get_pixel(4, 1));
        Flip {}.apply(0, &mut mirror);
        assert_eq!(mirror, picture);
    }
}
