//! Writes the first pass of a pack, question by question.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbImage;
use serde_json::{Value, json};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{
    DECODED_AT_ONCE, Gallery, Images, NO_RESPONSE, Question, Surrogate, attacked, each_question, shown_prompt,
};
use stepwise_benchmark::suite::SuiteName;
use stepwise_data::jsonl::CaseWriter;
use stepwise_data::prompt::gold_text;

use super::{ANSWERS, CASES, GOLD, IMAGES, Manifest, PackError, REQUESTS, SCHEMA, SECOND_TURNS, SUITE, model_key};
use crate::picture;
use crate::request::{batch_row, chat_body};

/// Settings of a pack.
#[derive(Clone, Copy, Debug)]
pub struct PackOptions<'a> {
    /// Folder to write; it must not exist, or be empty.
    pub out: &'a Path,
    /// TOML text of the suite, from which the plan's suite was read.
    pub suite: &'a str,
    /// Name of the model in every request.
    pub model: &'a str,
    /// Whether requests hold images as data URLs; otherwise they hold paths below the pack.
    pub data_urls: bool,
}

/// Writes a pack of all questions of `plan` that a black box can be asked, with the images that `images` loads. The
/// suite of the plan must score by generation. Transferred attacks and noise are made on `surrogate`; with None,
/// transferred attacks are left out and noise is put on images in their own size. Memory does not grow with the number of
/// questions, apart from the plan and 32 bytes an image.
///
/// # Errors
/// When the folder has files, a file cannot be written, an image cannot be read, or an attack cannot be made.
pub fn write(
    plan: &Plan<'_>,
    images: &dyn Images,
    options: PackOptions<'_>,
    surrogate: Option<Surrogate<'_>>,
) -> Result<Manifest, PackError> {
    let out = options.out;
    let is_used = out.exists() && fs::read_dir(out).map_err(PackError::io(out))?.next().is_some();
    if is_used {
        return Err(PackError::Exists { path: out.to_owned() });
    }
    for folder in [IMAGES, GOLD] {
        let folder = out.join(folder);
        fs::create_dir_all(&folder).map_err(PackError::io(&folder))?;
    }
    let gold = out.join(GOLD);
    fs::write(gold.join(SUITE), options.suite).map_err(PackError::io(&gold.join(SUITE)))?;
    let mut cases = CaseWriter::create(&gold.join(CASES))?;
    plan.pool.cases().iter().try_for_each(|case| cases.write(case))?;
    cases.finish()?;

    let key = surrogate.as_ref().map(|surrogate| surrogate.key.to_owned());
    let mut requests = Requests::new(plan, images, options, surrogate, out.join(REQUESTS))?;
    let mut answers = Lines::create(gold.join(ANSWERS))?;
    let run = each_question(plan, model_key(key.as_deref()), key.as_deref(), &mut |question| {
        requests.add(question)?;
        answers.add(&gold_row(plan, question))?;
        Ok::<_, PackError>(None)
    })?;
    let (count, files) = requests.finish()?;
    answers.finish()?;
    let second_turns = second_turns(plan, options.model, out)?;
    let not_asked = plan.suite.conditions.iter().zip(&run.unanswerable).filter_map(|(condition, reasons)| {
        let reasons = reasons.iter().filter(|(reason, _)| **reason != NO_RESPONSE);
        let reasons: BTreeMap<String, usize> = reasons.map(|(reason, n)| ((*reason).to_owned(), *n)).collect();
        (!reasons.is_empty()).then(|| (condition.id.clone(), reasons))
    });
    let manifest = Manifest {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        suite: SuiteName::from(plan.suite),
        max_cases: plan.suite.max_cases,
        requests: count,
        second_turns,
        images: files,
        surrogate: key,
        not_asked: not_asked.collect(),
    };
    manifest.write(out)?;
    Ok(manifest)
}

/// Right and suggested answer of a question, apart from the requests.
pub(super) fn gold_row(plan: &Plan<'_>, question: Question<'_>) -> Value {
    let (case, item) = plan.item(question.entry);
    json!({
        "custom_id": question.key,
        "case_id": case.case_id,
        "item_id": item.id,
        "condition": plan.condition(question.entry).id,
        "gold": gold_text(case, item),
        "named": question.perturbed.named,
        "options": question.prompt.options,
        "stored": question.prompt.stored,
        "sentence": question.perturbed.sentence,
    })
}

/// Place of an earlier reply in a question of the second pass.
const SLOT: &str = "{{first reply}}";

