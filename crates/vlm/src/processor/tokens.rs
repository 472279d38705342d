//! Text to token ids and back, with the byte at which each token starts.

use std::collections::HashMap;

use tokenizers::Tokenizer;

use super::image_tokens::{FAKE, IMAGE, is_structural};

/// A byte-level tokenizer.
#[derive(Clone, Debug)]
pub struct Tokens {
    tokenizer: Tokenizer,
    /// Bytes each id of the plain vocabulary stands for.
    lengths: Vec<u32>,
    /// Tokens found in text as they are, before anything else is cut.
    added: HashMap<u32, String>,
    /// Those of them that mean more than their words.
    special: Vec<String>,
}

/// A text as tokens.
#[derive(Debug)]
pub struct Tokenised {
    /// Token ids.
    pub ids: Vec<u32>,
    /// The byte at which each token starts, and the length of the text last.
    starts: Vec<usize>,
}

impl Tokens {
    /// Reads `tokenizer.json`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        // What reads it panics where the part on decoding is not JSON.
        serde_json::from_slice::<serde_json::Value>(bytes).map_err(|error| error.to_string())?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
        // A file may ask for these; a conversation is never cut or filled silently.
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

    /// The first special token in `text`.
    pub fn special_in(&self, text: &str) -> Option<&str> {
        self.special.iter().map(String::as_str).find(|token| text.contains(token))
    }

    /// A special token that `a` holds more or less often than `b`.
    pub fn unequal_special(&self, a: &str, b: &str) -> Option<&str> {
        let unequal = |token: &&str| a.matches(token).count() != b.matches(token).count();
        self.special.iter().map(String::as_str).find(unequal)
    }

    /// The id of a token of the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The largest id that a text can come to.
    pub fn largest_id(&self) -> u32 {
        self.tokenizer.get_vocab(true).into_values().max().unwrap_or(0)
    }

    /// Whether an id stands for a token.
    pub fn knows(&self, id: u32) -> bool {
        self.added.contains_key(&id) || self.tokenizer.id_to_token(id).is_some()
    }

    /// Cuts a text into tokens.
    pub fn encode(&self, text: &str) -> Result<Tokenised, String> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| error.to_string())?;
        let ids = encoding.get_ids().to_vec();
        let starts = self.starts(&ids, text)?;
        Ok(Tokenised { ids, starts })
    }

    /// The tokenizer's own offsets leave out blanks and split characters, so places are added up from the tokens: in a
    /// byte-level vocabulary a token has as many characters as it stands for bytes, and an added token stands for itself.
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
                    return Err(not_byte_level(&format!("it puts {token:?} where the text does not say so")));
                }
                None => self.lengths.get(*id as usize).map_or(0, |length| *length as usize),
            };
        }
        starts.push(at);
        if at == text.len() { Ok(starts) } else { Err(not_byte_level("its tokens do not add up to the text")) }
    }

    /// Ids as words, special tokens and surrounding blanks left out.
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids, true).unwrap_or_default().trim().to_owned()
    }

    /// Each id as its own words, special tokens included.
    pub fn strings(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|id| self.tokenizer.decode(&[*id], false).unwrap_or_default()).collect()
    }
}

impl Tokenised {
    /// The token that starts at `byte` of the text (one past the last for its end), if one does.
    pub fn at(&self, byte: usize) -> Option<usize> {
        self.starts.binary_search(&byte).ok()
    }
}

fn not_byte_level(problem: &str) -> String {
    format!(
        "tokenizer.json: {problem}: byte-level tokenizers that add nothing to a text are built -> take the tokenizer of the \
         model's own folder"
    )
}

fn lengths(tokenizer: &Tokenizer) -> Vec<u32> {
    let vocabulary = tokenizer.get_vocab(false);
    // Ids come from a file: a single huge one must not reserve memory for all below it.
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
    fn a_file_that_truncates_or_pads_does_not() {
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
    fn a_file_that_breaks_off_anywhere_is_refused() {
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
