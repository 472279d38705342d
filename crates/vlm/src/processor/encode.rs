//! A conversation as token ids, with the places of its images and of its supervised words.

use std::ops::Range;

use stepwise_data::conversation::{Conversation, Message, Part, Role};

use super::image_tokens::{Expanded, IMAGE};
use super::pixels::ImageGrid;
use super::{Processor, ProcessorError};

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

/// What to do about a template that does not fit its model.
const OWN_TEMPLATE: &str = "take the chat template that the model was trained with, from its own folder";

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
        let rendered = self.render(&conversation.messages, add_generation_prompt)?;
        let supervised = self.supervised(&conversation.messages, &rendered)?;
        let expanded = Expanded::new(&rendered, grids, self.image_seq_len)?;
        self.tokenise(&expanded, &supervised)
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
            let is_target = |index: &usize| answered.supervised[*index];
            let mut ids: Vec<u32> =
                (prompt.ids.len()..answered.ids.len()).filter(is_target).map(|index| answered.ids[index]).collect();
            while ids.last().is_some_and(|id| self.ends.contains(id)) {
                ids.pop();
            }
            if answered.ids.starts_with(&prompt.ids) && !ids.is_empty() {
                Ok(ids)
            } else {
                let problem = format!("the option {option:?} does not start on a token of its own after the prompt");
                Err(ProcessorError::PackedSequences(problem))
            }
        });
        let ends = ends.collect::<Result<_, _>>()?;
        Ok((prompt, ends))
    }

    /// Renders messages whose words hold no special token, neither in one piece nor joined to what stands beside them:
    /// the tokenizer would take such words for the structure of the conversation.
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
        let rendered = self.template.render(messages, add_generation_prompt)?;
        // The same conversation in words that cannot join to anything must have the same special tokens.
        let plain = self.template.render(&plain(messages), add_generation_prompt)?;
        if let Some(token) = self.tokens.unequal_special(&rendered, &plain) {
            return Err(refused(&rendered, token));
        }
        let shown = parts().filter(|part| matches!(part, Part::Image { .. })).count();
        let placeholders = plain.matches(IMAGE).count();
        if placeholders == shown {
            Ok(rendered)
        } else {
            let problem =
                format!("the chat template writes {IMAGE} {placeholders} times for {shown} images -> {OWN_TEMPLATE}");
            Err(ProcessorError::PackedSequences(problem))
        }
    }

    /// Byte ranges of the supervised answers in the rendered text: from where the generation prompt ends to the end of the
    /// turn, its end token included, blanks after that not.
    fn supervised(&self, messages: &[Message], rendered: &str) -> Result<Vec<Range<usize>>, ProcessorError> {
        let supervised = messages.iter().enumerate().filter(|(_, message)| message.supervised);
        let ranges = supervised.map(|(index, message)| {
            let words_alone = message.content.iter().all(|part| matches!(part, Part::Text { .. }));
            if message.role != Role::Assistant || !words_alone {
                let problem = format!("turn {index} is supervised: only an assistant's words can be");
                return Err(ProcessorError::PackedSequences(problem));
            }
            let before = self.template.render(&messages[..index], true)?;
            let through = self.template.render(&messages[..=index], false)?;
            let range = before.len()..through.trim_end().len();
            if through.starts_with(&before) && rendered.starts_with(through.trim_end()) && !range.is_empty() {
                Ok(range)
            } else {
                let problem = "the chat template renders a supervised answer differently from its generation prompt";
                Err(ProcessorError::PackedSequences(format!("{problem} -> {OWN_TEMPLATE}")))
            }
        });
        ranges.collect()
    }

    fn tokenise(&self, expanded: &Expanded, supervised: &[Range<usize>]) -> Result<Encoded, ProcessorError> {
        let tokenised = self.tokens.encode(&expanded.text).map_err(ProcessorError::PackedSequences)?;
        if tokenised.ids.is_empty() {
            return Err(ProcessorError::PackedSequences(
                "the chat template renders this conversation to nothing".to_owned(),
            ));
        }
        let token_at = |byte: usize| {
            let problem =
                || format!("a token spans the boundary at byte {byte} of the rendered conversation -> {OWN_TEMPLATE}");
            tokenised.at(byte).ok_or_else(|| ProcessorError::PackedSequences(problem()))
        };
        let tokens = |bytes: Range<usize>| Ok::<_, ProcessorError>(token_at(bytes.start)?..token_at(bytes.end)?);
        let mut images = Vec::with_capacity(expanded.tiles.len());
        for (bytes, image, tile) in &expanded.tiles {
            let span = tokens(bytes.clone())?;
            if span.len() != self.image_seq_len {
                return Err(ProcessorError::PackedSequences(format!("{IMAGE} is not one token of this tokenizer")));
            }
            images.push(ImageSpan { start: span.start, len: span.len(), image: *image, tile: *tile });
        }
        let mut targets = vec![false; tokenised.ids.len()];
        for bytes in supervised {
            targets[tokens(expanded.moved(bytes.start)..expanded.moved(bytes.end))?].fill(true);
        }
        Ok(Encoded { ids: tokenised.ids, images, supervised: targets })
    }
}

/// `messages` with one letter for every text that has any.
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
