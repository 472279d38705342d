//! `stepwise ask`: generates the answer of a model to one question.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_data::image::load_image;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::device;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::source;

/// Arguments of `ask`.
#[derive(clap::Args)]
pub struct Args {
    /// Model folder.
    #[arg(long = "model_name_or_path", alias = "model-name-or-path", value_name = "DIR")]
    model: PathBuf,
    /// Folder of a PEFT adapter to add to the model.
    #[arg(long, value_name = "DIR")]
    adapter: Option<PathBuf>,
    /// Image to show before the question; may be repeated.
    #[arg(long = "image", value_name = "FILE")]
    images: Vec<PathBuf>,
    /// Question.
    #[arg(long)]
    question: String,
    /// Candidate answers; the log-likelihood of each with the end of its turn is printed.
    #[arg(long, num_args = 1..)]
    options: Vec<String>,
    /// Maximum number of generated tokens.
    #[arg(long = "max-new-tokens", alias = "max_new_tokens", default_value_t = 64)]
    max_new_tokens: usize,
    /// Whether images are split into tiles; by default as set in the model folder.
    #[arg(long)]
    do_image_splitting: Option<bool>,
    /// Device: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the generated answer, and the log-likelihoods of the options.
///
/// # Errors
///
/// [`Failure::Input`] when a folder, an image or an option cannot be used; [`Failure::Run`] when generation fails.
pub fn run(args: &Args) -> CommandResult {
    let _heartbeat = Heartbeat::start("loading the model and answering");
    let chosen = device::choose(args.device.as_deref())?;
    let source = match &args.adapter {
        Some(adapter) => source::find(adapter, Some(&args.model))?,
        None => source::find(&args.model, None)?,
    };
    if let (Some(folder), None) = (&args.adapter, &source.adapter) {
        let advice = "name a PEFT folder, or a whole model as --model_name_or_path";
        return Err(Failure::input(format!("--adapter {}: the folder has no adapter -> {advice}", folder.display())));
    }
    let stated = ImageOptions { do_image_splitting: args.do_image_splitting, ..ImageOptions::default() };
    let pipeline = source.load(&chosen.device, stated).map_err(Failure::input)?;
    let example = example(&pipeline, args)?;
    source::announce(&source);
    let prompt = pipeline.encode(&example, true).map_err(Failure::input)?;
    let generated = pipeline.generate(&example, args.max_new_tokens, &Pass::ANSWER).map_err(Failure::run)?;
    let text = pipeline.processor.decode(&generated.ids);
    let options = match args.options.is_empty() {
        true => Vec::new(),
        false => {
            let queries = [(example, args.options.clone())];
            pipeline.score(&queries, &Pass::ANSWER).map_err(Failure::input)?.remove(0)
        }
    };
    if args.json {
        let mut answer = json!({
            "prompt_token_ids": prompt.ids,
            "text": text,
            "token_ids": generated.ids,
            "logprobs": generated.logprobs,
        });
        if !args.options.is_empty() {
            let options = args.options.iter().zip(&options).map(|(text, score)| {
                json!({ "text": text, "token_ids": score.token_ids, "loglikelihood": score.loglikelihood })
            });
            answer["options"] = options.collect();
        }
        say!("{answer}");
    } else {
        say!("{text}");
        for (option, score) in args.options.iter().zip(&options) {
            say!("{:>10.4}  {:>2} tokens  {option}", score.loglikelihood, score.token_ids.len());
        }
    }
    Ok(())
}

fn example(pipeline: &VlmPipeline, args: &Args) -> Result<EncodableExample, Failure> {
    let prepare = |path: &PathBuf| {
        let image = load_image(path).map_err(Failure::input)?;
        pipeline.processor.prepare(&image).map(Arc::new).map_err(Failure::input)
    };
    let images = args.images.iter().map(prepare).collect::<Result<Vec<_>, _>>()?;
    let mut content: Vec<Part> = (0..images.len()).map(|index| Part::Image { index }).collect();
    content.push(Part::text(&args.question));
    let mut conversation = Conversation::default();
    conversation.push(Role::User, content);
    Ok(EncodableExample { conversation, images })
}
