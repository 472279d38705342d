//! Conversations of every family: token ids, and numbers of image tokens by image size, compared with transformers.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stepwise_data::conversation::{Conversation, Message};
use stepwise_testing::files::{family_fixture, family_fixtures, json};
use stepwise_vlm::processor::{Processor, ProcessorError};

#[derive(Deserialize)]
struct Case {
    name: String,
    messages: Vec<Message>,
    add_generation_prompt: bool,
    /// None where the chat template refuses the conversation.
    #[serde(default)]
    input_ids: Option<Vec<u32>>,
}

#[derive(Deserialize)]
struct ImageTokens {
    /// Width and height in pixels.
    size: [u32; 2],
    tokens: usize,
}

/// Compares the conversations recorded in `file` with the processor of `folder`.
fn compare(folder: &Path, file: &Path) {
    let recorded = json(file);
    let at = file.display().to_string();
    let processor = Processor::from_folder(folder).expect(&at);
    let size = |image: usize| -> [u32; 2] {
        let images = recorded["images"].as_object().expect("images");
        let size = images.values().nth(image).expect("an image");
        <[u32; 2]>::deserialize(size).expect("a size")
    };
    let cases: Vec<Case> = Vec::deserialize(&recorded["cases"]).expect("cases");
    assert!(cases.len() >= 12, "{at}");
    for case in cases {
        let parts = case.messages.iter().flat_map(|message| &message.content);
        let shown = parts.filter(|part| matches!(part, stepwise_data::conversation::Part::Image { .. })).count();
        let grids: Vec<_> = (0..shown).map(|image| processor.grid(size(image)[0], size(image)[1])).collect();
        // A newline at the start of an answer joins the prompt's, and such an answer cannot be supervised by itself.
        let unsupervised = case.messages.into_iter().map(|message| Message { supervised: false, ..message });
        let conversation = Conversation { messages: unsupervised.collect() };
        let encoded = processor.encode(&conversation, &grids, case.add_generation_prompt);
        if case.name == "markup" {
            // Its text holds special tokens of all families. transformers encodes them as such.
            assert!(matches!(encoded, Err(ProcessorError::SpecialToken { .. })), "{at}: {}", case.name);
            continue;
        }
        let Some(input_ids) = case.input_ids else {
            assert!(matches!(encoded, Err(ProcessorError::Template(_))), "{at}: {}", case.name);
            continue;
        };
        let encoded = encoded.unwrap_or_else(|error| panic!("{at}: {}: {error}", case.name));
        assert_eq!(encoded.ids, input_ids, "{at}: {}", case.name);
    }
    for recorded in Vec::<ImageTokens>::deserialize(&recorded["image_tokens"]).expect("sizes") {
        let [width, height] = recorded.size;
        let found = processor.image_tokens(processor.grid(width, height));
        assert_eq!(found, recorded.tokens, "{at}: an image of {width} x {height} pixels");
    }
}

#[test]
fn conversations_have_the_recorded_tokens() {
    for name in family_fixtures() {
        let folder = family_fixture(&name);
        compare(&folder.join("model"), &folder.join("conversations.json"));
    }
    // Further recordings, for example with real tokenizers: NAME.json beside a folder NAME.
    if let Some(more) = std::env::var_os("STEPWISE_FAMILY_CONVERSATIONS") {
        let files = std::fs::read_dir(more).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
        files.iter().for_each(|file| compare(&file.with_extension(""), file));
    }
}
