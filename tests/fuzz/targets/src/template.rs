//! Fuzz target for chat templates.

use std::collections::BTreeMap;
use std::path::Path;

use stepwise_data::conversation::{Conversation, Part, Role};
use stepwise_vlm::processor::template::ChatTemplate;

use crate::support::refused;

/// A conversation with a system turn, an image, a question, an answer and a second question.
pub(crate) fn conversation() -> Conversation {
    let mut conversation = Conversation::default();
    conversation.push(Role::System, vec![Part::text("Answer in a word.")]);
    conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text("What is shown?")]);
    let mut conversation = conversation.answered("A lung");
    conversation.push(Role::User, vec![Part::text("Which side?")]);
    conversation
}

/// Compiles a chat template and renders a conversation, with and without generation prompt.
///
/// # Errors
/// When the template is invalid or rendering fails.
///
/// # Panics
/// When an error gives no advice.
pub fn template(data: &[u8]) -> Result<(), String> {
    let special = BTreeMap::from([("bos_token".to_owned(), "<s>".to_owned())]);
    let template = ChatTemplate::new(Path::new("chat_template.jinja"), &String::from_utf8_lossy(data), special)
        .map_err(refused)?;
    for ask in [false, true] {
        template.render(&conversation().messages, ask).map_err(refused)?;
    }
    Ok(())
}
