//! Decides answers, categories, images and regions of each row, and counts what is left out or faulty.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use stepwise_data::answer_text::text_fault;
use stepwise_data::problem::{Problem, Problems};

use super::answers::{self, clean};
use super::entry::{Entry, Question, Row};
use super::kept::{KeptQuestion, KeptRow};
use super::map::{CategoryMap, Mapped};
use super::pictures::Pictures;
use super::regions::{drawn_on, outlined, placed};
use super::report::{FormatReport, NO_ANSWERS};
use crate::import::ImportError;
use crate::source_image::PixelOptions;

/// Files of a source in which at least one question has a right answer.
pub(super) type Answered = BTreeSet<Arc<Path>>;

/// Returns the files in which at least one question has a right answer.
pub(super) fn answered(entries: impl Iterator<Item = Entry>) -> Answered {
    let mut files = Answered::new();
    for entry in entries {
        if let Entry::Row(row) = entry
            && !files.contains(&row.place.file)
            && row.questions.iter().any(has_answer)
        {
            files.insert(row.place.file);
        }
    }
    files
}

fn has_answer(question: &Question) -> bool {
    !question.boxes.is_empty() || question.golds.iter().any(|gold| !clean(&gold.text).is_empty())
}

/// What a question becomes.
enum Fate {
    Kept(Box<KeptQuestion>),
    LeftOut(String),
    Faulty(Problems),
}

/// Decides rows one after another.
pub(super) struct Decider<'a> {
    /// Category map.
    pub(super) map: &'a CategoryMap,
    /// Category of the questions that no rule maps; None leaves them out.
    pub(super) rest: Option<&'a Mapped>,
    /// Files with right answers.
    pub(super) answered: &'a Answered,
    /// Images of the output.
    pub(super) pictures: &'a mut Pictures,
    /// Choices about pixels.
    pub(super) pixels: &'a PixelOptions,
    /// Counts.
    pub(super) report: &'a mut FormatReport,
    /// Rows that are wrong.
    pub(super) problems: Vec<Problem>,
}

