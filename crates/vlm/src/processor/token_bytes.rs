//! Bytes of the text that each token of a vocabulary stands for.

use serde_json::Value;
use tokenizers::Tokenizer;

/// How tokens write the bytes of a text.
#[derive(Clone, Debug)]
pub(super) enum TokenBytes {
    /// One character for each byte, as in GPT-2's vocabulary: number of bytes by id.
    ByteLevel(Vec<u32>),
    /// The text itself with U+2581 for a blank, and `<0xXX>` for a byte without a token (SentencePiece).
    Blanks {
        /// Whether U+2581 is put before every stretch of text between added tokens.
        prefix: bool,
    },
}

/// Character that stands for a blank.
const BLANK: char = '\u{2581}';

impl TokenBytes {
    /// Reads the kind of vocabulary from `tokenizer` and `json`, the contents of its `tokenizer.json`.
    pub fn new(tokenizer: &Tokenizer, json: &Value) -> Self {
        if json["model"]["byte_fallback"] == Value::Bool(true) {
            return Self::Blanks { prefix: puts_a_blank_first(&json["normalizer"]) };
        }
        let vocabulary = tokenizer.get_vocab(false);
        // Ids come from a file: a single huge id must not allocate memory for all smaller ids.
        let most = vocabulary.len().saturating_mul(4) as u32;
        let known = vocabulary.iter().filter(|(_, id)| **id <= most);
        let mut lengths = vec![0; known.clone().map(|(_, id)| *id as usize + 1).max().unwrap_or(0)];
        for (token, id) in known {
            lengths[*id as usize] = token.chars().count() as u32;
        }
        Self::ByteLevel(lengths)
    }

    /// Returns how many bytes of `rest`, the text from a token on, the token stands for; None if it cannot stand there.
    /// `first` says whether a stretch of text begins there. The bytes of byte-level tokens are not compared.
    pub fn count(&self, tokenizer: &Tokenizer, id: u32, rest: &[u8], first: bool) -> Option<usize> {
        let prefix = match self {
            Self::ByteLevel(lengths) => return Some(lengths.get(id as usize).map_or(0, |length| *length as usize)),
            Self::Blanks { prefix } => *prefix,
        };
        let token = tokenizer.id_to_token(id)?;
        if let Some(byte) = byte_of(&token) {
            return (rest.first() == Some(&byte)).then_some(1);
        }
        let written = if first && prefix { token.strip_prefix(BLANK)? } else { &token };
        let mut count = 0;
        for character in written.chars() {
            let rest = rest.get(count..)?;
            let mut bytes = [0; 4];
            let own = character.encode_utf8(&mut bytes).as_bytes();
            count += match character {
                BLANK if rest.first() == Some(&b' ') => 1,
                _ if rest.starts_with(own) => own.len(),
                _ => return None,
            };
        }
        Some(count)
    }

    /// Returns whether `token` holds U+2581 for a blank.
    pub fn writes_blanks(&self, token: &str) -> bool {
        matches!(self, Self::Blanks { .. }) && token.contains(BLANK)
    }
}

/// The byte of a token `<0xXX>`.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

/// Whether a normaliser, or one of a sequence, puts U+2581 before a text.
fn puts_a_blank_first(normaliser: &Value) -> bool {
    let own = normaliser["type"] == "Prepend" && normaliser["prepend"] == BLANK.to_string();
    own || normaliser["normalizers"].as_array().is_some_and(|parts| parts.iter().any(puts_a_blank_first))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary with byte fallback: the tokens of these texts, blanks written as U+2581.
    fn tokenizer(prefix: bool) -> (Tokenizer, TokenBytes) {
        let mut tokens: Vec<String> = (0..=255).map(|byte| format!("<0x{byte:02X}>")).collect();
        tokens.extend(["<unk>", "▁", "a", "b", "▁a"].map(str::to_owned));
        let vocabulary: serde_json::Map<String, Value> = tokens.into_iter().zip((0..).map(Value::from)).collect();
        let replace = serde_json::json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
        let prepend = serde_json::json!({ "type": "Prepend", "prepend": "▁" });
        let normaliser = match prefix {
            true => serde_json::json!({ "type": "Sequence", "normalizers": [prepend, replace] }),
            false => replace,
        };
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": normaliser,
            "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": { "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary,
                "merges": [["▁", "a"]] },
        });
        let tokenizer = Tokenizer::from_bytes(json.to_string()).expect("a tokenizer");
        let bytes = TokenBytes::new(&tokenizer, &json);
        (tokenizer, bytes)
    }

    fn counts(text: &str, prefix: bool) -> Vec<Option<usize>> {
        let (tokenizer, bytes) = tokenizer(prefix);
        let (mut at, mut first, mut counts) = (0, true, Vec::new());
        for id in tokenizer.encode_fast(text, false).expect("tokens").get_ids() {
            counts.push(bytes.count(&tokenizer, *id, &text.as_bytes()[at..], first));
            at += counts.last().copied().flatten().unwrap_or(0);
            first = false;
        }
        assert_eq!(at, text.len(), "{text}");
        counts
    }

    #[test]
    fn tokens_cover_the_text_with_and_without_a_blank_before_it() {
        assert_eq!(counts("a b", false), [1, 1, 1].map(Some));
        assert_eq!(counts("a b", true), [1, 1, 1].map(Some));
        assert_eq!(counts("\n a", true), [0, 1, 2].map(Some));
        assert_eq!(counts(" a", true), [0, 2].map(Some));
        // é is two bytes without a token; the sign itself is three bytes in the text.
        assert_eq!(counts("é▁a", false), [1, 1, 4].map(Some));
        let (tokenizer, bytes) = tokenizer(false);
        assert_eq!(bytes.count(&tokenizer, 258, b"x", false), None);
    }
}
