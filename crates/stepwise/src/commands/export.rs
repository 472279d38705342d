//! `stepwise export PATH OUT`: writes an adapter as a PEFT folder, or a whole model with the adapter merged into its
//! weights. The result is loaded again and compared with the original.

use std::path::{Path, PathBuf};

use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_vlm::adapter::{load_adapter, merge, save_adapter};
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::idefics3::save_model;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::{folder, source};

/// Arguments of `export`.
#[derive(clap::Args)]
pub struct Args {
    /// Run, checkpoint or PEFT folder; for `merged` also a model folder.
    path: PathBuf,
    /// Output folder; must not exist.
    out: PathBuf,
    /// Adapter alone (`peft`), or whole model with the adapter merged into its weights (`merged`).
    #[arg(long, value_parser = ["peft", "merged"])]
    format: String,
    /// Number format of the merged weights.
    #[arg(long, value_parser = ["float32", "bfloat16"], default_value = "float32")]
    dtype: String,
    /// Folder of the base model; by default the one that the adapter or run names.
    #[arg(long, value_name = "DIR")]
    base: Option<PathBuf>,
}

/// Log-likelihoods, in nats, of fixed options for a few questions: `[question][option]`.
type Answers = Vec<Vec<f64>>;

/// Largest allowed difference of a log-likelihood, in nats, between the original and the exported model, by number
/// format. In float32, sums are rounded in another order; in bfloat16, each weight is rounded to 8 significant bits.
const TOLERANCE: [(&str, f64); 2] = [("float32", 1e-3), ("bfloat16", 0.5)];

/// Exports the model or adapter, and checks the result.
///
/// # Errors
///
/// [`Failure::Input`] when the output folder exists, or the path has nothing to export in this format; [`Failure::Run`]
/// when the export cannot be written, or its answers differ from the original.
pub fn run(args: &Args) -> CommandResult {
    folder::must_be_new(&args.out)?;
    let _heartbeat = Heartbeat::start(format!("exporting {} and checking the result", args.path.display()));
    let source = source::find(&args.path, args.base.as_deref())?;
    if args.format == "peft" && source.adapter.is_none() {
        let problem = format!(
            "{}: the path has no adapter -> export a full fine-tune with `--format merged`",
            args.path.display()
        );
        return Err(Failure::input(problem));
    }
    let chosen = device::choose(Some("cpu"))?;
    let mut pipeline = source.load(&chosen.device, None).map_err(Failure::input)?;
    let before = answers(&pipeline)?;
    folder::make(&args.out)?;
    source::announce(&source);
    let (again, tolerance) = if let (Some(adapter), "peft") = (&source.adapter, args.format.as_str()) {
        let config = load_adapter(&mut pipeline.model, adapter).map_err(Failure::input)?;
        let base = source.model.display().to_string();
        save_adapter(&mut pipeline.model, &config, &base, &args.out).map_err(Failure::run)?;
        let written = ModelSource::find(&args.out, Some(&source.model)).map_err(Failure::run)?;
        (written, TOLERANCE[0].1)
    } else {
        merge(&mut pipeline.model);
        let bf16 = args.dtype == "bfloat16";
        save_model(&mut pipeline.model, &source.model, &args.out, bf16).map_err(Failure::run)?;
        (ModelSource::find(&args.out, None).map_err(Failure::run)?, TOLERANCE[usize::from(bf16)].1)
    };
    write_card(&args.out, &args.format, &source.model)?;
    let after = answers(&again.load(&chosen.device, None).map_err(Failure::run)?)?;
    let difference = largest_difference(&before, &after);
    if difference > tolerance {
        let problem = format!(
            "{}: the exported model differs from the original: log-likelihoods differ by up to {difference:.2e} nats, {tolerance:.0e} is allowed",
            args.out.display()
        );
        return Err(Failure::run(problem));
    }
    tell!("checked after export: log-likelihoods differ by at most {difference:.2e} nats");
    say!("{}", args.out.display());
    Ok(())
}

/// Computes log-likelihoods for a few questions without images, which involve the text decoder only.
fn answers(pipeline: &VlmPipeline) -> Result<Answers, Failure> {
    let queries: Vec<(EncodableExample, Vec<String>)> =
        ["Which modality is this?", "Is there a finding? Answer yes or no.", "1 2 3"]
            .iter()
            .map(|question| {
                let mut conversation = Conversation::default();
                conversation.push(Role::User, vec![Part::text(*question)]);
                let options = ["yes", "no", "CT", "[10, 20, 30, 40]"].map(str::to_owned).to_vec();
                (EncodableExample { conversation, images: Vec::new() }, options)
            })
            .collect();
    let scores = pipeline.score(&queries, &Pass::ANSWER).map_err(Failure::run)?;
    Ok(scores.into_iter().map(|scores| scores.into_iter().map(|score| score.loglikelihood).collect()).collect())
}

/// Largest absolute difference; infinite if any difference is NaN.
fn largest_difference(a: &Answers, b: &Answers) -> f64 {
    let pairs = a.iter().flatten().zip(b.iter().flatten());
    pairs
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |most, value| if value.is_nan() { f64::INFINITY } else { most.max(value) })
}

/// Writes the model card `README.md`.
fn write_card(out: &Path, format: &str, base: &Path) -> Result<(), Failure> {
    let (library, what) = if format == "peft" { ("peft", "A LoRA adapter") } else { ("transformers", "A model") };
    let card = format!(
        "---\nlibrary_name: {library}\nbase_model: {}\n---\n\n{what} made by Stepwise. Not for clinical use.\n",
        base.display()
    );
    std::fs::write(out.join("README.md"), card).map_err(Failure::run)
}
