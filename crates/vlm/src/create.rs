//! New model folder for training from scratch: a small SmolVLM with its own tokenizer and random weights.

use std::path::Path;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder,
};

use crate::model::{ModelConfig, Vlm, save_model};
use crate::nn::source::WeightError;
use crate::weights::RandomSource;

/// Sizes of a new model. Field names are the names of `config.json`, with `vision_` for the image encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FreshConfig {
    /// Largest size of the tokenizer's vocabulary, including special tokens. The vocabulary is smaller when the text
    /// gives fewer tokens.
    pub vocab_size: usize,
    /// Width of the decoder. Divided by `num_attention_heads` and rounded down it gives the width of a head, which must
    /// be even.
    pub hidden_size: usize,
    /// Width inside the decoder's feed-forward layers.
    pub intermediate_size: usize,
    /// Number of decoder layers.
    pub num_hidden_layers: usize,
    /// Number of query heads of the decoder; a multiple of `num_key_value_heads`.
    pub num_attention_heads: usize,
    /// Number of key/value heads of the decoder.
    pub num_key_value_heads: usize,
    /// Width of the image encoder; a multiple of `vision_num_attention_heads`.
    pub vision_hidden_size: usize,
    /// Width inside the image encoder's feed-forward layers.
    pub vision_intermediate_size: usize,
    /// Number of image encoder layers.
    pub vision_num_hidden_layers: usize,
    /// Number of attention heads of the image encoder.
    pub vision_num_attention_heads: usize,
    /// Side of a tile in pixels; a multiple of `patch_size * scale_factor`.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Side, in patches, of the square of neighbouring patches that pixel shuffle joins to one feature.
    pub scale_factor: usize,
}

impl Default for FreshConfig {
    fn default() -> Self {
        Self {
            vocab_size: 2048,
            hidden_size: 256,
            intermediate_size: 640,
            num_hidden_layers: 5,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            vision_hidden_size: 160,
            vision_intermediate_size: 480,
            vision_num_hidden_layers: 4,
            vision_num_attention_heads: 4,
            image_size: 128,
            patch_size: 16,
            scale_factor: 2,
        }
    }
}

