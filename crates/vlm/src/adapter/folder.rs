//! Reading and writing PEFT adapter folders: `adapter_config.json` and `adapter_model.safetensors`.

use std::io::Write;
use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use serde_json::{Map, Value, json};

use super::patterns::Patterns;
use super::{AdapterError, InitLoraWeights, LoraConfig, attach, modules_to_save, targets};
use crate::idefics3::Vlm;
use crate::nn::lora::{LoraLayer, Magnitude};
use crate::nn::parameter::{Parameter, ParameterVisitor};
use crate::nn::source::WeightError;
use crate::weights::{NamedTensor, SafetensorsSource, write_safetensors};

/// Returns the key of a parameter in a PEFT adapter file.
pub(super) fn key(name: &str) -> String {
    format!("base_model.model.{name}")
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
        "layers_to_transform"
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
                || value.as_object().is_some_and(Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty)
        }
        _ => true,
    }
}

fn read_config(folder: &Path) -> Result<LoraConfig, AdapterError> {
    let path = folder.join("adapter_config.json");
    let problem = |problem: String| AdapterError::Config { path: path.display().to_string(), problem };
    let unread = |what: &dyn std::fmt::Display| problem(format!("{what} -> name a folder that PEFT saved, complete"));
    let text = stepwise_data::io::bounded::text(&path).map_err(|error| unread(&error))?;
    let raw: Value = serde_json::from_str(&text).map_err(|error| unread(&error))?;
    let fields = raw.as_object().ok_or_else(|| unread(&"a JSON object is expected"))?;
    if let Some((field, value)) = fields.iter().find(|(field, value)| !built(field, value)) {
        let instead = match field.as_str() {
            "init_lora_weights" => " -> save it in PEFT with `path_initial_model_for_weight_conversion`",
            _ => " -> train the adapter without it",
        };
        return Err(problem(format!("{field} is {value}, which is not supported{instead}")));
    }
    let config: LoraConfig = serde_json::from_value(raw).map_err(|error| unread(&error))?;
    let finite = config.lora_alpha.is_finite() && config.alpha_pattern.values().all(|alpha| alpha.is_finite());
    if config.r == 0
        || config.rank_pattern.values().any(|rank| *rank == 0)
        || !finite
        || !(0.0..1.0).contains(&config.lora_dropout)
    {
        return Err(problem(
            "r is at least 1, lora_alpha is finite, lora_dropout is at least 0 and below 1 -> correct it".to_owned(),
        ));
    }
    if config.use_dora && config.init_lora_weights == InitLoraWeights::Pissa {
        return Err(problem(
            "use_dora with init_lora_weights \"pissa\" is not supported -> train the adapter with one of them"
                .to_owned(),
        ));
    }
    Ok(config)
}

/// Loads a PEFT folder and attaches its adapter to `model` in place of any earlier adapter, ready for inference or
/// further training. Reads `adapter_config.json` and `adapter_model.safetensors`. Returns the adapter's config. On an
/// error the model is unchanged.
///
/// An unconverted PiSSA adapter applies to a weight without its principal singular vectors, so these vectors are
/// computed again from the base weight.
///
/// # Errors
/// When a file is missing or malformed, the config has an unsupported setting, a target matches no module, a weight has
/// fewer singular values than PiSSA needs, or the file does not hold exactly the tensors that the config requires.
pub fn load_adapter(model: &mut Vlm, folder: &Path) -> Result<LoraConfig, AdapterError> {
    let config = read_config(folder)?;
    let file = folder.join("adapter_model.safetensors");
    let place = file.display().to_string();
    let source = SafetensorsSource::open(std::slice::from_ref(&file), model.device())?;
    let whole = modules_to_save::parameters(model, &config)?;
    let names = model.linears().into_iter().map(|linear| linear.name().to_owned());
    let names: Vec<String> = names.filter(|name| !modules_to_save::holds(&config.modules_to_save, name)).collect();
    let chosen = targets::select(&config, &names)?;
    let patterns = Patterns::new(&config, &chosen)?;
    let parts: &[&str] = match config.use_dora {
        true => &["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"],
        false => &["lora_A.weight", "lora_B.weight"],
    };
    let of_adapters = chosen.iter().flat_map(|name| parts.iter().map(move |part| key(&format!("{name}.{part}"))));
    let expected: Vec<String> = of_adapters.chain(whole.iter().map(|name| key(name))).collect();
    if let Some(stray) = source.names().find(|name| !expected.iter().any(|expected| expected == name)) {
        let problem = format!(
            "tensor {stray} belongs to no module that adapter_config.json targets -> name a folder that PEFT saved, complete"
        );
        return Err(WeightError::Format { path: place, problem }.into());
    }
    modules_to_save::check(model, &whole, &source, &place)?;
    let device = model.device().clone();
    let mut adapters = Vec::new();
    for linear in model.linears() {
        let name = linear.name();
        if !chosen.iter().any(|chosen| chosen == name) {
            adapters.push(None);
            continue;
        }
        let ([inputs, outputs], rank, scale) = (linear.sides(), patterns.rank(name), patterns.scale(name));
        let read = |part: &str, shape: &[usize]| -> Result<TensorData, WeightError> {
            let name = key(&format!("{name}.{part}"));
            let (found, values) = source.any(&name)?;
            if found != shape {
                return Err(WeightError::Shape { name, place: place.clone(), found, expected: shape.to_vec() });
            }
            Ok(TensorData::new(values, found))
        };
        let down = Tensor::from_data(read("lora_A.weight", &[rank, inputs])?, &device);
        let up = Tensor::from_data(read("lora_B.weight", &[outputs, rank])?, &device);
        let mut adapter = LoraLayer::plain(down, up, scale, config.lora_dropout);
        if config.use_dora {
            let values = Tensor::from_data(read("lora_magnitude_vector", &[outputs])?, &device);
            adapter.magnitude = Some(Magnitude::learned(&linear.weight, values));
        }
        if config.init_lora_weights == InitLoraWeights::Pissa {
            adapter.initial = Some(attach::principal(linear, rank, scale)?);
        }
        adapters.push(Some(adapter));
    }
    for (linear, adapter) in model.linears().into_iter().zip(adapters) {
        linear.adapter = adapter;
    }
    modules_to_save::load(model, &whole, &source);
    Ok(config)
}

