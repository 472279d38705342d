//! Images in the text of Idefics3 and SmolVLM: image tokens of every tile, with the names of rows and columns.

use image::RgbImage;
use serde_json::{Map, Value, json};

use super::config::TILE_FEATURES;
use super::pixel_config::PixelConfig;
use crate::images::grid::{ImageGrid, PixelError, Tiles};
use crate::images::processor::{Expansion, ImageOptions, ImageProcessor};
use crate::images::shared::{IMAGE_SIZE, SharedSetting};
use crate::images::values::PixelValues;

/// Placeholder of an image, and token that stands for one feature.
pub(super) const IMAGE: &str = "<image>";
/// Token before every tile and after the last tile of an image.
pub(super) const FAKE: &str = "<fake_token_around_image>";
/// Token before the tile that shows the whole image.
const GLOBAL: &str = "<global-img>";
/// Token that ends a turn in the templates of Idefics3 and SmolVLM.
pub(super) const END_OF_UTTERANCE: &str = "<end_of_utterance>";

/// Returns whether Idefics3 and SmolVLM use the token to structure turns and images, even if it is not marked
/// as special.
pub(super) fn is_structural(token: &str) -> bool {
    [IMAGE, FAKE, GLOBAL, END_OF_UTTERANCE].contains(&token) || token.starts_with("<row_")
}

/// Image preprocessing of Idefics3 and SmolVLM.
#[derive(Debug)]
pub(super) struct Processor {
    /// Settings of the folder.
    pub pixels: PixelConfig,
    /// Number of image tokens of a tile.
    pub image_seq_len: usize,
}

impl ImageProcessor for Processor {
    fn grid(&self, width: u32, height: u32, options: &ImageOptions) -> ImageGrid {
        self.pixels.grid(width, height, options.do_image_splitting)
    }

    fn tiles(&self, picture: &RgbImage, options: &ImageOptions) -> Result<Tiles, PixelError> {
        self.pixels.tiles(picture, options.do_image_splitting)
    }

    fn values(&self) -> &PixelValues {
        &self.pixels.values
    }

    fn feature_grid(&self, _: ImageGrid) -> [usize; 2] {
        // The number of features of a square tile is a square, unless the folder is wrong.
        let side = self.image_seq_len.isqrt();
        if side * side == self.image_seq_len { [side; 2] } else { [1, self.image_seq_len] }
    }

    fn placeholder(&self) -> &'static str {
        IMAGE
    }

    /// Appends the tokens of an image: tiles row by row, one line per row, then a blank line and the whole image. An
    /// image that is not cut consists of the whole image alone.
    fn expand(&self, grid: ImageGrid, text: &mut Expansion) {
        let push_tile = |text: &mut Expansion, name: &str| {
            text.text.push_str(FAKE);
            text.text.push_str(name);
            text.push_features(IMAGE, self.image_seq_len);
        };
        for row in 1..=grid.rows {
            for column in 1..=grid.columns {
                push_tile(text, &format!("<row_{row}_col_{column}>"));
            }
            text.text.push('\n');
        }
        if grid.rows > 0 {
            text.text.push('\n');
        }
        push_tile(text, GLOBAL);
        text.text.push_str(FAKE);
    }

    fn shared_settings(&self) -> Vec<SharedSetting> {
        let side = self.pixels.max_image_size.longest_edge;
        vec![
            SharedSetting::of_images("max_image_size.longest_edge", side, IMAGE_SIZE),
            SharedSetting::of_processor("image_seq_len", self.image_seq_len, TILE_FEATURES),
        ]
    }

    fn settings(&self, options: &ImageOptions) -> Map<String, Value> {
        let mut pixels = self.pixels.clone();
        pixels.do_image_splitting = options.do_image_splitting.unwrap_or(pixels.do_image_splitting);
        Map::from_iter([("pixels".to_owned(), json!(pixels)), ("image_seq_len".to_owned(), self.image_seq_len.into())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiled_image_is_expanded_as_in_transformers() {
        let value = json!({ "size": { "longest_edge": 8 }, "max_image_size": { "longest_edge": 4 } });
        let processor = Processor { pixels: PixelConfig::from_json(&value).expect("valid"), image_seq_len: 2 };
        let expanded = |grid| {
            let mut text = Expansion::default();
            processor.expand(grid, &mut text);
            assert!(
                text.runs.iter().all(|run| &text.text[run.bytes.clone()] == "<image><image>" && run.features == (0..2))
            );
            (text.text, text.runs.len())
        };
        let whole = ImageGrid::whole(4, 4);
        let one = "<fake_token_around_image><global-img><image><image><fake_token_around_image>";
        assert_eq!(expanded(whole), (one.to_owned(), 1));
        let cut = "<fake_token_around_image><row_1_col_1><image><image><fake_token_around_image><row_1_col_2>\
                   <image><image>\n\n";
        assert_eq!(expanded(ImageGrid { rows: 1, columns: 2, ..whole }), (format!("{cut}{one}"), 3));
    }
}
