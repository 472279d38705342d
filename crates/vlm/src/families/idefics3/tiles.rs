//! Cuts an image into square tiles, as the Idefics3 image processor does.

use image::RgbImage;

use super::pixel_config::{LONGEST_SIDE, PixelConfig};
use crate::images::grid::{ImageGrid, PixelError, Tiles, push_planes};
use crate::images::resize::resize;

impl PixelConfig {
    /// Resizes `picture` as Idefics3 does and cuts it into tiles. `splitting` overrides `do_image_splitting`; None
    /// keeps it. A split image gets a tile of the whole image in addition.
    ///
    /// # Errors
    /// When the image has no pixels.
    pub fn tiles(&self, picture: &RgbImage, splitting: Option<bool>) -> Result<Tiles, PixelError> {
        PixelError::of(picture)?;
        let (width, height) = picture.dimensions();
        let side = self.max_image_size.longest_edge;
        let (width, height) = self.first_size(width, height);
        let picture = resize(picture, width, height, self.resample);
        if !splitting.unwrap_or(self.do_image_splitting) {
            return Ok(cut(&resize(&picture, side, side, self.resample), None, side));
        }
        let (width, height) = multiples_of(side, width, height);
        let picture = resize(&picture, width, height, self.resample);
        if (width, height) == (side, side) {
            return Ok(cut(&picture, None, side));
        }
        let whole = resize(&picture, side, side, self.resample);
        Ok(cut(&whole, Some(&picture), side))
    }

    /// Returns the tile grid of an image of `width` x `height` pixels. `splitting` overrides `do_image_splitting`; None
    /// keeps it. A side of 0 counts as 1.
    #[must_use]
    pub fn grid(&self, width: u32, height: u32, splitting: Option<bool>) -> ImageGrid {
        let side = self.max_image_size.longest_edge;
        if !splitting.unwrap_or(self.do_image_splitting) {
            return grid(side, None);
        }
        let (width, height) = self.first_size(width.max(1), height.max(1));
        grid(side, Some(multiples_of(side, width, height)))
    }

    /// Returns width and height after the first resize. The longer side is `size.longest_edge`; the other
    /// follows by the aspect ratio, rounded up to an even number. Both are scaled down when the longer side
    /// exceeds [`LONGEST_SIDE`].
    fn first_size(&self, width: u32, height: u32) -> (u32, u32) {
        let longest = self.size.longest_edge;
        let ratio = f64::from(width) / f64::from(height);
        let even = |side: u32| side + side % 2;
        let (width, height) = if width >= height {
            (longest, even((f64::from(longest) / ratio) as u32).max(1))
        } else {
            (even((f64::from(longest) * ratio) as u32).max(1), longest)
        };
        let ratio = f64::from(width) / f64::from(height);
        if width >= height && width > LONGEST_SIDE {
            (LONGEST_SIDE, ((f64::from(LONGEST_SIDE) / ratio) as u32).max(1))
        } else if height > width && height > LONGEST_SIDE {
            (((f64::from(LONGEST_SIDE) * ratio) as u32).max(1), LONGEST_SIDE)
        } else {
            (width, height)
        }
    }
}

/// Returns width and height rounded up to multiples of `side`; the shorter follows from the longer by the aspect ratio.
/// Both are at least one tile, even where rounding gives 0 pixels (the original processor refuses such an image).
fn multiples_of(side: u32, width: u32, height: u32) -> (u32, u32) {
    let ratio = f64::from(width) / f64::from(height);
    let up = |length: u32| length.max(1).div_ceil(side) * side;
    if width >= height {
        let width = up(width);
        (width, up((f64::from(width) / ratio) as u32))
    } else {
        let height = up(height);
        (up((f64::from(height) * ratio) as u32), height)
    }
}

/// Returns the tiles of an image that is resized to `size`, width and height, and cut in squares of `side` pixels; `None`
/// is an image that is not cut.
fn grid(side: u32, size: Option<(u32, u32)>) -> ImageGrid {
    let whole = ImageGrid::whole(side as usize, side as usize);
    match size {
        Some((width, height)) if (width, height) != (side, side) => {
            ImageGrid { rows: (height / side) as usize, columns: (width / side) as usize, ..whole }
        }
        _ => whole,
    }
}

