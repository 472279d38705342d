//! Check of `config.json` against the tensors of a model folder, from the headers of the files.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;

use super::config_keys;
use super::read::{SafetensorsSource, append_rows};
use crate::decoder::Decoder;
use crate::families::{AnyEncoder, ModelConfig};
use crate::nn::source::{Source, WeightError};

/// Name of the output head.
pub(super) const HEAD: &str = "lm_head.weight";

/// Beginnings of the names of a model's tensors. Others, such as the value head of reinforcement learning, are not read.
const OF_MODEL: [&str; 3] = ["model.", "lm_head.", "language_model."];

/// Checks that the files hold the tensors of the model that `config` describes, and no others.
///
/// # Errors
/// When a tensor is missing or has another shape, a tensor belongs to no part of the model, or the embedding table is the
/// head and another head is stored.
pub(super) fn agreement(source: &SafetensorsSource, config: &ModelConfig) -> Result<(), WeightError> {
    let mut shapes = BTreeMap::new();
    source.headers(|name, _, shape| drop(shapes.insert(name.to_owned(), shape.to_vec())));
    let mut headers = Headers { source, shapes, read: BTreeSet::new(), device: Device::flex() };
    AnyEncoder::read(&mut headers, config)?;
    Decoder::read(&mut headers, &config.text).map_err(|error| without_head(source, error))?;
    if config.text.tie_word_embeddings {
        let table = config.text.table_name();
        for (head, table) in [(Some(HEAD), Some(table.as_str())), (source.split_off(HEAD), source.split_off(&table))] {
            let (Some(head), Some(table)) = (head, table) else { continue };
            if headers.shapes.contains_key(head) {
                if !source.are_equal(head, table)? {
                    return Err(other_head(source, head, table));
                }
                headers.read.insert(head.to_owned());
            }
        }
    }
    match headers.shapes.keys().find(|name| is_needed(name) && !headers.read.contains(*name)) {
        Some(name) => Err(unread(source, name, config)),
        None => Ok(()),
    }
}

/// Whether a tensor must belong to a part of the model. Transformers ignores buffers of older versions, and models here do
/// not compute the pooling head of SigLIP.
fn is_needed(name: &str) -> bool {
    let is_buffer = name.ends_with(".inv_freq") || name.ends_with(".position_ids");
    let is_pooling = name.starts_with("model.vision_model.head.") || name.starts_with("model.vision_tower.head.");
    OF_MODEL.iter().any(|beginning| name.starts_with(beginning)) && !is_buffer && !is_pooling
}

fn contradiction(source: &SafetensorsSource, name: &str, problem: String, advice: String) -> WeightError {
    WeightError::Contradiction { name: name.to_owned(), place: source.folder().to_owned(), problem, advice }
}

/// Adds the key of `config.json` to the error of a missing head.
fn without_head(source: &SafetensorsSource, error: WeightError) -> WeightError {
    if !matches!(&error, WeightError::Missing { name, .. } if name == HEAD) {
        return error;
    }
    let problem = "is missing, and `tie_word_embeddings` is false in config.json".to_owned();
    contradiction(source, HEAD, problem, "set the key to true if the embedding table is the head".to_owned())
}

fn other_head(source: &SafetensorsSource, head: &str, table: &str) -> WeightError {
    let problem = format!("differs from {table}, and config.json says that both are one (`tie_word_embeddings`)");
    contradiction(source, head, problem, "set the key to false".to_owned())
}

fn unread(source: &SafetensorsSource, name: &str, config: &ModelConfig) -> WeightError {
    let key = config_keys::of_unread(name, config);
    let problem = format!("belongs to no part of the model that config.json describes ({key})");
    contradiction(source, name, problem, "correct this key".to_owned())
}

/// Source that checks names and shapes, and remembers the names.
struct Headers<'a> {
    source: &'a SafetensorsSource,
    shapes: BTreeMap<String, Vec<usize>>,
    read: BTreeSet<String>,
    device: Device,
}

impl Source for Headers<'_> {
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let mut found = self.shapes.get(name).ok_or_else(|| self.source.missing(name))?.clone();
        self.read.insert(name.to_owned());
        if let Some(rest) = self.source.split_off(name)
            && append_rows(&mut found, &self.shapes[rest])
        {
            self.read.insert(rest.to_owned());
        }
        self.source.shaped(name, found, shape)?;
        Ok(Vec::new())
    }

    fn only_checks(&self) -> bool {
        true
    }

    fn device(&self) -> &Device {
        &self.device
    }
}
