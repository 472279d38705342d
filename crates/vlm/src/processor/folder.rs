//! Reads the processor files of a Hugging Face folder, in the older and the newer layout.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use stepwise_data::box_format::BoxFormat;
use stepwise_data::io::bounded;

use super::ProcessorError;
use super::template::ChatTemplate;
use super::tokens::Tokens;
use crate::families::{self, FamilyFacts, ProcessorSettingError};
use crate::fault::{Fault, git_lfs_pointer};
use crate::images::processor::{ImageOptions, ImageProcessor};
use crate::json_file::parse;
use crate::misplaced::{Wanted, misplaced};

/// File of the image preprocessing settings.
const PREPROCESSOR: &str = "preprocessor_config.json";
/// File of the processor. Newer folders keep the image preprocessing settings in its object [`NESTED`].
pub const PROCESSOR: &str = "processor_config.json";
const NESTED: &str = "image_processor";

/// File of the model's architecture.
const CONFIG: &str = "config.json";

/// Parsed processor files.
pub struct Read {
    /// Tokenizer.
    pub tokens: Tokens,
    /// Contents of `tokenizer.json`, for the digest of the processor.
    pub tokenizer_bytes: Vec<u8>,
    /// Chat template.
    pub template: ChatTemplate,
    /// Model family.
    pub family: &'static FamilyFacts,
    /// Image preprocessing.
    pub images: Arc<dyn ImageProcessor>,
    /// Name of the file with the image preprocessing settings.
    pub images_file: &'static str,
    /// Unit of boxes that the image preprocessing settings state, or else the family's.
    pub box_format: BoxFormat,
    /// Ids of the tokens that end an answer, sorted; empty if the folder names none.
    pub ends: Vec<u32>,
}

/// Advice for a file that is malformed.
const AGAIN: &str = "copy or download the model folder again";
/// Advice for a setting that is not supported.
const SUPPORTED: &str = "use the unchanged file of a supported model";

/// Reads and checks the processor files of a Hugging Face folder.
///
/// # Errors
/// When a file is missing, malformed or too large, or has an unsupported setting.
pub fn read(folder: &Path) -> Result<Read, ProcessorError> {
    if !folder.is_dir() {
        return Err(misplaced(folder, Wanted::Model).into());
    }
    let processor = optional_json(folder, PROCESSOR)?;
    let (settings, file) = match processor.as_ref().and_then(|processor| processor.get(NESTED)).cloned() {
        Some(nested) => (nested, PROCESSOR),
        None => (json(folder, PREPROCESSOR)?, PREPROCESSOR),
    };
    let family = family(folder, processor.as_ref(), &settings, file)?;
    let images = (family.read_processor)(&settings, processor.as_ref()).map_err(|error| match error {
        ProcessorSettingError::Images(error) => problem(folder, file, error, SUPPORTED),
        ProcessorSettingError::Processor(error) => problem(folder, PROCESSOR, error, SUPPORTED),
    })?;
    let box_format = box_format(folder, (&settings, file), processor.as_ref(), family)?;
    let tokenizer_bytes = text(folder, "tokenizer.json")?.into_bytes();
    if tokenizer_bytes.trim_ascii().is_empty() {
        return Err(problem(folder, "tokenizer.json", "is empty", AGAIN));
    }
    let tokens = Tokens::from_bytes(&tokenizer_bytes, family);
    let tokens = tokens
        .map_err(|error| problem(folder, "tokenizer.json", error, "use the tokenizer of the model's own folder"))?;
    let words = optional_json(folder, "tokenizer_config.json")?;
    let (source, template_file) = template(folder, processor.as_ref(), words.as_ref())?;
    let special = named_special_tokens(words.as_ref());
    let template = ChatTemplate::new(&folder.join(template_file), &source, special)?;
    let ends = ends(folder, &tokens, family)?;
    Ok(Read { tokens, tokenizer_bytes, template, family, images, images_file: file, box_format, ends })
}

