//! Tokenizer: text to token ids and back, with the byte offset of each token.

use std::collections::HashMap;

use stepwise_data::io::encoding::without_mark;
use tokenizers::{NormalizerWrapper, Tokenizer};
use unicode_normalization::UnicodeNormalization;

use super::token_bytes::TokenBytes;
use crate::families::FamilyFacts;

/// Tokenizer of a model folder.
#[derive(Clone, Debug)]
pub struct Tokens {
    tokenizer: Tokenizer,
    /// Bytes of the tokens of the base vocabulary.
    bytes: TokenBytes,
    /// Token that the tokenizer puts before a text; None if it puts none.
    start: Option<String>,
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
    /// When the file is malformed or lacks image tokens of the family.
    pub fn from_bytes(bytes: &[u8], family: &FamilyFacts) -> Result<Self, String> {
        let bytes = without_mark(bytes);
        // The tokenizers crate panics when the decoder section is not JSON, so syntax is checked first.
        let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
        // A file may enable truncation and padding, but a conversation must never be cut or padded silently.
        tokenizer.with_truncation(None).map_err(|error| error.to_string())?.with_padding(None);
        let decoder = tokenizer.get_added_tokens_decoder();
        for needed in family.tokens {
            if !decoder.values().any(|token| token.content == *needed) {
                return Err(format!(
                    "added_tokens: {needed:?} is missing: a tokenizer of this model family is expected"
                ));
            }
        }
        let mut special: Vec<String> = decoder
            .values()
            .filter(|token| token.special || (family.is_structural)(&token.content))
            .map(|token| token.content.clone())
            .collect();
        special.sort_unstable();
        let added = decoder.into_iter().map(|(id, token)| (id, token.content)).collect();
        let bytes = TokenBytes::new(&tokenizer, &json);
        let empty = tokenizer.encode_fast("", true).map_err(|error| error.to_string())?;
        let start = match empty.get_ids() {
            [] => None,
            [id] => tokenizer.id_to_token(*id),
            _ => return Err("post_processor: puts several tokens around a text: at most one is supported".to_owned()),
        };
        Ok(Self { tokenizer, bytes, start, added, special })
    }

    /// Returns `text` in the form that the tokenizer splits into tokens: composed (NFC) if the tokenizer composes
    /// characters, else unchanged. Places of tokens count in this form.
    pub fn normalised(&self, text: String) -> String {
        match self.tokenizer.get_normalizer() {
            Some(NormalizerWrapper::NFC(_)) => text.nfc().collect(),
            _ => text,
        }
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
        // A template that writes the first token itself must not get a second one.
        let start = self.start.as_ref().filter(|start| !text.starts_with(*start));
        let encoding = self.tokenizer.encode_fast(text, start.is_some()).map_err(|error| error.to_string())?;
        let ids = encoding.get_ids().to_vec();
        let starts = self.starts(&ids, text, start.is_some())?;
        Ok(Tokenised { ids, starts })
    }

