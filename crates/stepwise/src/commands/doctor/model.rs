//! `stepwise doctor --model DIR`: what a model folder holds, what LoRA trains in it and in how much memory, and one
//! question through it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use image::RgbImage;
use serde_json::{Value, json};
use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_report::markup::plural;
use stepwise_vlm::Precision;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::model::{ModelConfig, Vlm};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::{PipelineError, VlmPipeline};
use stepwise_vlm::processor::Processor;
use stepwise_vlm::weights::StoredWeights;

use crate::exit::Failure;

/// Rank of the adapter in the estimate, as in the shipped recipes.
const RANK: u64 = 16;
/// Bytes of a trained value: the value, its gradient and AdamW's two moments, in f32.
const PER_TRAINED_VALUE: u64 = 16;
/// Side of the image of the trial, in pixels.
const SIDE: u32 = 448;
/// Tokens that the trial generates at most.
const GENERATED: usize = 8;

/// Facts about a model folder.
pub struct Report {
    config: ModelConfig,
    weights: StoredWeights,
    /// Tokens of an image of [`SIDE`] pixels a side.
    image_tokens: usize,
    precision: Precision,
}

/// Result of one question about one image.
pub struct Trial {
    tokens: usize,
    answer: String,
    loading: f64,
    answering: f64,
}

impl Report {
    /// Reads configuration, processor and the headers of the weights, but no weights.
    ///
    /// # Errors
    /// When a file is missing, malformed or of an unsupported model, the processor does not fit the model, or the tensors
    /// are not those of the model. Several missing files are named together.
    pub fn read(folder: &Path) -> Result<Self, Failure> {
        let missing = missing_files(folder);
        if missing.len() > 1 {
            let (place, missing) = (folder.display(), missing.join(", "));
            let advice = "copy or download the complete model folder";
            return Err(Failure::input(format!("{place}: these files are missing: {missing} -> {advice}")));
        }
        let config = Vlm::load_config(folder).map_err(Failure::input)?;
        let processor = Processor::from_folder(folder).map_err(Failure::input)?;
        let differs = |problem| Failure::input(format!("{}: {}", folder.display(), PipelineError::Mismatch(problem)));
        processor.fits(&config).map_err(differs)?;
        let weights = StoredWeights::of(folder, &config).map_err(Failure::input)?;
        let image = processor.prepare(&picture()).map_err(Failure::input)?;
        let image_tokens = processor.image_tokens(image.grid);
        let in_f32 = weights.values.get("F32").copied().unwrap_or(0);
        let precision = if in_f32 * 2 > weights.parameters() { Precision::F32 } else { Precision::Bf16 };
        Ok(Self { config, weights, image_tokens, precision })
    }

    /// Returns the facts as lines of text.
    pub fn lines(&self) -> Vec<String> {
        let Self { config, weights, image_tokens, .. } = self;
        let (text, vision) = (&config.text, &config.vision);
        let types = weights.values.iter().map(|(name, count)| format!("{} in {name}", millions(*count)));
        vec![
            format!("family    {}", config.family_name()),
            format!(
                "decoder   {} layers, width {}, {} heads ({} for keys and values), {} tokens, {} positions",
                text.num_hidden_layers,
                text.hidden_size,
                text.num_attention_heads,
                text.num_key_value_heads,
                text.vocab_size,
                text.max_position_embeddings
            ),
            format!(
                "encoder   {} layers, width {}, patches of {} pixels; an image of {SIDE} x {SIDE} is {image_tokens} tokens",
                vision.num_hidden_layers, vision.hidden_size, vision.patch_size
            ),
            format!(
                "weights   {} in {} tensors, {}: {}",
                plural(weights.files.len(), "file"),
                weights.tensors,
                gibibytes(weights.bytes),
                types.collect::<Vec<_>>().join(", ")
            ),
            format!(
                "layout    {}, {} with the layers {}",
                if weights.files.len() == 1 { "one file" } else { "shards" },
                if weights.has_module_names { "module names of transformers" } else { "released (older) names" },
                weights.layer_lists.join(", ")
            ),
            format!(
                "LoRA      r {RANK} on {} linear layers of the decoder trains {}",
                weights.decoder_linears,
                millions(self.trained())
            ),
            format!(
                "memory    weights with this adapter and AdamW, without activations: {}",
                self.memory().map(|(name, bytes)| format!("{} {name}", gibibytes(bytes))).join(", ")
            ),
        ]
    }

    fn trained(&self) -> u64 {
        self.weights.lora_width * RANK
    }