/// Returns the names of the processor's files that `folder` lacks; empty if none is missing.
pub fn absent(folder: &Path) -> Vec<String> {
    let processor = optional_json(folder, PROCESSOR).ok().flatten();
    let has_images = processor.as_ref().is_some_and(|processor| processor.get(NESTED).is_some());
    let words = optional_json(folder, "tokenizer_config.json").ok().flatten();
    let template = template(folder, processor.as_ref(), words.as_ref()).err().map(|_| "chat_template.jinja");
    let files = [(!has_images).then_some(PREPROCESSOR), Some("tokenizer.json"), template];
    files.into_iter().flatten().filter(|file| !folder.join(file).is_file()).map(str::to_owned).collect()
}

/// Returns the family of the classes that the files name. Where several families have these classes, `model_type` of
/// `config.json` decides, else the first family is taken.
fn family(
    folder: &Path,
    processor: Option<&Value>,
    settings: &Value,
    file: &str,
) -> Result<&'static FamilyFacts, ProcessorError> {
    type Classes = fn(&FamilyFacts) -> &'static [&'static str];
    let (processors, images): (Classes, Classes) = (|family| family.processors, |family| family.image_processors);
    let empty = Value::Null;
    let places = [
        (PROCESSOR, processor.unwrap_or(&empty), "processor_class", processors),
        (file, settings, "processor_class", processors),
        (file, settings, "image_processor_type", images),
    ];
    let mut families: Vec<&FamilyFacts> = families::all().collect();
    for (file, value, field, classes) in places {
        let Some(stated) = value.get(field).filter(|stated| !stated.is_null()) else { continue };
        // The suffixes `Fast` and `Pil` name implementations of the same class.
        let class = stated.as_str().unwrap_or_default();
        let class = class.strip_suffix("Fast").or_else(|| class.strip_suffix("Pil")).unwrap_or(class);
        let known: Vec<&str> = families.iter().flat_map(|family| classes(family)).copied().collect();
        families.retain(|family| classes(family).contains(&class));
        if families.is_empty() {
            let wrong = format!("{field}: is {stated}: {} is expected", known.join(" or "));
            return Err(problem(folder, file, wrong, SUPPORTED));
        }
    }
    if families.len() > 1
        && let Some(config) = optional_json(folder, CONFIG)?
        && let Some(kind) = config.get("model_type").and_then(Value::as_str)
        && let Some(family) = families.iter().find(|family| family.model_types.contains(&kind))
    {
        return Ok(family);
    }
    families.first().copied().ok_or_else(|| problem(folder, file, "no model family is known", SUPPORTED))
}

/// Returns the unit of boxes: as the image preprocessing settings in `file` state it, which exported models do, or else as
/// the family was trained.
fn box_format(
    folder: &Path,
    (settings, file): (&Value, &str),
    processor: Option<&Value>,
    family: &FamilyFacts,
) -> Result<BoxFormat, ProcessorError> {
    if let Some(stated) = settings.get("box_format").filter(|stated| !stated.is_null()) {
        let format = stated.as_str().and_then(|name| name.parse().ok());
        let units = BoxFormat::ALL.map(|format| format!("\"{format}\"")).join(" and ");
        return format.ok_or_else(|| {
            problem(folder, file, format!("box_format: is {stated}: {units} are supported"), "remove the key")
        });
    }
    let config = optional_json(folder, CONFIG)?;
    let classes = [processor, Some(settings)].into_iter().flatten().map(|value| value.get("processor_class"));
    let mut kinds = std::iter::once(config.as_ref().and_then(|config| config.get("model_type"))).chain(classes);
    let kind = kinds.find_map(|kind| kind.and_then(Value::as_str));
    Ok((family.box_format)(kind.unwrap_or_default()))
}

fn problem(folder: &Path, file: &str, problem: impl Display, advice: impl Display) -> ProcessorError {
    Fault::new(&folder.join(file), problem, advice).into()
}

fn text(folder: &Path, file: &str) -> Result<String, ProcessorError> {
    let path = folder.join(file);
    if !path.is_file() {
        return Err(problem(folder, file, "there is no such file", "name a complete Hugging Face folder"));
    }
    let text = bounded::text(&path).map_err(|error| problem(folder, file, error, AGAIN))?;
    match git_lfs_pointer(text.as_bytes()) {
        Some(pointer) => Err(problem(folder, file, pointer, AGAIN)),
        None => Ok(text),
    }
}

