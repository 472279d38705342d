//! Tokenizer: text to token ids and back, with the byte offset of each token.

use std::collections::HashMap;

use stepwise_data::io::encoding::without_mark;
use tokenizers::Tokenizer;

use super::image_tokens::{FAKE, IMAGE, is_structural};

/// Byte-level tokenizer of a model folder.
#[derive(Clone, Debug)]
pub struct Tokens {
    tokenizer: Tokenizer,
    /// Length in bytes of each token of the base vocabulary, by id.
    lengths: Vec<u32>,
    /// Added tokens by id. The tokenizer finds them in text before all others.
    added: HashMap<u32, String>,
    /// Special and structural tokens among the added ones, sorted.
    special: Vec<String>,
}

/// Tokenised text.
#[derive(Debug)]
pub struct Tokenised {
    /// Token ids, in the order of the text.
    pub ids: Vec<u32>,
    /// First byte of each token, followed by the length of the text.
    starts: Vec<usize>,
}

impl Tokens {
    /// Reads the contents of `tokenizer.json`.
    ///
    /// # Errors
    /// When the file is malformed or lacks the image tokens of Idefics3 and SmolVLM.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let bytes = without_mark(bytes);
        // The tokenizers crate panics when the decoder section is not JSON, so syntax is checked first.
        serde_json::from_slice::<serde_json::Value>(bytes).map_err(|error| error.to_string())?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
        // A file may enable truncation and padding, but a conversation must never be cut or padded silently.
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?.with_padding(None);
        let decoder = tokenizer.get_added_tokens_decoder();
        for needed in [IMAGE, FAKE] {
            if !decoder.values().any(|token| token.content == needed) {
                return Err(format!(
                    "added_tokens: {needed:?} is missing: a tokenizer of this model family is expected"
                ));
            }
        }
        let mut special: Vec<String> = decoder
            .values()
            .filter(|token| token.special || is_structural(&token.content))
            .map(|token| token.content.clone())
            .collect();
        special.sort_unstable();
        let added = decoder.into_iter().map(|(id, token)| (id, token.content)).collect();
        let lengths = lengths(&tokenizer);
        Ok(Self { tokenizer, lengths, added, special })
    }

    /// Returns a special token that `text` contains, the first in sorted order; None if it contains none.
    pub fn special_in(&self, text: &str) -> Option<&str> {
        self.special.iter().map(String::as_str).find(|token| text.contains(token))
    }

    /// Returns the first special token, in sorted order, whose counts in `a` and `b` differ; None if all counts
    /// are equal.
    pub fn unequal_special(&self, a: &str, b: &str) -> Option<&str> {
        let unequal = |token: &&str| a.matches(token).count() != b.matches(token).count();
        self.special.iter().map(String::as_str).find(unequal)
    }

    /// Returns the id of a token; None if the vocabulary does not have it.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Returns the largest id of the vocabulary, added tokens included; 0 for an empty vocabulary.
    pub fn largest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// Returns whether the vocabulary has a token of this id, added tokens included.
    pub fn knows(&self, id: u32) -> bool {
        self.added.contains_key(&id) || self.tokenizer.id_to_token(id).is_some()
    }

    /// Tokenises `text`, which may contain special tokens.
    ///
    /// # Errors
    /// When the tokenizer fails, or the tokens do not add up to the text.
    pub fn encode(&self, text: &str) -> Result<Tokenised, String> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())?;
        let ids = encoding.get_ids().to_vec();
        let starts = self.starts(&ids, text)?;
        Ok(Tokenised { ids, starts })
    }

    /// Computes the first byte of each token from token lengths, because the tokenizer's own offsets omit white
    /// space and split characters. In a byte-level vocabulary a token has one character per byte; an added token is
    /// its own text.
    fn starts(&self, ids: &[u32], text: &str) -> Result<Vec<usize>, String> {
        let mut starts = Vec::with_capacity(ids.len() + 1);
        let mut at = 0;
        for id in ids {
            starts.push(at);
            at += match self.added.get(id) {
                Some(token) if text.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(token.as_bytes())) => {
                    token.len()
                }
                Some(token) => {
                    return Err(not_byte_level(&format!("it gives {token:?} where the text does not contain it")));
                }
                None => self.lengths.get(*id as usize).map_or(0, |length| *length as usize),
            };
        }
        starts.push(at);
        if at == text.len() { Ok(starts) } else { Err(not_byte_level("its tokens do not add up to the text")) }
    }

    /// Returns the text of token ids, without special tokens and surrounding white space. Empty when the ids cannot
    /// be decoded.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids, true).unwrap_or_default().trim().to_owned()
    }

    /// Returns the text of each id decoded alone, special tokens included, in the order of `ids`. An id that cannot be
    /// decoded gives an empty text.
    pub fn strings(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|id| self.tokenizer.decode(&[*id], false).unwrap_or_default()).collect()
    }
}