/// Writes the questions that repeat the model's own replies, with a slot in place of each reply. Returns their number.
fn second_turns(plan: &Plan<'_>, model: &str, out: &Path) -> Result<usize, PackError> {
    let mut lines = Lines::create(out.join(SECOND_TURNS))?;
    for &entry in &plan.entries {
        let Some(perturbed) = plan.perturbed(entry) else { continue };
        let Some(recall) = &perturbed.recall else { continue };
        let (case, item) = plan.item(entry);
        let first: Vec<&str> = recall.items(entry.item).into_iter().map(|item| case.chain[item].id.as_str()).collect();
        let prompt = shown_prompt(plan, entry, &perturbed, SLOT);
        let urls: Vec<String> = prompt.images.iter().map(|id| format!("{IMAGES}/{{{{image {id}}}}}")).collect();
        lines.add(&json!({
            "case_id": case.case_id,
            "item_id": item.id,
            "condition": plan.condition(entry).id,
            "first_replies_of": first,
            "body": chat_body(model, &prompt.conversation, &urls, plan.suite.max_new_tokens),
        }))?;
    }
    lines.finish()
}

/// File of JSON lines.
pub(super) struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
    count: usize,
}

impl Lines {
    /// Creates the file, or empties it.
    pub(super) fn create(path: PathBuf) -> Result<Self, PackError> {
        let file = File::create(&path).map_err(PackError::io(&path))?;
        Ok(Self { file: BufWriter::new(file), path, count: 0 })
    }

    /// Appends a line.
    pub(super) fn add(&mut self, value: &Value) -> Result<(), PackError> {
        self.count += 1;
        writeln!(self.file, "{value}").map_err(PackError::io(&self.path))
    }

    /// Writes what is left and returns the number of lines.
    pub(super) fn finish(mut self) -> Result<usize, PackError> {
        self.file.flush().map_err(PackError::io(&self.path))?;
        Ok(self.count)
    }
}

/// Writer of requests and of the images that they show.
pub(super) struct Requests<'a, 's> {
    plan: &'a Plan<'a>,
    options: PackOptions<'a>,
    surrogate: Option<Surrogate<'s>>,
    gallery: Gallery<'a>,
    lines: Lines,
    /// Case whose images are in memory.
    case: Option<usize>,
    /// URLs of the images of this case by the address of the decoded image, which the entry keeps in memory.
    urls: HashMap<*const RgbImage, (Arc<RgbImage>, String)>,
    /// SHA-256 of all images written.
    written: HashSet<String>,
}

impl<'a, 's> Requests<'a, 's> {
    /// Creates the file of requests at `path`.
    pub(super) fn new(
        plan: &'a Plan<'a>,
        images: &'a dyn Images,
        options: PackOptions<'a>,
        surrogate: Option<Surrogate<'s>>,
        path: PathBuf,
    ) -> Result<Self, PackError> {
        Ok(Self {
            plan,
            options,
            surrogate,
            gallery: Gallery::new(plan.pool.cases(), images),
            lines: Lines::create(path)?,
            case: None,
            urls: HashMap::new(),
            written: HashSet::new(),
        })
    }

    /// Writes the request of a question and its images.
    pub(super) fn add(&mut self, question: Question<'_>) -> Result<(), PackError> {
        if self.case != Some(question.entry.case) {
            self.case = Some(question.entry.case);
            self.urls.clear();
            self.gallery.clear();
        }
        if self.gallery.make_room(DECODED_AT_ONCE / 4) {
            self.urls.clear();
        }
        let case_id = &self.plan.item(question.entry).0.case_id;
        let pictures = self.gallery.pictures(question.entry.case, question.perturbed)?;
        let pictures = attacked(self.plan, question, pictures, &mut self.surrogate)
            .map_err(|error| PackError::attack(case_id, error))?;
        let urls = pictures.iter().map(|picture| self.url(case_id, picture)).collect::<Result<Vec<_>, _>>()?;
        let most = self.plan.suite.max_new_tokens;
        let body = chat_body(self.options.model, &question.prompt.conversation, &urls, most);
        self.lines.add(&batch_row(question.key, &body))
    }

    /// Writes an image once and returns its URL.
    fn url(&mut self, case_id: &str, shown: &Arc<RgbImage>) -> Result<String, PackError> {
        if let Some((_, url)) = self.urls.get(&Arc::as_ptr(shown)) {
            return Ok(url.clone());
        }
        let png = picture::png(shown).map_err(|error| PackError::picture(case_id, error))?;
        let digest = picture::digest(&png);
        let name = format!("{IMAGES}/{digest}.png");
        if self.written.insert(digest) {
            let path = self.options.out.join(&name);
            if !path.exists() {
                fs::write(&path, &png).map_err(PackError::io(&path))?;
            }
        }
        let url = if self.options.data_urls { picture::data_url(&png) } else { name };
        // Attacked images are made for one question, so they are not kept.
        if Arc::strong_count(shown) > 1 {
            self.urls.insert(Arc::as_ptr(shown), (Arc::clone(shown), url.clone()));
        }
        Ok(url)
    }

    /// Writes what is left and returns the number of requests and of different images.
    pub(super) fn finish(self) -> Result<(usize, usize), PackError> {
        Ok((self.lines.finish()?, self.written.len()))
    }
}
