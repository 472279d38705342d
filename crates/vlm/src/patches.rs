//! Patches of images as rows of pixels, and their embedding.

use burn::tensor::Tensor;
use stepwise_ops::linear;

/// Returns the patches of `pixels`, `[tiles, channels, height, width]`, as rows,
/// `[tiles * patches, channels * patch * patch]`, row by row in each tile. `patch` is the side of a patch in pixels and
/// divides height and width.
pub(crate) fn patch_rows(pixels: &Tensor<4>, patch: usize) -> Tensor<2> {
    let [tiles, channels, height, width] = pixels.dims();
    let (rows, columns) = (height / patch, width / patch);
    pixels
        .clone()
        .reshape([tiles, channels, rows, patch, columns, patch])
        .permute([0, 2, 4, 1, 3, 5]) // [tiles, rows, columns, channels, patch, patch]
        .reshape([tiles * rows * columns, channels * patch * patch])
}

/// Embeds the patches of `pixels`, `[tiles, channels, height, width]`, with a convolution whose stride is its size. `kernel`
/// is `[width, channels, patch, patch]`, `bias` is `[width]`, and the result `[tiles * patches, width]`.
pub(crate) fn embedded_patches(pixels: &Tensor<4>, kernel: Tensor<4>, bias: Option<Tensor<1>>) -> Tensor<2> {
    let [width, channels, patch, _] = kernel.dims();
    linear(patch_rows(pixels, patch), kernel.reshape([width, channels * patch * patch]), bias)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn patches_are_rows_of_one_channel_after_the_other() {
        // One tile of two channels, 2 x 4 pixels: two patches side by side.
        let pixels: Vec<f32> = (0..16_u8).map(f32::from).collect();
        let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [1, 2, 2, 4]), &Device::flex());
        let rows: Vec<f32> = patch_rows(&pixels, 2).into_data().try_to_vec().expect("f32");
        assert_eq!(rows[..8], [0.0, 1.0, 4.0, 5.0, 8.0, 9.0, 12.0, 13.0]);
        assert_eq!(rows[8..], [2.0, 3.0, 6.0, 7.0, 10.0, 11.0, 14.0, 15.0]);
    }
}
