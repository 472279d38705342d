//! `stepwise export PATH OUT`: writes an adapter as a PEFT folder, or a whole model with the adapter merged into its
//! weights. The result is loaded again and compared with the original.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_trainer::trained::IMAGES_FILE;
use stepwise_trainer::trained::images::TrainedImages;
use stepwise_vlm::adapter::{load_adapter, merge, save_adapter};
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::model::save_model;
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

/// Writes the adapter, or the model with the adapter merged into its weights, and a model card to the new folder
/// `args.out`, on the CPU, and the list of the images that the model was trained on, where they are known. Then loads the result and compares its answers with those of the original.
///
/// # Errors
///
/// [`Failure::Input`] when the output folder exists or cannot be created, there is no model at the path, the path has
/// no adapter for `peft`, or the model, the adapter or the trained images cannot be read. [`Failure::Run`] when a
/// question cannot be answered, a file cannot be written, or the result cannot be loaded or gives other answers. A
/// created output folder and its files stay after an error.
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
    let images = TrainedImages::of_model(&args.path, args.base.as_deref()).map_err(Failure::input)?;
    let chosen = device::choose(Some("cpu"))?;
    let mut pipeline = source.load(&chosen.device, ImageOptions::default()).map_err(Failure::input)?;
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
    let options = source.image_options().map_err(Failure::run)?;
    let own_options = pipeline.processor.save_image_options(&source.model, &args.out).map_err(Failure::run)?;
    // A merged folder is complete; the processor of a PEFT folder is loaded from the base.
    let note = (own_options && args.format == "peft").then(|| options_note(&options));
    write_card(&args.out, &args.format, &source.model, note.as_deref())?;
    if let Some(images) = &images {
        folder::write(&args.out.join(IMAGES_FILE), &images.text())?;
        tell!("{IMAGES_FILE}: sha256 of the {} images that the model was trained on", images.count());
    }
    let after = answers(&again.load(&chosen.device, ImageOptions::default()).map_err(Failure::run)?)?;
    let difference = largest_difference(&before, &after);
    if difference > tolerance {
        let problem = format!(
            "{}: the exported model differs from the original: log-likelihoods differ by up to {difference:.2e} nats, {tolerance:.0e} is allowed",
            args.out.display()
        );
        return Err(Failure::run(problem));
    }
    tell!("checked after export: log-likelihoods differ by at most {difference:.2e} nats");
    if let Some(note) = note {
        tell!("{note}");
    }
    say!("{}", args.out.display());
    Ok(())
}

/// Computes log-likelihoods for a few questions, one of them about an image, so that every weight takes part. The image
/// is split into tiles if the processor splits images.
fn answers(pipeline: &VlmPipeline) -> Result<Answers, Failure> {
    let processor = &pipeline.processor;
    // An image of this shape is cut into tiles by processors that cut.
    let grid = processor.grid(1024, 512);
    let pixels = (0..grid.values()).map(|index| (index * 37 % 101) as f32 / 100.0);
    let image = Arc::new(processor.repainted(grid, pixels.collect()).map_err(Failure::run)?);
    let queries: Vec<(EncodableExample, Vec<String>)> = [
        ("Which modality is this?", vec![image]),
        ("Which modality is this?", Vec::new()),
        ("Is there a finding? Answer yes or no.", Vec::new()),
        ("1 2 3", Vec::new()),
    ]
    .into_iter()
    .map(|(question, images)| {
        let mut conversation = Conversation::default();
        let shown = (0..images.len()).map(|index| Part::Image { index });
        conversation.push(Role::User, shown.chain([Part::text(question)]).collect());
        let options = ["yes", "no", "CT", "[10, 20, 30, 40]"].map(str::to_owned).to_vec();
        (EncodableExample { conversation, images }, options)
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

/// Says how to use an adapter whose image settings differ from the settings of its base.
fn options_note(options: &ImageOptions) -> String {
    let stated: Vec<String> = options.stated().iter().map(|(name, value)| format!("`{name} = {value}`")).collect();
    let python = |value: &serde_json::Value| match value.as_bool() {
        Some(true) => "True".to_owned(),
        Some(false) => "False".to_owned(),
        None => value.to_string(),
    };
    let set = options.stated().into_iter().map(|(name, value)| match name {
        // `Gemma3Processor` replaces the value of its image processor by false.
        "do_pan_and_scan" => format!("pass `{name}={}` to the processor", python(&value)),
        "box_format" => "ask for boxes in this unit".to_owned(),
        _ => format!("set `processor.image_processor.{name} = {}`", python(&value)),
    });
    let set: Vec<String> = set.collect();
    format!(
        "The adapter was trained with {}, unlike the settings of its base. Stepwise reads them from this folder; in \
         transformers, {}.",
        stated.join(" and "),
        set.join(" and ")
    )
}

/// Writes the model card `README.md`, with `note` at its end.
fn write_card(out: &Path, format: &str, base: &Path, note: Option<&str>) -> Result<(), Failure> {
    let (library, what) = if format == "peft" { ("peft", "A LoRA adapter") } else { ("transformers", "A model") };
    let mut card = format!(
        "---\nlibrary_name: {library}\nbase_model: {}\n---\n\n{what} made by Stepwise. Not for clinical use.\n",
        base.display()
    );
    if let Some(note) = note {
        card.push_str(&format!("\n{note}\n"));
    }
    std::fs::write(out.join("README.md"), card).map_err(Failure::run)
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

    use super::*;

    /// Doubles one weight of a part of the model.
    struct Change(&'static str);

    impl ParameterVisitor for Change {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if name.contains(self.0) {
                parameter.replace(parameter.values() * 2.0);
            }
        }
    }

    #[test]
    fn the_check_after_an_export_exercises_every_part_of_the_model_and_the_splitting_of_images() {
        let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/tiny");
        let load = || VlmPipeline::load(&tiny, &Device::flex()).expect("the tiny model");
        let before = answers(&load()).unwrap_or_else(|_| panic!("answers"));
        let apart = |pipeline: VlmPipeline| {
            largest_difference(&before, &answers(&pipeline).unwrap_or_else(|_| panic!("answers")))
        };
        assert!(apart(load()) < TOLERANCE[0].1);
        for weight in [
            "vision_model.embeddings.patch_embedding.weight",
            "vision_model.encoder.layers.1.mlp.fc1.weight",
            "connector.modality_projection.proj.weight",
            "text_model.layers.1.mlp.up_proj.weight",
            "lm_head.weight",
        ] {
            let mut changed = load();
            changed.model.visit(&mut Change(weight));
            changed.refresh();
            let apart = apart(changed);
            assert!(apart > TOLERANCE[0].1, "{weight}: {apart}");
        }
        let mut whole = load();
        whole.processor.set_image_splitting(whole.processor.image_splitting().map(|splitting| !splitting));
        assert!(apart(whole) > TOLERANCE[0].1, "image splitting");
    }
}
