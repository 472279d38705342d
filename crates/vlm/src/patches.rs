//! Patches of images as rows of pixels, and their embedding.

use burn::tensor::Tensor;
use stepwise_ops::linear;

/// Returns the patches of `pixels`, `[tiles, channels, height, width]`, as rows,
/// `[tiles * patches, channels * patch * patch]`, row by row in each tile. `patch` is the side of a patch in pixels. Pixels
/// below and to the right of the last whole patches are left out, as by a convolution of PyTorch without padding.
pub(crate) fn patch_rows(pixels: &Tensor<4>, patch: usize) -> Tensor<2> {
    let [tiles, channels, height, width] = pixels.dims();
    let (rows, columns) = (height / patch, width / patch);
    let covered = [rows * patch, columns * patch];
    let covered = match covered == [height, width] {
        true => pixels.clone(),
        false => pixels.clone().narrow(2, 0, covered[0]).narrow(3, 0, covered[1]),
    };
    covered
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
    use stepwise_ops::values_of;
    use stepwise_testing::files::{json, parity};

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

    /// Recorded values of a convolution, see `tests/parity/patches.py`.
    #[test]
    fn incomplete_patches_are_left_out_as_by_a_convolution() {
        let recorded = json(&parity().join("patches.json"));
        let values = |name: &str| -> Vec<f32> {
            let values = recorded[name].as_array().expect(name).iter();
            values.map(|value| value.as_f64().expect("a number") as f32).collect()
        };
        let shape = |name: &str| -> [usize; 4] {
            let sides = recorded[name].as_array().expect(name).iter();
            let sides: Vec<usize> = sides.map(|side| side.as_u64().expect("a side") as usize).collect();
            sides.try_into().expect("four sides")
        };
        let tensor =
            |name: &str, sides| Tensor::<4>::from_data(TensorData::new(values(name), shape(sides)), &Device::flex());
        let bias = values("bias");
        let width = bias.len();
        let bias = Tensor::<1>::from_data(TensorData::new(bias, [width]), &Device::flex());
        let embedded =
            embedded_patches(&tensor("pixels", "pixels_shape"), tensor("kernel", "kernel_shape"), Some(bias));
        let (found, expected) = (values_of(embedded), values("embedded"));
        assert_eq!(found.len(), expected.len());
        let apart = found.iter().zip(&expected).map(|(found, expected)| (found - expected).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5, "{found:?}");
    }
}
