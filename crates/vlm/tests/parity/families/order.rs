//! Order of patches and features in Qwen's image encoders, compared with the recorded window order and places.

use burn::tensor::Tensor;
use stepwise_testing::model::parameters::{read, tensor};
use stepwise_vlm::images::grid::ImageGrid;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use super::fixture::Fixture;

/// Recorded order in which the layers take cells of patches; None where cells keep the order of the processor.
fn windows(fixture: &Fixture, key: &str) -> Option<Vec<i64>> {
    fixture.get(&format!("{key}.window_index")).map(|_| fixture.whole(&format!("{key}.window_index")))
}

/// Returns rows of patches, cell by cell, in the recorded order of windows. A cell has `merge` x `merge` patches.
pub fn in_windows<T: Copy>(fixture: &Fixture, key: &str, rows: &[T], merge: usize) -> Vec<T> {
    let Some(windows) = windows(fixture, key) else { return rows.to_vec() };
    let cell = rows.len() / windows.len();
    assert_eq!(cell % (merge * merge), 0);
    windows.iter().flat_map(|place| &rows[*place as usize * cell..][..cell]).copied().collect()
}

/// Returns rows of features that are window by window in the order of the cells.
pub fn restored(fixture: &Fixture, key: &str, rows: &[f32]) -> Vec<f32> {
    let Some(windows) = windows(fixture, key) else { return rows.to_vec() };
    let width = rows.len() / windows.len();
    let mut restored = vec![0.0; rows.len()];
    for (row, place) in rows.chunks_exact(width).zip(windows) {
        restored[place as usize * width..][..width].copy_from_slice(row);
    }
    restored
}

/// Patches of all images in the order in which the processor of transformers gives them: cells row by row, each with its
/// patches row by row. A patch is the index of its image, its row and its column.
fn of_processor(grids: &[ImageGrid], patch: usize, merge: usize) -> Vec<[usize; 3]> {
    let of_image = |(image, grid): (usize, &ImageGrid)| {
        let [rows, columns] = [grid.height, grid.width].map(|side| side / patch / merge);
        let cells = (0..rows).flat_map(move |row| (0..columns).map(move |column| [row * merge, column * merge]));
        let patches = move |[top, left]: [usize; 2]| {
            (0..merge * merge).map(move |place| [image, top + place / merge, left + place % merge])
        };
        cells.flat_map(patches).collect::<Vec<_>>()
    };
    grids.iter().enumerate().flat_map(of_image).collect()
}

/// Patches in the order in which the encoder's layers take them, measured: the embedding is linear in the pixels, so the
/// number that fills a patch can be read from the input of the first layer.
fn measured(pipeline: &VlmPipeline, grids: &[ImageGrid]) -> Vec<[usize; 3]> {
    let config = pipeline.model.config().vision;
    let (patch, width) = (config.patch_size, config.hidden_size);
    let mut numbered = Vec::new();
    let embedded = |value: &dyn Fn(usize) -> f32, numbered: &mut Vec<[usize; 3]>| {
        numbered.clear();
        let pixels = grids.iter().enumerate().map(|(image, grid)| {
            let (columns, first) = (grid.width / patch, numbered.len());
            let rows = grid.height / patch;
            numbered.extend((0..rows * columns).map(|number| [image, number / columns, number % columns]));
            let of_pixel = |pixel: usize| {
                let (row, column) = (pixel / grid.width % grid.height / patch, pixel % grid.width / patch);
                value(first + row * columns + column)
            };
            tensor((0..grid.tile_values()).map(of_pixel).collect(), [1, 3, grid.height, grid.width])
        });
        let pixels: Vec<Tensor<4>> = pixels.collect();
        read(pipeline.model.encoder_states(&pixels, &Pass::ANSWER).swap_remove(0))
    };
    let black = embedded(&|_| 0.0, &mut numbered);
    let white = embedded(&|_| 1.0, &mut numbered);
    let numbers = embedded(&|number| number as f32, &mut numbered);
    let product = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f32>();
    let less = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(one, other)| one - other).collect::<Vec<_>>();
    let rows = black.chunks_exact(width).zip(white.chunks_exact(width)).zip(numbers.chunks_exact(width));
    rows.map(|((black, white), number)| {
        let step = less(white, black);
        let number = product(&less(number, black), &step) / product(&step, &step);
        assert!((number - number.round()).abs() < 0.1, "{number} is a number");
        numbered[number.round() as usize]
    })
    .collect()
}

/// Compares order and places of the patches of a conversation's images with the recorded ones.
pub fn compare(fixture: &Fixture, key: &str, pipeline: &VlmPipeline, grids: &[ImageGrid]) {
    let at = format!("{} {key}", fixture.name);
    let config = pipeline.model.config().vision;
    let of_processor = of_processor(grids, config.patch_size, config.merge_size);
    let expected = in_windows(fixture, key, &of_processor, config.merge_size);
    assert_eq!(measured(pipeline, grids), expected, "{at}: order of patches");
    if fixture.get(&format!("{key}.vision_position_ids")).is_some() {
        let places: Vec<i64> = of_processor.iter().flat_map(|[_, row, column]| [*row as i64, *column as i64]).collect();
        assert_eq!(places, fixture.whole(&format!("{key}.vision_position_ids")), "{at}: places of patches");
    }
}
