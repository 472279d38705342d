//! Reading and checking `adapter_config.json`.

use std::fmt::Display;
use std::path::Path;

use serde_json::{Map, Value};
use stepwise_data::io::bounded;

use super::{AdapterError, InitLoraWeights, LoraConfig};
use crate::fault::Fault;
use crate::json_file::parse;
use crate::misplaced::{Wanted, misplaced};

/// Name of the file.
pub(super) const CONFIG: &str = "adapter_config.json";

/// Reads the config of a PEFT folder.
///
/// # Errors
/// When the file is absent or malformed, or a setting is invalid or not supported.
pub(super) fn read(folder: &Path) -> Result<LoraConfig, AdapterError> {
    let path = folder.join(CONFIG);
    if !path.is_file() {
        return Err(AdapterError::Config(misplaced(folder, Wanted::Adapter)));
    }
    let fault = |problem: &dyn Display, advice: &str| AdapterError::Config(Fault::new(&path, problem, advice));
    let unread = |problem: &dyn Display| fault(problem, "name a folder that PEFT saved, complete");
    let text = bounded::text(&path).map_err(|error| unread(&error))?;
    let raw: Value = parse(&text).map_err(|error| unread(&error))?;
    let fields = raw.as_object().ok_or_else(|| unread(&"a JSON object is expected"))?;
    if let Some((field, value)) = fields.iter().find(|(field, value)| !built(field, value)) {
        let advice = match field.as_str() {
            "init_lora_weights" => "save it in PEFT with `path_initial_model_for_weight_conversion`",
            _ => "train the adapter without it",
        };
        return Err(fault(&format!("{field} is {value}, which is not supported"), advice));
    }
    let config: LoraConfig = parse(&text).map_err(|error| unread(&error))?;
    if let Some((problem, advice)) = invalid(&config) {
        return Err(fault(&problem, advice));
    }
    Ok(config)
}

/// Whether this value of a PEFT setting is supported. Settings that do not change the computation accept any value.
fn built(field: &str, value: &Value) -> bool {
    match field {
        "peft_type" => value == "LORA",
        "bias" => value == "none",
        "fan_in_fan_out" | "lora_bias" | "use_qalora" => value == false,
        // Other initialisations change the base weights, so the weights in the base folder would not fit the adapter.
        "init_lora_weights" => {
            value.is_boolean() || ["gaussian", "eva", "orthogonal", "pissa"].iter().any(|way| value == way)
        }
        "layer_replication"
        | "trainable_token_indices"
        | "target_parameters"
        | "alora_invocation_tokens"
        | "arrow_config"
        | "kasa_config"
        | "monteclora_config"
        | "use_bdlora"
        | "velora_config" => {
            value.is_null()
                || value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        }
        _ => true,
    }
}

/// Returns a problem and advice if a setting is out of range.
fn invalid(config: &LoraConfig) -> Option<(String, &'static str)> {
    let (rank, number) = ("set a rank of at least 1", "set a finite number");
    if config.r == 0 {
        return Some(("r is 0".to_owned(), rank));
    }
    if let Some((module, _)) = config.rank_pattern.iter().find(|(_, rank)| **rank == 0) {
        return Some((format!("rank_pattern has rank 0 for {module:?}"), rank));
    }
    if !config.lora_alpha.is_finite() {
        return Some((format!("lora_alpha is {}", config.lora_alpha), number));
    }
    if let Some((module, alpha)) = config.alpha_pattern.iter().find(|(_, alpha)| !alpha.is_finite()) {
        return Some((format!("alpha_pattern has {alpha} for {module:?}"), number));
    }
    if !(0.0..1.0).contains(&config.lora_dropout) {
        return Some((format!("lora_dropout is {}", config.lora_dropout), "set a number from 0 to below 1"));
    }
    if config.use_dora && config.init_lora_weights == InitLoraWeights::Pissa {
        let problem = "use_dora with init_lora_weights \"pissa\" is not supported".to_owned();
        return Some((problem, "train the adapter with one of them"));
    }
    None
}