impl Decider<'_> {
    /// Decides an entry and returns the row if at least one of its questions is kept.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub(super) fn decide(&mut self, entry: Entry) -> Result<Option<KeptRow>, ImportError> {
        match entry {
            Entry::Part(place, reason) => self.report.parts_left_out.add(reason, place.short()),
            Entry::LeftOut(place, reason) => {
                self.report.rows.read += 1;
                self.report.rows.left_out.add(reason, place.short());
            }
            Entry::Faulty(Problems(problems)) => {
                self.report.rows.read += 1;
                self.faulty(&problems);
            }
            Entry::Row(row) => {
                self.report.rows.read += 1;
                return self.row(*row);
            }
        }
        Ok(None)
    }

    fn faulty(&mut self, problems: &[Problem]) {
        self.report.add_faulty_row(problems);
        self.problems.extend_from_slice(problems);
    }

    fn row(&mut self, row: Row) -> Result<Option<KeptRow>, ImportError> {
        row.remarks.iter().for_each(|remark| self.report.parts_left_out.add(remark.clone(), row.place.short()));
        let fates: Vec<Fate> = (0..row.questions.len()).map(|index| self.question(&row, index)).collect();
        self.report.questions.read += fates.len();
        let mut problems: Vec<Problem> = Vec::new();
        let (mut questions, mut left_out, mut kept_at) = (Vec::new(), Vec::new(), vec![None; fates.len()]);
        for (index, fate) in fates.into_iter().enumerate() {
            match fate {
                Fate::Kept(mut question) => {
                    if row.questions[index].continues {
                        question.parent = kept_at[..index].iter().rev().find_map(|kept| *kept);
                    }
                    kept_at[index] = Some(questions.len());
                    questions.push(*question);
                }
                Fate::LeftOut(reason) => left_out.push(reason),
                Fate::Faulty(Problems(found)) => problems.extend(found),
            }
        }
        if questions.is_empty() && problems.is_empty() {
            left_out.iter().for_each(|reason| self.report.questions.left_out.add(reason, row.place.short()));
            let reason = left_out.first().map_or("without a question", String::as_str);
            self.report.rows.left_out.add(reason, row.place.short());
            return Ok(None);
        }
        let (images, regions) = match problems.is_empty() {
            true => self.images(&row, &mut problems)?,
            false => Default::default(),
        };
        if !problems.is_empty() {
            (0..row.questions.len())
                .for_each(|_| self.report.questions.faulty.add("in a faulty row", row.place.short()));
            self.faulty(&problems);
            return Ok(None);
        }
        left_out.iter().for_each(|reason| self.report.questions.left_out.add(reason, row.place.short()));
        let Row { place, mut links, split, modality, body_region, risk_tier, credentialed, licence, revision, .. } =
            row;
        // What the image files record counts where the row records nothing.
        let facts = images.iter().map(|index| &self.pictures.all[*index].facts);
        let modality = modality.or_else(|| facts.clone().find_map(|facts| facts.modality.clone()));
        let body_region = body_region.or_else(|| facts.clone().find_map(|facts| facts.body_region.clone()));
        links.extend(facts.filter_map(|facts| facts.group.clone()));
        Ok(Some(KeptRow {
            place,
            images,
            regions,
            questions,
            links,
            split,
            modality,
            body_region,
            risk_tier,
            credentialed,
            licence,
            revision,
        }))
    }

    fn question(&self, row: &Row, index: usize) -> Fate {
        let question = &row.questions[index];
        if !has_answer(question) && !self.answered.contains(&row.place.file) {
            return Fate::LeftOut(NO_ANSWERS.to_owned());
        }
        if let Some(reason) = &question.untaught {
            return Fate::LeftOut(reason.clone());
        }
        if row.images.is_empty() {
            return Fate::LeftOut("without an image".to_owned());
        }
        let text = clean(&question.text);
        if let Some(fault) = text_fault(&text) {
            return Fate::Faulty(row.place.problem(
                question.field.as_deref().unwrap_or("question"),
                fault.what,
                fault.advice,
            ));
        }
        let answer = match answers::read(question) {
            Ok(answer) => answer,
            Err(fault) => return Fate::Faulty(row.place.problem(&fault.field, fault.what, fault.advice)),
        };
        match self.map.find(&question.fields, &text, &answer).or_else(|| self.rest.cloned()) {
            Some(mapped) => {
                let Question { evidence, pair, rationale, laterality, .. } = question.clone();
                let laterality = laterality.map(|found| answers::flipped(found, &answer));
                let parent = None;
                Fate::Kept(Box::new(KeptQuestion {
                    text,
                    answer,
                    mapped,
                    pair,
                    rationale,
                    laterality,
                    evidence,
                    parent,
                }))
            }
            None => Fate::LeftOut(self.map.unmapped(&question.fields)),
        }
    }

    /// Copies the images of a row and places its regions.
    fn images(&mut self, row: &Row, problems: &mut Vec<Problem>) -> Result<(Vec<usize>, Regions), ImportError> {
        let mut images = Vec::new();
        for wanted in &row.images {
            match self.pictures.add(&row.place, wanted, self.pixels) {
                Ok(index) => images.push(index),
                // A problem with the place of this row is a fault of the source, any other one of the output.
                Err(ImportError::Problems(Problems(found))) if found.iter().all(|one| *one.file == *row.place.file) => {
                    problems.extend(found);
                }
                Err(other) => return Err(other),
            }
        }
        let mut regions = Vec::new();
        if problems.is_empty() {
            for (index, draft) in row.regions.iter().enumerate() {
                let (wanted, image) = (&row.images[draft.image], images[draft.image]);
                let picture = &self.pictures.all[image];
                let drawn_on = match drawn_on(&row.place, wanted, picture, self.pixels.exif) {
                    Ok(drawn_on) => drawn_on,
                    Err(Problems(found)) => {
                        problems.extend(found);
                        break;
                    }
                };
                match placed(&row.place, draft, picture, drawn_on, &mut self.report.pixels) {
                    Ok(region) => regions.push((draft.image, region)),
                    Err(Problems(found)) => {
                        problems.extend(found);
                        continue;
                    }
                }
                if let (Some(mask), Some((_, region))) = (row.masks.get(&index), regions.last_mut())
                    && let Some(shape) = self.pictures.add_mask(image, (index, &draft.label), &mask.made(), drawn_on)?
                {
                    region.shape = shape;
                }
                if let (Some(points), Some((_, region))) = (row.polygons.get(&index), regions.last_mut()) {
                    match outlined(&region.shape, (points, draft.unit), &self.pictures.all[image], drawn_on) {
                        Some(shape) => region.shape = shape,
                        None => self.report.pixels.add("box kept, because its outline is elsewhere", row.place.short()),
                    }
                }
            }
        }
        Ok((images, regions))
    }
}

/// Regions, each with the index of its image in the row.
type Regions = Vec<(usize, stepwise_data::case::Region)>;
