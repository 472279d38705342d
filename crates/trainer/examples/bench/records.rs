//! Input records of both programs, made from a dataset folder.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use serde_json::{Value, json};
use stepwise_benchmark::model::{Model, Objective, PixelGradient, PixelGrid, Query, QueryImage, Request, Response};
use stepwise_benchmark::model::{ModelError, OptionLikelihood};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Options, run};
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Case;
use stepwise_data::check;
use stepwise_data::conversation::{Conversation, Message, Part};
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_trainer::cases::CaseImages;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::processor::Processor;

use crate::Failure;

/// Arguments of `records`.
#[derive(clap::Args)]
pub struct Args {
    /// Folder with `cases.jsonl`, as `stepwise data import` and `stepwise data synth` write it.
    data: PathBuf,
    /// Output folder.
    #[arg(long)]
    out: PathBuf,
    /// Number of evaluation cases.
    #[arg(long, default_value_t = 60)]
    cases: usize,
}

/// Conditions that do not change the image.
const TEXT: [&str; 5] = ["clean", "hint_plus", "hint_minus", "hint_zero", "permutation"];

/// Writes the three record files and their images.
pub fn write(args: &Args) -> Result<(), Failure> {
    let dataset = check::load(&args.data)?;
    fs::create_dir_all(args.out.join("images"))?;
    let mut gallery = Gallery { out: &args.out, known: HashMap::new() };
    let pictures = CaseImages::of(&dataset);

    let cases: Vec<Case> = dataset.cases.iter().map(one_question_a_stage).collect();
    let mut train = fs::File::create(args.out.join("train.jsonl"))?;
    for case in &cases {
        let picture = pictures.load(case, 0)?;
        let image = gallery.save(&picture)?;
        for item in &case.chain {
            let prompt = prompt(case, item, &PromptOptions::default());
            let options = Some(&prompt.options).filter(|options| !options.is_empty());
            line(&mut train, record(case, "clean", &image, &prompt.conversation, &prompt.answer, options))?;
        }
    }

    let mut suite = Suite::fast();
    suite.max_cases = Some(args.cases);
    let mut recorder = Recorder::default();
    let plan = Plan::new(&suite, &cases);
    let options = Options {
        model: "",
        known: &HashMap::new(),
        batch: 64,
        surrogate: None,
        progress: &mut |_| std::ops::ControlFlow::Continue(()),
    };
    run(&plan, &pictures, &mut recorder, options)?;
    let mut files =
        [fs::File::create(args.out.join("eval-text.jsonl"))?, fs::File::create(args.out.join("eval-image.jsonl"))?];
    for query in &recorder.0 {
        let Request::Options(options) = &query.ask else { continue };
        let Some(QueryImage::Image(picture)) = query.images.first() else { continue };
        let image = gallery.save(picture)?;
        let case = cases.iter().find(|case| case.case_id == query.case_id).ok_or("a probe is about a case")?;
        let condition = query.condition.as_str();
        let file = &mut files[usize::from(!TEXT.contains(&condition))];
        line(file, record(case, condition, &image, &query.conversation, "", Some(options)))?;
    }
    Ok(())
}

/// The case with only the first question of each stage.
fn one_question_a_stage(case: &Case) -> Case {
    let first = |stage| case.chain.iter().find(|item| item.stage == stage).cloned();
    Case { chain: (1..=4).filter_map(first).collect(), ..case.clone() }
}

fn record(
    case: &Case,
    condition: &str,
    image: &str,
    conversation: &Conversation,
    answer: &str,
    options: Option<&Vec<String>>,
) -> Value {
    json!({
        "case": case.case_id, "condition": condition, "image": image, "messages": conversation.messages,
        "answer": answer, "options": options,
    })
}

fn line(file: &mut fs::File, record: Value) -> std::io::Result<()> {
    writeln!(file, "{record}")
}

/// Saves each distinct image once.
struct Gallery<'a> {
    out: &'a Path,
    known: HashMap<Vec<u8>, String>,
}

impl Gallery<'_> {
    fn save(&mut self, picture: &RgbImage) -> Result<String, Failure> {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(picture.as_raw()).to_vec();
        if let Some(name) = self.known.get(&digest) {
            return Ok(name.clone());
        }
        let name = format!("images/{}.png", self.known.len());
        picture.save(self.out.join(&name))?;
        self.known.insert(digest, name.clone());
        Ok(name)
    }
}

/// Records the queries it receives and returns dummy responses.
#[derive(Default)]
struct Recorder(Vec<Query>);

impl Model for Recorder {
    fn reply(&mut self, queries: &[Query]) -> Result<Vec<Response>, ModelError> {
        self.0.extend(queries.iter().cloned());
        let reply = |query: &Query| match &query.ask {
            Request::Options(options) => {
                Response::Options(vec![OptionLikelihood { loglikelihood: 0.0, tokens: 1 }; options.len()])
            }
            Request::Generate { .. } => Response::Text(String::new()),
        };
        Ok(queries.iter().map(reply).collect())
    }

    fn pixels(&mut self, _: &Query) -> Result<Option<PixelGrid>, ModelError> {
        Ok(None) // Attacks are not timed.
    }

    fn pixel_gradients(&mut self, _: &[(Query, Objective)]) -> Result<Vec<PixelGradient>, ModelError> {
        Ok(Vec::new())
    }
}

/// A record read from a file.
#[derive(serde::Deserialize)]
pub struct Record {
    /// Path of the image; relative to the record file until [`read`] completes it.
    pub image: PathBuf,
    /// Conversation up to the user's last turn.
    pub messages: Vec<Message>,
    /// Supervised answer.
    pub answer: String,
    /// Answer options to compare; None if there are none.
    pub options: Option<Vec<String>>,
}

/// Reads a file of records and completes the image paths.
pub fn read(path: &Path) -> Result<Vec<Record>, Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let text = fs::read_to_string(path)?;
    text.lines()
        .map(|line| {
            let mut value: Value = serde_json::from_str(line)?;
            index_images(&mut value);
            let mut record: Record = serde_json::from_value(value)?;
            record.image = folder.join(&record.image);
            Ok(record)
        })
        .collect()
}

/// Adds the index of the image to records of other programs, which show one image without an index.
fn index_images(record: &mut Value) {
    let messages = record["messages"].as_array_mut().into_iter().flatten();
    for part in messages.filter_map(|message| message["content"].as_array_mut()).flatten() {
        if part["type"] == "image" {
            part["index"] = 0.into();
        }
    }
}

impl Record {
    /// The question with its image; with the answer if `supervised`.
    pub fn example(&self, processor: &Processor, supervised: bool) -> Result<EncodableExample, Failure> {
        let picture = stepwise_data::image::load_image(&self.image)?;
        let question = Conversation { messages: self.messages.clone() };
        let shows = question.messages.iter().flat_map(|message| &message.content);
        let images = shows.filter(|part| matches!(part, Part::Image { .. })).count();
        let prepared = Arc::new(processor.prepare(&picture)?);
        let conversation = if supervised { question.answered(&self.answer) } else { question };
        Ok(EncodableExample { conversation, images: vec![prepared; images] })
    }
}
