//! Positions, sizes and kinds of tokens of a conversation, compared with the recorded inputs of the model.

use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::pipeline::VlmPipeline;

use super::fixture::Fixture;
use super::{Input, order};

/// Recorded values of a conversation that other comparisons read, and activations, by the beginnings of their names.
const COMPARED_ELSEWHERE: [&str; 11] = [
    "act.",
    "generate",
    "input_ids",
    "interpolation_",
    "labels",
    "logit_rows",
    "logits",
    "loss",
    "packed_features",
    "pixel_",
    "prompt_ids",
];

/// Further inputs of transformers. They are masks of padding, or follow from the sizes of the images, which
/// `image_grid_thw` and `packed_features` depend on as well.
const OTHER_INPUTS: [&str; 8] = [
    "attention_mask",
    "cu_window_seqlens",
    "image_num_crops",
    "image_sizes",
    "mm_token_type_ids",
    "num_crops",
    "num_patches",
    "pixel_attention_mask",
];

/// Logits of a mistake, which `tests/parity/families/check_mistakes.py` uses.
const OF_MISTAKE: &str = "logits_without_token_types";

/// Compares all recorded positions and sizes of a conversation.
///
/// # Panics
/// When they differ, or a recorded value is not compared.
pub fn compare(fixture: &Fixture, key: &str, pipeline: &VlmPipeline, example: &EncodableExample) {
    let own = Input::new(pipeline, example, false).whole();
    let config = pipeline.model.config().vision;
    for name in fixture.after(&format!("{key}.")) {
        let at = format!("{} {key} {name}", fixture.name);
        let recorded = || fixture.whole(&format!("{key}.{name}"));
        match name.as_str() {
            "position_ids" => {
                let axis = |axis: usize| own.positions.iter().map(move |position| i64::from(position[axis]));
                assert_eq!((0..3).flat_map(axis).collect::<Vec<_>>(), recorded(), "{at}");
            }
            "rope_delta" => {
                let greatest = own.positions.iter().flatten().max().expect("a position");
                assert_eq!(vec![i64::from(*greatest) + 1 - own.rows() as i64], recorded(), "{at}");
            }
            "token_type_ids" => {
                let of_image = own.features.iter().map(|feature| i64::from(feature.is_some()));
                assert_eq!(of_image.collect::<Vec<_>>(), recorded(), "{at}");
            }
            "image_grid_thw" => {
                let patches = |length: usize| (length / config.patch_size) as i64;
                let grid =
                    example.images.iter().flat_map(|image| [1, patches(image.grid.height), patches(image.grid.width)]);
                assert_eq!(grid.collect::<Vec<_>>(), recorded(), "{at}");
                let grids: Vec<_> = example.images.iter().map(|image| image.grid).collect();
                order::compare(fixture, key, pipeline, &grids);
            }
            // Compared with the order of patches.
            "window_index" | "vision_position_ids" => {
                assert!(fixture.get(&format!("{key}.image_grid_thw")).is_some(), "{at}");
            }
            other => {
                let has_reason = other == OF_MISTAKE
                    || OTHER_INPUTS.contains(&other)
                    || COMPARED_ELSEWHERE.iter().any(|beginning| other.starts_with(beginning));
                assert!(has_reason, "{at} is not compared");
            }
        }
    }
}
