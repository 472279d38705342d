//! Expansion of image placeholders: inserts the image tokens of every tile and records their positions.

use super::ProcessorError;
use crate::images::grid::ImageGrid;
use crate::images::processor::{Expansion, FeatureRun, ImageProcessor};

/// Rendered conversation with its images expanded to image tokens.
#[derive(Debug, Default)]
pub struct Expanded {
    /// Text with all image tokens.
    pub text: String,
    /// Runs of feature tokens in the order of the text, each with the index of its image in the conversation, from 0. Byte
    /// ranges belong to `text`.
    pub runs: Vec<(usize, FeatureRun)>,
    /// For every piece of text between images: first byte in the rendered text, first byte in `text`.
    moves: Vec<(usize, usize)>,
}

impl Expanded {
    /// Replaces each placeholder in `rendered` by the image tokens of its tiles. `grids` holds one grid per image, in order
    /// of appearance.
    ///
    /// # Errors
    /// When the number of placeholders differs from the number of grids, or only one side of a grid is 0.
    pub fn new(rendered: &str, grids: &[ImageGrid], images: &dyn ImageProcessor) -> Result<Self, ProcessorError> {
        let placeholder = images.placeholder();
        let pieces: Vec<&str> = rendered.split(placeholder).collect();
        if pieces.len() - 1 != grids.len() {
            let shown = pieces.len() - 1;
            let problem = format!("the conversation shows {shown} images, but grids are given for {}", grids.len());
            let advice = "give one image for each image of the conversation";
            return Err(ProcessorError::Conversation { problem, advice });
        }
        if let Some(grid) = grids.iter().find(|grid| (grid.rows == 0) != (grid.columns == 0)) {
            let problem = format!("an image of {} x {} tiles: both or neither must be 0", grid.rows, grid.columns);
            return Err(ProcessorError::Conversation { problem, advice: "use the grid that the processor returns" });
        }
        let mut expanded = Self::default();
        let mut read = 0;
        for (place, piece) in pieces.iter().enumerate() {
            if let Some(image) = place.checked_sub(1) {
                let mut expansion = Expansion::default();
                images.expand(grids[image], &mut expansion);
                expanded.push(image, expansion);
                read += placeholder.len();
            }
            expanded.moves.push((read, expanded.text.len()));
            expanded.text.push_str(piece);
            read += piece.len();
        }
        Ok(expanded)
    }

    fn push(&mut self, image: usize, expansion: Expansion) {
        let start = self.text.len();
        self.text.push_str(&expansion.text);
        let runs = expansion.runs.into_iter().map(|run| {
            let bytes = start + run.bytes.start..start + run.bytes.end;
            (image, FeatureRun { bytes, ..run })
        });
        self.runs.extend(runs);
    }

    /// Returns the position in `text` of a byte of the rendered text that is outside placeholders.
    pub fn moved(&self, at: usize) -> usize {
        let piece = self.moves.partition_point(|(from, _)| *from <= at);
        let (from, to) = self.moves[..piece].last().copied().unwrap_or_default();
        at - from + to
    }
}
