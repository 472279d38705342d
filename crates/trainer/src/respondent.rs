//! The model as a respondent of the benchmark: adapted, or as its untouched base.

use std::sync::Arc;

use stepwise_benchmark::probe::{
    Ask, Objective, OptionScore, PixelGradient, PixelGrid, Probe, Reply, Respondent, RespondentError, Shown,
};
use stepwise_vlm::batch::Example;
use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::pixel_gradient::{PixelObjective, PixelSlope};
use stepwise_vlm::processor::Prepared;
use stepwise_vlm::processor::pixels::ImageGrid;
use stepwise_vlm::reader::Reader;

use crate::interrupt::Interrupt;

/// A reader that answers probes.
pub struct ModelRespondent<'a> {
    reader: &'a Reader,
    pass: Pass,
    interrupt: &'a Interrupt,
    /// Pictures cut lately: probes about one case come together and show the same ones again and again.
    recent: Vec<(*const image::RgbImage, Arc<image::RgbImage>, Arc<Prepared>)>,
}

/// How many cut pictures are remembered.
const RECENT: usize = 64;
/// Questions scored between two looks at the interrupt.
const SCORED_AT_ONCE: usize = 256;
/// Gradients taken between two looks at the interrupt.
const GRADIENTS_AT_ONCE: usize = 16;

impl<'a> ModelRespondent<'a> {
    /// The adapted model ([`Pass::ANSWER`]) or its base ([`Pass::BASE`]). Once an interrupt is requested it answers no
    /// more: what is asked of it fails with [`RespondentError::Stopped`].
    #[must_use]
    pub fn new(reader: &'a Reader, pass: Pass, interrupt: &'a Interrupt) -> Self {
        Self { reader, pass, interrupt, recent: Vec::new() }
    }

    fn go_on(&self) -> Result<(), RespondentError> {
        if self.interrupt.requested() { Err(RespondentError::Stopped) } else { Ok(()) }
    }

    fn example(&mut self, probe: &Probe) -> Result<Example, RespondentError> {
        let images = probe.images.iter().map(|shown| self.prepared(shown)).collect::<Result<_, _>>()?;
        Ok(Example { conversation: probe.conversation.clone(), images })
    }

    fn prepared(&mut self, shown: &Shown) -> Result<Arc<Prepared>, RespondentError> {
        match shown {
            Shown::Picture(picture) => {
                let address = Arc::as_ptr(picture);
                // The kept picture keeps its address from being given to another one.
                if let Some((_, _, known)) = self.recent.iter().find(|(known, _, _)| *known == address) {
                    return Ok(Arc::clone(known));
                }
                let prepared = Arc::new(self.reader.processor.prepare(picture).map_err(RespondentError::new)?);
                if self.recent.len() == RECENT {
                    self.recent.remove(0);
                }
                self.recent.push((address, Arc::clone(picture), Arc::clone(&prepared)));
                Ok(prepared)
            }
            Shown::Pixels(pixels) => {
                let prepared = self.reader.processor.repainted(ImageGrid::default(), pixels.values.clone());
                Ok(Arc::new(prepared.map_err(RespondentError::new)?))
            }
        }
    }
}

impl Respondent for ModelRespondent<'_> {
    fn reply(&mut self, probes: &[Probe]) -> Result<Vec<Reply>, RespondentError> {
        let mut replies: Vec<Option<Reply>> = vec![None; probes.len()];
        let mut scored = Vec::new();
        for (index, probe) in probes.iter().enumerate() {
            let example = self.example(probe)?;
            match &probe.ask {
                Ask::Options(options) => scored.push((index, (example, options.clone()))),
                Ask::Generate { max_new_tokens } => {
                    self.go_on()?;
                    let generated = self.reader.generate(&example, *max_new_tokens, &self.pass);
                    let ids = generated.map_err(RespondentError::new)?.ids;
                    replies[index] = Some(Reply::Text(self.reader.processor.decode(&ids)));
                }
            }
        }
        let (places, asked): (Vec<usize>, Vec<_>) = scored.into_iter().unzip();
        let mut scores = Vec::with_capacity(asked.len());
        for asked in asked.chunks(SCORED_AT_ONCE) {
            self.go_on()?;
            scores.extend(self.reader.score(asked, &self.pass).map_err(RespondentError::new)?);
        }
        for (place, scores) in places.into_iter().zip(scores) {
            let scores = scores
                .into_iter()
                .map(|score| OptionScore { loglikelihood: score.loglikelihood, tokens: score.token_ids.len() });
            replies[place] = Some(Reply::Options(scores.collect()));
        }
        Ok(replies.into_iter().flatten().collect())
    }

    fn pixels(&mut self, probe: &Probe) -> Result<Option<PixelGrid>, RespondentError> {
        let Some(first) = probe.images.first() else { return Ok(None) };
        let prepared = self.prepared(first)?;
        Ok(unit_pixels(self.reader, &prepared))
    }

    fn pixel_gradients(&mut self, attacked: &[(Probe, Objective)]) -> Result<Vec<PixelGradient>, RespondentError> {
        let mut shapes = Vec::with_capacity(attacked.len());
        let mut asked = Vec::with_capacity(attacked.len());
        for (probe, objective) in attacked {
            let Some(Shown::Pixels(pixels)) = probe.images.first() else {
                return Err(RespondentError::new("an attack starts from pixels"));
            };
            shapes.push(pixels.shape.clone());
            asked.push((self.example(probe)?, pixel_objective(objective)));
        }
        let mut slopes = Vec::with_capacity(asked.len());
        for asked in asked.chunks(GRADIENTS_AT_ONCE) {
            self.go_on()?;
            slopes.extend(self.reader.pixel_gradients(asked, &self.pass).map_err(RespondentError::new)?);
        }
        let gradient = |(slope, shape): (PixelSlope, Vec<usize>)| PixelGradient {
            loss: slope.value,
            gradient: PixelGrid { shape, values: slope.gradient },
        };
        Ok(slopes.into_iter().zip(shapes).map(gradient).collect())
    }
}

/// The pixels that an attack moves; none of a picture that is shown in several tiles.
pub(crate) fn unit_pixels(reader: &Reader, prepared: &Prepared) -> Option<PixelGrid> {
    let side = reader.model.config().vision.image_size;
    let shape = vec![prepared.grid.tiles(), 3, side, side];
    let is_one = prepared.grid == ImageGrid::default();
    is_one.then(|| PixelGrid { shape, values: reader.processor.unit_pixels(prepared) })
}

fn pixel_objective(objective: &Objective) -> PixelObjective {
    match objective.clone() {
        Objective::Nll { target } => PixelObjective::Nll { target },
        Objective::Margin { options, gold } => PixelObjective::Margin { options, gold },
    }
}
