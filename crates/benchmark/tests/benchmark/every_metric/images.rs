//! Flipped and exchanged images.

use super::*;

#[test]
fn swapped_sides_are_wrong_and_unnoticed_flips_are_wrong_on_flipped_images() {
    let swapper = of(LateralitySwapper(Oracle));
    expect_all(
        &swapper,
        &[("accuracy:clean:stage_1", 0.0), ("laterality_accuracy", 0.0), ("laterality_blindness", 0.0)],
    );
    expect_all(&swapper, &[("accuracy:clean:stage_2", 1.0), ("chain_accuracy", 0.0), ("first_error:stage_1", 1.0)]);
    // Right on the conclusions and wrong on all questions they build on.
    expect(&swapper, "right_for_the_wrong_reason", 1.0);

    struct Stored;
    impl Policy for Stored {
        fn say(&self, view: &PolicyInput<'_>) -> String {
            let stored = view.case.chain.iter().find(|item| item.id == view.item.id).expect("its own item");
            PolicyInput { item: stored, ..*view }.gold()
        }
    }
    let blind = of(Stored);
    expect_all(&blind, &[("laterality_accuracy", 0.0), ("laterality_blindness", 1.0), ("accuracy:flip", 0.0)]);
    expect(&blind, "accuracy:clean", 1.0);
}

/// Mock model that is right on the case's own images and wrong on all others.
struct KnowsItsOwn;

impl Policy for KnowsItsOwn {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let own = grey(view.case).expect("numbered");
        let half = (SIDE * SIDE / 2) as usize;
        let sees_own =
            view.picture().is_some_and(|picture| picture.pixels().filter(|pixel| pixel.0 == [own; 3]).count() > half);
        if sees_own { view.gold() } else { view.wrong() }
    }
}

#[test]
fn a_model_that_recognises_its_images_has_no_region_grounding() {
    let heart = of(KnowsItsOwn);
    expect_all(
        &heart,
        &[
            ("visual_reliance_swap", 1.0),
            ("image_sensitivity", 1.0),
            // The answer also changes when the other patient has the same answer.
            ("image_unrest", 1.0),
            ("visual_reliance_blank", 1.0),
            ("visual_reliance_no_image", 1.0),
            // Most of the image is left when the evidence is covered, and most is lost when all but the evidence
            // is covered.
            ("visual_grounding", -1.0),
            ("region_grounding", 0.0),
        ],
    );
}
