//! End of a process that lost the claim of its run.

use stepwise_study::jobs::HELD_EXIT_CODE;
use stepwise_trainer::claim::holder::Holder;

/// Returns the action for a lost claim of the run `name`: exit at once with code [`HELD_EXIT_CODE`], because another process
/// continues the run from its last checkpoint. Checkpoints are renamed into place, so that an exit at any moment leaves none
/// half-written.
pub fn leave(name: &str) -> impl FnOnce(Option<Holder>) + Clone + Send + 'static {
    let name = name.to_owned();
    move |taker| {
        let why = taker.map_or("the claim was removed".to_owned(), |taker| {
            format!("{taker} has taken the run over, because this process did not touch its claim for too long")
        });
        tell!(
            "error: {name}: {why} -> no action is needed if the other process runs; this process writes nothing more"
        );
        stepwise_vlm::exit_process(HELD_EXIT_CODE.into());
    }
}
