//! Expansion of image placeholders: inserts the image tokens of every tile and records their positions.

use std::ops::Range;

use super::ProcessorError;
use super::pixels::ImageGrid;

/// Image placeholder. In a rendered template it stands for one image; after expansion, for one image feature.
pub const IMAGE: &str = "<image>";
/// Token before every tile and after the last tile of an image.
pub const FAKE: &str = "<fake_token_around_image>";
/// Token before the tile that shows the whole image.
const GLOBAL: &str = "<global-img>";
/// Token that ends a turn in the templates of Idefics3 and SmolVLM.
pub const END_OF_UTTERANCE: &str = "<end_of_utterance>";

/// Returns whether Idefics3 and SmolVLM use the token to structure turns and images, even if it is not marked
/// as special.
pub fn is_structural(token: &str) -> bool {
    [IMAGE, FAKE, GLOBAL, END_OF_UTTERANCE].contains(&token) || token.starts_with("<row_")
}

/// Rendered conversation with its images expanded to image tokens.
#[derive(Debug, Default)]
pub struct Expanded {
    /// Text with all image tokens.
    pub text: String,
    /// For every tile: byte range of its placeholders in `text`, index of the image, index of the tile in the image.
    /// Indices count from 0.
    pub tiles: Vec<(Range<usize>, usize, usize)>,
    /// For every piece of text between images: first byte in the rendered text, first byte in `text`.
    moves: Vec<(usize, usize)>,
}

impl Expanded {
    /// Replaces each placeholder in `rendered` by the image tokens of its grid, with `image_seq_len` placeholders per
    /// tile. `grids` holds one grid per image, in order of appearance.
    ///
    /// # Errors
    /// When the number of placeholders differs from the number of grids, or only one side of a grid is 0.
    pub fn new(rendered: &str, grids: &[ImageGrid], image_seq_len: usize) -> Result<Self, ProcessorError> {
        let pieces: Vec<&str> = rendered.split(IMAGE).collect();
        if pieces.len() - 1 != grids.len() {
            let shown = pieces.len() - 1;
            let problem = format!("the conversation shows {shown} images, but grids are given for {}", grids.len());
            return Err(ProcessorError::Conversation(problem));
        }
        if let Some(grid) = grids.iter().find(|grid| (grid.rows == 0) != (grid.columns == 0)) {
            let problem = format!("an image of {} x {} tiles: both or neither must be 0", grid.rows, grid.columns);
            return Err(ProcessorError::Conversation(problem));
        }
        let mut expanded = Self::default();
        let mut read = 0;
        for (place, piece) in pieces.iter().enumerate() {
            if let Some(image) = place.checked_sub(1) {
                expanded.push_image(image, grids[image], image_seq_len);
                read += IMAGE.len();
            }
            expanded.moves.push((read, expanded.text.len()));
            expanded.text.push_str(piece);
            read += piece.len();
        }
        Ok(expanded)
    }

    /// Returns the position in `text` of a byte of the rendered text that is outside placeholders.
    pub fn moved(&self, at: usize) -> usize {
        let piece = self.moves.partition_point(|(from, _)| *from <= at);
        let (from, to) = self.moves[..piece].last().copied().unwrap_or_default();
        at - from + to
    }

    /// Appends the tokens of an image: tiles row by row, one line per row, then a blank line and the whole image. An
    /// unsplit image consists of the whole image alone.
    fn push_image(&mut self, image: usize, grid: ImageGrid, image_seq_len: usize) {
        let mut tile = 0;
        let mut push_tile = |text: &mut String, name: &str| {
            text.push_str(FAKE);
            text.push_str(name);
            let start = text.len();
            text.extend(std::iter::repeat_n(IMAGE, image_seq_len));
            self.tiles.push((start..text.len(), image, tile));
            tile += 1;
        };
        for row in 1..=grid.rows {
            for column in 1..=grid.columns {
                push_tile(&mut self.text, &format!("<row_{row}_col_{column}>"));
            }
            self.text.push('\n');
        }
        if grid.rows > 0 {
            self.text.push('\n');
        }
        push_tile(&mut self.text, GLOBAL);
        self.text.push_str(FAKE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiled_image_is_expanded_as_in_transformers() {
        let grids = [ImageGrid { rows: 1, columns: 2 }, ImageGrid::default()];
        let expanded = Expanded::new("a<image>b<image>", &grids, 2).expect("expands");
        let expected = "a<fake_token_around_image><row_1_col_1><image><image><fake_token_around_image><row_1_col_2>\
                        <image><image>\n\n<fake_token_around_image><global-img><image><image>\
                        <fake_token_around_image>b<fake_token_around_image><global-img><image><image>\
                        <fake_token_around_image>";
        assert_eq!(expanded.text, expected);
        let numbers: Vec<_> = expanded.tiles.iter().map(|(_, image, tile)| (*image, *tile)).collect();
        assert_eq!(numbers, [(0, 0), (0, 1), (0, 2), (1, 0)]);
        assert!(expanded.tiles.iter().all(|(bytes, _, _)| &expanded.text[bytes.clone()] == "<image><image>"));
        assert_eq!(&expanded.text[expanded.moved(8)..=expanded.moved(8)], "b");
        assert_eq!((expanded.moved(0), expanded.moved(16)), (0, expanded.text.len()));
    }

    #[test]
    fn grids_that_do_not_fit_are_refused() {
        assert!(Expanded::new("<image>", &[], 1).is_err());
        assert!(Expanded::new("<image>", &[ImageGrid { rows: 0, columns: 2 }], 1).is_err());
    }
}