impl Tokenised {
    /// Returns the index of the token that starts at `byte` of the text; None if no token starts there. The end of the
    /// text gives the number of tokens.
    pub fn at(&self, byte: usize) -> Option<usize> {
        self.starts.binary_search(&byte).ok()
    }
}

fn not_byte_level(problem: &str) -> String {
    format!("{problem}: only byte-level tokenizers that add nothing to a text are supported")
}

fn lengths(tokenizer: &Tokenizer) -> Vec<u32> {
    let vocabulary = tokenizer.get_vocab(false);
    // Ids come from a file: a single huge id must not allocate memory for all smaller ids.
    let most = vocabulary.len().saturating_mul(4) as u32;
    let known = vocabulary.iter().filter(|(_, id)| **id <= most);
    let mut lengths = vec![0; known.clone().map(|(_, id)| *id as usize + 1).max().unwrap_or(0)];
    for (token, id) in known {
        lengths[*id as usize] = token.chars().count() as u32;
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENIZER: &[u8] = include_bytes!("../../../../tests/parity/tiny/tokenizer.json");

    fn changed(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::from_slice(TOKENIZER).expect("valid");
        change(&mut value);
        serde_json::to_vec(&value).expect("valid")
    }

    #[test]
    fn every_byte_has_its_token() {
        let tokens = Tokens::from_bytes(TOKENIZER).expect("valid");
        let text = " Größe 12 µm 肺炎 🫁\n\n<image>  <row_1_col_2>\tx";
        let tokenised = tokens.encode(text).expect("encodes");
        assert_eq!(
            tokenised.at(text.find("<image>").expect("there")).map(|at| tokenised.ids[at]),
            tokens.id("<image>")
        );
        assert_eq!(tokenised.at(text.len()), Some(tokenised.ids.len()));
        let split = text.find('肺').expect("there");
        assert!(tokenised.at(split).is_some() && tokenised.at(text.len() + 1).is_none());
    }

    #[test]
    fn truncation_in_the_file_has_no_effect() {
        let bytes = changed(|value| {
            value["truncation"] =
                serde_json::json!({ "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 });
        });
        let text = "one two three four five";
        let whole = Tokens::from_bytes(TOKENIZER).and_then(|tokens| tokens.encode(text)).expect("encodes").ids;
        assert!(whole.len() > 2);
        assert_eq!(Tokens::from_bytes(&bytes).and_then(|tokens| tokens.encode(text)).expect("encodes").ids, whole);
    }

    #[test]
    fn a_tokenizer_that_rewrites_text_is_refused() {
        let lower = changed(|value| value["normalizer"] = serde_json::json!({ "type": "Prepend", "prepend": "x" }));
        let error = Tokens::from_bytes(&lower).and_then(|tokens| tokens.encode("word")).expect_err("refused");
        assert!(error.contains("do not add up to the text"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let decoder = TOKENIZER.windows(10).position(|bytes| bytes == b"\"decoder\":").expect("it has one");
        for length in (0..TOKENIZER.len()).step_by(997).chain(decoder..decoder + 60) {
            assert!(Tokens::from_bytes(&TOKENIZER[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_tokenizer_of_another_family_is_refused() {
        let bytes = changed(|value| {
            value["added_tokens"].as_array_mut().expect("a list").retain(|token| token["content"] != "<image>");
        });
        let error = Tokens::from_bytes(&bytes).expect_err("refused");
        assert!(error.contains("\"<image>\" is missing"), "{error}");
        assert!(Tokens::from_bytes(b"\xff\xfe{}").is_err() && Tokens::from_bytes(b"{}").is_err());
    }
}
