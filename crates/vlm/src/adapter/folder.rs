//! Reading and writing PEFT adapter folders: `adapter_config.json` and `adapter_model.safetensors`.

use std::path::Path;

use burn::tensor::{Tensor, TensorData};
use serde_json::{Map, Value, json};

use super::config_file::CONFIG;
use super::patterns::Patterns;
use super::{AdapterError, InitLoraWeights, LoraConfig, attach, config_file, modules_to_save, targets};
use crate::fault::Fault;
use crate::misplaced::{Wanted, other_weights};
use crate::model::Vlm;
use crate::nn::lora::{LoraLayer, Magnitude};
use crate::nn::parameter::{Parameter, ParameterVisitor};
use crate::nn::source::WeightError;
use crate::weights::{NamedTensor, SafetensorsSource, write_file, write_safetensors};

/// Name of the file of an adapter's tensors.
const TENSORS: &str = "adapter_model.safetensors";

/// Beginning of the keys in a PEFT adapter file, before the name of a parameter.
const PREFIX: &str = "base_model.model.";

/// Returns the key of a parameter in a PEFT adapter file.
pub(super) fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// Loads a PEFT folder and attaches its adapter to `model` in place of any earlier adapter, ready for inference or
/// further training. Reads `adapter_config.json` and `adapter_model.safetensors`. Returns the adapter's config. On an
/// error the model is unchanged. Tensors and targets can have the module names of older versions of transformers.
///
/// An unconverted PiSSA adapter applies to a weight without its principal singular vectors, so these vectors are
/// computed again from the base weight.
///
/// # Errors
/// When a file is missing or malformed, the config has an unsupported setting, a target matches no module, a weight has
/// fewer singular values than PiSSA needs, or the file does not hold exactly the tensors that the config requires.
pub fn load_adapter(model: &mut Vlm, folder: &Path) -> Result<LoraConfig, AdapterError> {
    let config = config_file::read(folder)?;
    let file = folder.join(TENSORS);
    if !file.is_file() {
        let absent = || ("there is no such file".to_owned(), "name a folder that PEFT saved, complete".to_owned());
        let (problem, advice) = other_weights(folder, Wanted::Adapter).unwrap_or_else(absent);
        return Err(WeightError::from(Fault::new(&file, problem, advice)).into());
    }
    let place = file.display().to_string();
    let current = model.config().family.names.current;
    // Adapters that were made with older versions of transformers have the module names of that time.
    let named =
        |stored: &str| stored.strip_prefix(PREFIX).map_or_else(|| stored.to_owned(), |name| key(&current(name)));
    let source = SafetensorsSource::open_as(std::slice::from_ref(&file), model.device(), named)?;
    let in_config = |error: AdapterError| error.in_file(&folder.join(CONFIG));
    let whole = modules_to_save::parameters(model, &config).map_err(in_config)?;
    let (names, without) = targets::linears(model, |name| !modules_to_save::holds(&config.modules_to_save, name));
    let chosen = match targets::select(&config, &names, &without) {
        Ok(chosen) => chosen,
        Err(error) => {
            let older = older_targets(&config, &source, current).filter(|chosen| is_subset(chosen, &names));
            older.ok_or(error).map_err(in_config)?
        }
    };
    let patterns = Patterns::new(&config, &chosen, &[names, without].concat()).map_err(in_config)?;
    let parts: &[&str] = match config.use_dora {
        true => &["lora_A.weight", "lora_B.weight", "lora_magnitude_vector"],
        false => &["lora_A.weight", "lora_B.weight"],
    };
    let of_adapters = chosen.iter().flat_map(|name| parts.iter().map(move |part| key(&format!("{name}.{part}"))));
    let expected: Vec<String> = of_adapters.chain(whole.iter().map(|name| key(name))).collect();
    if let Some(stray) = source.names().find(|name| !expected.iter().any(|expected| expected == name)) {
        let decoder = model.config().text.module;
        let text_only = match stray.starts_with(&key("model.layers.")) {
            true => format!(
                ": it has the name of a text-only model, and the layers of this model's decoder are \
                 {PREFIX}{decoder}.layers.*"
            ),
            false => String::new(),
        };
        let problem = format!("tensor {stray} belongs to no module that adapter_config.json targets{text_only}");
        return Err(WeightError::from(Fault::new(&file, problem, "name a folder that PEFT saved, complete")).into());
    }
    let copies = modules_to_save::read(model, &whole, &source, &place)?;
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
    modules_to_save::learn(model, copies);
    Ok(config)
}

/// Returns the module names of the adapter's layers if `config` selects them by the names in the file, which are those of an older
/// version of transformers. None if it selects none. `current` returns the module name of a stored name.
fn older_targets(config: &LoraConfig, source: &SafetensorsSource, current: fn(&str) -> String) -> Option<Vec<String>> {
    let module = |name: &str| {
        let stored = source.stored_name(name)?.strip_prefix(PREFIX)?;
        stored.strip_suffix(".lora_A.weight").map(str::to_owned)
    };
    let stored: Vec<String> = source.names().filter_map(module).collect();
    let chosen = targets::select(config, &stored, &[]).ok()?;
    Some(chosen.iter().map(|name| current(name)).collect())
}

fn is_subset(chosen: &[String], names: &[String]) -> bool {
    chosen.iter().all(|name| names.contains(name))
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
    let in_adapters = model.config().family.names.in_adapters;
    let (mut modules, mut written, mut apart) = (Vec::new(), Learned { tensors: Vec::new(), in_adapters }, false);
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
    write_safetensors(&folder.join(TENSORS), &written.tensors, false)?;
    write_file(&folder.join(CONFIG), format!("{description:#}\n").as_bytes())?;
    Ok(())
}

/// Tensors of an adapter file, collected from a model.
struct Learned {
    tensors: Vec<NamedTensor>,
    /// Returns the name of a parameter in the file.
    in_adapters: fn(&str) -> String,
}

impl Learned {
    fn push<const D: usize>(&mut self, name: String, values: Tensor<D>) {
        let shape = values.dims().to_vec();
        let values = stepwise_ops::values_of(values);
        self.tensors.push(NamedTensor { name: key(&(self.in_adapters)(&name)), shape, values });
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
