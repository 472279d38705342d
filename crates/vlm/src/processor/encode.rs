//! Encoding of a conversation: token ids, positions of image tokens, and which tokens are supervised.

use std::ops::Range;

use stepwise_data::conversation::{Conversation, Message, Part, Role};

use super::expanded::Expanded;
use super::{Processor, ProcessorError};
use crate::images::grid::ImageGrid;

/// Tokenised conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// Token ids of the whole conversation, image tokens included.
    pub ids: Vec<u32>,
    /// Spans of feature tokens in the order of the text; empty without images. Most families have one span per tile.
    pub images: Vec<ImageSpan>,
    /// Whether each token is a target of the loss; as long as `ids`.
    pub supervised: Vec<bool>,
}

impl Encoded {
    /// Indices of the supervised tokens: each supervised answer with the end of its turn. Training and the scoring of
    /// options both take their target tokens from here.
    pub fn targets(&self) -> impl Iterator<Item = usize> {
        self.supervised.iter().enumerate().filter_map(|(index, supervised)| supervised.then_some(index))
    }
}

/// Advice for a chat template that does not fit the model.
const OWN_TEMPLATE: &str = "use the chat template from the folder of the model";

fn misfit(problem: impl Into<String>, advice: &'static str) -> ProcessorError {
    ProcessorError::Conversation { problem: problem.into(), advice }
}

/// Run of image tokens, whose embeddings are replaced by neighbouring features of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageSpan {
    /// Index of the first token in [`Encoded::ids`], from 0.
    pub start: usize,
    /// Number of tokens, equal to the number of features.
    pub len: usize,
    /// First feature of the span among the features of its tile, from 0.
    pub first: usize,
    /// Number of features of the whole tile.
    pub tile_features: usize,
    /// Numbers of rows and columns of the features, for families whose features take positions by row and column.
    pub axes: Option<[usize; 2]>,
    /// Index of the image, from 0, in order of appearance in the conversation.
    pub image: usize,
    /// Index of the tile in its image, from 0: the grid row by row, then the whole image.
    pub tile: usize,
}

impl Processor {
    /// Encodes `conversation`. `grids` holds the tile grid of each image, in order of appearance. With
    /// `add_generation_prompt`, the text ends with the template's generation prompt.
    ///
    /// # Errors
    /// When a text contains a special token, the template fails, `grids` does not fit the images, a supervised turn is
    /// not an assistant's text, or a supervised answer does not start and end at token boundaries.
    pub fn encode(
        &self,
        conversation: &Conversation,
        grids: &[ImageGrid],
        add_generation_prompt: bool,
    ) -> Result<Encoded, ProcessorError> {
        let rendered = self.render(&conversation.messages, add_generation_prompt)?;
        let supervised = self.supervised(&conversation.messages, &rendered)?;
        let expanded = Expanded::new(&rendered, grids, self.images.as_ref())?;
        self.tokenise(&expanded, grids, &supervised)
    }

    /// Encodes `conversation`, which ends before the answer, with its generation prompt, and each of `options` as the
    /// tokens that training supervises when the option is the answer: the option and the end of its turn. Without the end, an option that is the
    /// beginning of another one would be at least as likely as the other, whatever the model answers. Returns the prompt
    /// and the tokens of each option, in order.
    ///
    /// # Errors
    /// Errors of [`Processor::encode`], and when an option is empty or the last token of the prompt would merge
    /// with it.
    pub fn encode_options(
        &self,
        conversation: &Conversation,
        grids: &[ImageGrid],
        options: &[String],
    ) -> Result<(Encoded, Vec<Vec<u32>>), ProcessorError> {
        let prompt = self.encode(conversation, grids, true)?;
        let answers = options.iter().map(|option| {
            let answered = self.encode(&conversation.clone().answered(option), grids, false)?;
            let own = answered.targets().filter(|index| *index >= prompt.ids.len());
            let ids: Vec<u32> = own.map(|index| answered.ids[index]).collect();
            if option.trim().is_empty() || ids.iter().all(|id| self.ends.contains(id)) {
                Err(misfit(format!("the option {option:?} has no tokens"), "write the words of an answer"))
            } else if !answered.ids.starts_with(&prompt.ids) {
                let problem = format!("the option {option:?} does not start on a token of its own after the prompt");
                Err(misfit(problem, OWN_TEMPLATE))
            } else {
                Ok(ids)
            }
        });
        let answers = answers.collect::<Result<_, _>>()?;
        Ok((prompt, answers))
    }

    /// Checks that the texts of `conversation` contain no special token, without tokenising them.
    ///
    /// # Errors
    /// When a text contains a special token, or the template fails or does not fit the images.
    pub fn check_texts(&self, conversation: &Conversation) -> Result<(), ProcessorError> {
        self.render(&conversation.messages, false).map(drop)
    }

