//! Reasons why a planned item cannot be asked.

/// Reason, in [`Run::unanswerable`](super::Run::unanswerable), for items whose attack needs pixel gradients that the
/// model does not give.
pub const NO_GRADIENTS: &str = "the respondent gives no pixel gradients";

/// Reason, in [`Run::unanswerable`](super::Run::unanswerable), for attacked items that show no image.
pub const NO_PICTURE: &str = "there is no picture to attack";

/// Reason, in [`Run::unanswerable`](super::Run::unanswerable), for items whose attack needs
/// [`Options::surrogate`](super::options::Options::surrogate) where none is given.
pub const NO_SURROGATE: &str = "there is no other model to make the attack on";

/// Reason, in [`Run::unanswerable`](super::Run::unanswerable), for items without a response: the request failed for
/// good ([`Response::Missing`](crate::model::Response::Missing)), or no reply was given for the question. Items whose
/// condition repeats a missing response are counted here too.
pub const NO_RESPONSE: &str = "there is no response: the request failed or was not answered";

/// Reason, in [`Run::unanswerable`](super::Run::unanswerable), for items whose condition shows an earlier response
/// again where there is none.
pub const NO_REPLY: &str = "the respondent gave no reply that could be shown again";