fn json(folder: &Path, file: &str) -> Result<Value, ProcessorError> {
    parse(&text(folder, file)?).map_err(|error| problem(folder, file, error, AGAIN))
}

fn optional_json(folder: &Path, file: &str) -> Result<Option<Value>, ProcessorError> {
    folder.join(file).is_file().then(|| json(folder, file)).transpose()
}

/// Returns the settings of [`ImageOptions`] as the image preprocessing settings of `folder` state them. They are None if
/// the folder has no such settings. PEFT folders have them if they were saved together with a processor.
///
/// # Errors
/// When a file cannot be read or is malformed.
pub fn stated_options(folder: &Path) -> Result<ImageOptions, ProcessorError> {
    if ![PREPROCESSOR, PROCESSOR].iter().any(|file| folder.join(file).is_file()) {
        return Ok(ImageOptions::default());
    }
    let nested = optional_json(folder, PROCESSOR)?.and_then(|processor| processor.get(NESTED).cloned());
    let settings = match nested {
        Some(nested) => nested,
        None => optional_json(folder, PREPROCESSOR)?.unwrap_or_default(),
    };
    Ok(ImageOptions::from_json(&settings))
}

/// Returns the file with the image preprocessing settings of the model folder `base` as its name and its content, with
/// the settings that `options` states.
pub fn with_options(base: &Path, options: &ImageOptions) -> Result<(&'static str, Value), ProcessorError> {
    let insert = |settings: &mut Map<String, Value>| {
        settings.extend(options.stated().into_iter().map(|(name, value)| (name.to_owned(), value)));
    };
    if let Some(mut processor) = optional_json(base, PROCESSOR)?
        && let Some(nested) = processor.get_mut(NESTED).and_then(Value::as_object_mut)
    {
        insert(nested);
        return Ok((PROCESSOR, processor));
    }
    let mut settings = json(base, PREPROCESSOR)?;
    settings.as_object_mut().into_iter().for_each(insert);
    Ok((PREPROCESSOR, settings))
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
    let places = [(own.as_ref(), "chat_template.json"), (processor, PROCESSOR), (words, "tokenizer_config.json")];
    let found = places.into_iter().find_map(|(json, file)| default_template(json?).map(|template| (template, file)));
    found.ok_or_else(|| {
        let absent = "no chat template here, in chat_template.json, processor_config.json or tokenizer_config.json";
        problem(folder, "chat_template.jinja", absent, "add the template of the instruct model")
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
fn ends(folder: &Path, tokens: &Tokens, family: &FamilyFacts) -> Result<Vec<u32>, ProcessorError> {
    let config = optional_json(folder, "generation_config.json")?;
    let stated = config.as_ref().and_then(|config| config.get("eos_token_id")).filter(|stated| !stated.is_null());
    let listed = match stated {
        Some(Value::Array(ids)) => ids.iter().collect(),
        Some(id) => vec![id],
        None => Vec::new(),
    };
    // Tables over the vocabulary can have more rows than the tokenizer has tokens.
    let rows = optional_json(folder, CONFIG)?.map_or(0, |config| {
        let places = [config.pointer("/text_config/vocab_size"), config.get("vocab_size")];
        places.into_iter().flatten().find_map(Value::as_u64).unwrap_or(0)
    });
    let mut ends = Vec::new();
    for stated in listed {
        let is_known = |id: &u32| tokens.knows(*id) || u64::from(*id) < rows;
        let id = stated.as_u64().and_then(|id| u32::try_from(id).ok()).filter(is_known);
        let unknown = || format!("eos_token_id: {stated} is not a token of tokenizer.json");
        ends.push(id.ok_or_else(|| problem(folder, "generation_config.json", unknown(), AGAIN))?);
    }
    ends.extend(tokens.id(family.turn_end));
    ends.sort_unstable();
    ends.dedup();
    Ok(ends)
}
