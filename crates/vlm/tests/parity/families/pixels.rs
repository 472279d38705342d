//! Pixels of prepared images, and the comparison with the pixels of transformers' processors.

use burn::tensor::{Device, Tensor, TensorData};
use stepwise_testing::model::parameters::read;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::images::grid::ImageGrid;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::processor::Prepared;

use super::fixture::Fixture;

/// Largest difference of two pixels that are the same grey level.
const ROUNDING: f32 = 1e-5;

/// Returns the place of a tile of an image in the recorded order: in LLaVA-NeXT and Gemma 3 the whole image is the first
/// tile.
pub fn place(pipeline: &VlmPipeline, grid: ImageGrid, tile: usize) -> usize {
    match pipeline.model.config().family_name() {
        "LLaVA-NeXT" | "Gemma 3 and MedGemma" => (tile + 1) % grid.tiles(),
        _ => tile,
    }
}

/// Returns values of all pixels of an image in the recorded order of its tiles.
pub fn recorded_order(pipeline: &VlmPipeline, grid: ImageGrid, mut values: Vec<f32>) -> Vec<f32> {
    values.rotate_right(place(pipeline, grid, 0) * grid.tile_values());
    values
}

/// Pixels of an image in 0..1 in the recorded order, `[tiles, 3, height, width]`.
pub fn unit(pipeline: &VlmPipeline, image: &Prepared) -> Tensor<4> {
    let grid = image.grid;
    let values = recorded_order(pipeline, grid, pipeline.processor.unit_pixels(image));
    Tensor::from_data(TensorData::new(values, [grid.tiles(), 3, grid.height, grid.width]), &Device::flex())
}

/// Normalised pixels of an image in the recorded order, `[tiles, 3, height, width]`.
pub fn normalised(pipeline: &VlmPipeline, image: &Prepared) -> Tensor<4> {
    pipeline.processor.values().normalise(unit(pipeline, image))
}

/// Compares the pixels of a conversation's images with the recorded ones: normalised values, or grey levels.
pub fn compare(fixture: &Fixture, key: &str, pipeline: &VlmPipeline, example: &EncodableExample) {
    let at = format!("{} {key}", fixture.name);
    let own = |pixels: &dyn Fn(&Prepared) -> Tensor<4>| -> Vec<f32> {
        let shape = pipeline.model.config().vision;
        let flat = fixture.name.starts_with("qwen");
        let in_order = |image: &Prepared| match flat {
            true => patches(&read(pixels(image)), image, shape.patch_size, shape.merge_size),
            false => read(pixels(image)),
        };
        example.images.iter().flat_map(|image| in_order(image)).collect()
    };
    let compare = |found: Vec<f32>, expected: Vec<f32>, most: f32| {
        assert_eq!(found.len(), expected.len(), "{at}: number of values");
        let apart = found.iter().zip(&expected).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(apart < most, "{at}: pixels differ by {apart}");
    };
    if let Some((shape, expected)) = fixture.get(&format!("{key}.pixel_values")) {
        let expected = without_padding(&shape, expected, example);
        compare(own(&|image| normalised(pipeline, image)), expected, ROUNDING);
    } else if let Some((_, expected)) = fixture.get(&format!("{key}.pixel_levels")) {
        compare(own(&|image| unit(pipeline, image) * 255.0), expected, 0.5);
    } else {
        assert!(example.images.is_empty(), "{at}: no pixels are recorded");
    }
}

/// Removes the tiles that LLaVA-NeXT's processor appends to images with fewer tiles than others of the batch.
fn without_padding(shape: &[usize], values: Vec<f32>, example: &EncodableExample) -> Vec<f32> {
    if shape.len() != 5 || shape[0] != example.images.len() {
        return values;
    }
    let images = values.chunks_exact(values.len() / shape[0]);
    let tiles = images.zip(&example.images).flat_map(|(values, image)| &values[..image.grid.values()]);
    tiles.copied().collect()
}

/// Pixels in the order of Qwen's processors: cells of `merge` x `merge` patches row by row; in a patch channel, frame
/// (twice the same), row, column.
fn patches(pixels: &[f32], image: &Prepared, patch: usize, merge: usize) -> Vec<f32> {
    let (height, width, cell) = (image.grid.height, image.grid.width, patch * merge);
    let mut ordered = Vec::with_capacity(2 * pixels.len());
    for corner in (0..height / cell).flat_map(|row| (0..width / cell).map(move |column| [row * cell, column * cell])) {
        for place in 0..merge * merge {
            let [top, left] = [corner[0] + place / merge * patch, corner[1] + place % merge * patch];
            for channel in 0..3 {
                for _ in 0..2 {
                    for row in 0..patch {
                        let start = (channel * height + top + row) * width + left;
                        ordered.extend_from_slice(&pixels[start..start + patch]);
                    }
                }
            }
        }
    }
    ordered
}