/// Cuts `large`, if given, into tiles row by row, and appends `whole`, which is one tile.
fn cut(whole: &RgbImage, large: Option<&RgbImage>, side: u32) -> Tiles {
    let grid = grid(side, large.map(RgbImage::dimensions));
    let side = side as usize;
    let mut bytes = Vec::with_capacity(grid.values());
    for row in 0..grid.rows {
        for column in 0..grid.columns {
            let corner = [column * side, row * side];
            large.into_iter().for_each(|large| push_planes(&mut bytes, large, corner, [side; 2]));
        }
    }
    push_planes(&mut bytes, whole, [0; 2], [side; 2]);
    Tiles { grid, bytes }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn config(longest_edge: u32, side: u32) -> PixelConfig {
        let value = json!({ "size": { "longest_edge": longest_edge }, "max_image_size": { "longest_edge": side } });
        PixelConfig::from_json(&value).expect("valid")
    }

    #[test]
    fn images_of_unusual_shapes_fill_all_tiles() {
        for (width, height) in [(1, 1), (1, 4000), (4000, 1), (63, 64), (129, 2)] {
            let tiles = config(128, 64).tiles(&RgbImage::new(width, height), None).expect("cut");
            assert_eq!(tiles.bytes.len(), tiles.grid.tiles() * 3 * 64 * 64, "{width} x {height}");
        }
        let refused = config(128, 64).tiles(&RgbImage::new(0, 5), None);
        assert_eq!(refused, Err(PixelError::Empty { width: 0, height: 5 }));
    }

    #[test]
    fn a_line_is_a_tile_although_rounding_loses_its_last_pixel() {
        // 1 / 49 * 49 is a little less than 1 in floating point.
        let tiles = config(49, 49).tiles(&RgbImage::new(1, 4000), None).expect("cut");
        assert_eq!((tiles.grid, tiles.bytes.len()), (ImageGrid::whole(49, 49), 3 * 49 * 49));
    }

    #[test]
    fn sides_beyond_the_bound_are_scaled_as_in_transformers() {
        // Computed with `get_resize_output_image_size` of transformers 5.24.
        for ((width, height), expected) in [
            ((1000, 3000), (1364, 4096)),
            ((3000, 1000), (4096, 1364)),
            ((777, 1234), (2578, 4096)),
            ((100, 4000), (103, 4096)),
            ((4000, 3), (4096, 3)),
            ((500, 500), (4096, 4096)),
        ] {
            assert_eq!(config(5000, 512).first_size(width, height), expected, "{width} x {height}");
        }
    }

    #[test]
    fn tiles_are_the_image_row_by_row() {
        // The image already has its final size, so only the whole-image tile is resized.
        let picture = RgbImage::from_fn(4, 2, |x, y| image::Rgb([x as u8, y as u8, 9]));
        let tiles = config(4, 2).tiles(&picture, None).expect("cut");
        assert_eq!(tiles.grid, ImageGrid { rows: 1, columns: 2, ..ImageGrid::whole(2, 2) });
        assert_eq!(tiles.bytes[..24], [0, 1, 0, 1, 0, 0, 1, 1, 9, 9, 9, 9, 2, 3, 2, 3, 0, 0, 1, 1, 9, 9, 9, 9]);
    }

    proptest! {
        /// Images of every shape fill all tiles, with and without splitting.
        #[test]
        fn every_shape_fills_its_tiles(
            width in 1_u32..90, height in 1_u32..90, stretch in 1_u32..40, upright: bool,
            longest_edge in 1_u32..200, side in 7_u32..60, splitting: bool,
        ) {
            let (width, height) = if upright { (width, height * stretch) } else { (width * stretch, height) };
            let tiles = config(longest_edge, side).tiles(&RgbImage::new(width, height), Some(splitting)).expect("cut");
            prop_assert_eq!(tiles.bytes.len(), tiles.grid.values());
            prop_assert_eq!(tiles.grid.rows == 0, tiles.grid.columns == 0);
            prop_assert!(splitting || tiles.grid == ImageGrid::whole(side as usize, side as usize));
        }
    }
}
