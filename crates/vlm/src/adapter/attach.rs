//! Newly initialised adapters, and PiSSA adapters rebuilt from their saved form.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngCore;
use rayon::prelude::*;
use stepwise_data::random::stream;

use super::patterns::Patterns;
use super::{AdapterError, InitLoraWeights, LoraConfig, modules_to_save, svd, targets};
use crate::model::Vlm;
use crate::nn::layers::Linear;
use crate::nn::lora::{Initial, LoraLayer, Magnitude};
use crate::nn::parameter::Parameter;
use crate::weights::normal;

/// Layers per thread between two calls of the progress callback: enough that threads seldom wait for the slowest layer.
const WATCHED_PER_THREAD: usize = 8;

/// Attaches a newly initialised adapter, in place of any earlier one, to every linear layer that `config` selects and
/// `allowed` accepts, and makes the modules of `modules_to_save` trainable. `allowed` receives Hugging Face names of
/// modules and parameters. Returns the names of the adapted modules, in the model's order. The output head never
/// receives an adapter. Random values depend on `seed` and the module name only. On an error the model is unchanged.
///
/// # Errors
/// When a target, exclusion or pattern matches no allowed linear layer or is not a regular expression, when an entry of
/// `modules_to_save` matches no module, a module that is not allowed, or a tied head or embedding, or when PiSSA needs
/// more singular values than a weight has.
pub fn attach(
    model: &mut Vlm,
    config: &LoraConfig,
    seed: u64,
    allowed: impl Fn(&str) -> bool,
) -> Result<Vec<String>, AdapterError> {
    attach_watched(model, config, seed, allowed, &mut |_, _| ())
}

