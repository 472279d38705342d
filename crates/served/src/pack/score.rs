//! Outcomes from the replies to a pack.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Run, each_question};
use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::{Suite, SuiteName};
use stepwise_data::case::Case;
use stepwise_data::check;
use stepwise_data::io::bounded;

use super::{CASES, GOLD, Manifest, PackError, Replies, Reply, SUITE, model_key};

/// A pack as it was written: its cases and its suite.
#[derive(Debug)]
pub struct Pack {
    /// Folder of the pack.
    pub path: PathBuf,
    /// Description of the pack.
    pub manifest: Manifest,
    /// Cases with right answers; the plan of the pack is the plan of the suite over these.
    pub cases: Vec<Case>,
    /// Suite with the cap and the scoring of the pack.
    pub suite: Suite,
}

/// Outcomes of a pack.
#[derive(Clone, Debug)]
pub struct Scored {
    /// Outcomes by the strict parser, and the questions without a reply by condition and reason.
    pub run: Run,
    /// Number of questions with a reply.
    pub answered: usize,
    /// Number of questions whose reply is missing or failed.
    pub missing: usize,
}

impl Pack {
    /// Reads the pack in the folder `path`.
    ///
    /// # Errors
    /// When the folder is no pack, a file of it is missing or invalid, or its suite has another digest in this version of
    /// Stepwise.
    pub fn open(path: &Path) -> Result<Self, PackError> {
        let manifest = Manifest::read(path)?;
        let gold = path.join(GOLD);
        let file = gold.join(SUITE);
        let text = bounded::text(&file).map_err(PackError::io(&file))?;
        let suite = Suite::parse(&text, &file)?;
        let suite = of_pack(suite, manifest.max_cases);
        let own = SuiteName::from(&suite);
        if own.digest != manifest.suite.digest {
            return Err(PackError::OtherSuite {
                path: path.to_owned(),
                name: own.name,
                stored: manifest.suite.digest,
                own: own.digest,
                version: manifest.version,
            });
        }
        let cases = check::load(&gold.join(CASES))?.cases;
        Ok(Self { path: path.to_owned(), manifest, cases, suite })
    }

    /// Judges the replies to the questions of `plan`, the plan of this pack, by the strict parser.
    ///
    /// # Errors
    /// [`PackError::Replies`] with all replies whose key is no question of the pack.
    pub fn score(&self, plan: &Plan<'_>, replies: &Replies) -> Result<Scored, PackError> {
        let mut seen = HashSet::new();
        let mut missing = 0;
        let surrogate = self.manifest.surrogate.as_deref();
        let answered = each_question(plan, model_key(surrogate), surrogate, &mut |question| {
            seen.insert(question.key.to_owned());
            let reply = match replies.get(question.key) {
                Some(Reply::Text(text)) => Some(text.clone()),
                Some(Reply::Failed) | None => None,
            };
            missing += usize::from(reply.is_none());
            Ok::<_, Infallible>(reply)
        });
        let Ok(run) = answered;
        let stray = replies.unknown(|key| seen.contains(key));
        if !stray.is_empty() {
            return Err(PackError::Replies(stray));
        }
        Ok(Scored { answered: run.asked, missing, run })
    }
}

/// Returns `suite` as a pack asks it: by generation, with the cap `max_cases`.
#[must_use]
pub fn of_pack(suite: Suite, max_cases: Option<usize>) -> Suite {
    Suite { scoring: Scoring::Generate, letter_permutations: None, max_cases, ..suite }
}
