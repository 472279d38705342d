//! `stepwise eval --endpoint URL --model NAME`: runs the benchmark on a served model.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{self, Options, RunError, RunProgress, Surrogate};
use stepwise_benchmark::score::Scoring;
use stepwise_data::case::Case;
use stepwise_served::client::{
    Address, Answers, Client, ClientError, Http, Offers, ServedModel, ServedOptions, Usage, probe,
};
use stepwise_trainer::interrupt::Interrupt;
use stepwise_trainer::progress::Progress;

use super::{Args, dry_run, inputs};
use crate::commands::answered::{AnsweredModel, Results, not_asked};
use crate::exit::{CommandResult, Failure};
use crate::folder;
use crate::progress::ConsoleProgress;
use crate::surrogate::LocalSurrogate;

/// Questions in a batch of the runner. Requests of a batch are sent together, so large batches keep the server busy.
const BATCH: usize = 1024;

/// File of the answers in the folder `--out`, from which a second start goes on.
const ANSWERS: &str = "answers.jsonl";

/// Evaluates the model `name` at the address `endpoint`, writes the results and prints them.
///
/// # Errors
///
/// [`Failure::Input`] when the address, the server, the model, the cases or the suite cannot be used; [`Failure::Run`]
/// when the server fails later or a file cannot be written; [`Failure::Interrupted`] when the user interrupts the work or
/// a limit is reached.
pub fn run(args: &Args, endpoint: &str, name: &str) -> CommandResult {
    if args.device.is_some() && args.served.surrogate.is_none() {
        return Err(Failure::input(
            "--device: only attacks run here, and no local model is named for them -> leave the option out, or name a model \
             with `--surrogate DIR`",
        ));
    }
    let progress = ConsoleProgress::new("loading cases");
    let address = Address::parse(endpoint).map_err(Failure::input)?;
    let key = args.served.api_key_env.as_deref().map(key).transpose()?;
    let (data, mut cases) = inputs::cases(args, None)?;
    cases.identify_pictures().map_err(Failure::input)?;
    let mut suite = inputs::suite(args, None)?;
    if args.served.dry_run {
        say!("{}", dry_run::table(&Plan::new(&suite, &cases.eval), args.served.surrogate.is_some()).text());
        return Ok(());
    }
    check_upload(args, &address, &cases.eval)?;
    let out: &Path = args.out.as_deref().ok_or_else(|| {
        Failure::input("--endpoint: no folder is named for answers and results -> name one with `--out DIR`")
    })?;
    folder::make(out)?;
    let surrogate = args.served.surrogate.as_deref();
    let surrogate =
        surrogate.map(|path| LocalSurrogate::load(path, args.device.as_deref(), &cases.eval)).transpose()?;
    let patience = args.served.patience();
    let connections = args.served.concurrency.max(1);
    let http = Http::new(address.clone(), key, &patience, connections).map_err(Failure::input)?;
    let answers = Answers::open(&out.join(ANSWERS)).map_err(Failure::run)?;
    let interrupt = Interrupt::listen(|| tell!("\nstopping; again to leave at once")).map_err(Failure::run)?;
    let stop = interrupt.clone();
    let interrupted = Box::new(move || stop.requested());
    let limits = args.served.limits();
    let client = Client::new(http, name, patience, connections, limits, answers, interrupted);
    let offers = probe(&client).map_err(|error| of_client(&client, error, Failure::input))?;
    suite.scoring = scoring(&client, args, suite.scoring, offers).map_err(Failure::input)?;
    suite.letter_permutations = suite.letter_permutations.filter(|_| suite.scoring == Scoring::Letter);

    let plan = Plan::new(&suite, &cases.eval);
    let progress = Mutex::new(progress);
    let task = format!("asking {name}");
    let total = plan.entries.len();
    let advance = |done: usize| {
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.advance(&task, done as u64, total.max(done) as u64);
    };
    let mut model = ServedModel::new(&client, ServedOptions { scoring: suite.scoring, progress: &advance });
    let mut go_on = |_: RunProgress<'_>| ControlFlow::Continue(());
    let key = surrogate.as_ref().map(|surrogate| surrogate.key.as_str());
    // Noise depends on the size in which the surrogate sees an image, so the surrogate is a part of every key.
    let digest = format!("served/1 {} {name}{}", address.url(), key.map(|key| format!(" {key}")).unwrap_or_default());
    let mut attacked = surrogate.as_ref().map(|surrogate| (surrogate.key.as_str(), surrogate.model(&interrupt)));
    let attacked = attacked.as_mut().map(|(key, model)| Surrogate { key, model });
    let options =
        Options { model: &digest, known: &HashMap::new(), batch: BATCH, surrogate: attacked, progress: &mut go_on };
    let run = runner::run(&plan, &cases.pictures, &mut model, options).map_err(|error| match error {
        RunError::Stopped => of_client(&client, client.stopped().unwrap_or(ClientError::Stopped), Failure::run),
        error => Failure::run(format!("{error}; all answers so far are stored: the same command goes on")),
    })?;
    let usage = client.usage();
    tell!("{}", spent(&usage));
    not_asked::lines(&plan, &run).iter().for_each(|line| tell!("{line}"));
    let results = Results::new(&plan, &run, args.compat);
    let facts = [
        ("Model", name.to_owned()),
        ("Server", address.url().to_owned()),
        ("Cases", data.source.to_string()),
        ("Suite", suite.name.clone()),
        ("Tokens", format!("{} of prompts, {} of answers", usage.prompt_tokens, usage.answer_tokens)),
    ];
    let model = AnsweredModel {
        name,
        endpoint: Some(address.url()),
        surrogate: key,
        facts: facts.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        tokens: Some([usage.prompt_tokens, usage.answer_tokens]),
    };
    let report = results.write(out, &model)?;
    results.print(name, &report, &usage.failed, args.json)
}