    /// Memory of weights, adapter, gradients and optimiser in bytes by precision of the base. Weights outside linear
    /// layers stay in f32.
    fn memory(&self) -> [(&'static str, u64); 3] {
        let others = (self.weights.parameters() - self.weights.in_linears) * 4;
        let trained = self.trained() * PER_TRAINED_VALUE;
        let linears = self.weights.in_linears;
        // NF4: half a byte a value, and a scale of one byte for 64 values.
        [("in f32", linears * 4), ("in bf16", linears * 2), ("in four bits", linears / 2 + linears / 64)]
            .map(|(name, bytes)| (name, bytes + others + trained))
    }

    /// Loads the model, in bf16 if it is stored in 16 bits, and generates a few tokens for one question about one image.
    ///
    /// # Errors
    /// When the weights cannot be read or do not fit the configuration, or the model computes values that are not numbers.
    pub fn trial(&self, folder: &Path, device: &Device) -> Result<Trial, Failure> {
        let begun = Instant::now();
        let pipeline = match VlmPipeline::load_in(self.precision, folder, device) {
            // A device without bf16 takes f32.
            Err(_) if self.precision != Precision::F32 && *device != Device::flex() => {
                VlmPipeline::load(folder, device).map_err(Failure::input)?
            }
            loaded => loaded.map_err(Failure::input)?,
        };
        let loading = begun.elapsed().as_secs_f64();
        let image = pipeline.processor.prepare(&picture()).map_err(Failure::input)?;
        let mut conversation = Conversation::default();
        conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text("Describe the image.")]);
        let example = EncodableExample { conversation, images: vec![Arc::new(image)] };
        let tokens = pipeline.encode(&example, true).map_err(Failure::input)?.ids.len();
        let begun = Instant::now();
        let generated = pipeline.generate(&example, GENERATED, &Pass::ANSWER).map_err(Failure::run)?;
        let answering = begun.elapsed().as_secs_f64();
        Ok(Trial { tokens, answer: pipeline.processor.decode(&generated.ids), loading, answering })
    }

    /// Returns the facts as JSON, with the trial.
    pub fn json(&self, trial: &Trial) -> Value {
        let Self { config, weights, image_tokens, .. } = self;
        let memory: serde_json::Map<String, Value> = self
            .memory()
            .map(|(name, bytes)| (name.trim_start_matches("in ").to_owned(), json!(bytes)))
            .into_iter()
            .collect();
        json!({
            "family": config.family_name(),
            "layer_lists": weights.layer_lists, "module_names": weights.has_module_names,
            "files": weights.files.len(), "tensors": weights.tensors, "bytes": weights.bytes,
            "values": weights.values, "image_tokens": image_tokens,
            "lora": { "r": RANK, "modules": weights.decoder_linears, "parameters": self.trained() },
            "memory_bytes": memory,
            "trial": {
                "tokens": trial.tokens, "answer": trial.answer,
                "loading_seconds": trial.loading, "answering_seconds": trial.answering,
            },
        })
    }
}

impl Trial {
    /// Returns the trial as lines of text.
    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("loading   {:.1} s", self.loading),
            format!(
                "question  one image and one sentence, {} tokens; at most {GENERATED} tokens in {:.1} s: {:?}",
                self.tokens, self.answering, self.answer
            ),
        ]
    }
}

/// Returns the names of the files that the model folder lacks. Empty if none is missing, or if `folder` is no model folder,
/// which [`Vlm::load_config`] explains.
fn missing_files(folder: &Path) -> Vec<String> {
    let weights = StoredWeights::missing_files(folder);
    let has_config = folder.join("config.json").is_file();
    if !has_config && !weights.is_empty() {
        return Vec::new();
    }
    let config = (!has_config).then(|| "config.json".to_owned());
    config.into_iter().chain(Processor::missing_files(folder)).chain(weights).collect()
}

/// Image of the trial: a bright disc on a dark ground.
fn picture() -> RgbImage {
    let centre = f64::from(SIDE) / 2.0;
    RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let distance = (f64::from(x) - centre).hypot(f64::from(y) - centre);
        image::Rgb(if distance < centre / 2.0 { [220; 3] } else { [30; 3] })
    })
}

fn millions(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{count} values"),
        1_000_000..1_000_000_000 => format!("{:.1} million values", count as f64 / 1e6),
        _ => format!("{:.2} billion values", count as f64 / 1e9),
    }
}

fn gibibytes(bytes: u64) -> String {
    match bytes {
        0..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30)),
    }
}