    /// Computes the first byte of each token from the bytes of the tokens, because the tokenizer's own offsets omit white
    /// space and split characters. An added token is its own text. `begun` says that the first token was put before the
    /// text; it has no bytes.
    fn starts(&self, ids: &[u32], text: &str, begun: bool) -> Result<Vec<usize>, String> {
        let mut starts = Vec::with_capacity(ids.len() + 1);
        let (mut at, mut first) = (0, true);
        for (place, id) in ids.iter().enumerate() {
            starts.push(at);
            if begun && place == 0 {
                continue;
            }
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            match self.added.get(id) {
                Some(token) if rest.starts_with(token.as_bytes()) => (at, first) = (at + token.len(), true),
                // A token of blanks can be an added token and one of the vocabulary, with one id, as in Gemma's tokenizer.
                Some(token) if !self.bytes.writes_blanks(token) => {
                    return Err(adds_text(&format!("it gives {token:?} where the text does not contain it")));
                }
                _ => match self.bytes.count(&self.tokenizer, *id, rest, first) {
                    Some(count) => (at, first) = (at + count, false),
                    None => return Err(adds_text("its tokens do not add up to the text")),
                },
            }
        }
        starts.push(at);
        if at == text.len() { Ok(starts) } else { Err(adds_text("its tokens do not add up to the text")) }
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
    /// Returns the index of the first token that starts at `byte` of the text; None if no token starts there. The end of
    /// the text gives the number of tokens.
    pub fn at(&self, byte: usize) -> Option<usize> {
        let index = self.starts.partition_point(|start| *start < byte);
        (self.starts.get(index) == Some(&byte)).then_some(index)
    }

    /// Returns the index of the last token that starts at `byte`, the one that has bytes of the text; None if no token
    /// starts there.
    pub fn written_at(&self, byte: usize) -> Option<usize> {
        let index = self.starts.partition_point(|start| *start <= byte).checked_sub(1)?;
        (self.starts[index] == byte).then_some(index)
    }
}

fn adds_text(problem: &str) -> String {
    format!(
        "{problem}: only tokenizers that keep a text as it is are supported, byte-level ones or ones with byte fallback"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families;

    const TOKENIZER: &[u8] = include_bytes!("../../../../tests/parity/tiny/tokenizer.json");

    fn changed(change: impl Fn(&mut serde_json::Value)) -> Vec<u8> {
        let mut value = serde_json::from_slice(TOKENIZER).expect("valid");
        change(&mut value);
        serde_json::to_vec(&value).expect("valid")
    }

    fn idefics3(bytes: &[u8]) -> Result<Tokens, String> {
        Tokens::from_bytes(bytes, families::all().next().expect("a family"))
    }

    #[test]
    fn every_byte_has_its_token() {
        let tokens = idefics3(TOKENIZER).expect("valid");
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
    fn an_added_token_of_blanks_stands_for_blanks_of_the_text() {
        let mut tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
        tokens.extend(["<unk>", "▁", "▁▁", "a", "<image>"].map(str::to_owned));
        let vocabulary: serde_json::Map<String, serde_json::Value> =
            tokens.into_iter().zip((0..).map(Into::into)).collect();
        let added = |id: u32, content: &str| {
            serde_json::json!({ "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": false })
        };
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [added(258, "▁▁"), added(260, "<image>")],
            "normalizer": { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
            "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary,
                "merges": [["▁", "▁"]] },
        });
        let llava = families::all().find(|family| family.model_types == ["llava"]).expect("a family");
        let tokens = Tokens::from_bytes(json.to_string().as_bytes(), llava).expect("valid");
        let tokenised = tokens.encode("a  a<image>a ▁▁").expect("encodes");
        assert_eq!(tokenised.ids, [259, 258, 259, 260, 259, 257, 258]);
        assert_eq!(tokenised.starts, [0, 1, 3, 4, 11, 12, 13, 19]);
    }

    #[test]
    fn truncation_in_the_file_has_no_effect() {
        let bytes = changed(|value| {
            value["truncation"] =
                serde_json::json!({ "direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0 });
        });
        let text = "one two three four five";
        let whole = idefics3(TOKENIZER).and_then(|tokens| tokens.encode(text)).expect("encodes").ids;
        assert!(whole.len() > 2);
        assert_eq!(idefics3(&bytes).and_then(|tokens| tokens.encode(text)).expect("encodes").ids, whole);
    }

    #[test]
    fn a_tokenizer_that_rewrites_text_is_refused() {
        let lower = changed(|value| value["normalizer"] = serde_json::json!({ "type": "Prepend", "prepend": "x" }));
        let error = idefics3(&lower).and_then(|tokens| tokens.encode("word")).expect_err("refused");
        assert!(error.contains("do not add up to the text"), "{error}");
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let decoder = TOKENIZER.windows(10).position(|bytes| bytes == b"\"decoder\":").expect("it has one");
        for length in (0..TOKENIZER.len()).step_by(997).chain(decoder..decoder + 60) {
            assert!(idefics3(&TOKENIZER[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_tokenizer_of_another_family_is_refused() {
        let bytes = changed(|value| {
            value["added_tokens"].as_array_mut().expect("a list").retain(|token| token["content"] != "<image>");
        });
        let error = idefics3(&bytes).expect_err("refused");
        assert!(error.contains("\"<image>\" is missing"), "{error}");
        assert!(idefics3(b"\xff\xfe{}").is_err() && idefics3(b"{}").is_err());
    }
}
