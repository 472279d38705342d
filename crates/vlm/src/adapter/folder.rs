//! PEFT folders: `adapter_config.json` and `adapter_model.safetensors`.

use std::io::Write;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use serde_json::{Value, json};

use super::{AdapterError, LoraConfig, targets};
use crate::model::Vlm;
use crate::model::layers::LoraLayer;
use crate::model::parameter::Parameter;
use crate::weights::{NamedTensor, SafetensorsSource, WeightError, write_safetensors};

/// What PEFT puts before a module's name.
const PREFIX: &str = "base_model.model.";

/// Settings of PEFT's that change the arithmetic, with the one value of each that is built here.
fn built(field: &str, value: &Value) -> bool {
    match field {
        "peft_type" => value == "LORA",
        "bias" => value == "none",
        "fan_in_fan_out" | "use_dora" | "lora_bias" | "use_qalora" => value == false,
        // Some ways to initialise leave the base with other weights than its folder has.
        "init_lora_weights" => value.is_boolean() || ["gaussian", "eva", "orthogonal"].iter().any(|way| value == way),
        "modules_to_save"
        | "rank_pattern"
        | "alpha_pattern"
        | "layers_to_transform"
        | "layer_replication"
        | "trainable_token_indices"
        | "target_parameters"
        | "alora_invocation_tokens"
        | "arrow_config"
        | "kasa_config"
        | "monteclora_config"
        | "use_bdlora"
        | "velora_config" => {
            value.is_null()
                || value.as_object().is_some_and(serde_json::Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        }
        _ => true,
    }
}

/// Reads a PEFT folder and puts its adapter on `model` in place of any other, ready to answer or to learn on. Returns its
/// config. On an error the model is as it was.
///
/// # Errors
/// When a file is missing or malformed, the config asks for what is not built, a target matches nothing, or the file does
/// not hold exactly the tensors that the config calls for.
pub fn load_adapter(model: &mut Vlm, folder: &Path) -> Result<LoraConfig, AdapterError> {
    let path = folder.join("adapter_config.json");
    let problem = |problem: String| AdapterError::Config { path: path.display().to_string(), problem };
    let text = std::fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?;
    let raw: Value = serde_json::from_str(&text).map_err(|error| problem(error.to_string()))?;
    let fields = raw.as_object().ok_or_else(|| problem("a JSON object is expected".to_owned()))?;
    if let Some((field, value)) = fields.iter().find(|(field, value)| !built(field, value)) {
        return Err(problem(format!("{field} is {value}, which is not built")));
    }
    let config: LoraConfig = serde_json::from_value(raw).map_err(|error| problem(error.to_string()))?;
    if config.r == 0 || !config.lora_alpha.is_finite() || !(0.0..1.0).contains(&config.lora_dropout) {
        return Err(problem("r is at least 1, lora_alpha a number, lora_dropout from 0 up to 1".to_owned()));
    }

    let file = folder.join("adapter_model.safetensors");
    let source = SafetensorsSource::open(std::slice::from_ref(&file), model.device())?;
    let names: Vec<String> = model.linears().iter().map(|linear| linear.name().to_owned()).collect();
    let chosen = targets::select(&config, &names)?;
    let expected: Vec<String> = chosen
        .iter()
        .flat_map(|name| ["lora_A", "lora_B"].map(|part| format!("{PREFIX}{name}.{part}.weight")))
        .collect();
    if let Some(stray) = source.names().find(|name| !expected.iter().any(|expected| expected == name)) {
        let problem = format!("tensor {stray} belongs to no module that adapter_config.json targets");
        return Err(WeightError::Format { path: file.display().to_string(), problem }.into());
    }
    let device = model.device().clone();
    let mut adapters = Vec::new();
    for linear in model.linears() {
        if !chosen.iter().any(|name| name == linear.name()) {
            adapters.push(None);
            continue;
        }
        let [inputs, outputs] = linear.sides();
        let read = |part: &str, shape: [usize; 2]| -> Result<Parameter<2>, WeightError> {
            let name = format!("{PREFIX}{}.{part}.weight", linear.name());
            let (found, values) = source.any(&name)?;
            if found != shape {
                let (place, expected) = (file.display().to_string(), shape.to_vec());
                return Err(WeightError::Shape { name, place, found, expected });
            }
            Ok(Parameter::learning(Tensor::from_data(TensorData::new(values, shape), &device)))
        };
        adapters.push(Some(LoraLayer {
            down: read("lora_A", [config.r, inputs])?,
            up: read("lora_B", [outputs, config.r])?,
            scale: config.scale(),
            dropout: config.lora_dropout,
        }));
    }
    for (linear, adapter) in model.linears().into_iter().zip(adapters) {
        linear.adapter = adapter;
    }
    Ok(config)
}

/// Writes the model's adapter to `folder` as PEFT does. The modules are named in full, so that PEFT adapts exactly these.
///
/// # Errors
/// When a file cannot be written.
pub fn save_adapter(model: &mut Vlm, config: &LoraConfig, base: &str, folder: &Path) -> Result<(), AdapterError> {
    let (mut modules, mut tensors) = (Vec::new(), Vec::new());
    for linear in model.linears() {
        let Some(adapter) = &linear.adapter else { continue };
        modules.push(linear.name().to_owned());
        for (part, parameter) in [("lora_A", &adapter.down), ("lora_B", &adapter.up)] {
            tensors.push(NamedTensor {
                name: format!("{PREFIX}{}.{part}.weight", linear.name()),
                shape: parameter.values().dims().to_vec(),
                values: parameter.values().into_data().convert::<f32>().try_to_vec().unwrap_or_default(),
            });
        }
    }
    modules.sort();
    let description = json!({
        "alpha_pattern": {},
        "auto_mapping": null,
        "base_model_name_or_path": base,
        "bias": "none",
        "exclude_modules": null,
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layer_replication": null,
        "layers_pattern": null,
        "layers_to_transform": null,
        "lora_alpha": as_written(config.lora_alpha),
        "lora_dropout": as_written(config.lora_dropout),
        "modules_to_save": null,
        "peft_type": "LORA",
        "r": config.r,
        "rank_pattern": {},
        "revision": null,
        "target_modules": modules,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
        "use_rslora": config.use_rslora,
    });
    write_safetensors(&folder.join("adapter_model.safetensors"), &tensors, false)?;
    let path = folder.join("adapter_config.json");
    let failed = |error: std::io::Error| WeightError::File { path: path.display().to_string(), error };
    let beside = path.with_extension(format!("json.{}.tmp", std::process::id()));
    let mut file = std::fs::File::create(&beside).map_err(failed)?;
    let text = format!("{description:#}\n");
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, &path).map_err(failed)?;
    Ok(())
}

/// The number as a person writes it: 8 and 0.05, not 8.0 and 0.05000000074505806.
fn as_written(value: f32) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|_| json!(value))
}
