//! Reads the processor files of a Hugging Face folder, in the older and the newer layout.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use stepwise_data::io::{bounded, encoding};

use super::ProcessorError;
use super::config::PixelConfig;
use super::image_tokens::END_OF_UTTERANCE;
use super::template::ChatTemplate;
use super::tokens::Tokens;

const PROCESSORS: &[&str] = &["Idefics3Processor", "SmolVLMProcessor"];
const IMAGE_PROCESSORS: &[&str] = &["Idefics3ImageProcessor", "SmolVLMImageProcessor"];

/// Parsed processor files.
pub struct Read {
    /// Tokenizer.
    pub tokens: Tokens,
    /// Contents of `tokenizer.json`, for the digest of the processor.
    pub tokenizer_bytes: Vec<u8>,
    /// Chat template.
    pub template: ChatTemplate,
    /// Image preprocessing settings.
    pub pixels: PixelConfig,
    /// Number of image tokens per tile.
    pub image_seq_len: usize,
    /// Ids of the tokens that end an answer, sorted; empty if the folder names none.
    pub ends: Vec<u32>,
}

/// Reads and checks the processor files of a Hugging Face folder.
///
/// # Errors
/// When a file is missing, malformed or too large, or has an unsupported setting.
pub fn read(folder: &Path) -> Result<Read, ProcessorError> {
    let tokenizer_bytes = bytes(folder, "tokenizer.json")?;
    let tokens = Tokens::from_bytes(&tokenizer_bytes).map_err(|error| problem(folder, "tokenizer.json", error))?;
    let processor = optional_json(folder, "processor_config.json")?;
    let words = optional_json(folder, "tokenizer_config.json")?;
    let pixels = pixels(folder, processor.as_ref())?;
    let image_seq_len = image_seq_len(folder, processor.as_ref())?;
    let (source, file) = template(folder, processor.as_ref(), words.as_ref())?;
    let special = named_special_tokens(words.as_ref());
    let template = ChatTemplate::new(&folder.join(file), &source, special)?;
    let ends = ends(folder, &tokens)?;
    Ok(Read { tokens, tokenizer_bytes, template, pixels, image_seq_len, ends })
}

fn problem(folder: &Path, file: &str, problem: impl ToString) -> ProcessorError {
    let mut problem = problem.to_string();
    if !problem.contains(" -> ") {
        problem.push_str(" -> copy or download the model folder again");
    }
    ProcessorError::Folder { path: folder.join(file).display().to_string(), problem }
}

fn bytes(folder: &Path, file: &str) -> Result<Vec<u8>, ProcessorError> {
    let path = folder.join(file);
    if !path.is_file() {
        return Err(problem(folder, file, "there is no such file -> name a complete Hugging Face folder"));
    }
    bounded::bytes(&path).map_err(|error| problem(folder, file, error))
}

fn text(folder: &Path, file: &str) -> Result<String, ProcessorError> {
    encoding::text(bytes(folder, file)?).map_err(|error| problem(folder, file, error))
}

fn json(folder: &Path, file: &str) -> Result<Value, ProcessorError> {
    serde_json::from_str(&text(folder, file)?).map_err(|error| problem(folder, file, error))
}

fn optional_json(folder: &Path, file: &str) -> Result<Option<Value>, ProcessorError> {
    folder.join(file).is_file().then(|| json(folder, file)).transpose()
}

/// Reads the image preprocessing settings, which newer folders keep inside `processor_config.json`.
fn pixels(folder: &Path, processor: Option<&Value>) -> Result<PixelConfig, ProcessorError> {
    if let Some(processor) = processor {
        check_class(folder, "processor_config.json", processor, "processor_class", PROCESSORS)?;
    }
    let nested = processor.and_then(|processor| processor.get("image_processor")).cloned();
    let (value, file) = match nested {
        Some(nested) => (nested, "processor_config.json"),
        None => (json(folder, "preprocessor_config.json")?, "preprocessor_config.json"),
    };
    check_class(folder, file, &value, "processor_class", PROCESSORS)?;
    check_class(folder, file, &value, "image_processor_type", IMAGE_PROCESSORS)?;
    PixelConfig::from_json(&value).map_err(|error| problem(folder, file, error))
}