    /// Renders messages as text. A text part that contains a special token, or forms one with neighbouring text, is
    /// refused: the tokenizer would treat it as part of the conversation's structure.
    fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ProcessorError> {
        let refused =
            |text: &str, token: &str| ProcessorError::SpecialToken { text: text.to_owned(), token: token.to_owned() };
        let parts = || messages.iter().flat_map(|message| &message.content);
        for part in parts() {
            if let Part::Text { text } = part
                && let Some(token) = self.tokens.special_in(text)
            {
                return Err(refused(text, token));
            }
        }
        let rendered = self.rendered(messages, add_generation_prompt)?;
        // With harmless texts the rendered conversation must contain exactly the same special tokens.
        let plain = self.rendered(&plain(messages), add_generation_prompt)?;
        if let Some(token) = self.tokens.unequal_special(&rendered, &plain) {
            return Err(refused(&rendered, token));
        }
        let shown = parts().filter(|part| matches!(part, Part::Image { .. })).count();
        let placeholder = self.images.placeholder();
        let placeholders = plain.matches(placeholder).count();
        if placeholders == shown {
            Ok(rendered)
        } else {
            let problem = format!("the chat template writes {placeholder} {placeholders} times for {shown} images");
            Err(misfit(problem, OWN_TEMPLATE))
        }
    }

    /// Renders messages in the form that the tokenizer splits, see [`Tokens::normalised`](super::tokens::Tokens).
    fn rendered(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, ProcessorError> {
        Ok(self.tokens.normalised(self.template.render(messages, add_generation_prompt)?))
    }

    /// Returns the byte ranges of the supervised answers in the rendered text. A range starts where the generation
    /// prompt ends and includes the end token of the turn, but no white space after it.
    fn supervised(&self, messages: &[Message], rendered: &str) -> Result<Vec<Range<usize>>, ProcessorError> {
        let supervised = messages.iter().enumerate().filter(|(_, message)| message.supervised);
        let ranges = supervised.map(|(index, message)| {
            let words_alone = message.content.iter().all(|part| matches!(part, Part::Text { .. }));
            if message.role != Role::Assistant || !words_alone {
                let problem = format!("turn {index} is supervised: only text of an assistant turn can be supervised");
                return Err(misfit(problem, "supervise assistant turns without images only"));
            }
            let before = self.rendered(&messages[..index], true)?;
            let through = self.rendered(&messages[..=index], false)?;
            let range = before.len()..through.trim_end().len();
            if through.starts_with(&before) && rendered.starts_with(through.trim_end()) && !range.is_empty() {
                Ok(range)
            } else {
                let problem = "the chat template renders a supervised answer differently from its generation prompt";
                Err(misfit(problem, OWN_TEMPLATE))
            }
        });
        ranges.collect()
    }

    fn tokenise(
        &self,
        expanded: &Expanded,
        grids: &[ImageGrid],
        supervised: &[Range<usize>],
    ) -> Result<Encoded, ProcessorError> {
        let tokenised = self.tokens.encode(&expanded.text).map_err(|problem| {
            misfit(format!("tokenizer.json: {problem}"), "use the tokenizer of the model's own folder")
        })?;
        if tokenised.ids.is_empty() {
            return Err(misfit("the chat template renders this conversation to nothing", OWN_TEMPLATE));
        }
        let token_at = |byte: usize| {
            let problem = || format!("a token spans the boundary at byte {byte} of the rendered conversation");
            tokenised.at(byte).ok_or_else(|| misfit(problem(), OWN_TEMPLATE))
        };
        let tokens = |bytes: Range<usize>| Ok::<_, ProcessorError>(token_at(bytes.start)?..token_at(bytes.end)?);
        let mut images = Vec::with_capacity(expanded.runs.len());
        for (image, run) in &expanded.runs {
            let start = tokenised.written_at(run.bytes.start).unwrap_or_default();
            let span = start..token_at(run.bytes.end)?;
            if span.len() != run.features.len() {
                let problem = format!("{} is not a single token of this tokenizer", self.images.feature_token());
                return Err(misfit(problem, "use the tokenizer of the model's own folder"));
            }
            let grid = grids[*image];
            images.push(ImageSpan {
                start: span.start,
                len: span.len(),
                first: run.features.start,
                tile_features: self.images.tile_features(grid),
                axes: self.images.has_axes().then(|| self.images.feature_grid(grid)),
                image: *image,
                tile: run.tile,
            });
        }
        let mut targets = vec![false; tokenised.ids.len()];
        for bytes in supervised {
            targets[tokens(expanded.moved(bytes.start)..expanded.moved(bytes.end))?].fill(true);
        }
        Ok(Encoded { ids: tokenised.ids, images, supervised: targets })
    }
}

/// Returns `messages` with every non-empty text replaced by one letter.
fn plain(messages: &[Message]) -> Vec<Message> {
    let mut plain = messages.to_vec();
    for part in plain.iter_mut().flat_map(|message| &mut message.content) {
        if let Part::Text { text } = part
            && !text.is_empty()
        {
            *text = "x".to_owned();
        }
    }
    plain
}

#[cfg(test)]
mod tests;