/// Does the same as [`attach`], and calls `watch(done, total)` after each group of layers, with the number of adapters
/// created so far and in all. PiSSA takes about half a minute for a model of 256M parameters.
///
/// # Errors
/// Errors of [`attach`].
pub fn attach_watched(
    model: &mut Vlm,
    config: &LoraConfig,
    seed: u64,
    allowed: impl Fn(&str) -> bool,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Vec<String>, AdapterError> {
    let whole = modules_to_save::parameters(model, config)?;
    if let Some(frozen) = whole.iter().find(|name| !allowed(name)) {
        return Err(AdapterError::Frozen(frozen.clone()));
    }
    let (names, without) =
        targets::linears(model, |name| allowed(name) && !modules_to_save::holds(&config.modules_to_save, name));
    let chosen = targets::select(config, &names, &without)?;
    let patterns = Patterns::new(config, &chosen, &[names, without].concat())?;
    let device = model.device().clone();
    // Singular vectors are slow, so layers run in parallel. Each layer draws from a stream of its own.
    let adapter = |linear: &&mut Linear| {
        let taken = chosen.iter().any(|name| name == linear.name());
        taken.then(|| fresh(linear, &patterns, config, seed, &device)).transpose()
    };
    let mut linears = model.linears();
    let mut adapters = Vec::with_capacity(linears.len());
    for group in linears.chunks(WATCHED_PER_THREAD * rayon::current_num_threads()) {
        // When several layers fail, the error always names the first one, whichever thread was faster.
        let made: Vec<_> = group.par_iter().map(adapter).collect();
        adapters.extend(made.into_iter().collect::<Result<Vec<_>, _>>()?);
        watch(adapters.iter().flatten().count(), chosen.len());
    }
    for (linear, adapter) in linears.iter_mut().zip(adapters) {
        linear.adapter = adapter;
    }
    modules_to_save::learn(model, whole.into_iter().map(|name| (name, None)).collect());
    Ok(chosen)
}

fn fresh(
    linear: &Linear,
    patterns: &Patterns<'_>,
    config: &LoraConfig,
    seed: u64,
    device: &Device,
) -> Result<LoraLayer, AdapterError> {
    let name = linear.name();
    let ([inputs, outputs], rank, scale) = (linear.sides(), patterns.rank(name), patterns.scale(name));
    let tensor = |values, sides: [usize; 2]| Tensor::from_data(TensorData::new(values, sides), device);
    // PyTorch's default initialisation of a linear layer: uniform within 1 / sqrt(inputs).
    let uniform = |part, sides: [usize; 2]| {
        let bound = 1.0 / (sides[1] as f32).sqrt();
        let mut random = stream(seed, &[part, name]);
        let draw = |_| bound * ((random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0);
        tensor((0..sides[0] * sides[1]).map(draw).collect::<Vec<f32>>(), sides)
    };
    let none = || Tensor::zeros([outputs, rank], device);
    let (down, up) = match config.init_lora_weights {
        InitLoraWeights::Kaiming => (uniform("lora_A", [rank, inputs]), none()),
        InitLoraWeights::Random => (uniform("lora_A", [rank, inputs]), uniform("lora_B", [outputs, rank])),
        InitLoraWeights::Gaussian => {
            let values = normal(seed, &["lora_A", name], rank * inputs, 1.0 / rank as f64);
            (tensor(values, [rank, inputs]), none())
        }
        InitLoraWeights::Pissa => {
            let initial = principal(linear, rank, scale)?;
            let (down, up) = (initial.down.values(), -initial.up.values());
            return Ok(LoraLayer { initial: Some(initial), ..LoraLayer::plain(down, up, scale, config.lora_dropout) });
        }
    };
    let magnitude = config.use_dora.then(|| Magnitude::fresh(&linear.weight, &down, &up, scale));
    Ok(LoraLayer { magnitude, ..LoraLayer::plain(down, up, scale, config.lora_dropout) })
}

/// Returns PiSSA's initial product of a layer, negated. With `U S V^T` the truncated singular value decomposition of
/// the weight, `down` is `sqrt(S / scale) V^T`, `[rank, in]`, and `up` is `-U sqrt(S / scale)`, `[out, rank]` (Meng et
/// al. 2024).
///
/// # Errors
/// When the weight has fewer than `rank` singular values.
pub(super) fn principal(linear: &Linear, rank: usize, scale: f32) -> Result<Initial, AdapterError> {
    let [inputs, outputs] = linear.sides();
    let available = inputs.min(outputs);
    if rank > available {
        return Err(AdapterError::Rank { module: linear.name().to_owned(), available, rank });
    }
    let weight = linear.weight.values();
    let device = weight.device();
    let values = stepwise_ops::values_of(weight);
    let triplets = svd::leading(&values, [outputs, inputs], rank);
    let (mut down, mut up) = (vec![0.0; rank * inputs], vec![0.0; outputs * rank]);
    for (index, triplet) in triplets.iter().enumerate() {
        let root = (triplet.value / f64::from(scale)).sqrt();
        for (column, value) in triplet.right.iter().enumerate() {
            down[index * inputs + column] = (root * value) as f32;
        }
        for (row, value) in triplet.left.iter().enumerate() {
            up[row * rank + index] = -(root * value) as f32;
        }
    }
    let tensor = |values, sides: [usize; 2]| Tensor::from_data(TensorData::new(values, sides), &device);
    Ok(Initial {
        down: Parameter::frozen(tensor(down, [rank, inputs])),
        up: Parameter::frozen(tensor(up, [outputs, rank])),
    })
}

/// Splits adapters in place that were loaded from a folder that [`save_adapter`](super::save_adapter) wrote for the
/// PiSSA `config`. The first half of each rank becomes the trainable adapter; the second half is the negated initial
/// product, which stays frozen. Adapters that are split already stay as they are.
///
/// # Errors
/// When a rank or alpha pattern of `config` is not a regular expression or matches no adapted module.
pub fn take_apart(model: &mut Vlm, config: &LoraConfig) -> Result<(), AdapterError> {
    let linears = model.linears();
    let adapted = linears.iter().filter(|linear| linear.adapter.is_some());
    let adapted: Vec<String> = adapted.map(|linear| linear.name().to_owned()).collect();
    let patterns = Patterns::new(config, &adapted, &adapted)?;
    for linear in linears {
        let scale = patterns.scale(linear.name());
        if let Some(adapter) = linear.adapter.as_mut().filter(|adapter| adapter.initial.is_none()) {
            let (down, up) = (adapter.down.values(), adapter.up.values());
            let half = down.dims()[0] / 2;
            adapter.initial = Some(Initial {
                down: Parameter::frozen(down.clone().narrow(0, half, half)),
                up: Parameter::frozen(up.clone().narrow(1, half, half)),
            });
            adapter.down = Parameter::learning(down.narrow(0, 0, half));
            adapter.up = Parameter::learning(up.narrow(1, 0, half));
            adapter.scale = scale;
        }
    }
    Ok(())
}