/// Refuses unsupported classes. The suffixes `Fast` and `Pil` are ignored: they name implementations of the same class.
fn check_class(folder: &Path, file: &str, value: &Value, field: &str, known: &[&str]) -> Result<(), ProcessorError> {
    let Some(stated) = value.get(field).filter(|stated| !stated.is_null()) else { return Ok(()) };
    let class = stated.as_str().unwrap_or_default();
    let class = class.strip_suffix("Fast").or_else(|| class.strip_suffix("Pil")).unwrap_or(class);
    if known.contains(&class) {
        return Ok(());
    }
    Err(problem(folder, file, format!("{field}: is {stated}: {} are supported", known.join(" and "))))
}

fn image_seq_len(folder: &Path, processor: Option<&Value>) -> Result<usize, ProcessorError> {
    let stated = processor.and_then(|processor| processor.get("image_seq_len"));
    match stated.and_then(Value::as_u64) {
        Some(count @ 1..=65_536) => Ok(count as usize),
        _ => {
            let stated = stated.map_or("missing".to_owned(), ToString::to_string);
            let expected = "the number of image tokens per tile, 1 to 65536, is expected";
            Err(problem(folder, "processor_config.json", format!("image_seq_len: is {stated}: {expected}")))
        }
    }
}

/// Returns the chat template and its file name. Files are searched in the same order as in transformers.
fn template(
    folder: &Path,
    processor: Option<&Value>,
    words: Option<&Value>,
) -> Result<(String, &'static str), ProcessorError> {
    if folder.join("chat_template.jinja").is_file() {
        return Ok((text(folder, "chat_template.jinja")?, "chat_template.jinja"));
    }
    let own = optional_json(folder, "chat_template.json")?;
    let places =
        [(own.as_ref(), "chat_template.json"), (processor, "processor_config.json"), (words, "tokenizer_config.json")];
    let found = places.into_iter().find_map(|(json, file)| default_template(json?).map(|template| (template, file)));
    found.ok_or_else(|| {
        let problem_text =
            "no chat template here, in chat_template.json, processor_config.json or tokenizer_config.json -> add the instruct model's";
        problem(folder, "chat_template.jinja", problem_text)
    })
}

/// Returns the only template, or the one named `default` if there are several.
fn default_template(json: &Value) -> Option<String> {
    let stated = json.get("chat_template")?;
    let several = || stated.as_array()?.iter().find(|template| template["name"] == "default")?["template"].as_str();
    stated.as_str().or_else(several).map(str::to_owned)
}

/// Returns the special tokens that templates refer to by name, such as `bos_token`.
fn named_special_tokens(words: Option<&Value>) -> BTreeMap<String, String> {
    let names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    let token = |name: &str| {
        let stated = words?.get(name)?;
        stated.as_str().or_else(|| stated.get("content")?.as_str()).map(str::to_owned)
    };
    names.into_iter().filter_map(|name| Some((name.to_owned(), token(name)?))).collect()
}

/// Returns the ids of the end tokens: those of `generation_config.json` and the token that ends a turn.
fn ends(folder: &Path, tokens: &Tokens) -> Result<Vec<u32>, ProcessorError> {
    let config = optional_json(folder, "generation_config.json")?;
    let stated = config.as_ref().and_then(|config| config.get("eos_token_id")).filter(|stated| !stated.is_null());
    let listed = match stated {
        Some(Value::Array(ids)) => ids.iter().collect(),
        Some(id) => vec![id],
        None => Vec::new(),
    };
    let mut ends = Vec::new();
    for stated in listed {
        let id = stated.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| tokens.knows(*id));
        let unknown = || format!("eos_token_id: {stated} is not a token of tokenizer.json");
        ends.push(id.ok_or_else(|| problem(folder, "generation_config.json", unknown()))?);
    }
    ends.extend(tokens.id(END_OF_UTTERANCE));
    ends.sort_unstable();
    ends.dedup();
    Ok(ends)
}
