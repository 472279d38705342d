//! Encoded conversations as text.

use stepwise_vlm::processor::Processor;

/// Formats tokens as text: supervised tokens between `[[` and `]]`, consecutive image tokens as a count. `supervised` is
/// as long as `ids`.
pub fn marked(processor: &Processor, ids: &[u32], supervised: &[bool]) -> String {
    let words = processor.token_strings(ids);
    let mut text = String::new();
    let mut index = 0;
    while index < ids.len() {
        let run = words[index..].iter().take_while(|word| *word == "<image>").count();
        if run > 0 {
            text.push_str(&format!("<image> x {run}"));
            index += run;
            continue;
        }
        let before = index > 0 && supervised[index - 1];
        if supervised[index] && !before {
            text.push_str("[[");
        }
        text.push_str(&words[index]);
        if supervised[index] && !supervised.get(index + 1).copied().unwrap_or(false) {
            text.push_str("]]");
        }
        index += 1;
    }
    text
}