/// Reads the API key from the environment variable `variable`.
fn key(variable: &str) -> Result<String, Failure> {
    std::env::var(variable).map(|key| key.trim().to_owned()).map_err(|_| {
        Failure::input(format!(
            "--api-key-env {variable}: the environment variable is not set, or is no text -> set it to the API key"
        ))
    })
}

/// Refuses to send cases of data sets that need credentials to another machine, unless the command line allows it.
fn check_upload(args: &Args, address: &Address, cases: &[Case]) -> CommandResult {
    let closed = cases.iter().find(|case| case.source.credentialed);
    match closed.filter(|_| !address.is_this_machine() && !args.served.allow_upload) {
        None => Ok(()),
        Some(case) => Err(Failure::input(format!(
            "--endpoint {}: the data set {} needs credentials, and the address is another machine -> use a server on this \
             machine, or `--allow-upload` where the data use agreement permits it",
            address.url(),
            case.source.dataset
        ))),
    }
}

/// Chooses the scoring: the one of the command line if the server offers what it needs, else the nearest to `wanted`,
/// the scoring of the suite, that it offers.
fn scoring(client: &Client, args: &Args, wanted: Scoring, offers: Offers) -> Result<Scoring, ClientError> {
    let offered = |scoring| match scoring {
        Scoring::Loglikelihood => offers.options,
        Scoring::Letter => offers.letters,
        Scoring::Generate => true,
    };
    let order = [Scoring::Loglikelihood, Scoring::Letter, Scoring::Generate];
    let from = order.iter().position(|scoring| *scoring == wanted).unwrap_or_default();
    let chosen = order[from..].iter().copied().find(|scoring| offered(*scoring)).unwrap_or(Scoring::Generate);
    let [options, letters] = [offers.options, offers.letters].map(|is_offered| if is_offered { "yes" } else { "no" });
    let found = format!("log-probabilities of prompts: {options}; of first tokens: {letters}");
    if args.scoring.is_some() && chosen != wanted {
        let (scoring, lacks) = match wanted {
            Scoring::Loglikelihood => ("loglikelihood", "log-probabilities of prompts (`prompt_logprobs`)"),
            _ => ("letter", "log-probabilities of first tokens (`top_logprobs`)"),
        };
        let names =
            order.into_iter().filter(|scoring| offered(*scoring)).map(|scoring| format!("`{}`", scoring.word()));
        let url = client.address().url().to_owned();
        return Err(ClientError::NotOffered { scoring, url, lacks, offered: names.collect::<Vec<_>>().join(" or ") });
    }
    tell!("scoring: {} (the server offers {found})", chosen.word());
    Ok(chosen)
}

/// Makes the failure of the command from an error of the client. A limit and an interrupt end the command in order.
fn of_client(client: &Client, error: ClientError, otherwise: impl Fn(ClientError) -> Failure) -> Failure {
    match error {
        ClientError::Limit(what) => tell!("{what}"),
        ClientError::Stopped => {}
        error => return otherwise(error),
    }
    tell!("{}", spent(&client.usage()));
    tell!("stopped; all answers so far are stored: the same command goes on");
    Failure::Interrupted
}

/// Says what was sent and how many tokens it took.
fn spent(usage: &Usage) -> String {
    format!(
        "{} requests sent, {} answered, {} answers reused; {} tokens of prompts and {} of answers",
        usage.sent, usage.answered, usage.reused, usage.prompt_tokens, usage.answer_tokens
    )
}