/// Writes the model's adapter to `folder`, which must exist, in PEFT's format: `adapter_config.json` and
/// `adapter_model.safetensors`. Existing files are replaced. `config` holds the settings that the adapter was made
/// with. `target_modules` lists full module names, so that PEFT adapts exactly these modules. `base` becomes
/// `base_model_name_or_path`. The model is not changed.
///
/// A PiSSA adapter is written like PEFT's `path_initial_model_for_weight_conversion`: as plain LoRA of twice the rank
/// on the original base weights.
///
/// # Errors
/// When a file cannot be written.
pub fn save_adapter(model: &mut Vlm, config: &LoraConfig, base: &str, folder: &Path) -> Result<(), AdapterError> {
    let (mut modules, mut written, mut apart) = (Vec::new(), Learned(Vec::new()), false);
    for linear in model.linears() {
        let Some(adapter) = &linear.adapter else { continue };
        let name = linear.name();
        apart |= adapter.initial.is_some();
        let (down, up) = adapter.joined();
        written.push(format!("{name}.lora_A.weight"), down);
        written.push(format!("{name}.lora_B.weight"), up);
        if let Some(magnitude) = &adapter.magnitude {
            written.push(format!("{name}.lora_magnitude_vector"), magnitude.values.values());
        }
        modules.push(name.to_owned());
    }
    model.visit(&mut written);
    modules.sort();
    let config = if apart { config.doubled() } else { config.clone() };
    let alphas = config.alpha_pattern.iter().map(|(name, alpha)| (name.clone(), as_written(*alpha)));
    let whole = Some(&config.modules_to_save).filter(|modules| !modules.is_empty());
    let description = json!({
        "alpha_pattern": alphas.collect::<Map<_, _>>(),
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
        "modules_to_save": whole,
        "peft_type": "LORA",
        "r": config.r,
        "rank_pattern": config.rank_pattern,
        "revision": null,
        "target_modules": modules,
        "task_type": "CAUSAL_LM",
        "use_dora": config.use_dora,
        "use_rslora": config.use_rslora,
    });
    write_safetensors(&folder.join("adapter_model.safetensors"), &written.0, false)?;
    let path = folder.join("adapter_config.json");
    let failed = |error: std::io::Error| WeightError::File { path: path.display().to_string(), error };
    let beside = path.with_extension(format!("json.{}.tmp", std::process::id()));
    let mut file = std::fs::File::create(&beside).map_err(failed)?;
    let text = format!("{description:#}\n");
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&beside, &path).map_err(failed)?;
    Ok(())
}

/// Tensors of an adapter file, collected from a model.
struct Learned(Vec<NamedTensor>);

impl Learned {
    fn push<const D: usize>(&mut self, name: String, values: Tensor<D>) {
        let shape = values.dims().to_vec();
        let values = values.into_data().convert::<f32>().try_to_vec().unwrap_or_default();
        self.0.push(NamedTensor { name: key(&name), shape, values });
    }
}

impl ParameterVisitor for Learned {
    /// Collects the parameters of modules that are trained in full (`modules_to_save`).
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if parameter.is_beside() {
            self.push(name.to_owned(), parameter.values());
        }
    }
}

/// Returns the shortest JSON number that reads back as `value`: 8 and 0.05, not 8.0 and 0.05000000074505806.
fn as_written(value: f32) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or_else(|_| json!(value))
}
