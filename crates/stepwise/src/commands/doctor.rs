//! `stepwise doctor`: shows the backends and the processor, and compares a training step on the device with the CPU.

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::json;
use stepwise_vlm::model::ModelConfig;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use stepwise_vlm::values_of;
use stepwise_vlm::weights::RandomSource;

use crate::device;
use crate::exit::{CommandResult, Failure};

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// Device: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is built in.
    #[arg(long)]
    device: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Largest allowed difference between the training steps of the CPU and the device, relative to the largest value.
const TOLERANCE: f64 = 1e-3;

/// Configuration of a tiny model, so that the self-test is fast.
const CONFIG: &str = r#"{"model_type":"idefics3","image_token_id":3,"scale_factor":2,"tie_word_embeddings":false,
"text_config":{"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
"num_key_value_heads":2,"vocab_size":64,"max_position_embeddings":128,"rms_norm_eps":1e-5},
"vision_config":{"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":2,
"image_size":32,"patch_size":8}}"#;

/// Prints the facts and runs the self-test.
///
/// # Errors
///
/// [`Failure::Input`] for an invalid device; [`Failure::Run`] when the device computes other values than the CPU.
pub fn run(args: &Args) -> CommandResult {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (backends, instructions) = (backends(), instructions());
    if !args.json {
        say!("stepwise {VERSION}");
        say!("backends: {}", backends.join(", "));
        say!("threads: {threads}");
        say!("instructions: {}", instructions.join(", "));
    }
    let chosen = device::choose(args.device.as_deref())?;
    let here = training_step(&chosen.device)?;
    let reference = training_step(&Device::flex())?;
    let scale = reference.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let apart = here.iter().zip(&reference).fold(0.0_f64, |most, (a, b)| most.max((a - b).abs())) / scale;
    let is_well = apart <= TOLERANCE;
    let (loss, gradients) = (here[0], here.len() - 1);
    if args.json {
        let test = json!({
            "device": chosen.name, "loss": loss, "gradients": gradients, "relative_difference": apart, "ok": is_well,
        });
        say!(
            "{}",
            json!({
                "version": VERSION, "backends": backends, "threads": threads, "instructions": instructions,
                "self_test": test,
            })
        );
    } else {
        say!("self-test on {}: loss {loss:.6}, {gradients} gradients, {apart:.1e} from the cpu", chosen.name);
    }
    if !is_well {
        let problem =
            format!("{} computes a training step differently from the cpu -> use another device", chosen.name);
        return Err(Failure::run(problem));
    }
    if !args.json {
        say!("all is well");
    }
    Ok(())
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn backends() -> Vec<&'static str> {
    let built = [("cpu", true), ("cuda", cfg!(feature = "cuda")), ("wgpu", cfg!(feature = "wgpu"))];
    built.into_iter().filter(|(_, built)| *built).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Vec<&'static str> {
    let known = [
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
    ];
    known.into_iter().filter(|(_, here)| *here).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn instructions() -> Vec<&'static str> {
    vec![std::env::consts::ARCH]
}

/// Computes the loss of a small fixed model, followed by the L2 norm of the gradient of every parameter.
fn training_step(device: &Device) -> Result<Vec<f64>, Failure> {
    let config = ModelConfig::from_json(CONFIG).map_err(Failure::run)?;
    let mut source = RandomSource { seed: 1, device: device.clone() };
    let mut model = Vlm::build(config, &mut source).map_err(Failure::run)?;
    model.visit(&mut AllTrainable);
    let pass = Pass::training(0);
    let pixels: Vec<f32> = (0..3 * 32 * 32).map(|index| ((index * 37 % 101) as f32) / 50.0 - 1.0).collect();
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, 32, 32]), device);
    let features = model.image_features(&[pixels], &pass);
    let sequence = Sequence {
        ids: [1, 3, 3, 3, 3].into_iter().chain(10..30).collect(),
        tiles: vec![TileSpan { start: 1, len: 4, first: 0, axes: None }],
        targets: (20..25).map(|index| Target { index, weight: 1.0 }).collect(),
    };
    let (loss, rows) = model.losses(&PackedSequences::pack(&[sequence], true), Some(features), &pass);
    let gradients = loss.backward();
    let mut norms =
        GradientNorms { gradients: &gradients, values: vec![rows.iter().map(|loss| f64::from(*loss)).sum()] };
    model.visit(&mut norms);
    Ok(norms.values)
}

/// Makes every parameter trainable.
struct AllTrainable;

impl ParameterVisitor for AllTrainable {
    fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
        parameter.set_learning(true);
    }
}

/// Collects the L2 norm of the gradient of every parameter.
struct GradientNorms<'a> {
    gradients: &'a burn::tensor::Gradients,
    values: Vec<f64>,
}

impl ParameterVisitor for GradientNorms<'_> {
    fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
        if let Some(gradient) = parameter.gradient(self.gradients) {
            self.values.push(values_of(gradient).iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt());
        }
    }
}
