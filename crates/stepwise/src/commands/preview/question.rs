//! One question of a suite as text: images, encoded prompt, options, right answer and named answer.

use std::path::Path;

use stepwise_benchmark::perturb::{Perturbed, ShownImages};
use stepwise_benchmark::plan::{Plan, PlanEntry};
use stepwise_benchmark::runner::{Gallery, shown_prompt};
use stepwise_data::case::Case;
use stepwise_data::prompt::gold_text;
use stepwise_trainer::cases::CaseImages;
use stepwise_vlm::processor::Processor;

use super::tokens::marked;
use crate::exit::{CommandResult, Failure};

/// Words in place of an answer of the model that a prompt repeats.
const EARLIER: &str = "(the model's own earlier answer)";

/// Prints the questions of a plan.
pub struct QuestionPrinter<'a> {
    plan: &'a Plan<'a>,
    gallery: Gallery<'a>,
    processor: &'a Processor,
    /// Folder to which images are written; None writes none.
    folder: Option<&'a Path>,
}

impl<'a> QuestionPrinter<'a> {
    /// Creates a printer of the questions of `plan`. `pictures` loads the images of the cases, and `folder` is the
    /// existing folder to which images are written; None writes none.
    pub fn new(
        plan: &'a Plan<'a>,
        pictures: &'a CaseImages,
        processor: &'a Processor,
        folder: Option<&'a Path>,
    ) -> Self {
        Self { plan, gallery: Gallery::new(plan.pool.cases(), pictures), processor, folder }
    }

    /// Prints the question `entry`: images, prompt as the tokenizer sees it, right answer, named answer and sentence.
    /// Pixels of an attack depend on the evaluated model, so the images are those before the attack.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] when an image cannot be read or a text cannot be encoded; [`Failure::Run`] when an image
    /// cannot be written.
    pub fn print(&mut self, entry: PlanEntry) -> CommandResult {
        let Some(perturbed) = self.plan.perturbed(entry) else { return Ok(()) };
        let (case, item) = self.plan.item(entry);
        say!("\n--- {}/{} (stage {}, category {})", case.case_id, item.id, item.stage, item.category);
        say!("{}", self.images(entry, &perturbed)?);
        if let Some(attack) = &perturbed.attack {
            say!("attack on the pixels of the evaluated model: {}", attack.key());
        }
        let prompt = shown_prompt(self.plan, entry, &perturbed, EARLIER);
        let shown = if perturbed.frame.without_images { &[] } else { self.shown(entry, &perturbed).images.as_slice() };
        let grids: Vec<_> = shown.iter().map(|image| self.processor.grid(image.width, image.height)).collect();
        let encoded = self.processor.encode(&prompt.conversation, &grids, true).map_err(Failure::input)?;
        say!("{}", marked(self.processor, &encoded.ids, &vec![false; encoded.ids.len()]));
        let of = if matches!(perturbed.pictures, ShownImages::Of(_)) { " of the case's own image" } else { "" };
        say!("right answer{of}: {}", gold_text(case, item));
        if let Some(named) = &perturbed.named {
            say!("named answer: {}", named.text);
        }
        if let Some(sentence) = &perturbed.sentence {
            say!("sentence: {sentence}");
        }
        Ok(())
    }

    fn shown(&self, entry: PlanEntry, perturbed: &Perturbed) -> &'a Case {
        &self.plan.pool.cases()[perturbed.shown_case(entry.case)]
    }

    /// Describes the shown images, one a line, and writes them to the folder.
    fn images(&mut self, entry: PlanEntry, perturbed: &Perturbed) -> Result<String, Failure> {
        if perturbed.frame.without_images {
            return Ok("no image".to_owned());
        }
        let shown = self.shown(entry, perturbed);
        let written = match self.folder {
            Some(_) if shown.source.credentialed => {
                vec![", not written, because its data set needs credentials".to_owned(); shown.images.len()]
            }
            Some(folder) => self.written(folder, entry, perturbed)?,
            None => vec![String::new(); shown.images.len()],
        };
        let change = match &perturbed.pictures {
            ShownImages::Own => String::new(),
            ShownImages::Of(_) => format!(", of case {}", shown.case_id),
            ShownImages::Edited(_) => ", changed by the condition".to_owned(),
            ShownImages::MeanOf(sources) => format!(", in place of it the mean colour of {} images", sources.len()),
        };
        let line = |(image, written): (&stepwise_data::case::Image, String)| {
            format!("image {}: {} x {} pixels, {}{change}{written}", image.id, image.width, image.height, image.path)
        };
        Ok(shown.images.iter().zip(written).map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Writes the shown images as PNG files and returns, for each, where it is.
    fn written(&mut self, folder: &Path, entry: PlanEntry, perturbed: &Perturbed) -> Result<Vec<String>, Failure> {
        self.gallery.clear();
        let pictures = self.gallery.pictures(entry.case, perturbed).map_err(Failure::input)?;
        let (case, item) = self.plan.item(entry);
        let condition = &self.plan.condition(entry).id;
        let mut places = Vec::new();
        for (index, picture) in pictures.iter().enumerate() {
            let name = format!("{}-{}-{condition}-{index}.png", case.case_id, item.id);
            // Ids of cases can contain characters that a file name cannot.
            let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
            let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
            let path = folder.join(name);
            picture.save(&path).map_err(|error| {
                Failure::run(format!(
                    "{}: {error} -> check that the folder is writable and the disk has room",
                    path.display()
                ))
            })?;
            places.push(format!(", written to {}", path.display()));
        }
        Ok(places)
    }
}
