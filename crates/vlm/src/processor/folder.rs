//! The files of a Hugging Face folder that make a processor, in their older and newer places.

use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use super::ProcessorError;
use super::pixels::PixelConfig;
use super::template::ChatTemplate;

/// No file of a processor is larger; real tokenizers have 2 to 20 MB.
const LARGEST: u64 = 64 << 20;

/// The token that ends a turn in this family's template.
const END_OF_UTTERANCE: &str = "<end_of_utterance>";

pub struct Read {
    pub tokenizer: Tokenizer,
    pub tokenizer_bytes: Vec<u8>,
    pub template: ChatTemplate,
    pub pixels: PixelConfig,
    pub pixels_text: String,
    pub image_seq_len: usize,
    pub ends: Vec<u32>,
}

pub fn read(folder: &Path) -> Result<Read, ProcessorError> {
    let tokenizer_bytes = bytes(folder, "tokenizer.json")?;
    let tokenizer =
        Tokenizer::from_bytes(&tokenizer_bytes).map_err(|error| problem(folder, "tokenizer.json", error))?;
    let processor = optional_json(folder, "processor_config.json")?;
    let (pixels, pixels_text) = pixels(folder, processor.as_ref())?;
    let image_seq_len = image_seq_len(folder, processor.as_ref())?;
    let template = ChatTemplate::new(&template(folder)?)?;
    let ends = ends(folder, &tokenizer)?;
    Ok(Read { tokenizer, tokenizer_bytes, template, pixels, pixels_text, image_seq_len, ends })
}

fn problem(folder: &Path, file: &str, problem: impl ToString) -> ProcessorError {
    ProcessorError::Folder { path: folder.join(file).display().to_string(), problem: problem.to_string() }
}

fn bytes(folder: &Path, file: &str) -> Result<Vec<u8>, ProcessorError> {
    let path = folder.join(file);
    let size = std::fs::metadata(&path).map_err(|error| problem(folder, file, error))?.len();
    if size > LARGEST {
        return Err(problem(folder, file, format!("{size} bytes: at most {LARGEST} are read")));
    }
    std::fs::read(&path).map_err(|error| problem(folder, file, error))
}

fn text(folder: &Path, file: &str) -> Result<String, ProcessorError> {
    String::from_utf8(bytes(folder, file)?).map_err(|error| problem(folder, file, error))
}

fn optional_json(folder: &Path, file: &str) -> Result<Option<Value>, ProcessorError> {
    if !folder.join(file).is_file() {
        return Ok(None);
    }
    serde_json::from_str(&text(folder, file)?).map(Some).map_err(|error| problem(folder, file, error))
}

/// Newer folders keep the pixel pipeline inside `processor_config.json`.
fn pixels(folder: &Path, processor: Option<&Value>) -> Result<(PixelConfig, String), ProcessorError> {
    let nested = processor.and_then(|processor| processor.get("image_processor")).cloned();
    let (value, file) = match nested {
        Some(nested) => (nested, "processor_config.json"),
        None => (
            serde_json::from_str(&text(folder, "preprocessor_config.json")?)
                .map_err(|error| problem(folder, "preprocessor_config.json", error))?,
            "preprocessor_config.json",
        ),
    };
    let class = value.get("image_processor_type").and_then(Value::as_str).unwrap_or("Idefics3ImageProcessor");
    if !["Idefics3ImageProcessor", "SmolVLMImageProcessor"].iter().any(|known| class.starts_with(known)) {
        return Err(problem(folder, file, format!("image_processor_type is {class}: Idefics3ImageProcessor is built")));
    }
    let text = value.to_string();
    let config: PixelConfig = serde_json::from_value(value).map_err(|error| problem(folder, file, error))?;
    config.check().map_err(|error| problem(folder, file, error))?;
    Ok((config, text))
}

fn image_seq_len(folder: &Path, processor: Option<&Value>) -> Result<usize, ProcessorError> {
    let file = "processor_config.json";
    let stated = processor.and_then(|processor| processor.get("image_seq_len")).and_then(Value::as_u64);
    match stated {
        Some(count @ 1..=65_536) => Ok(count as usize),
        _ => Err(problem(folder, file, "image_seq_len is missing: the number of tokens a tile takes, 1 to 65536")),
    }
}

fn template(folder: &Path) -> Result<String, ProcessorError> {
    if folder.join("chat_template.jinja").is_file() {
        return text(folder, "chat_template.jinja");
    }
    for file in ["chat_template.json", "processor_config.json", "tokenizer_config.json"] {
        let json = optional_json(folder, file)?;
        if let Some(template) = json.as_ref().and_then(|json| json.get("chat_template")).and_then(Value::as_str) {
            return Ok(template.to_owned());
        }
    }
    Err(problem(
        folder,
        "chat_template.jinja",
        "no chat template here, in chat_template.json or in tokenizer_config.json",
    ))
}

/// The end tokens of `generation_config.json`, and the one that ends a turn.
fn ends(folder: &Path, tokenizer: &Tokenizer) -> Result<Vec<u32>, ProcessorError> {
    let config = optional_json(folder, "generation_config.json")?;
    let mut ends: Vec<u32> = match config.as_ref().and_then(|config| config.get("eos_token_id")) {
        Some(Value::Array(ids)) => ids.iter().filter_map(Value::as_u64).map(|id| id as u32).collect(),
        Some(id) => id.as_u64().map(|id| id as u32).into_iter().collect(),
        None => Vec::new(),
    };
    if let Some(id) = tokenizer.token_to_id(END_OF_UTTERANCE)
        && !ends.contains(&id)
    {
        ends.push(id);
    }
    Ok(ends)
}
