//! A conversation as token ids, with the places of its images and of its supervised words.

use std::ops::Range;

use stepwise_curriculum::conversation::{Conversation, Message, Part, Role};

use super::pixels::ImageGrid;
use super::{Processor, ProcessorError};

/// The placeholder that stands for an image in a rendered template, and for one feature once expanded.
const IMAGE: &str = "<image>";
const FAKE: &str = "<fake_token_around_image>";
const GLOBAL: &str = "<global-img>";

/// A conversation as tokens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Token ids.
    pub ids: Vec<u32>,
    /// A span for every tile of every image, in order.
    pub images: Vec<ImageSpan>,
    /// For every token whether it is a target of the loss.
    pub supervised: Vec<bool>,
}

/// The tokens that take one tile's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSpan {
    /// First token.
    pub start: usize,
    /// Tokens.
    pub len: usize,
    /// Which image of the conversation, in order of appearance.
    pub image: usize,
    /// Which tile of it.
    pub tile: usize,
}

/// A rendered conversation: its text with images expanded, and byte ranges in it.
#[derive(Default)]
struct Expanded {
    text: String,
    tiles: Vec<(Range<usize>, usize, usize)>,
    supervised: Vec<Range<usize>>,
}

impl Processor {
    /// Encodes `conversation`; `grids` says how each image it shows was cut, in order of appearance. With
    /// `add_generation_prompt` the text ends where an answer begins.
    ///
    /// # Errors
    /// When a text contains a special token, the template fails, or the supervised words are not whole tokens.
    pub fn encode(
        &self,
        conversation: &Conversation,
        grids: &[ImageGrid],
        add_generation_prompt: bool,
    ) -> Result<Encoded, ProcessorError> {
        self.refuse_special(&conversation.messages)?;
        let rendered = self.template.render(&conversation.messages, add_generation_prompt)?;
        let supervised = self.supervised(&conversation.messages, &rendered)?;
        let expanded = self.expand(&rendered, &supervised, grids)?;
        self.tokenise(&expanded)
    }

    /// Encodes `conversation` up to where an answer begins, and each of `options` as the tokens it adds there (without
    /// the end of the turn).
    ///
    /// # Errors
    /// As [`Processor::encode`], and when an option's first token would swallow the end of the prompt.
    pub fn encode_options(
        &self,
        conversation: &Conversation,
        grids: &[ImageGrid],
        options: &[String],
    ) -> Result<(Encoded, Vec<Vec<u32>>), ProcessorError> {
        let prompt = self.encode(conversation, grids, true)?;
        let ends = options.iter().map(|option| {
            let answered = self.encode(&conversation.clone().answered(option), grids, false)?;
            let is_target = |index: &usize| answered.supervised[*index] && *index >= prompt.ids.len();
            let mut ids: Vec<u32> =
                (0..answered.ids.len()).filter(is_target).map(|index| answered.ids[index]).collect();
            while ids.last().is_some_and(|id| self.ends.contains(id)) {
                ids.pop();
            }
            if answered.ids.starts_with(&prompt.ids) && !ids.is_empty() {
                Ok(ids)
            } else {
                let problem = format!("the option {option:?} does not start on a token of its own after the prompt");
                Err(ProcessorError::Layout(problem))
            }
        });
        let ends = ends.collect::<Result<_, _>>()?;
        Ok((prompt, ends))
    }

    /// Text from outside must not turn into special tokens.
    fn refuse_special(&self, messages: &[Message]) -> Result<(), ProcessorError> {
        let texts = messages.iter().flat_map(|message| &message.content).filter_map(|part| match part {
            Part::Text { text } => Some(text),
            Part::Image { .. } => None,
        });
        for text in texts {
            let hidden = self.special.iter().map(String::as_str).chain([IMAGE]).find(|token| text.contains(token));
            if let Some(token) = hidden {
                return Err(ProcessorError::SpecialToken { text: text.clone(), token: token.to_owned() });
            }
        }
        Ok(())
    }

    /// Byte ranges of the supervised answers in the rendered text: from where the generation prompt ends to the end of the
    /// turn, its end token included, blanks after that not.
    fn supervised(&self, messages: &[Message], rendered: &str) -> Result<Vec<Range<usize>>, ProcessorError> {
        let supervised = messages.iter().enumerate().filter(|(_, message)| message.supervised);
        let ranges = supervised.map(|(index, message)| {
            let before = self.template.render(&messages[..index], true)?;
            let through = self.template.render(&messages[..=index], false)?;
            let prefixes = through.starts_with(&before) && rendered.starts_with(through.trim_end());
            if message.role == Role::Assistant && prefixes {
                Ok(before.len()..through.trim_end().len())
            } else {
                let problem = "the chat template renders a supervised answer differently from its generation prompt";
                Err(ProcessorError::Layout(problem.to_owned()))
            }
        });
        ranges.collect()
    }