/// Errors of creating a model folder.
#[derive(Debug, thiserror::Error)]
pub enum FreshError {
    /// Training the tokenizer failed, with the message of the tokenizers crate.
    #[error("training the tokenizer failed: {0} -> add more text, or change `vocab_size`")]
    Tokenizer(String),
    /// The sizes do not fit each other or are out of range.
    #[error(transparent)]
    Config(#[from] crate::model::ConfigError),
    /// A file or the folder cannot be written.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

/// Chat template of the model family: role, colon, content, end of utterance.
const TEMPLATE: &str = "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}\
{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}\
{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}\
{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}\
{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

/// Special tokens in the order of their ids, with row and column tokens for up to four by four tiles.
fn special_tokens() -> Vec<String> {
    let mut tokens: Vec<String> =
        ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>", "<global-img>"]
            .map(str::to_owned)
            .to_vec();
    tokens.push("<end_of_utterance>".to_owned());
    tokens.extend((1..=4).flat_map(|row| (1..=4).map(move |column| format!("<row_{row}_col_{column}>"))));
    tokens
}

/// Writes a loadable model of the given sizes to `folder`, which is created if it is missing: `config.json`,
/// `model.safetensors` in f32, tokenizer, chat template and processor files. Existing files are replaced. A byte-level
/// BPE tokenizer is trained on `texts`. The weights are drawn from `seed`, see [`RandomSource`].
///
/// # Errors
/// When training the tokenizer fails, the sizes are invalid, or a file cannot be written.
pub fn create(
    folder: &Path,
    sizes: &FreshConfig,
    texts: impl Iterator<Item = String> + Send,
    seed: u64,
) -> Result<(), FreshError> {
    let file =
        |name: &str, error: std::io::Error| WeightError::File { path: folder.join(name).display().to_string(), error };
    let (tokenizer, vocabulary) = train_tokenizer(sizes, texts).map_err(FreshError::Tokenizer)?;
    let special = special_tokens();
    let id = |token: &str| special.iter().position(|special| special == token).unwrap_or_default();
    let config = config_json(sizes, vocabulary, id("<image>"));
    // Checked before the folder is created, so that invalid sizes leave no folder.
    let checked = ModelConfig::from_json(&config.to_string())?;
    let features = checked.vision.features(sizes.image_size, sizes.image_size);
    let pixels = json!({
        "do_convert_rgb": true, "do_image_splitting": false, "do_normalize": true, "do_pad": true, "do_rescale": true,
        "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "Idefics3ImageProcessor",
        "image_std": [0.5, 0.5, 0.5], "max_image_size": { "longest_edge": sizes.image_size },
        "processor_class": "Idefics3Processor", "resample": 1, "rescale_factor": 1.0 / 255.0,
        "size": { "longest_edge": sizes.image_size },
    });
    let files = [
        ("config.json", config.clone()),
        ("preprocessor_config.json", pixels),
        ("processor_config.json", json!({ "image_seq_len": features, "processor_class": "Idefics3Processor" })),
        ("chat_template.json", json!({ "chat_template": TEMPLATE })),
        (
            "generation_config.json",
            json!({
                "bos_token_id": id("<|im_start|>"), "eos_token_id": id("<end_of_utterance>"), "pad_token_id": id("<|im_end|>"),
            }),
        ),
        (
            "tokenizer_config.json",
            json!({
                "bos_token": "<|im_start|>", "clean_up_tokenization_spaces": false, "eos_token": "<end_of_utterance>",
                "model_max_length": 2048, "pad_token": "<|im_end|>", "tokenizer_class": "PreTrainedTokenizerFast",
                "unk_token": "<|endoftext|>",
            }),
        ),
    ];
    let failed = |error| WeightError::File { path: folder.display().to_string(), error };
    std::fs::create_dir_all(folder).map_err(failed)?;
    for (name, value) in files {
        std::fs::write(folder.join(name), format!("{value:#}\n")).map_err(|error| file(name, error))?;
    }
    std::fs::write(folder.join("tokenizer.json"), tokenizer).map_err(|error| file("tokenizer.json", error))?;
    let mut source = RandomSource { seed, device: Device::flex() };
    let mut model = Vlm::build(checked, &mut source)?;
    save_model(&mut model, folder, folder, false)?;
    Ok(())
}

fn config_json(sizes: &FreshConfig, vocabulary: usize, image_token_id: usize) -> serde_json::Value {
    json!({
        "architectures": ["Idefics3ForConditionalGeneration"],
        "image_token_id": image_token_id,
        "model_type": "idefics3",
        "scale_factor": sizes.scale_factor,
        "tie_word_embeddings": false,
        "text_config": {
            "attention_bias": false, "head_dim": sizes.hidden_size.checked_div(sizes.num_attention_heads), "hidden_act": "silu",
            "hidden_size": sizes.hidden_size, "initializer_range": 0.02, "intermediate_size": sizes.intermediate_size,
            "max_position_embeddings": 2048, "mlp_bias": false, "model_type": "llama",
            "num_attention_heads": sizes.num_attention_heads, "num_hidden_layers": sizes.num_hidden_layers,
            "num_key_value_heads": sizes.num_key_value_heads, "pad_token_id": 2, "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0, "tie_word_embeddings": false, "vocab_size": vocabulary,
        },
        "vision_config": {
            "hidden_act": "gelu_pytorch_tanh", "hidden_size": sizes.vision_hidden_size, "image_size": sizes.image_size,
            "initializer_range": 0.02, "intermediate_size": sizes.vision_intermediate_size, "layer_norm_eps": 1e-6,
            "model_type": "idefics3_vision", "num_attention_heads": sizes.vision_num_attention_heads, "num_channels": 3,
            "num_hidden_layers": sizes.vision_num_hidden_layers, "patch_size": sizes.patch_size,
        },
    })
}

/// Trains a byte-level BPE tokenizer with single digits as tokens. Returns its `tokenizer.json` and
/// its vocabulary size.
fn train_tokenizer(sizes: &FreshConfig, texts: impl Iterator<Item = String> + Send) -> Result<(String, usize), String> {
    let words = ByteLevel::new(false, true, true);
    let parts: Vec<PreTokenizerWrapper> = vec![Digits::new(true).into(), words.into()];
    let mut tokenizer =
        TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::new()
            .with_model(BPE::default())
            .with_normalizer(None)
            .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Sequence::new(parts))))
            .with_post_processor(Some(PostProcessorWrapper::ByteLevel(ByteLevel::new(true, false, true))))
            .with_decoder(Some(DecoderWrapper::ByteLevel(ByteLevel::new(true, true, true))))
            .build()
            .map_err(|error| error.to_string())?;
    let special = special_tokens().into_iter().map(|token| AddedToken::from(token, true)).collect();
    let mut trainer = BpeTrainerBuilder::new()
        .vocab_size(sizes.vocab_size)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut trainer, texts).map_err(|error| error.to_string())?;
    let vocabulary = tokenizer.get_vocab_size(true);
    Ok((tokenizer.to_string(true).map_err(|error| error.to_string())?, vocabulary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::VlmPipeline;
    use crate::processor::Processor;

    #[test]
    fn a_created_folder_loads_and_its_tokenizer_keeps_every_byte() {
        let folder = tempfile::tempdir().expect("a folder");
        let sizes = FreshConfig { vocab_size: 400, ..FreshConfig::default() };
        let texts = (0..50).map(|number| format!("How many findings are there? {number}"));
        create(folder.path(), &sizes, texts, 1).expect("created");
        let pipeline = VlmPipeline::load(folder.path(), &Device::flex()).expect("loads");
        let processor: &Processor = &pipeline.processor;
        let mut conversation = stepwise_data::conversation::Conversation::default();
        let text = stepwise_data::conversation::Part::text("Größe 12 mm?\n  ok");
        conversation.push(stepwise_data::conversation::Role::User, vec![text]);
        let encoded = processor.encode(&conversation, &[], true).expect("encodes");
        assert_eq!(processor.decode(&encoded.ids), "User: Größe 12 mm?\n  ok\nAssistant:");
    }
}
