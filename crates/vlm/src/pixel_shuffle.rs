//! Pixel shuffle (Shi et al. 2016), which joins neighbouring patches of an image encoder.

use burn::tensor::Tensor;

/// Joins each square of `scale * scale` neighbouring patches, row by row, to one wide row. `x` is
/// `[tiles * side * side, width]`, the result `[tiles * (side / scale)^2, scale * scale * width]`. `side` is the number of
/// patches along a side of a tile.
pub(crate) fn pixel_shuffle(x: Tensor<2>, side: usize, scale: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    let (tiles, out) = (rows / (side * side), side / scale);
    x.reshape([tiles, out, scale, out, scale * width])
        .swap_dims(2, 3) // [tiles, out row, out column, row in square, columns in square * width]
        .reshape([tiles * out * out, scale * scale * width])
}
