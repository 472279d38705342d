//! The model as a respondent of the benchmark: adapted, or as its untouched base.

use std::sync::Arc;

use stepwise_benchmark::probe::{
    Ask, Objective, OptionScore, PixelGradient, PixelGrid, Probe, Reply, Respondent, RespondentError, Shown,
};
use stepwise_vlm::batch::Example;
use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::processor::Prepared;
use stepwise_vlm::processor::pixels::ImageGrid;
use stepwise_vlm::reader::{Reader, ReaderError};

/// A reader that answers probes.
pub struct ModelRespondent<'a> {
    reader: &'a Reader,
    pass: Pass,
    /// Pictures cut lately: probes about one case come together and show the same ones again and again.
    recent: Vec<(*const image::RgbImage, Arc<image::RgbImage>, Arc<Prepared>)>,
}

/// How many cut pictures are remembered.
const RECENT: usize = 64;

impl<'a> ModelRespondent<'a> {
    /// The adapted model ([`Pass::ANSWER`]) or its base ([`Pass::BASE`]).
    #[must_use]
    pub fn new(reader: &'a Reader, pass: Pass) -> Self {
        Self { reader, pass, recent: Vec::new() }
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
                    let generated = self.reader.generate(&example, *max_new_tokens, &self.pass);
                    let ids = generated.map_err(RespondentError::new)?.ids;
                    replies[index] = Some(Reply::Text(self.reader.processor.decode(&ids)));
                }
            }
        }
        let (places, asked): (Vec<usize>, Vec<_>) = scored.into_iter().unzip();
        let scores = self.reader.score(&asked, &self.pass).map_err(RespondentError::new)?;
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
        if prepared.grid != ImageGrid::default() {
            return Ok(None); // Attacks are made on pictures of one tile.
        }
        let side = self.reader.model.config().vision.image_size;
        let values = self.reader.processor.unit_pixels(&prepared);
        Ok(Some(PixelGrid { shape: vec![prepared.grid.tiles(), 3, side, side], values }))
    }

    fn pixel_gradients(&mut self, attacked: &[(Probe, Objective)]) -> Result<Vec<PixelGradient>, RespondentError> {
        attacked.iter().map(|(probe, objective)| self.gradient(probe, objective)).collect()
    }
}

impl ModelRespondent<'_> {
    fn gradient(&mut self, probe: &Probe, objective: &Objective) -> Result<PixelGradient, RespondentError> {
        let example = self.example(probe)?;
        let shape = match probe.images.first() {
            Some(Shown::Pixels(pixels)) => pixels.shape.clone(),
            _ => return Err(RespondentError::new("an attack starts from pixels")),
        };
        let weights: Vec<(String, f32)> = match objective {
            Objective::Nll { target } => vec![(target.clone(), -1.0)],
            Objective::Margin { options, gold } => {
                let rival = self.likeliest_rival(&example, options, *gold).map_err(RespondentError::new)?;
                vec![(options[rival].clone(), 1.0), (options[*gold].clone(), -1.0)]
            }
        };
        let (loss, gradient) =
            self.reader.pixel_gradient(&example, &weights, &self.pass).map_err(RespondentError::new)?;
        Ok(PixelGradient { loss, gradient: PixelGrid { shape, values: gradient } })
    }

    /// The option other than the right one with the highest log-likelihood a token.
    fn likeliest_rival(&self, example: &Example, options: &[String], gold: usize) -> Result<usize, ReaderError> {
        let scores = self.reader.score(&[(example.clone(), options.to_vec())], &self.pass)?;
        let rate = |index: usize| scores[0][index].loglikelihood / scores[0][index].token_ids.len() as f64;
        let rivals = (0..options.len()).filter(|index| *index != gold);
        let best = rivals.max_by(|a, b| rate(*a).total_cmp(&rate(*b)));
        best.ok_or(ReaderError::NoGradient("a margin needs two options"))
    }
}