    /// Replaces each placeholder by what the processor puts there for an image cut like its grid.
    fn expand(
        &self,
        rendered: &str,
        supervised: &[Range<usize>],
        grids: &[ImageGrid],
    ) -> Result<Expanded, ProcessorError> {
        let pieces: Vec<&str> = rendered.split(IMAGE).collect();
        if pieces.len() - 1 != grids.len() {
            let problem = format!("the template shows {} images, {} are given", pieces.len() - 1, grids.len());
            return Err(ProcessorError::Layout(problem));
        }
        let mut expanded = Expanded::default();
        // Where in the expanded text each byte of the rendered text went.
        let mut shifts = Vec::new();
        let mut read = 0;
        for (image, piece) in pieces.iter().enumerate() {
            if image > 0 {
                self.expand_image(&mut expanded, image - 1, grids[image - 1]);
                read += IMAGE.len();
            }
            shifts.push((read, expanded.text.len()));
            expanded.text.push_str(piece);
            read += piece.len();
        }
        let moved = |at: usize| {
            let (from, to) = shifts.iter().rev().find(|(from, _)| *from <= at).copied().unwrap_or_default();
            at - from + to
        };
        expanded.supervised = supervised.iter().map(|range| moved(range.start)..moved(range.end)).collect();
        Ok(expanded)
    }

    fn expand_image(&self, expanded: &mut Expanded, image: usize, grid: ImageGrid) {
        let Expanded { text, tiles, .. } = expanded;
        let mut push_tile = |text: &mut String, place: &str| {
            text.push_str(FAKE);
            text.push_str(place);
            let start = text.len();
            text.push_str(&IMAGE.repeat(self.image_seq_len));
            let tile = tiles.iter().filter(|(_, of, _)| *of == image).count();
            tiles.push((start..text.len(), image, tile));
        };
        for row in 0..grid.rows {
            for column in 0..grid.columns {
                push_tile(text, &format!("<row_{}_col_{}>", row + 1, column + 1));
            }
            text.push('\n');
        }
        if grid.rows > 0 {
            text.push('\n');
        }
        push_tile(text, GLOBAL);
        text.push_str(FAKE);
    }

    fn tokenise(&self, expanded: &Expanded) -> Result<Encoded, ProcessorError> {
        let failed = |problem: String| ProcessorError::Layout(problem);
        let encoding =
            self.tokenizer.encode(expanded.text.as_str(), true).map_err(|error| failed(error.to_string()))?;
        let ids = encoding.get_ids().to_vec();
        let starts = self.token_starts(&ids, &expanded.text)?;
        let token_at = |byte: usize| {
            starts
                .binary_search(&byte)
                .map_err(|_| failed(format!("a token spans the boundary at byte {byte} of the rendered conversation")))
        };
        let mut encoded = Encoded { supervised: vec![false; ids.len()], ids, images: Vec::new() };
        for (bytes, image, tile) in &expanded.tiles {
            let (start, end) = (token_at(bytes.start)?, token_at(bytes.end)?);
            if end - start != self.image_seq_len {
                return Err(failed(format!("{IMAGE} is not one token of this tokenizer")));
            }
            encoded.images.push(ImageSpan { start, len: end - start, image: *image, tile: *tile });
        }
        for bytes in &expanded.supervised {
            encoded.supervised[token_at(bytes.start)?..token_at(bytes.end)?].fill(true);
        }
        Ok(encoded)
    }

    /// The byte at which each token starts, and the end of the text last. In a byte-level vocabulary a token has as many
    /// characters as it stands for bytes; special tokens stand for themselves.
    fn token_starts(&self, ids: &[u32], text: &str) -> Result<Vec<usize>, ProcessorError> {
        let added = self.tokenizer.get_added_tokens_decoder();
        let mut starts = Vec::with_capacity(ids.len() + 1);
        let mut at = 0;
        for id in ids {
            starts.push(at);
            at += match added.get(id) {
                Some(token) => token.content.len(),
                None => self.tokenizer.id_to_token(*id).map_or(0, |token| token.chars().count()),
            };
        }
        starts.push(at);
        if at == text.len() {
            Ok(starts)
        } else {
            Err(ProcessorError::Layout("the tokenizer is not byte-level: its tokens do not add up to the text".into()))
        }
    }
}
