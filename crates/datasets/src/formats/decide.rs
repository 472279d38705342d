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
use super::regions::placed;
use super::report::FormatReport;
use crate::import::ImportError;

/// Reason of rows in a file without any right answer.
const NO_ANSWERS: &str = "in a file without right answers";

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
    Kept(KeptQuestion),
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
        if let Some(first) = problems.first() {
            let name = first.file.file_name().unwrap_or_default().to_string_lossy();
            let place = first.row.map_or_else(|| name.to_string(), |row| format!("{name}:{row}"));
            let field = if first.field.is_empty() { String::new() } else { format!("{}: ", first.field) };
            self.report.rows.faulty.add(format!("{field}{}", first.what), place);
        }
        self.problems.extend_from_slice(problems);
    }

    fn row(&mut self, row: Row) -> Result<Option<KeptRow>, ImportError> {
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
                    questions.push(question);
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
        let Row { place, links, split, modality, body_region, credentialed, .. } = row;
        Ok(Some(KeptRow { place, images, regions, questions, links, split, modality, body_region, credentialed }))
    }

    fn question(&self, row: &Row, index: usize) -> Fate {
        let question = &row.questions[index];
        if !has_answer(question) && !self.answered.contains(&row.place.file) {
            return Fate::LeftOut(NO_ANSWERS.to_owned());
        }
        if row.images.is_empty() {
            return Fate::LeftOut("without an image".to_owned());
        }
        let text = clean(&question.text);
        if let Some(fault) = text_fault(&text) {
            return Fate::Faulty(row.place.problem("question", fault.what, fault.advice));
        }
        let answer = match answers::read(question) {
            Ok(answer) => answer,
            Err(fault) => return Fate::Faulty(row.place.problem(&fault.field, fault.what, fault.advice)),
        };
        match self.map.find(&question.fields, &text, &answer).or_else(|| self.rest.cloned()) {
            Some(mapped) => {
                let evidence = question.evidence.clone();
                Fate::Kept(KeptQuestion { text, answer, mapped, evidence, parent: None })
            }
            None => Fate::LeftOut(self.map.unmapped(&question.fields)),
        }
    }

    /// Copies the images of a row and places its regions.
    fn images(&mut self, row: &Row, problems: &mut Vec<Problem>) -> Result<(Vec<usize>, Regions), ImportError> {
        let mut images = Vec::new();
        for wanted in &row.images {
            match self.pictures.add(&row.place, wanted) {
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
            for draft in &row.regions {
                let (wanted, picture) = (&row.images[draft.image], &self.pictures.all[images[draft.image]]);
                match placed(&row.place, draft, wanted, picture, &mut self.report.pixels) {
                    Ok(region) => regions.push((draft.image, region)),
                    Err(Problems(found)) => problems.extend(found),
                }
            }
        }
        Ok((images, regions))
    }
}

/// Regions, each with the index of its image in the row.
type Regions = Vec<(usize, stepwise_data::case::Region)>;
